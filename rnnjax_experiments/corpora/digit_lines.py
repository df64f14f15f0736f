"""Lines of handwritten digits, made of the images that come with scikit-learn.

`sklearn.datasets.load_digits` has 1,797 images of 8 x 8 pixels, from forms that 13 people filled in
(Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", the part to test on). They
stand in the order of the forms, and each form begins with the digits from 0 to 9, twice or three
times; so the labels show the 14 places where a form begins. Who wrote which is not known, but one
writer has two forms. No form is in two splits.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnjax.checks.values import check_at_least
from rnnjax.data import Vocabulary
from rnnjax.extras import require

# The first image of each form, and the end of the last one.
FORMS = (0, 130, 256, 386, 516, 646, 776, 915, 1029, 1157, 1287, 1415, 1545, 1667, 1797)
SPLITS = {"train": (0, 10), "dev": (10, 11), "test": (11, 14)}  # of the forms
SIZE = 8  # pixels, of an image
MARGIN = 2  # empty pixels around an image, into which it may be moved
MOST = 8  # digits on a line
GAP = 3  # the widest space before a digit, in pixels
HEIGHT = SIZE + 2 * MARGIN
WIDTH = MOST * (SIZE + GAP) + 2 * MARGIN  # of a line

VOCABULARY = Vocabulary.characters("0123456789")


class DigitImages(NamedTuple):
    """Images of digits."""

    images: np.ndarray  # (n, 8, 8), from 0 to 1
    labels: np.ndarray  # (n,)
    borders: np.ndarray  # (forms + 1,), where each form begins, and where the last one ends

    def drawn(self, lines: int, rng: np.random.Generator) -> np.ndarray:
        """Return images for some lines, `(lines, MOST)`, those of a line of one form."""
        forms = rng.integers(len(self.borders) - 1, size=(lines, 1))
        return rng.integers(self.borders[forms], self.borders[forms + 1], size=(lines, MOST))


def digit_images(split: str) -> DigitImages:
    """Return the images of the forms of a split: "train", "dev" or "test"."""
    data = require("sklearn.datasets", "scripts").load_digits()
    first, end = SPLITS[split]
    part = slice(FORMS[first], FORMS[end])
    borders = np.array(FORMS[first : end + 1]) - FORMS[first]
    return DigitImages(data.images[part].astype(np.float32) / 16, data.target[part], borders)


@dataclass(frozen=True)
class Distortion:
    """How images are distorted for training, each by random numbers in [-x, x]."""

    angle: float = 0.2
    """Rotation, in radians."""
    shear: float = 0.3
    """Shear of rows, in pixels a pixel."""
    scale: float = 0.2
    """Change of the width, and on its own of the height, as a natural logarithm."""
    shift: float = 1.0
    """Move, to the side and up or down, in pixels."""
    ink: float = 0.3
    """Change of what a pixel's ink is raised to, as a natural logarithm."""

    def __post_init__(self) -> None:
        check_at_least(0, **vars(self))


