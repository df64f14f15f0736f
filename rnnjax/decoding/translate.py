"""Translating with an encoder and a decoder."""

from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from rnnjax.checks import check_range, check_tokens
from rnnjax.decoding.beam import Hypotheses, beam_search, repeat
from rnnjax.models.encoder_decoder import EncoderDecoder
from rnnjax.sequence.masks import within


def translate(
    model: EncoderDecoder,
    variables: Any,
    source: ArrayLike,
    lengths: ArrayLike,
    *,
    start_token: int,
    stop_token: int,
    num_tokens: int,
    beam: int = 5,
    length_penalty: float = 1.0,
    never: tuple[int, ...] = (),
) -> Hypotheses:
    """Return the best translations of each row, best first.

    Args:
      model: the model; jitted once for each model, shape and set of options.
      variables: its variables, `{"params": ...}`.
      source: `(batch, places)` integers; padding stands at the end.
      lengths: `(batch,)` integers, the tokens of each row.
      start_token: what the decoder reads first.
      stop_token: see `beam_search`.
      num_tokens: see `beam_search`.
      beam: see `beam_search`; 1 always takes the likeliest token.
      length_penalty: see `beam_search`.
      never: tokens that are not to be written, such as the one for unknown words.

    Raises:
      ValueError: shapes that do not fit, lengths or tokens out of range where concrete, beam or
        num_tokens below 1.
    """
    source, lengths = jnp.asarray(source), jnp.asarray(lengths)
    check_tokens("source", source)
    source = jnp.where(within(source.shape, lengths), source, 0)
    check_range("source", source, model.source_size)
    for name, ids in (("start_token", start_token), ("stop_token", stop_token), ("never", never)):
        check_range(name, jnp.asarray(ids, int), model.target_size)
    options = (start_token, stop_token, num_tokens, beam, length_penalty, never)
    return _translate(model, options, variables, source, lengths)


@partial(jax.jit, static_argnums=(0, 1))
def _translate(
    model: EncoderDecoder,
    options: tuple[int, int, int, int, float, tuple[int, ...]],
    variables: Any,
    source: Array,
    lengths: Array,
) -> Hypotheses:
    start_token, stop_token, num_tokens, beam, length_penalty, never = options
    memory, state = model.apply(variables, source, lengths, method="encode")
    memory = repeat(memory, beam)

    def step(state: Any, tokens: Array) -> tuple[Any, Array]:
        read = model.apply(variables, memory, state, tokens, method="step")
        state, logits = cast(tuple[Any, Array], read)
        return state, logits.at[:, jnp.array(never, int)].set(-jnp.inf)

    return beam_search(
        step,
        state,
        jnp.full(source.shape[:1], start_token, jnp.int32),
        beam=beam,
        num_tokens=num_tokens,
        stop_token=stop_token,
        length_penalty=length_penalty,
    )
