import itertools
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.decoding import sample
from rnnjax.decoding.sample import restrict
from rnnjax.models import LanguageModel

KEY = jax.random.key(0)


@cache
def small(vocab=6):
    model = LanguageModel(vocab, rx.GRU(8), embed_size=4)
    variables = jax.jit(model.init)(jax.random.key(1), np.zeros((1, 1), np.int32))
    # Sharper than at initialisation: draws then differ between contexts.
    return model, jax.tree.map(lambda x: 3 * np.asarray(x), variables)


@cache
def known(*probabilities):
    """A model whose next token has these probabilities after whatever it reads."""
    model = LanguageModel(len(probabilities), rx.Elman(2))
    variables = jax.eval_shape(model.init, KEY, np.zeros((1, 1), np.int32))
    params = jax.tree.map(lambda p: np.zeros(p.shape, p.dtype), variables["params"])
    params["bias"] = np.log(np.array(probabilities, np.float32))
    return model, {"params": params}


@cache
def evaluate(vocab=6):
    """The logits after a row of tokens, with no state kept and one compilation for all lengths."""
    model, variables = small(vocab)
    apply = jax.jit(model.apply)

    def logits(tokens):
        row = np.zeros((1, 16), np.int32)
        row[0, : len(tokens)] = tokens
        return np.asarray(apply(variables, row)[1][0, len(tokens) - 1])

    return logits


def greedy(prompt, num_tokens):
    tokens = list(prompt)
    for _ in range(num_tokens):
        tokens.append(int(evaluate()(tokens).argmax()))
    return tokens[len(prompt) :]


def pad(prompts, fill=0):
    lengths = np.array([len(p) for p in prompts], np.int32)
    tokens = np.full((len(prompts), lengths.max()), fill, np.int32)
    for row, prompt in zip(tokens, prompts, strict=True):
        row[: len(prompt)] = prompt
    return tokens, lengths


@pytest.mark.fast
def test_greedy_is_the_argmax_of_full_evaluations_for_prompts_of_any_length():
    prompts = [[2], [5, 4, 3, 2], [0, 1], [3, 3, 3, 3, 3]]
    tokens, lengths = pad(prompts)
    drawn, counts = sample(*small(), tokens, lengths, KEY, num_tokens=8, temperature=0)
    assert drawn.dtype == counts.dtype == jnp.int32
    want = [greedy(prompt, 8) for prompt in prompts]
    assert len(set(map(tuple, want))) > 1  # else the rows could be mixed up
    np.testing.assert_array_equal(drawn, want)
    np.testing.assert_array_equal(counts, [8] * 4)


def test_what_stands_in_the_padding_does_not_matter():
    prompts = [[2], [5, 4, 3, 2]]
    outcomes = [
        sample(*small(), *pad(prompts, fill), KEY, num_tokens=8, temperature=0)[0]
        for fill in (0, 5, 99)
    ]
    np.testing.assert_array_equal(outcomes[0], outcomes[1])
    np.testing.assert_array_equal(outcomes[0], outcomes[2])


def test_greedy_needs_no_key_and_top_k_of_one_is_greedy():
    tokens, lengths = pad([[2], [5, 4]])
    want, _ = sample(*small(), tokens, lengths, KEY, num_tokens=8, temperature=0)
    for options in ({"top_k": 1}, {"top_p": 1e-6}, {"top_k": 1, "top_p": 0.5}):
        for seed in range(2):
            got, _ = sample(
                *small(), tokens, lengths, jax.random.key(seed), num_tokens=8, **options
            )
            np.testing.assert_array_equal(got, want)


