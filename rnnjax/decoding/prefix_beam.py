"""Prefix beam search for the outputs of connectionist temporal classification (CTC)."""

import math
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import PartitionSpec
from jax.typing import ArrayLike

from rnnjax.cells.base import State
from rnnjax.checks import check_positive, check_token, is_known
from rnnjax.decoding.beam import Hypotheses, repeat
from rnnjax.decoding.padding import cut, grown, padded_frames
from rnnjax.models.language_model import LanguageModel
from rnnjax.products import accumulator
from rnnjax.sequence.masks import inside, select
from rnnjax.sharding import automatic, spec_of


def prefix_beam_search(
    logits: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    beam: int,
    num_tokens: int | None = None,
    blank: int = 0,
    language_model: LanguageModel | None = None,
    variables: Any = None,
    weight: float = 1.0,
    insertion_bonus: float = 0.0,
) -> Hypotheses:
    """Return the best transcripts that a prefix beam search finds, best first.

        score = log p(transcript | frames) + weight * log p(transcript) + insertion_bonus * length

    After each frame, the best `beam` beginnings of transcripts are kept, each with the sum over its
    paths, apart for those that end with a blank (Graves 2012, "Supervised Sequence Labelling with
    Recurrent Neural Networks", section 7.5; with a language model, Hannun et al. 2014,
    arXiv:1408.2873). A beam as wide as the number of transcripts finds the best one.

    Args:
      logits: `(batch, time, classes)`.
      lengths: `(batch,)`, the number of frames; None counts all.
      beam: number of transcripts to keep, and to return.
      num_tokens: the largest number of symbols in a transcript; None allows one for each frame.
      blank: the class that writes nothing; see `rnnjax.losses.ctc_loss`.
      language_model: a model of transcripts over the same ids; None uses none. Where CTC has the
        blank, the language model has the token before and after each transcript.
      variables: the language model's, `{"params": ...}`.
      weight: the weight of the language model.
      insertion_bonus: what is added for each symbol, as a language model favours short transcripts.

    Returns:
      Transcripts, padded with the blank, their lengths and scores. It is compiled once for each
      batch, beam and language model, and for frames and `num_tokens` up to each power of two.

    Raises:
      ValueError: shapes do not fit, an option is out of range, or the language model has another
        number of tokens than there are classes.

    Example:
      >>> logits = jnp.log(jnp.array([[[0.6, 0.4], [0.6, 0.4]]]))
      >>> found = rx.decoding.prefix_beam_search(logits, beam=2)
      >>> found.lengths[0].tolist()  # one symbol, though the best path is blank, blank
      [1, 0]
      >>> [round(p, 2) for p in jnp.exp(found.scores[0]).tolist()]  # 1 - 0.36 and 0.36
      [0.64, 0.36]
    """
    check_positive(beam=beam)
    if num_tokens is not None:
        check_positive(num_tokens=num_tokens)
    for name, number in {"weight": weight, "insertion_bonus": insertion_bonus}.items():
        if not math.isfinite(number):
            raise ValueError(f"{name} must be finite, got {number}")
    frames, lengths = padded_frames(logits, lengths)
    classes = frames.shape[-1]
    check_token("blank", blank, classes)
    if language_model is not None and language_model.vocab_size != classes:
        raise ValueError(
            f"language_model must have the {classes} classes of the logits as tokens, "
            f"got vocab_size {language_model.vocab_size}"
        )
    most = np.shape(logits)[1]
    if num_tokens is not None and not (is_known(most) and most < num_tokens):
        most = num_tokens
    places = grown(most) if is_known(most) else most
    # NumPy's scalars, as JAX's would need a program to be made.
    limit = np.int32(num_tokens or np.iinfo(np.int32).max)
    numbers = limit, np.float32(weight), np.float32(insertion_bonus)
    spec = PartitionSpec(*spec_of(lengths))
    run = partial(_search, (blank, beam, places), language_model)
    found = automatic(run, variables, frames, lengths, numbers, spec=spec)
    return found._replace(tokens=cut(found.tokens, most))


