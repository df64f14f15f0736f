import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax import crf

TIME, TAGS = 4, 3
LENGTHS = np.array([4, 2, 1, 0, 3])


def problem(seed=0, time=TIME, batch=(5,), tags=TAGS, scale=2.0):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return scale * rng.normal(size=shape)

    transitions = crf.Transitions(normal(tags), normal(tags, tags), normal(tags))
    return normal(time, *batch, tags), transitions


def path_score(emissions, transitions, tags):
    """The definition, one addend after the other."""
    if not len(tags):
        return 0.0
    steps = sum(emissions[t, tag] for t, tag in enumerate(tags))
    moves = sum(transitions.between[a, b] for a, b in itertools.pairwise(tags))
    return transitions.start[tags[0]] + steps + moves + transitions.end[tags[-1]]


def enumerate_paths(emissions, transitions):
    """All sequences of tags of one sequence of emissions, and their scores."""
    time, tags = emissions.shape
    paths = list(itertools.product(range(tags), repeat=time))
    return paths, np.array([path_score(emissions, transitions, path) for path in paths])


def log_sum(scores):
    return np.logaddexp.reduce(scores)


def dirty(emissions, lengths):
    return np.where((np.arange(len(emissions))[:, None] >= lengths)[..., None], np.nan, emissions)


@jax.jit
def functions(*args):
    return crf.log_partition(*args), crf.marginals(*args), crf.viterbi(*args)


likelihood = jax.jit(crf.log_likelihood)


@pytest.mark.fast
def test_all_functions_equal_enumeration(x64):
    emissions, transitions = problem()
    given = dirty(emissions, LENGTHS)
    total, shares, (tags, scores) = functions(given, transitions, LENGTHS)
    assert tags.dtype == jnp.int32
    for b, n in enumerate(LENGTHS):
        paths, each = enumerate_paths(emissions[:n, b], transitions)
        np.testing.assert_allclose(total[b], log_sum(each), rtol=1e-12)
        np.testing.assert_allclose(scores[b], each.max(), rtol=1e-12)
        assert tuple(np.asarray(tags[:n, b])) == paths[int(each.argmax())]
        assert not np.asarray(tags[n:, b]).any()
        probabilities = np.exp(each - log_sum(each))
        for t in range(TIME):
            want = [
                sum(p for path, p in zip(paths, probabilities, strict=True) if path[t] == k)
                if t < n
                else 0.0
                for k in range(TAGS)
            ]
            np.testing.assert_allclose(shares[t, b], want, atol=1e-12)


@pytest.mark.fast
def test_the_likelihood_is_the_share_of_a_sequence(x64):
    emissions, transitions = problem(1)
    tags = np.random.default_rng(2).integers(TAGS, size=emissions.shape[:-1])
    got = likelihood(dirty(emissions, LENGTHS), tags, transitions, LENGTHS)
    for b, n in enumerate(LENGTHS):
        _, each = enumerate_paths(emissions[:n, b], transitions)
        want = path_score(emissions[:, b], transitions, tags[:n, b]) - log_sum(each)
        np.testing.assert_allclose(got[b], want, rtol=1e-11, atol=1e-12)


def test_an_unknown_tag_sums_over_what_it_could_be(x64):
    emissions, transitions = problem(3, batch=())
    got = likelihood(emissions, np.array([1, crf.FREE, 0, crf.FREE]), transitions)
    paths, each = enumerate_paths(emissions, transitions)
    fitting = [s for path, s in zip(paths, each, strict=True) if path[0] == 1 and path[2] == 0]
    np.testing.assert_allclose(got, log_sum(fitting) - log_sum(each), rtol=1e-11)