def test_the_key_decides():
    tokens, lengths = pad([[2], [5, 4]])
    draws = [
        np.asarray(sample(*small(), tokens, lengths, jax.random.key(s), num_tokens=16)[0])
        for s in (0, 0, 1)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()
    twins, _ = sample(*small(), *pad([[2], [2]]), KEY, num_tokens=16)
    assert (twins[0] != twins[1]).any()  # rows are drawn independently


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_first_draws_follow_the_softmax(temperature):
    rows = 4000
    tokens = np.tile(np.array([[3, 1]], np.int32), (rows, 1))
    drawn, _ = sample(
        *small(), tokens, np.full(rows, 2), KEY, num_tokens=1, temperature=temperature
    )
    logits = evaluate()([3, 1]) / temperature
    check_frequencies(np.asarray(drawn[:, 0]), np.exp(logits) / np.exp(logits).sum())


def test_later_draws_follow_the_softmax_of_what_was_drawn():
    rows = 4000
    tokens = np.full((rows, 1), 2, np.int32)
    drawn, _ = sample(*small(), tokens, np.ones(rows, np.int32), KEY, num_tokens=3)
    drawn = np.asarray(drawn)
    for first in range(6):
        chosen = drawn[drawn[:, 0] == first]
        logits = evaluate()([2, first])
        check_frequencies(chosen[:, 1], np.exp(logits) / np.exp(logits).sum())


def check_frequencies(drawn, probabilities):
    """Pearson's chi-square, at about one false alarm in a hundred thousand (and seeds fixed)."""
    counts = np.bincount(drawn, minlength=len(probabilities))
    expected = probabilities * len(drawn)
    large = expected >= 5
    counts = np.append(counts[large], counts[~large].sum())
    expected = np.append(expected[large], expected[~large].sum())
    chi2 = ((counts - expected) ** 2 / np.maximum(expected, 1e-9))[expected > 0.5].sum()
    freedom = max(1, (expected > 0.5).sum() - 1)
    assert chi2 < freedom + 6.5 * np.sqrt(2 * freedom) + 10


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"top_k": 2}, [0.5, 0.3, 0, 0]),
        ({"top_p": 0.75}, [0.5, 0.3, 0, 0]),
        ({"top_k": 3, "top_p": 0.83}, [0.5, 0.3, 0, 0]),  # 0.8 of the 0.95 left is 0.842
        ({"temperature": 0.5, "top_p": 0.9}, [0.25, 0.09, 0, 0]),  # of 0.365: 0.685, 0.247
    ],
)
def test_draws_come_from_what_restrict_leaves(options, kept):
    probabilities = np.array(kept)
    rows = 2000
    zeros = np.zeros((rows, 1), np.int32)
    drawn, _ = sample(
        *known(0.5, 0.3, 0.15, 0.05), zeros, np.ones(rows, np.int32), KEY, num_tokens=1, **options
    )
    drawn = np.asarray(drawn[:, 0])
    assert set(drawn.tolist()) == set(np.flatnonzero(probabilities).tolist())
    check_frequencies(drawn, probabilities / probabilities.sum())


def brute_force(logits, top_k, top_p):
    """Which tokens stay: take the likeliest one by one. For logits without ties."""
    order = sorted(range(len(logits)), key=lambda i: -logits[i])
    order = order[: top_k or len(order)]
    weights = np.exp(np.array([logits[i] for i in order], np.float64))
    kept, total = set(), 0.0
    for i, share in zip(order, weights / weights.sum(), strict=True):
        kept.add(i)
        total += share
        if top_p is not None and total >= top_p:
            break
    return kept


def test_restrict_against_brute_force():
    random = np.random.default_rng(0)
    logits = random.normal(scale=2.0, size=(20, 9)).astype(np.float32)
    compiled = jax.jit(restrict, static_argnums=(1, 2))
    for top_k, top_p in itertools.product((None, 1, 3, 9, 50), (None, 0.05, 0.6, 0.97)):
        got = np.asarray(compiled(logits, top_k, top_p))
        for row, kept in zip(logits, got, strict=True):
            want = brute_force(row, top_k, top_p)
            assert set(np.flatnonzero(np.isfinite(kept))) == want
            np.testing.assert_array_equal(kept[sorted(want)], row[sorted(want)])
            assert (np.delete(kept, sorted(want)) == -np.inf).all()