class _Beam(NamedTuple):
    """The beginnings of transcripts after some frames; leaves `(batch, beam, ...)`.

    Attributes:
      tokens: `(batch, beam, places)`, padded with the blank.
      lengths: the number of tokens.
      last: the last token; the blank if there is none.
      blanks: the log-probability of the paths that end with a blank.
      symbols: the log-probability of the paths that end with the last token.
      prior: what the language model and the bonus add to the score.
    """

    tokens: Array
    lengths: Array
    last: Array
    blanks: Array
    symbols: Array
    prior: Array

    @property
    def totals(self) -> Array:
        return jnp.logaddexp(self.blanks, self.symbols)


class _Prior(NamedTuple):
    """What follows each beginning, without looking at the frames.

    Attributes:
      state: the language model's; leaves `(batch * beam, ...)`.
      gains: `(batch, beam, classes)`, what the score gains by each next token, or by the end,
        which has the id of the blank.
    """

    state: State
    gains: Array


@partial(jax.jit, static_argnums=(0, 1))
def _search(
    options: tuple[int, int, Any],
    model: LanguageModel | None,
    variables: Any,
    logits: Array,
    lengths: Array,
    numbers: tuple[Any, Array, Array],
) -> Hypotheses:
    blank, beam, places = options
    num_tokens, weight, bonus = numbers
    batch, time, classes = logits.shape
    rows = (batch, beam)
    within = inside(time, lengths)
    logits = jnp.where(within.T[..., None], logits, 0.0)
    frames = jax.nn.log_softmax(logits.astype(accumulator(logits.dtype)))
    frames = jnp.where(jnp.isnan(frames), -jnp.inf, frames)  # NaN would be the best of all
    bonuses = jnp.where(jnp.arange(classes) == blank, 0.0, bonus)[None, None]
    bonuses = bonuses.astype(frames.dtype)

    def read(prior: _Prior, tokens: Array) -> _Prior:
        """Return what the language model says after one more token of each beginning."""
        if model is None:
            return prior
        after = model.apply(variables, prior.state, tokens.reshape(-1), method="step")
        state, logits = cast(tuple[State, Array], after)
        logs = weight * jax.nn.log_softmax(logits).reshape(*rows, classes)
        return _Prior(state, logs.astype(frames.dtype) + bonuses)

    def advance(t: Array, now: tuple[_Beam, _Prior]) -> tuple[_Beam, _Prior]:
        before, prior = now
        after, parents, grows = _advance(before, prior.gains, frames[:, t], blank, num_tokens)
        going = within[t]
        after = select(going, after, before)
        parents = select(going, parents, jnp.broadcast_to(jnp.arange(beam), rows))
        heads = (jnp.arange(batch)[:, None] * beam + parents).reshape(-1)
        state = jax.tree.map(lambda leaf: leaf[heads], prior.state)
        prior = _Prior(state, jnp.take_along_axis(prior.gains, parents[..., None], axis=1))
        longer, grows = read(prior, after.last), grows & going[:, None]
        state = select(grows.reshape(-1), longer.state, prior.state)
        return after, _Prior(state, select(grows, longer.gains, prior.gains))

    state = () if model is None else repeat(model.initial_state((batch,)), beam)
    prior = _Prior(state, jnp.broadcast_to(bonuses, (*rows, classes)))
    start = _start(rows, places, blank, frames.dtype)
    carry = start, read(prior, start.last)
    found, prior = jax.lax.fori_loop(0, lengths.max(initial=0), advance, carry)
    scores = found.totals + found.prior + prior.gains[..., blank]
    scores, order = jax.lax.top_k(scores, beam)
    tokens = jnp.take_along_axis(found.tokens, order[..., None], axis=1)
    counts = jnp.take_along_axis(found.lengths, order, axis=1)
    real = scores > -jnp.inf
    return Hypotheses(
        jnp.where(real[..., None], tokens, blank),
        jnp.where(real, counts, 0),
        scores.astype(jnp.float32),
    )