@dataclass(frozen=True, eq=False)
class LineBatches:
    """Batches of lines of distorted images, as a function of the step: every line is new.

    Attributes:
      images: the images.
      distortion: how they are distorted.
      batch_size: the number of lines in a batch.
      seed: of the lines.
    """

    images: DigitImages
    distortion: Distortion
    batch_size: int
    seed: int

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the batch of a step, in the form that a `Transcriber` reads."""
        rng = np.random.default_rng([self.seed, step])
        chosen = self.images.drawn(self.batch_size, rng).ravel()
        images = self.images.images[chosen]
        canvas, widths, counts = _lines(distorted(images, self.distortion, rng), rng)
        targets = VOCABULARY.encode("".join(map(str, self.images.labels[chosen])))
        return {
            "frames": canvas,
            "lengths": widths,
            "targets": targets.reshape(self.batch_size, MOST),
            "target_lengths": counts,
        }


class Lines(NamedTuple):
    """Lines of digits, and how they read."""

    frames: list[np.ndarray]  # the columns of each, (columns, 12)
    transcripts: list[str]


def digit_lines(split: str, count: int, seed: int = 0) -> Lines:
    """Return lines of 1 to 8 images of a split, as they are, drawn with a seed."""
    rng = np.random.default_rng(seed)
    images = digit_images(split)
    chosen = images.drawn(count, rng)
    canvas, widths, counts = _lines(framed(images.images[chosen.ravel()]), rng)
    labels = images.labels[chosen]
    return Lines(
        [line[:width] for line, width in zip(canvas, widths, strict=True)],
        ["".join(map(str, row[:n])) for row, n in zip(labels, counts, strict=True)],
    )


def _lines(
    patches: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put images with margins on lines, `MOST` for each, of which the first few are kept.

    Margins of neighbours overlap, where the darker ink counts.

    Returns:
      Lines `(n, WIDTH, HEIGHT)`, their widths and their numbers of digits, `(n,)` int32.
    """
    count = len(patches) // MOST
    columns = patches.swapaxes(1, 2).reshape(count, MOST, HEIGHT, HEIGHT)
    digits = rng.integers(1, MOST + 1, count).astype(np.int32)
    gaps = rng.integers(0, GAP + 1, (count, MOST))
    starts = np.cumsum(gaps, axis=1) + SIZE * np.arange(MOST)
    canvas, rows = np.zeros((count, WIDTH, HEIGHT), np.float32), np.arange(count)
    for place in range(MOST):
        at = rows[:, None], starts[:, [place]] + np.arange(HEIGHT)
        kept = (place < digits)[:, None, None] * columns[:, place]
        canvas[at] = np.maximum(canvas[at], kept)
    return canvas, (starts[rows, digits - 1] + HEIGHT).astype(np.int32), digits


def framed(images: np.ndarray) -> np.ndarray:
    """Return images with an empty margin."""
    return np.pad(images, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))


def distorted(images: np.ndarray, by: Distortion, rng: np.random.Generator) -> np.ndarray:
    """Return images `(n, 8, 8)` with a margin, each distorted by an affine map of its own."""
    size = HEIGHT
    maps, shifts = _affine_maps(len(images), by, rng)
    # Where each pixel of the result comes from, relative to the centre.
    axis = np.arange(size, dtype=np.float32) - (size - 1) / 2
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij")).reshape(2, -1)
    places = maps @ grid + shifts + (size - 1) / 2
    # One more empty pixel, which is what lies outside.
    padded = np.pad(framed(images), ((0, 0), (1, 1), (1, 1)))
    result = _interpolated(padded, np.clip(places + 1, 0, size + 0.999))
    power = np.exp(rng.uniform(-by.ink, by.ink, (len(images), 1, 1))).astype(np.float32)
    return result.reshape(-1, size, size) ** power


def _affine_maps(
    count: int, by: Distortion, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return matrices `(n, 2, 2)` of rows and columns, and shifts `(n, 2, 1)`."""
    angle = rng.uniform(-by.angle, by.angle, count)
    shear = rng.uniform(-by.shear, by.shear, count)
    heights, widths = np.exp(rng.uniform(-by.scale, by.scale, (2, count)))
    cos, sin, one, zero = np.cos(angle), np.sin(angle), np.ones(count), np.zeros(count)
    turned = np.array([[cos, -sin], [sin, cos]])
    sheared = np.array([[one, zero], [shear, one]])
    scaled = np.array([[heights, zero], [zero, widths]])
    maps = np.einsum("ijn,jkn,kln->nil", turned, sheared, scaled)
    shifts = rng.uniform(-by.shift, by.shift, (count, 2, 1))
    return maps.astype(np.float32), shifts.astype(np.float32)


def _interpolated(images: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return images `(n, height, width)` at places `(n, 2, points)`, linearly interpolated."""
    low = np.floor(places).astype(np.int64)
    (up, left), (row, column) = np.moveaxis(places - low, 1, 0), np.moveaxis(low, 1, 0)
    numbers = np.arange(len(images))[:, None]
    top, bottom = (
        images[numbers, row + down, column] * (1 - left)
        + images[numbers, row + down, column + 1] * left
        for down in (0, 1)
    )
    return (top * (1 - up) + bottom * up).astype(np.float32)