def test_restrict_keeps_all_of_the_tokens_that_tie_with_the_last_one_kept():
    ties = jnp.array([1.0, 3.0, 1.0, 1.0, 0.0])
    finite = [True, True, True, True, False]
    assert np.isfinite(restrict(ties, 2, None)).tolist() == finite
    # softmax is 0.68, 3 × 0.09, 0.03: 0.7 needs the likeliest and one of the three.
    assert np.isfinite(restrict(ties, None, 0.7)).tolist() == finite


def test_restrict_to_all_changes_nothing():
    logits = jax.random.normal(KEY, (4, 9))
    np.testing.assert_array_equal(restrict(logits, None, None), logits)
    np.testing.assert_array_equal(restrict(logits, 9, 1.0), logits)


def test_a_stop_token_ends_a_sequence_counts_itself_and_fills_up():
    prompts = [[2], [5, 4, 3, 2], [0, 1], [3]]
    free, _ = sample(*small(), *pad(prompts), KEY, num_tokens=12)
    free = np.asarray(free)
    stop = int(free[0, 4])
    got, counts = sample(*small(), *pad(prompts), KEY, num_tokens=12, stop_token=stop)
    assert stop in got[0].tolist()
    for row, count, unstopped in zip(np.asarray(got), counts, free, strict=True):
        places = np.flatnonzero(unstopped == stop)
        want = places[0] + 1 if len(places) else 12
        assert count == want
        np.testing.assert_array_equal(row[:want], unstopped[:want])
        assert (row[want:] == stop).all()


def test_a_certain_stop_token_is_the_only_draw():
    model, variables = known(1e-30, 1.0)
    drawn, counts = sample(
        model, variables, [[0]], [1], KEY, num_tokens=4, stop_token=1, temperature=1.0
    )
    assert drawn.tolist() == [[1, 1, 1, 1]]
    assert counts.tolist() == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_tokens": 0}, "num_tokens"),
        ({"temperature": -1.0}, "temperature must be at least 0, got -1.0"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 0.0}, r"top_p must lie in \(0, 1\], got 0.0"),
        ({"top_p": 1.5}, "top_p"),
        ({"prompts": [1, 2]}, r"tokens must be \(batch, time\)"),
        ({"lengths": [1, 1]}, r"lengths \(batch,\), got \(1, 2\) and \(2,\)"),
        ({"lengths": [0]}, "lengths must lie between 1 and 2, got 0"),
        ({"lengths": [3]}, "lengths"),
    ],
)
def test_bad_arguments_are_named(options, message):
    arguments = {"prompts": [[1, 2]], "lengths": [1], "key": KEY, "num_tokens": 1, **options}
    with pytest.raises(ValueError, match=message):
        sample(*small(), **arguments)


def test_prompts_outside_the_vocabulary_are_named():
    with pytest.raises(ValueError, match="6"):
        sample(*small(), [[1, 6]], [2], KEY, num_tokens=1)


@pytest.mark.parametrize("temperature", [1e-30, 1e-37, 2e-38, 1e-38, 1e-300])
def test_a_temperature_near_zero_is_greedy(temperature):
    model, variables = small()
    # Several logits are then so large that they overflow when divided.
    variables = jax.tree.map(lambda x: 50 * x, variables)
    prompts, lengths = np.array([[1, 2, 3], [4, 0, 0]]), [3, 1]
    options = {"num_tokens": 6}
    want = sample(model, variables, prompts, lengths, KEY, temperature=0, **options)
    got = sample(model, variables, prompts, lengths, KEY, temperature=temperature, **options)
    np.testing.assert_array_equal(got[0], want[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": float("nan")}, "temperature must"),
        ({"temperature": float("inf")}, "temperature must be finite, got inf"),
        ({"stop_token": 6}, r"stop_token must lie in \[0, 6\)"),
        ({"stop_token": -1}, r"stop_token must lie in \[0, 6\)"),
        ({"stop_token": "."}, r"stop_token must be the id of a token, an integer, got '\.'"),
        ({"stop_token": 1.0}, "stop_token must be the id of a token, an integer, got 1.0"),
    ],
)
def test_what_no_draw_can_follow_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        sample(*small(), np.array([[1]]), [1], KEY, num_tokens=2, **options)
