"""cuDNN's LSTM, through `jax.experimental.rnn`: NVIDIA GPUs, float32 or TF32; experimental.

One call runs a cell, or all layers and both directions of a composite. The weights are packed into
one vector: w_x^T and w_h^T of each layer and direction, then of each its two biases, gates i, f, g,
o. The second biases are zeros.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap
from jax.lax import Precision

from rnnjax.cells.base import Core, Params, State
from rnnjax.cells.lstm import LSTM
from rnnjax.checks import is_known
from rnnjax.products import precision
from rnnjax.sequence.kernels.kernel import Call, Grid, Kernel, Steps, grid_of
from rnnjax.sequence.kernels.scan import scan
from rnnjax.sequence.masks import Masks, clear, select


class Sizes(NamedTuple):
    """The static arguments of a call, as `jax.experimental.rnn` names them."""

    input_size: int
    hidden_size: int
    num_layers: int
    dropout: float
    bidirectional: bool
    precision: Precision


def cudnn(
    core: Core,
    params: Params,
    xs: Array,
    state: State,
    masks: Masks,
    *,
    reverse: bool,
    return_states: bool = False,
    unroll_factor: int = 1,
) -> tuple[State, Steps]:
    """Run an `LSTM` or layers of it; the arguments and results of `scan`, where not refused.

    `unroll_factor` has no meaning here. It has a first reverse-mode derivative and no other, and no
    `vmap`: the batch may have several axes.
    """
    if xs.size == 0:  # cuDNN wants a step and a row
        return scan(core, params, xs, state, masks, reverse=reverse)
    grid: Any = grid_of(core, params)
    time, *batch, features = xs.shape
    rows = xs.reshape(time, -1, features).astype(jnp.float32)
    if masks.valid is None:
        lengths = jnp.full(rows.shape[1], time, jnp.int32)
    else:
        lengths = masks.valid.reshape(time, -1).sum(0, dtype=jnp.int32)
    turn = partial(_turned, lengths=lengths) if reverse else lambda rows: rows
    leaves, tree = jax.tree.flatten(state)
    h, c = (
        jnp.stack([leaf.reshape(rows.shape[1], -1).astype(jnp.float32) for leaf in leaves[k::2]])
        for k in (0, 1)
    )
    exact = precision() is Precision.HIGHEST
    tf32_or_not = Precision.HIGHEST if exact else Precision.HIGH
    sizes = Sizes(features, h.shape[-1], len(grid), 0.0, len(grid[0]) == 2, tf32_or_not)
    inputs = jnp.swapaxes(turn(rows), 0, 1), h, c, pack(grid), jnp.maximum(lengths, 1)
    ys, *final = _lstm(sizes, *inputs)
    # A sequence without steps was given one.
    h, c = select((lengths > 0)[None], tuple(final), (h, c)) if masks.valid is not None else final
    ys = turn(jnp.swapaxes(ys, 0, 1)).reshape(time, *batch, -1)
    ys = clear(None if masks.valid is None else ~masks.valid, ys)
    pairs = [leaf.reshape(*batch, -1) for pair in zip(h, c, strict=True) for leaf in pair]
    return jax.tree.unflatten(tree, pairs), Steps(ys)


def pack(grid: Grid) -> Array:
    """Return the weights of all layers and directions as one vector."""
    parts = [params for layer in grid for _, params in layer]
    weights = [params[name].T.ravel() for params in parts for name in ("w_x", "w_h")]
    zeros = [jnp.zeros(params["w_x"].shape[1:], jnp.float32) for params in parts]
    biases = [b for p, zero in zip(parts, zeros, strict=True) for b in (p.get("b", zero), zero)]
    return jnp.concatenate([part.astype(jnp.float32) for part in (*weights, *biases)])


def _turned(rows: Array, lengths: Array) -> Array:
    """Return `(time, batch, features)` with the steps of each sequence from its last to its first.

    Padding stays where it is.
    """
    steps = jnp.arange(rows.shape[0], dtype=lengths.dtype)[:, None]
    source = jnp.where(steps < lengths[None], lengths[None] - 1 - steps, steps)
    return jnp.take_along_axis(rows, source[..., None], axis=0)


def _only(function: Callable[..., Any]) -> Any:
    """Return a function of arrays that refuses `vmap` and derivatives with the reason."""
    run = custom_vmap(function)

    @run.def_vmap
    def batched(*_: Any) -> Any:
        raise ValueError(
            "implementation 'cudnn' cannot be vmapped: give its axis to the batch of xs, or for "
            'several weights use implementation="fused"'
        )

    def differentiated(*_: Any) -> Any:
        raise ValueError(
            "implementation 'cudnn' has no second derivative: use implementation=\"fused\""
        )

    once: Any = jax.custom_vjp(run)
    once.defvjp(differentiated, differentiated)
    return once


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _lstm(sizes: Sizes, *inputs: Array) -> tuple[Array, Array, Array]:
    """Return outputs `(batch, time, features)` and the final h and c of each layer and direction.

    Args:
      sizes: the static arguments.
      inputs: xs `(batch, time, features)`, h and c `(layers * directions, batch, hidden)`, weights,
        and lengths of at least 1.
    """
    return _lstm_fwd(sizes, *inputs)[0]


def _lstm_fwd(sizes: Sizes, *inputs: Array) -> tuple[Any, Any]:
    return _only(partial(_jax_rnn().lstm_fwd, **sizes._asdict()))(*inputs)


def _lstm_bwd(sizes: Sizes, kept: Any, cotangents: Any) -> tuple[Any, ...]:
    *gradients, _ = _only(partial(_jax_rnn().lstm_bwd, *sizes))(kept, cotangents)
    return *gradients, None


def _jax_rnn() -> Any:
    """Return JAX's module, imported here because an experimental one may go."""
    from jax.experimental import rnn

    return rnn


