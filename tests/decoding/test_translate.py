import itertools

import jax
import numpy as np
import pytest
from oracle import random_like, some_full

import rnnjax as rx
from rnnjax.decoding import translate
from rnnjax.models import EncoderDecoder, PointerGenerator

START, STOP, VOCAB = 1, 2, 4
SOURCE = np.array([[3, 1, 2, 3], [2, 3, 9, 9]])  # 9 stands in the padding
LENGTHS = np.array([4, 2])


@pytest.fixture(scope="module")
def tiny():
    model = EncoderDecoder(VOCAB, VOCAB, rx.LSTM(3), rx.GRU(3), embed_size=3, attention_size=3)
    shapes = jax.eval_shape(model.init, jax.random.key(0), SOURCE % VOCAB, None, SOURCE % VOCAB)
    return model, random_like(4, shapes, np.float32, scale=1.5)


def scores_of(model, variables, row, sequences):
    """The log-probability of each sequence, from the logits of the whole.

    With several models, the probabilities of each token are averaged.
    """
    source = np.tile(SOURCE[row, : LENGTHS[row]], (len(sequences), 1))
    longest = max(map(len, sequences))
    tokens = np.full((len(sequences), longest), STOP)
    for place, each in enumerate(sequences):
        tokens[place, : len(each)] = each
    before = np.concatenate([np.full((len(sequences), 1), START), tokens[:, :-1]], axis=1)
    several = isinstance(model, tuple)
    pairs = zip(model, variables, strict=True) if several else [(model, variables)]
    logits = np.array([jax.jit(m.apply)(v, source, None, before) for m, v in pairs])
    shares = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    logs = np.log(shares.mean(axis=0))
    picked = np.take_along_axis(logs, tokens[..., None], axis=-1)[..., 0]
    counts = np.array([len(each) for each in sequences])
    return (picked * (np.arange(longest) < counts[:, None])).sum(axis=1)


@pytest.mark.parametrize("models", some_full([1, 2], [2]))
def test_a_wide_beam_finds_the_best_of_all_translations(models, tiny):
    model, variables = tiny
    if models == 2:
        other = EncoderDecoder(VOCAB, VOCAB, rx.GRU(2), rx.GRU(2), embed_size=2, attention="dot")
        shapes = jax.eval_shape(other.init, jax.random.key(0), SOURCE % VOCAB, None, SOURCE % VOCAB)
        variables = variables, random_like(5, shapes, np.float32, scale=1.5)
        model = model, other
    others = [token for token in range(VOCAB) if token != STOP]
    sequences = [(*head, STOP) for n in range(3) for head in itertools.product(others, repeat=n)]
    sequences += list(itertools.product(others, repeat=3))
    options = {"start_token": START, "stop_token": STOP, "num_tokens": 3, "beam": 40}
    found = translate(model, variables, SOURCE, LENGTHS, length_penalty=0.0, **options)
    for row in range(2):
        scores = scores_of(model, variables, row, sequences)
        best = int(scores.argmax())
        tokens = np.asarray(found.tokens[row, 0, : found.lengths[row, 0]])
        assert tuple(tokens) == sequences[best]
        np.testing.assert_allclose(
            found.scores[row, : len(scores)], np.sort(scores)[::-1], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("models", some_full([1, 2], [1]))
def test_a_wide_beam_finds_the_best_of_all_copies(models):
    """Of the source's own words, 4 and 5, too; another source has other words of these ids."""
    source = np.array([[4, 3, 5], [4, 2, 9]])
    lengths, size = np.array([3, 2]), VOCAB + source.shape[1]
    cores = (rx.GRU(3), rx.GRU(3)), (rx.LSTM(2), rx.LSTM(2))
    copiers = [PointerGenerator(VOCAB, VOCAB, *each, embed_size=3) for each in cores[:models]]
    shapes = [
        jax.eval_shape(each.init, jax.random.key(0), source % VOCAB, None, source % VOCAB)
        for each in copiers
    ]
    variables = [random_like(4 + i, each, np.float32, scale=1.5) for i, each in enumerate(shapes)]
    options = {"start_token": START, "stop_token": STOP, "num_tokens": 2, "beam": 64}
    found = translate(copiers, variables, source, lengths, length_penalty=0.0, **options)
    others = [token for token in range(size) if token != STOP]
    sequences = [(STOP, STOP), *((token, STOP) for token in others)]
    sequences += list(itertools.product(others, repeat=2))
    tokens = np.stack([np.full(size, START), np.arange(size)], axis=1)
    for row, n in enumerate(lengths):
        logs = [
            jax.jit(model.apply)(each, np.tile(source[row], (size, 1)), np.full(size, n), tokens)
            for model, each in zip(copiers, variables, strict=True)
        ]
        shares = np.exp(logs).mean(axis=0)  # (first token, time, token)
        scores = {
            each: shares[0, 0, each[0]] * (1 if each[0] == STOP else shares[each[0], 1, each[1]])
            for each in sequences
        }
        possible = {each: score for each, score in scores.items() if score}
        best = max(possible, key=possible.__getitem__)
        assert tuple(found.tokens[row, 0].tolist()) == best
        ranked = np.sort(list(possible.values()))[::-1]
        np.testing.assert_allclose(np.exp(found.scores[row, : len(ranked)]), ranked, rtol=1e-4)
        assert (found.scores[row, len(ranked) :] == -np.inf).all()


def test_greedy_search_takes_the_likeliest_token(tiny):
    model, variables = tiny
    options = {"start_token": START, "stop_token": STOP, "num_tokens": 6, "beam": 1}
    found = translate(model, variables, SOURCE, LENGTHS, **options)
    apply = jax.jit(model.apply)
    for row in range(2):
        written = [START]
        while len(written) <= 6 and (len(written) == 1 or written[-1] != STOP):
            source = SOURCE[row : row + 1, : LENGTHS[row]]
            padded = np.full((1, 6), STOP)
            padded[0, : len(written)] = written
            logits = np.asarray(apply(variables, source, None, padded))
            written.append(int(logits[0, len(written) - 1].argmax()))
        length = int(found.lengths[row, 0])
        assert found.tokens[row, 0, :length].tolist() == written[1:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beam": 0}, "beam must be an integer of at least 1, got 0"),
        ({"num_tokens": 0}, "num_tokens must be an integer of at least 1, got 0"),
        ({"lengths": np.array([5, 1])}, "lengths must lie between 0 and 4, got 5"),
        ({"source": SOURCE[0]}, r"source must be \(batch, time\) and lengths \(batch,\)"),
        ({"source": SOURCE + 3}, r"source must lie in \[0, 4\)"),
        ({"start_token": 4}, r"start_token must lie in \[0, 4\)"),
        ({"stop_token": -1}, r"stop_token must lie in \[0, 4\)"),
        ({"stop_token": "."}, "stop_token must be the id of a token"),
        ({"never": (9,)}, r"never must lie in \[0, 4\)"),
        ({"length_penalty": float("nan")}, "length_penalty must be finite and at least 0, got nan"),
    ],
)
def test_bad_input_is_refused(tiny, change, message):
    given = {"source": SOURCE, "lengths": LENGTHS, "num_tokens": 3}
    given |= {"start_token": START, "stop_token": STOP, **change}
    with pytest.raises(ValueError, match=message):
        translate(*tiny, **given)