def test_gradients_are_those_of_the_definition(x64):
    emissions, transitions = problem(4)
    tags = np.random.default_rng(5).integers(TAGS, size=emissions.shape[:-1])

    def by_recursion(emissions, transitions):
        return crf.log_likelihood(emissions, tags, transitions, LENGTHS).sum()

    def by_definition(emissions, transitions):
        total = 0.0
        for b, n in enumerate(LENGTHS):
            paths = np.array([*itertools.product(range(TAGS), repeat=int(n))], int)
            score = partial(path_score, emissions[:, b], transitions)
            total += score(tags[:n, b]) - jax.nn.logsumexp(jax.vmap(score)(paths))
        return total

    arrays = jax.tree.map(jnp.asarray, (emissions, transitions))
    got = jax.jit(jax.grad(by_recursion, (0, 1)))(dirty(arrays[0], LENGTHS), arrays[1])
    want = jax.jit(jax.grad(by_definition, (0, 1)))(*arrays)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11), got, want)


# Padding in front, gaps, everything, nothing, and the last step alone.
MASK = np.array([[0, 0, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]], bool).T


@pytest.mark.fast
def test_steps_that_the_mask_leaves_out_are_as_if_cut_out(x64):
    emissions, transitions = problem(8)
    tags = np.random.default_rng(9).integers(TAGS, size=emissions.shape[:-1])
    given = np.where(MASK[..., None], emissions, np.nan)
    wild = np.where(MASK, tags, 99)

    @jax.jit
    def all_functions(emissions, transitions, tags, lengths=None, mask=None):
        args = transitions, lengths, mask
        sums = crf.log_partition(emissions, *args), crf.log_likelihood(emissions, tags, *args)
        gradients = jax.grad(
            lambda e, t: crf.log_likelihood(e, tags, t, lengths, mask).sum(), (0, 1)
        )(emissions, transitions)
        steps = crf.marginals(emissions, *args), gradients[0]
        best, score = crf.viterbi(emissions, *args)
        return (*sums, score), (*steps, best), gradients[1]

    sums, steps, of_transitions = all_functions(given, transitions, wild, mask=MASK)
    for b, counts in enumerate(MASK.T):
        paths, each = enumerate_paths(emissions[counts, b], transitions)
        share = path_score(emissions[counts, b], transitions, tags[counts, b]) - log_sum(each)
        got = [found[b] for found in sums]
        np.testing.assert_allclose(got, [log_sum(each), share, each.max()], rtol=1e-11, atol=1e-12)
        assert tuple(np.asarray(steps[-1])[counts, b]) == paths[int(each.argmax())]
    # The same with the steps that count moved to the front.
    order = np.argsort(~MASK, axis=0, kind="stable")
    front = np.take_along_axis(emissions, order[..., None], axis=0)
    want = all_functions(front, transitions, np.take_along_axis(tags, order, 0), MASK.sum(0))
    close = partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12)
    jax.tree.map(close, (sums, of_transitions), (want[0], want[2]))
    for found, expected in zip(steps, want[1], strict=True):
        moved = order.reshape(order.shape + (1,) * (found.ndim - 2))
        close(np.take_along_axis(np.asarray(found), moved, axis=0), expected)


@settings(max_examples=5, deadline=None)
@given(time=st.integers(1, 5), tags=st.integers(1, 4), seed=st.integers(0, 99))
def test_forbidden_transitions_have_probability_zero(time, tags, seed):
    emissions, transitions = problem(seed, time, (), tags)
    rng = np.random.default_rng(seed)
    # The last tag may follow and be followed by all, so that some sequence is always allowed.
    allowed = crf.Transitions(
        *(np.logical_or(rng.random(p.shape) < 0.5, _touches_last(p)) for p in transitions)
    )
    limited = jax.tree.map(np.asarray, transitions.where(allowed))
    paths, each = enumerate_paths(emissions, transitions)
    ok = np.array([_is_allowed(path, allowed) for path in paths])
    total, shares, (best, _) = functions(emissions.astype(np.float32), limited)
    np.testing.assert_allclose(total, log_sum(each[ok]), rtol=1e-4)
    assert _is_allowed(tuple(np.asarray(best)), allowed)
    never = [
        all(path[0] != k for path, fine in zip(paths, ok, strict=True) if fine) for k in range(tags)
    ]
    assert not np.asarray(shares[0])[never].any()


def _touches_last(part):
    last = np.arange(part.shape[-1]) == part.shape[-1] - 1
    return last if part.ndim == 1 else last[:, None] | last[None, :]


