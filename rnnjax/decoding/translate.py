"""Translation with an encoder and a decoder."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec
from jax.typing import ArrayLike

from rnnjax.checks import check_token, is_known
from rnnjax.decoding.beam import Hypotheses, check_search, repeat, run_search
from rnnjax.decoding.padding import cut, grown, padded_text
from rnnjax.models.encoder_decoder import EncoderDecoder
from rnnjax.models.pointer_generator import PointerGenerator
from rnnjax.sharding import automatic, spec_of


def translate(
    model: EncoderDecoder | Sequence[EncoderDecoder],
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

    A `PointerGenerator` reads and writes ids of its extended vocabulary.

    Args:
      model: the model; compiled once for each model, batch and set of options, and for places and
        numbers of tokens up to each power of two. Several models with the same vocabularies write
        together: at each step, their probabilities are averaged.
      variables: its variables, `{"params": ...}`; a sequence of them for several models.
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
    check_search(beam, num_tokens, length_penalty)
    models = (model,) if isinstance(model, EncoderDecoder) else tuple(model)
    each = (variables,) if isinstance(model, EncoderDecoder) else tuple(variables)
    _check_models(models, each)
    model = models[0]
    size = model.source_size
    if isinstance(model, PointerGenerator):  # it has an id for each unknown word of a source
        size += jnp.shape(source)[-1]
    source, lengths = padded_text(source, lengths, size, name="source")
    check_token("start_token", start_token, model.target_size)
    check_token("stop_token", stop_token, model.target_size)
    for token in never:
        check_token("never", token, model.target_size)
    places = grown(num_tokens) if is_known(num_tokens) else num_tokens
    options = (start_token, stop_token, places, beam, length_penalty, never)
    run, given = partial(_translate, models, options), (each, source, lengths)
    spec = PartitionSpec(*spec_of(lengths))
    found = automatic(run, *given, jnp.int32(num_tokens), spec=spec)
    return found._replace(tokens=cut(found.tokens, num_tokens))


def _check_models(models: tuple[EncoderDecoder, ...], variables: tuple[Any, ...]) -> None:
    """Raise `ValueError` unless the models can write together."""
    if not models or len(variables) != len(models):
        raise ValueError(
            f"model and variables must be as many, at least one, got {len(models)} and "
            f"{len(variables)}"
        )
    sizes = {(model.source_size, model.target_size) for model in models}
    if len(sizes) > 1:
        raise ValueError(f"models must have the same vocabularies, got sizes {sorted(sizes)}")
    if len({isinstance(model, PointerGenerator) for model in models}) > 1:
        raise ValueError("models must all be PointerGenerators, or none of them, got both")


@partial(jax.jit, static_argnums=(0, 1))
def _translate(
    models: tuple[EncoderDecoder, ...],
    options: tuple[int, int, int, int, float, tuple[int, ...]],
    variables: tuple[Any, ...],
    source: Array,
    lengths: Array,
    num_tokens: Array,
) -> Hypotheses:
    start_token, stop_token, places, beam, length_penalty, never = options
    pairs = list(zip(models, variables, strict=True))
    encoded = [model.apply(each, source, lengths, method="encode") for model, each in pairs]
    memories, states = zip(*cast(list[tuple[Any, Any]], encoded), strict=True)
    memories = repeat(memories, beam)

    def step(states: Any, tokens: Array) -> tuple[Any, Array]:
        read = [
            model.apply(each, memory, state, tokens, method="step")
            for (model, each), memory, state in zip(pairs, memories, states, strict=True)
        ]
        states, logits = zip(*cast(list[tuple[Any, Array]], read), strict=True)
        return states, _mean(logits).at[:, jnp.array(never, int)].set(-jnp.inf)

    tokens = jnp.full(source.shape[:1], start_token, jnp.int32)
    return run_search(step, states, tokens, beam, places, num_tokens, stop_token, length_penalty)


def _mean(logits: Sequence[Array]) -> Array:
    """Return logits of the mean of the models' probabilities."""
    if len(logits) == 1:
        return logits[0]
    return jax.nn.logsumexp(jax.nn.log_softmax(jnp.stack(logits)), axis=0)