def _start(rows: tuple[int, int], places: Any, blank: int, dtype: Any) -> _Beam:
    """Return the beginning without a token; it is the first of each beam."""
    never = jnp.full(rows, -jnp.inf, dtype)
    return _Beam(
        tokens=jnp.full((*rows, places), blank, jnp.int32),
        lengths=jnp.zeros(rows, jnp.int32),
        last=jnp.full(rows, blank, jnp.int32),
        blanks=never.at[:, 0].set(0.0),
        symbols=never,
        prior=jnp.zeros(rows, dtype),
    )


def _advance(
    now: _Beam, gains: Array, frame: Array, blank: int, num_tokens: Array
) -> tuple[_Beam, Array, Array]:
    """Return the best beginnings after one more frame, their parents, and which have grown.

    Args:
      now: the beginnings before.
      gains: `(batch, beam, classes)`, what the score gains by one more token.
      frame: `(batch, classes)`, the frame's log-probabilities.
      blank: the class that writes nothing.
      num_tokens: the largest number of tokens.
    """
    beam, classes = gains.shape[1:]
    names = jnp.arange(classes)[None, None]
    totals = now.totals
    # A path goes on with the blank, with its last symbol, or with a symbol that is written.
    blanks = totals + frame[:, [blank]]
    symbols = now.symbols + jnp.take_along_axis(frame, now.last, axis=1)
    again = names == now.last[..., None]
    longer = jnp.where(again, now.blanks[..., None], totals[..., None]) + frame[:, None]
    room = (now.lengths < num_tokens)[..., None]
    longer = jnp.where(room & (names != blank), longer, -jnp.inf)

    # What one beginning grows into may be another one of the beam: their paths are added.
    follows = _follows(now, blank)
    joined = jnp.where(follows, jnp.take_along_axis(longer, now.last[:, None], axis=2), -jnp.inf)
    symbols = jnp.logaddexp(symbols, joined.max(axis=1))
    taken = (follows[..., None] & again[:, None]).any(axis=2)
    longer = jnp.where(taken, -jnp.inf, longer)

    # In the column of the blank are the beginnings that do not grow.
    stays = jnp.logaddexp(blanks, symbols)
    scores = jnp.where(names == blank, stays[..., None], longer + gains) + now.prior[..., None]
    _, chosen = jax.lax.top_k(scores.reshape(-1, beam * classes), beam)
    parents, tokens = chosen // classes, chosen % classes
    grows = tokens != blank

    def of_parents(values: Array) -> Array:
        return jnp.take_along_axis(values, parents, axis=1)

    def of_chosen(values: Array) -> Array:
        return jnp.take_along_axis(values.reshape(-1, beam * classes), chosen, axis=1)

    lengths = of_parents(now.lengths)
    written = jnp.take_along_axis(now.tokens, parents[..., None], axis=1)
    end = jnp.arange(written.shape[-1])[None, None] == lengths[..., None]
    after = _Beam(
        jnp.where(end & grows[..., None], tokens[..., None], written),
        lengths + grows.astype(lengths.dtype),
        jnp.where(grows, tokens, of_parents(now.last)),
        jnp.where(grows, -jnp.inf, of_parents(blanks)),
        jnp.where(grows, of_chosen(longer), of_parents(symbols)),
        of_parents(now.prior) + jnp.where(grows, of_chosen(gains), 0.0),
    )
    return after, parents, grows


def _follows(now: _Beam, blank: int) -> Array:
    """Return whether a beginning (third axis) is another one (second axis) with one more token.

    Beginnings without a path are left out, as there may be several equal ones.
    """
    alive = now.totals > -jnp.inf
    places = jnp.arange(now.tokens.shape[-1])[None, None]
    shorter = jnp.where(places == (now.lengths - 1)[..., None], blank, now.tokens)
    equal = (now.tokens[:, :, None] == shorter[:, None]).all(axis=-1)
    return equal & alive[:, :, None] & (alive & (now.lengths > 0))[:, None]
