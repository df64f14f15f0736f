"""Autoregressive outputs that are on or off: the neural autoregressive distribution estimator."""

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_positive
from rnnjax.products import accumulator, common_dtype


def nade_logits(
    keys: Array, hidden: Array, output: Array, w: Array, v: Array, *, most: int | None = None
) -> Array:
    """Return the logit of each key, given the lower keys.

        h_i = sigmoid(hidden + sum over j < i of keys_j w_j)
        logit_i = output_i + v_i . h_i
        p(keys) = product over i of p(key_i | keys_<i), p(on) = sigmoid(logit_i)

    It is the neural autoregressive distribution estimator (Larochelle and Murray 2011), with biases
    for each position as in the RNN-NADE (Boulanger-Lewandowski et al. 2012, arXiv:1206.6392). All
    keys are computed at once: h changes only where a key is on, so that with at most m keys on,
    m + 1 vectors h serve all keys. `rnnjax.losses.binary_cross_entropy` makes the loss of them.

    Args:
      keys: `(..., keys)` bool.
      hidden: `(..., size)`, biases of the hidden units.
      output: `(..., keys)`, biases of the keys.
      w: `(keys, size)`.
      v: `(keys, size)`.
      most: a bound of the number of keys that are on at a position; None is the number of all keys.
        Time and memory are proportional to it.

    Returns:
      `(..., keys)`, float32 or wider.

    Raises:
      ValueError: shapes do not fit, or keys are not bool.

    Example:
      >>> keys = jnp.array([[True, False, True]])
      >>> w, v = jnp.ones((3, 4)), jnp.ones((3, 4))
      >>> logits = rx.losses.nade_logits(keys, jnp.zeros((1, 4)), jnp.zeros((1, 3)), w, v)
      >>> logits.round(2).tolist()
      [[2.0, 2.919999837875366, 2.919999837875366]]
    """
    count, size = w.shape
    if keys.dtype != jnp.bool_ or keys.shape != output.shape or keys.shape[-1] != count:
        raise ValueError(
            f"keys must be bool of the shape of output, (..., {count}), got {keys.dtype} "
            f"{keys.shape} and {output.shape}"
        )
    if v.shape != w.shape or hidden.shape != (*keys.shape[:-1], size):
        raise ValueError(
            f"w and v must be (keys, size) and hidden (..., size), got {w.shape}, {v.shape} and "
            f"{hidden.shape}"
        )
    if most is None:
        most = count
    check_positive(most=most)
    wide = accumulator(common_dtype(hidden, output, w))
    ones = keys.astype(jnp.int32)
    lower = jnp.cumsum(ones, axis=-1) - ones  # keys that are on below each
    # Row s of the next arrays is for the keys above the s lowest ones that are on.
    rows = jnp.arange(min(most, count) + 1, dtype=jnp.int32)
    rows = rows.reshape(*(1,) * (keys.ndim - 1), -1, 1)
    lowest = (keys[..., None, :] & (lower[..., None, :] < rows)).astype(w.dtype)
    sums = jnp.matmul(lowest, w, preferred_element_type=wide)
    h = jax.nn.sigmoid(hidden.astype(wide)[..., None, :] + sums).astype(w.dtype)
    of_rows = jnp.matmul(h, v.T, preferred_element_type=wide)
    return output.astype(wide) + jnp.where(lower[..., None, :] == rows, of_rows, 0.0).sum(axis=-2)