_lstm.defvjp(_lstm_fwd, _lstm_bwd)


def _refuses(call: Call) -> str | None:
    grid: Any = grid_of(call.core, call.params)
    if grid is None or not all(_is_lstm(cell) for layer in grid for cell, _ in layer):
        return "it needs an LSTM, without heads or other variants"
    cells = [part for layer in grid for part in layer]
    if call.core is not cells[0].core and (reason := _refuses_whole(call, grid)):
        return reason
    dtypes = {jnp.dtype(cell.compute_dtype(params, call.xs)).name for cell, params in cells}
    if dtypes != {"float32"}:
        return f"cuDNN's LSTM computes in float32, got {', '.join(sorted(dtypes))}"
    for name in ("resets", "mask", "noise", "return_states"):
        if name in call.uses:
            return f"cuDNN's LSTM has no {name}"
    if not is_known(*call.xs.shape):
        return "it needs xs of a known shape"
    if precision() is None:
        return "its products are in float32 or TF32, not as jax.default_matmul_precision wants them"
    return None if has_cuda() else "it needs an NVIDIA GPU, and JAX finds no CUDA device here"


def _refuses_whole(call: Call, grid: Any) -> str | None:
    """Return why the layers of a composite cannot be one call."""
    widths = {(len(layer), cell.hidden_size) for layer in grid for cell, _ in layer}
    if len(widths) > 1 or len(grid[0]) > 2:
        return "one call needs layers of equal width and of one or two directions"
    if math.prod(call.xs.shape) == 0 or "recompute" in call.uses:
        return "one call needs a step and a row, and cannot recompute its states"
    return None


def _is_lstm(core: Any) -> bool:
    return type(core) is LSTM and core.heads == 1


def has_cuda() -> bool:
    """Return whether JAX has a CUDA device; without one, cuDNN's LSTM cannot even be traced."""
    try:
        return bool(jax.devices("cuda"))
    except RuntimeError:
        return False


KERNEL = Kernel(cudnn, _refuses, whole=True)
