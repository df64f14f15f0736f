import numpy as np
import pytest

pytest.importorskip("sklearn")
from scipy.ndimage import affine_transform

from rnnjax_experiments.corpora import digit_lines as corpus
from rnnjax_experiments.corpora.digit_lines import (
    FORMS,
    HEIGHT,
    MARGIN,
    SIZE,
    Distortion,
    LineBatches,
    digit_images,
    distorted,
    framed,
)

NONE = Distortion(0, 0, 0, 0, 0)


def test_forms_begin_with_all_digits_and_no_split_shares_one():
    splits = [digit_images(name) for name in ("train", "dev", "test")]
    labels = np.concatenate([part.labels for part in splits])
    assert [len(part.labels) for part in splits] == [1287, 128, 382]
    for first in FORMS[:-1]:
        assert labels[first : first + 10].tolist() == [*range(10)]
    images = np.concatenate([part.images for part in splits])
    assert images.shape == (1797, 8, 8)
    assert [part.borders[-1] for part in splits] == [1287, 128, 382]
    assert images.min() == 0
    assert images.max() == 1


def test_distorting_by_nothing_changes_nothing():
    images = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    same = distorted(images, NONE, np.random.default_rng(0))
    np.testing.assert_allclose(same, framed(images), atol=1e-6)


def test_distortions_are_affine_maps(monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.random((20, 8, 8)).astype(np.float32)
    maps = (np.eye(2) + rng.uniform(-0.4, 0.4, (20, 2, 2))).astype(np.float32)
    shifts = rng.uniform(-3, 3, (20, 2, 1)).astype(np.float32)
    monkeypatch.setattr(corpus, "_affine_maps", lambda *_: (maps, shifts))
    found = distorted(images, NONE, rng)
    centre = (HEIGHT - 1) / 2
    for image, matrix, shift, given in zip(
        framed(images), maps, shifts[..., 0], found, strict=True
    ):
        offset = shift + centre - matrix @ [centre, centre]
        # Outside of the image is empty, as SciPy has it in this mode.
        want = affine_transform(image, matrix, offset, order=1, mode="grid-constant")
        np.testing.assert_allclose(given, want, atol=1e-5)


def test_maps_are_as_wide_as_asked():
    rng = np.random.default_rng(0)
    maps, shifts = corpus._affine_maps(500, Distortion(angle=0, shear=0, scale=0.2, shift=1.5), rng)
    assert 0.8 < maps[:, 0, 0].min() < 0.83
    assert 1.2 < maps[:, 1, 1].max() < np.exp(0.2) + 1e-6
    assert not maps[:, 0, 1].any()
    assert 1.4 < abs(shifts).max() <= 1.5
    turned, _ = corpus._affine_maps(500, Distortion(0.2, 0, 0, 0, 0), rng)
    np.testing.assert_allclose(np.linalg.det(turned), 1, rtol=1e-5)
    assert 0.18 < np.arcsin(turned[:, 1, 0]).max() <= 0.2


def test_no_digit_of_a_line_is_cut_off(monkeypatch):
    images = digit_images("test")
    # They are 8 wide and at least as far from each other.
    names = images._replace(labels=np.arange(1000, 1382))
    monkeypatch.setattr(corpus, "digit_images", lambda _: names)
    ink = images.images.sum(axis=(1, 2))
    for line, text in zip(*corpus.digit_lines("test", 60), strict=True):
        row = [int(text[i : i + 4]) - 1000 for i in range(0, len(text), 4)]
        assert line.sum() == pytest.approx(ink[row].sum(), rel=1e-5)
        assert line.shape[1] == HEIGHT
        assert not line[:MARGIN].any()
        assert not line[-MARGIN:].any()
        assert len(line) >= len(row) * SIZE + 2 * MARGIN
        assert len({*np.searchsorted(images.borders, row, side="right")}) == 1  # of one form


def test_lines_are_a_function_of_the_seed():
    ours, again, other = (corpus.digit_lines("dev", 20, seed) for seed in (1, 1, 2))
    assert ours.transcripts == again.transcripts != other.transcripts
    np.testing.assert_array_equal(ours.frames[3], again.frames[3])
    assert {len(text) for text in corpus.digit_lines("dev", 200).transcripts} == {*range(1, 9)}


def test_a_batch_is_a_function_of_the_step():
    batches = LineBatches(digit_images("train"), Distortion(), batch_size=6, seed=1)
    first, again, next_one = batches.at(3), batches.at(3), batches.at(4)
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
    assert (first["frames"] != next_one["frames"]).any()
    assert first["frames"].shape == (6, corpus.WIDTH, HEIGHT)
    assert first["frames"].min() >= 0
    assert first["targets"].min() >= 1
    for row, width in zip(first["frames"], first["lengths"], strict=True):
        assert not row[width:].any()
    with pytest.raises(ValueError, match="shear must be at least 0"):
        Distortion(shear=-0.1)