def test_some_tokens_are_never_written_and_the_rest_share_their_probability(tiny):
    model, variables = tiny
    options = {"start_token": START, "stop_token": STOP, "num_tokens": 1, "beam": 4}
    free = translate(model, variables, SOURCE, LENGTHS, **options)
    bound = translate(model, variables, SOURCE, LENGTHS, never=(START, 3), **options)
    for row in range(2):
        shares = dict(zip(free.tokens[row, :, 0].tolist(), np.exp(free.scores[row]), strict=True))
        assert np.isclose(sum(shares.values()), 1)
        left = shares[0] + shares[STOP]
        found = zip(bound.tokens[row, :, 0].tolist(), np.exp(bound.scores[row]), strict=True)
        want = {0: shares[0] / left, STOP: shares[STOP] / left}
        assert {token for token, share in found if share} == set(want)
        np.testing.assert_allclose(np.exp(bound.scores[row, 0]), max(want.values()), rtol=1e-5)


def test_no_rows_are_no_translations(tiny):
    options = {"start_token": START, "stop_token": STOP, "num_tokens": 3, "beam": 2}
    found = translate(*tiny, SOURCE[:0], LENGTHS[:0], **options)
    assert found.tokens.shape == (0, 2, 3)


def test_models_that_cannot_write_together_are_refused(tiny):
    model, variables = tiny
    other = EncoderDecoder(VOCAB, VOCAB + 1, rx.GRU(2), rx.GRU(2))
    options = {"start_token": START, "stop_token": STOP, "num_tokens": 3}
    with pytest.raises(ValueError, match="models must have the same vocabularies, got sizes"):
        translate([model, other], [variables, variables], SOURCE, LENGTHS, **options)
    copier = PointerGenerator(VOCAB, VOCAB, rx.GRU(2), rx.GRU(2))
    with pytest.raises(ValueError, match="must all be PointerGenerators, or none"):
        translate([model, copier], [variables, variables], SOURCE, LENGTHS, **options)
    with pytest.raises(ValueError, match="as many, at least one, got 2 and 1"):
        translate([model, model], [variables], SOURCE, LENGTHS, **options)
