import wave

import numpy as np
import pytest

from rnnjax.data import Recording, read_wav, write_wav


def written(path, data, channels=1, width=2, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", "not compressed"))
        file.writeframes(data)
    return path


@pytest.mark.fast
def test_samples_are_little_endian_and_signed(tmp_path):
    path = written(tmp_path / "a.wav", bytes([0x00, 0x80, 0x01, 0x00, 0xFF, 0x7F]), rate=11_025)
    samples, rate = read_wav(path)
    assert samples.dtype == np.float32
    assert (samples * 32_768).tolist() == [-32_768, 1, 32_767]
    assert rate == 11_025
    assert read_wav(path, rate=11_025).seconds == 3 / 11_025


def test_what_is_written_is_read(tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, 500)
    write_wav(tmp_path / "a.wav", Recording(samples, 8000))
    np.testing.assert_allclose(read_wav(tmp_path / "a.wav").samples, samples, atol=0.51 / 32_768)
    write_wav(tmp_path / "b.wav", Recording(np.array([2.0, -2.0]), 8000))
    assert (read_wav(tmp_path / "b.wav").samples * 32_768).tolist() == [32_767, -32_768]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, "1 channel of 16 bits a sample, got 2 of 16 bits"),
        ({"width": 1}, "got 1 of 8 bits"),
        ({"width": 3, "channels": 4}, "got 4 of 24 bits"),
        ({"rate": 16_000}, "8000 samples a second, got 16000"),
    ],
)
def test_another_format_names_the_file(tmp_path, options, message):
    path = written(tmp_path / "bad.wav", bytes(48), **options)
    with pytest.raises(ValueError, match=rf"bad\.wav must .*{message}"):
        read_wav(path, rate=8000)


def test_a_damaged_file_is_one_line(tmp_path):
    whole = written(tmp_path / "a.wav", bytes(100)).read_bytes()
    bad = tmp_path / "bad.wav"
    for data, message in [
        (whole[:-10], "the 50 samples .*, got 45: it is cut short"),
        (whole[:20], "ends within its header"),
        (b"", "ends within its header"),
        (b"OggS" + bytes(60), "RIFF"),
    ]:
        bad.write_bytes(data)
        with pytest.raises(ValueError, match=rf"bad\.wav must .*{message}") as caught:
            read_wav(bad)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"bad\.wav must have samples, got none"):
        read_wav(written(bad, b""))
    with pytest.raises(ValueError, match=r"cannot read .*none\.wav: No such file"):
        read_wav(tmp_path / "none.wav")


def test_only_one_axis_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"samples must have shape \(n,\), got \(2, 3\)"):
        write_wav(tmp_path / "a.wav", Recording(np.zeros((2, 3)), 8000))
    with pytest.raises(ValueError, match="rate must be"):
        write_wav(tmp_path / "a.wav", Recording(np.zeros(2), 0))
    assert not list(tmp_path.iterdir())
