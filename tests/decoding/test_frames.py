"""Transcripts that are read off frames, against all paths."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ctc_paths import read, transcripts
from oracle import some_full

import rnnjax as rx
from rnnjax.decoding import best_path, prefix_beam_search

TIME, CLASSES = 4, 3
LENGTHS = np.array([4, 0, 1, 3, 4])


def frames(seed=0, time=TIME, batch=5):
    logits = 1.5 * np.random.default_rng(seed).normal(size=(batch, time, CLASSES))
    return logits.astype(np.float32)


def dirty(logits, lengths):
    return np.where((np.arange(logits.shape[1]) < lengths[:, None])[..., None], logits, np.nan)


def ranked(scores, beam):
    return sorted(scores.items(), key=lambda item: -item[1])[:beam]


def assert_found(found, row, want):
    """Compare a row of hypotheses with pairs of transcripts and scores."""
    n = len(want)
    np.testing.assert_allclose(found.scores[row, :n], [score for _, score in want], atol=1e-4)
    assert not np.isfinite(found.scores[row, n:]).any()
    assert not np.asarray(found.lengths[row, n:]).any()
    for i, (transcript, _) in enumerate(want):
        assert found.lengths[row, i] == len(transcript)
        got = tuple(np.asarray(found.tokens[row, i, : len(transcript)]))
        assert got == transcript


@pytest.mark.fast
@pytest.mark.parametrize("blank", [0, 2])
def test_the_best_path_is_the_best_class_of_each_frame(blank):
    logits = frames(time=9, batch=40)
    lengths = np.arange(40) % 10
    tokens, counts = best_path(dirty(logits, lengths), lengths, blank=blank)
    assert tokens.shape == (40, 9)
    assert tokens.dtype == counts.dtype == jnp.int32
    for row, length in enumerate(lengths):
        want = read(logits[row, :length].argmax(-1), blank)
        assert tuple(np.asarray(tokens[row, : counts[row]])) == want
        assert (np.asarray(tokens[row, counts[row] :]) == blank).all()


@pytest.mark.fast
@pytest.mark.parametrize("blank", [pytest.param(0, marks=pytest.mark.full), 2])
def test_a_wide_beam_finds_all_transcripts_in_order(blank):
    logits = frames()
    found = prefix_beam_search(dirty(logits, LENGTHS), LENGTHS, beam=40, blank=blank)
    assert found.tokens.shape == (len(LENGTHS), 40, TIME)
    for row, length in enumerate(LENGTHS):
        each = transcripts(logits[row, :length].astype(float), blank)
        assert_found(found, row, ranked({t: np.log(p) for t, p in each.items()}, 40))
    assert (np.asarray(found.tokens)[0, 0, found.lengths[0, 0] :] == blank).all()


def test_no_transcript_has_more_than_num_tokens():
    logits = frames(1)
    found = prefix_beam_search(logits, beam=12, num_tokens=2)
    assert found.tokens.shape == (len(LENGTHS), 12, 2)
    for row, one in enumerate(logits):
        each = {t: np.log(p) for t, p in transcripts(one.astype(float)).items() if len(t) <= 2}
        assert_found(found, row, ranked(each, 12))


def pruned(logits, beam):
    """Prefix beam search with dictionaries, of one sequence; blank 0."""
    exps = np.exp(logits.astype(float))
    best = {(): (1.0, 0.0)}
    for frame in exps / exps.sum(-1, keepdims=True):
        after = {}

        def add(prefix, blank, symbol, after=after):
            old = after.get(prefix, (0.0, 0.0))
            after[prefix] = (old[0] + blank, old[1] + symbol)

        for prefix, (blank, symbol) in best.items():
            add(prefix, (blank + symbol) * frame[0], 0.0)
            if prefix:
                add(prefix, 0.0, symbol * frame[prefix[-1]])
            for c in range(1, len(frame)):
                same = prefix[-1:] == (c,)
                add((*prefix, c), 0.0, (blank if same else blank + symbol) * frame[c])
        best = dict(sorted(after.items(), key=lambda item: -sum(item[1]))[:beam])
    return {prefix: np.log(sum(both)) for prefix, both in best.items()}


@pytest.mark.parametrize("beam", some_full([1, 3, 5], [3]))
def test_a_narrow_beam_is_that_of_the_algorithm(beam):
    logits = frames(2, time=12, batch=8)
    found = prefix_beam_search(logits, beam=beam)
    for row, one in enumerate(logits):
        assert_found(found, row, ranked(pruned(one, beam), beam))


@pytest.fixture(scope="module")
def language_model():
    core = rx.Stack((rx.LSTM(4), rx.GRU(3)))
    model = rx.models.LanguageModel(CLASSES, core, embed_size=2)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 1), int))
    return model, jax.tree.map(lambda leaf: 3 * leaf, variables)


@pytest.mark.fast
def test_a_language_model_and_a_bonus_are_part_of_the_score(language_model):
    model, variables = language_model
    texts = [t for n in range(TIME + 1) for t in itertools.product((1, 2), repeat=n)]
    padded = np.zeros((len(texts), TIME + 2), int)  # 0 is before and after each
    for row, text in zip(padded, texts, strict=True):
        row[1 : 1 + len(text)] = text
    lengths = np.array([len(text) + 2 for text in texts])
    logs = rx.decoding.log_probability(model, variables, padded, lengths)
    prior = dict(zip(texts, np.asarray(logs), strict=True))
    logits = frames(3)
    found = prefix_beam_search(
        dirty(logits, LENGTHS),
        LENGTHS,
        beam=40,
        language_model=model,
        variables=variables,
        weight=0.7,
        insertion_bonus=0.4,
    )
    for row, length in enumerate(LENGTHS):
        each = transcripts(logits[row, :length].astype(float)).items()
        scores = {t: np.log(p) + 0.7 * prior[t] + 0.4 * len(t) for t, p in each}
        assert_found(found, row, ranked(scores, 40))


def test_frames_that_say_nan_or_never_are_no_symbols():
    logits = frames()
    logits[:, 1] = np.nan
    logits[:, 2, 1] = -np.inf
    found = prefix_beam_search(logits, beam=3)
    assert not np.isfinite(found.scores).any()
    logits[:, 1] = [0.0, -np.inf, 0.0]
    found = prefix_beam_search(logits[:, 1:3], beam=20)
    for row, one in enumerate(logits[:, 1:3].astype(float)):
        each = {t: np.log(p) for t, p in transcripts(one).items() if p > 0}
        assert_found(found, row, ranked(each, 20))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam must be an integer of at least 1, got 0"),
        ({"num_tokens": 0}, "num_tokens must be an integer of at least 1, got 0"),
        ({"blank": 3}, r"blank must lie in \[0, 3\), got 3"),
        ({"weight": np.nan}, "weight must be finite, got nan"),
        ({"insertion_bonus": np.inf}, "insertion_bonus must be finite, got inf"),
        ({"lengths": [5]}, "lengths must lie between 0 and .* 4; got 5"),
        ({"lengths": [4, 4]}, r"lengths must have the batch's shape \(1,\), got \(2,\)"),
        (
            {"language_model": rx.models.LanguageModel(4, rx.GRU(2))},
            "language_model must have the 3 classes of the logits as tokens, got vocab_size 4",
        ),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        prefix_beam_search(frames(batch=1), **{"beam": 2, **options})
    for decode in (best_path, lambda logits: prefix_beam_search(logits, beam=2)):
        with pytest.raises(ValueError, match=r"logits must have shape \(batch, time, classes\)"):
            decode(np.zeros((4, 3)))
