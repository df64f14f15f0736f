import numpy as np
import pytest

from rnnjax.data import LogMel, SpeechAugmentation, SpeechBatches, change_speed

FEATURES = LogMel(8000, filters=20)
STRONG = SpeechAugmentation(
    speed=0.2, gain=10, noise=0.5, time_masks=1, time_width=4, frequency_masks=1
)


def batches_of(augmentation, **options):
    rng = np.random.default_rng(0)
    recordings = [rng.normal(size=n).astype(np.float32) for n in (900, 2000, 1500, 1000, 5)]
    symbols = [np.arange(1, n) for n in (4, 7, 3, 2, 1)]
    given = {"shapes": 2, "batch_size": 2, "seed": 3, **options}
    return SpeechBatches(recordings, symbols, FEATURES, augmentation, **given)


def test_without_changes_a_batch_is_the_features():
    batches = batches_of(SpeechAugmentation())
    seen = []
    for step in range(batches.buckets.steps_per_epoch):
        rows, _ = batches.buckets.at(step)
        batch = batches.at(step)
        for row, frames, length, targets, count in zip(
            rows,
            *(batch[name] for name in ("frames", "lengths", "targets", "target_lengths")),
            strict=True,
        ):
            if row < 0:
                assert length == count == 0
                continue
            np.testing.assert_array_equal(frames[:length], FEATURES(batches.recordings[row]))
            assert targets[:count].tolist() == batches.symbols[row].tolist()
            assert not frames[length:].any()
            seen.append(row)
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_a_batch_is_a_function_of_the_step_and_differs_between_epochs():
    batches, again = batches_of(STRONG), batches_of(STRONG)
    shapes = set()
    for step in (5, 0, 12):
        for name, array in batches.at(step).items():
            np.testing.assert_array_equal(array, again.at(step)[name])
        shapes.add(batches.at(step)["targets"].shape)
    assert shapes == {(2, 8)}  # few programs are compiled
    other = batches_of(STRONG, seed=4)
    assert any(
        batches.at(0)[n].shape != other.at(0)[n].shape or (batches.at(0)[n] != other.at(0)[n]).any()
        for n in ("frames", "lengths")
    )
    lengths = {int(n) for step in range(40) for n in batches.at(step)["lengths"]}
    assert len(lengths) > 20  # speeds
    for step in range(40):
        assert np.isfinite(batches.at(step)["frames"]).all()


def test_speed_changes_pitch_and_duration():
    rate, hertz = 8000, 500
    samples = np.sin(2 * np.pi * hertz * np.arange(rate) / rate).astype(np.float32)
    for factor in (0.8, 1.0, 1.25):
        fast = change_speed(samples, factor)
        assert len(fast) == round(rate / factor)
        spectrum = np.abs(np.fft.rfft(fast))
        assert spectrum.argmax() * rate / len(fast) == pytest.approx(hertz * factor, abs=1.5)
    assert change_speed(samples, 1.0).tolist() == samples.tolist()
    assert len(change_speed(samples[:1], 3.0)) == 1


def test_noise_and_gain_are_within_their_bounds():
    rng, samples = np.random.default_rng(0), np.full(4000, 0.1, np.float32)
    louder = SpeechAugmentation(gain=6)
    gains = [20 * np.log10(louder.sound(samples, rng)[0] / 0.1) for _ in range(200)]
    assert -6 <= min(gains) < -5
    assert 5 < max(gains) <= 6
    noisy = SpeechAugmentation(noise=1)
    levels = [20 * np.log10(noisy.sound(samples, rng).std() / 0.1) for _ in range(200)]
    assert -50.5 < min(levels) < -47
    assert -13 < max(levels) < -9.5


def test_masks_hide_stretches_and_bands_and_nothing_else():
    frames, widest = np.ones((30, 20), np.float32), 0
    mask = SpeechAugmentation(time_masks=1, time_width=4, frequency_masks=1, frequency_width=3)
    for seed in range(50):
        hidden = mask.masked(frames, np.random.default_rng(seed)) == 0
        times, bands = hidden.all(axis=1), hidden.all(axis=0)
        np.testing.assert_array_equal(hidden, times[:, None] | bands)
        assert times.sum() <= 4
        assert bands.sum() <= 3
        widest = max(widest, times.sum())
    assert widest == 4
    assert frames.all()  # not changed itself
    short = mask.masked(np.ones((2, 20), np.float32), np.random.default_rng(0))
    assert short.shape == (2, 20)
    with pytest.raises(ValueError, match="noise must be at least 0, got -1"):
        SpeechAugmentation(noise=-1)
