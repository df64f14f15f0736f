import numpy as np
import pytest

from rnnjax.data import LogMel, hertz_to_mel

PLAIN = {"mean": (0.0,) * 12, "scale": (1.0,) * 12}


def tone(hertz, rate, seconds=0.5):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate).astype(np.float32)


def test_mel_has_known_values():
    # As HTK has them: 1000 Hz are 1000 mel.
    hertz = np.array([0.0, 200.0, 700.0, 1000.0, 4000.0, 8000.0])
    mels = [0.0, 283.23, 781.17, 999.99, 2146.06, 2840.02]
    np.testing.assert_allclose(hertz_to_mel(hertz), mels, atol=0.02)


def slow_features(features, samples):
    """Frame by frame, frequency by frequency, in float64."""
    window, hop = round(features.window * features.rate), round(features.hop * features.rate)
    size = 1
    while size < window:
        size *= 2
    weights = [0.5 - 0.5 * np.cos(2 * np.pi * (n + 1) / (window + 1)) for n in range(window)]
    low, high = (2595 * np.log10(1 + f / 700) for f in (features.lowest, features.highest))
    step = (high - low) / (features.filters + 1)
    frames, start = [], 0
    while start == 0 or start + window - hop < len(samples):
        part = np.zeros(window)
        inside = samples[start : start + window]
        part[: len(inside)] = inside
        row = np.full(features.filters, features.floor)
        for k in range(size // 2 + 1):
            turns = np.exp(-2j * np.pi * k * np.arange(window) / size)
            power = abs(np.sum(part * weights * turns) / np.sum(weights)) ** 2
            mel = 2595 * np.log10(1 + k * features.rate / size / 700)
            for i in range(features.filters):
                row[i] += max(0, 1 - abs(mel - (low + (i + 1) * step)) / step) * power
        frames.append(np.log(row))
        start += hop
    return np.array(frames)


@pytest.mark.parametrize("count", [1, 30, 200, 201, 280, 281, 500])
def test_features_agree_with_a_slow_transform(count):
    features = LogMel(8000, filters=12, lowest=100, highest=3500, **PLAIN)
    samples = np.random.default_rng(0).normal(size=count).astype(np.float32)
    wanted = slow_features(features, samples)
    assert len(wanted) == features.frames(count)
    np.testing.assert_allclose(features(samples), wanted, atol=2e-4)


def test_a_tone_is_in_the_filter_of_its_frequency():
    features = LogMel(16_000, filters=12, lowest=50, highest=8000, **PLAIN)
    low, high = hertz_to_mel(np.array([50.0, 8000.0]))
    for number in range(12):
        centre = low + (number + 1) * (high - low) / 13
        hertz = 700 * (10 ** (centre / 2595) - 1)
        frames = features(tone(hertz, 16_000))[5:-5]
        assert set(frames.argmax(axis=1)) == {number}
        # A sine of amplitude 1 has 1/4 at its frequency, and less at the ones beside it.
        assert 0.2 < np.exp(frames[:, number]).mean() < 0.5
    quiet = features(np.zeros(900, np.float32))
    np.testing.assert_allclose(quiet, np.log(features.floor), rtol=1e-6)


def test_each_recording_is_normalised_whatever_its_loudness():
    features = LogMel(8000)
    samples = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    frames = features(samples)
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(features(0.01 * samples), frames, atol=1e-4)
    assert not features(np.zeros(900, np.float32)).any()  # no division by 0


def test_fixed_statistics_are_those_of_all_frames_and_need_no_later_ones():
    rng = np.random.default_rng(0)
    recordings = [rng.normal(size=n).astype(np.float32) for n in (900, 4000)]
    features = LogMel(8000).fitted(recordings)
    frames = np.concatenate([*map(features, recordings)])
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-4)
    whole, beginning = features(recordings[1]), features(recordings[1][:2000])
    np.testing.assert_array_equal(whole[:20], beginning[:20])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"highest": 4001.0}, "half the rate and increase, got 60.0 and 4001.0 Hz at 8000"),
        ({"lowest": 3900.0}, "half the rate and increase"),
        ({"lowest": -1.0}, "half the rate"),
        ({"hop": 0.0001}, "hop at least 1"),
        ({"window": 0.0001}, "window must be at least 2"),
        ({"filters": 0}, "filters must be"),
        ({"filters": 120}, "number 1 has none|number . has none"),
        ({"floor": 0.0}, "floor must be positive"),
        ({"mean": (0.0,)}, "given both"),
        ({"mean": (0.0,), "scale": (1.0,)}, "one number for each of 40 filters, got 1"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        LogMel(8000, **options)


def test_samples_must_be_some():
    for shape in [(0,), (2, 80)]:
        with pytest.raises(ValueError, match=r"samples must have shape \(n,\), n at least 1"):
            LogMel(8000)(np.zeros(shape, np.float32))
