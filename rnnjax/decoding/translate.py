"""Translation with an encoder and a decoder."""

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
      model: the model; compiled once for each model, shape and set of options.
      variables: its variables, `{"params": ...}`.
      source: `(batch, places)` integers; padding is at the end.
      lengths: `(batch,)` integers, the number of tokens of each row.
      start_token: the first token that the decoder reads.
      stop_token: see `beam_search`.
      num_tokens: see `beam_search`.
      beam: see `beam_search`; 1 always takes the most likely token.
      length_penalty: see `beam_search`.
      never: tokens that are never written, such as the one for unknown words.

    Raises:
      ValueError: shapes do not fit, `beam` or `num_tokens` is below 1, or concrete lengths or
        tokens are out of range.

    Example:
      >>> model = rx.models.EncoderDecoder(
      ...     source_size=9, target_size=7, encoder=rx.GRU(4), decoder=rx.GRU(4), embed_size=3
      ... )
      >>> source, lengths, tokens = jnp.ones((2, 5), int), jnp.array([5, 3]), jnp.ones((2, 6), int)
      >>> variables = model.init(jax.random.key(0), source, lengths, tokens)
      >>> best = rx.decoding.translate(
      ...     model, variables, source, lengths, start_token=2, stop_token=3, num_tokens=4, beam=2
      ... )
      >>> best.tokens.shape
      (2, 2, 4)
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
