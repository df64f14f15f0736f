"""LSTM and GRU over images, in which the two products are convolutions."""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.cells.base import Params
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.gru import GRU
from rnnjax.cells.lstm import LSTM
from rnnjax.checks import check_positive


@dataclass(frozen=True, eq=False)
class _Convolutional(GatedCell):
    """A cell that multiplies, at each place of an image, the values in a window around it."""

    image_shape: tuple[int, ...] = field(kw_only=True)
    kernel_shape: tuple[int, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("image_shape", "kernel_shape"):
            shape = getattr(self, name)
            if not isinstance(shape, (tuple, list)) or not shape:
                raise ValueError(f"{name} must have a size for each axis, got {shape!r}")
            check_positive(**{f"{name}[{axis}]": size for axis, size in enumerate(shape)})
            object.__setattr__(self, name, tuple(shape))
        if len(self.kernel_shape) != len(self.image_shape):
            raise ValueError(
                f"kernel_shape must have as many axes as image_shape, {self.image_shape}, "
                f"got {self.kernel_shape}"
            )

    @property
    def feature_axes(self) -> int:
        """How many axes the features of a step have: those of an image, and its channels."""
        return len(self.image_shape) + 1

    def project(self, params: Params, x: Array) -> Array:
        """Return the convolution of `x` `(..., *image, channels)` with `w_x`, plus b."""
        x = _windows(x.astype(self.compute_dtype(params, x)), self.kernel_shape)
        return super().project({**params, "w_x": _matrix(params["w_x"])}, x)

    def times(self, h: Array, w: Array) -> Array:
        """Return the convolution of `h` `(..., *image, hidden_size)` with `w`."""
        return super().times(_windows(h, self.kernel_shape), _matrix(w))

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of `input_size` channels."""
        shapes = super().param_shapes(input_size)
        return shapes | {name: (*self.kernel_shape, *shapes[name]) for name in ("w_x", "w_h")}

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each leaf of the state, by name, without batch axes."""
        shapes = super().state_shapes()
        return {name: (*self.image_shape, *shape) for name, shape in shapes.items()}

    def check(self, params: Params, state: Any, x: Array) -> None:
        """Raise `ValueError` if the arguments of a step do not fit each other."""
        if x.shape[-self.feature_axes : -1] != self.image_shape:
            image = ", ".join(map(str, self.image_shape))
            raise ValueError(f"inputs must have shape (..., {image}, channels), got {x.shape}")
        super().check(params, state, x)


@dataclass(frozen=True, eq=False)
class ConvLSTM(_Convolutional, LSTM):
    """LSTM over images, whose products are convolutions (Shi et al. 2015, arXiv:1506.04214).

        i, f, o = sigmoid(conv(x, w_x) + b + conv(h, w_h));   g = tanh(the same)
        c' = f * c + i * g
        h' = o * tanh(c')

    As in Keras, Haiku and Flax, c enters no gate: there are none of the paper's peepholes. An image
    has any number of axes, such as 1 for a line and 3 for a volume. It is padded with zeros
    ("SAME"), and the kernel is not flipped. One step reads `x` `(*batch, *image, channels)`; the
    leaves of the state are `(*batch, *image, hidden_size)`. The axes of an image are no batch axes,
    for `lengths` and all else.

    A convolution is one product with the windows around all places. The gradients of `w_x` and
    `w_h` read the windows of all steps, which are as many times larger than the images as a kernel
    has places; with `recompute`, those of sqrt(time) steps at a time.

    Args:
      hidden_size: channels of the state and of the output.
      image_shape: size of an image along each axis.
      kernel_shape: size of the kernels along each axis.
      forget_bias: see `LSTM`.

    The initialisers of `w_x` and `w_h` get the shape `(*kernel, channels, hidden_size)`.

    Raises:
      ValueError: the shapes are not positive, or have different numbers of axes.

    Example:
      >>> cell = rx.ConvLSTM(4, image_shape=(6, 5), kernel_shape=(3, 3))
      >>> params = cell.init(jax.random.key(0), input_size=2)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 3, 2, 16), 'w_h': (3, 3, 4, 16), 'b': (16,)}
      >>> final, ys = rx.unroll(cell, params, jnp.ones((7, 3, 6, 5, 2)), lengths=[7, 2, 0])
      >>> ys.shape, final.c.shape
      ((7, 3, 6, 5, 4), (3, 6, 5, 4))
    """


@dataclass(frozen=True, eq=False)
class ConvGRU(_Convolutional, GRU):
    """GRU over images, whose products are convolutions (Ballas et al. 2016, arXiv:1511.06432).

        r, z = sigmoid(conv(x, w_x) + b + conv(h, w_h))
        n = tanh(conv(x, w_xn) + b_n + r * (conv(h, w_hn) + b_hn))    reset after the convolution
        n = tanh(conv(x, w_xn) + b_n + conv(r * h, w_hn))             reset before it (the paper's)
        h' = (1 - z) * n + z * h

    In the paper, 1 - z has the name of z. All else is as in `ConvLSTM`.

    Args:
      hidden_size: channels of the state and of the output.
      reset_after: whether the reset comes after the convolution.
      image_shape: size of an image along each axis.
      kernel_shape: size of the kernels along each axis.

    Raises:
      ValueError: the shapes are not positive, or have different numbers of axes.

    Example:
      >>> cell = rx.ConvGRU(4, image_shape=(8,), kernel_shape=(3,))  # images of one axis
      >>> params = cell.init(jax.random.key(0), input_size=2)
      >>> final, ys = rx.unroll(cell, params, jnp.ones((5, 3, 8, 2)))
      >>> ys.shape
      (5, 3, 8, 4)
    """


def _windows(images: Array, shape: tuple[int, ...]) -> Array:
    """Return the values in the window around each place, in one axis; 0 outside of the image.

    Args:
      images: `(..., *image, channels)`.
      shape: the size of a window along each axis; of an even one, the larger half comes behind.

    Returns:
      `(..., *image, places of a window * channels)`.
    """
    axes = len(shape)
    image = images.shape[-axes - 1 : -1]
    borders = [((size - 1) // 2, size // 2) for size in shape]
    padded = jnp.pad(images, [(0, 0)] * (images.ndim - axes - 1) + borders + [(0, 0)])

    def shifted(place: tuple[int, ...]) -> Array:
        inside = (slice(first, first + size) for first, size in zip(place, image, strict=True))
        return padded[..., *inside, :]

    return jnp.concatenate([shifted(place) for place in np.ndindex(shape)], -1)


def _matrix(kernel: Array) -> Array:
    """Return a kernel `(*kernel, channels, width)` as the matrix that multiplies a window."""
    return kernel.reshape(-1, kernel.shape[-1])