def _is_allowed(path, allowed):
    moves = all(allowed.between[a, b] for a, b in itertools.pairwise(path))
    return bool(allowed.start[path[0]] and moves and allowed.end[path[-1]])


def test_no_steps_and_any_batch_axes():
    emissions, transitions = jax.tree.map(np.float32, problem(6, time=0, batch=(2, 3)))
    assert crf.log_partition(emissions, transitions).shape == (2, 3)
    tags, scores = crf.viterbi(emissions, transitions)
    assert (tags.shape, scores.shape) == ((0, 2, 3), (2, 3))
    emissions, transitions = jax.tree.map(np.float32, problem(6, batch=(2, 3)))
    total = jax.jit(crf.log_partition)
    deep = total(emissions, transitions)
    flat = total(emissions.reshape(TIME, 6, TAGS), transitions)
    np.testing.assert_allclose(deep.reshape(6), flat, rtol=1e-5)


def test_bfloat16_emissions_are_summed_in_float32():
    emissions, transitions = problem(7, time=40)
    narrow = jnp.asarray(emissions, jnp.bfloat16)
    total = jax.jit(crf.log_partition)
    got = total(narrow, transitions)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, total(narrow.astype(jnp.float32), transitions), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"emissions": np.zeros(3)}, "emissions must have shape"),
        ({"emissions": np.zeros((4, 2, 2))}, "transitions must be those of 2 tags"),
        ({"lengths": np.zeros(3, int)}, r"lengths must have the batch's shape \(2,\)"),
        (
            {"mask": np.ones((2, 4), bool)},
            r"mask must have shape .* = \(4, 2\)",
        ),
        ({"mask": np.ones((4, 2), int)}, "mask must be of dtype bool, got int"),
        ({"tags": np.zeros((3, 2), int)}, r"tags must have shape \(4, 2\)"),
    ],
)
def test_bad_input_is_named(change, message):
    emissions, transitions = problem(batch=(2,))
    tags = np.zeros((4, 2), int)
    options = {"emissions": emissions, "tags": tags, "lengths": np.array([1, 2]), **change}
    if "emissions" in change:
        options["tags"] = np.zeros(change["emissions"].shape[:-1], int)
        options["lengths"] = None
    with pytest.raises(ValueError, match=message):
        crf.log_likelihood(transitions=transitions, **options)


@pytest.mark.parametrize("shift", [-1e5, -2e4, 0.0, 3e4])
def test_a_constant_added_to_all_scores_of_a_step_changes_no_probability(shift):
    emissions = np.array([[0.0] * 3, [shift] * 3], np.float32)
    transitions = crf.Transitions(np.zeros(3), np.zeros((3, 3)), np.zeros(3))
    transitions = jax.tree.map(np.float32, transitions)
    evaluate = jax.jit(jax.value_and_grad(crf.log_likelihood))
    found, gradient = evaluate(emissions, np.array([0, 2]), transitions)
    assert found == pytest.approx(-2 * np.log(3), abs=0.02)
    expected = np.eye(3)[[0, 2]] - 1 / 3
    np.testing.assert_allclose(gradient, expected, atol=1e-2)


def test_lengths_may_be_a_list_and_are_checked_as_those_of_unroll():
    free = crf.Transitions(jnp.zeros(2), jnp.zeros((2, 2)), jnp.zeros(2))
    emissions = jnp.ones((3, 2, 2))
    functions = {
        "partition": lambda n: crf.log_partition(emissions, free, n),
        "likelihood": lambda n: crf.log_likelihood(emissions, jnp.zeros((3, 2), int), free, n),
        "marginals": lambda n: crf.marginals(emissions, free, n),
        "viterbi": lambda n: crf.viterbi(emissions, free, n)[1],
    }
    for function in functions.values():
        np.testing.assert_array_equal(function([3, 1]), function(jnp.array([3, 1])))
        for wrong, message in (
            ([4, 1], "lengths must lie between 0 and the number of steps, 3; got 4"),
            ([-1, 1], "lengths must lie between 0"),
            ([1.0, 2.0], "lengths must be integers"),
            ([1], "lengths must have the batch's shape"),
        ):
            with pytest.raises(ValueError, match=message):
                function(wrong)
