import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Echo, random_like

import rnnjax as rx
from rnnjax.models import Tagger, TokenEmbedder
from rnnjax.schemes import check

VOCAB, ALPHABET, TIME = 7, 6, 4
TAGS = ("O", "B-X", "I-X")
LENGTHS = np.array([4, 2, 1, 0])
RNG = np.random.default_rng(0)
WORDS = RNG.integers(VOCAB, size=(4, TIME))
CHARACTERS = np.where(np.arange(3) < RNG.integers(4, size=(4, TIME, 1)), 2, 0)
CHARACTERS *= RNG.integers(1, 3, size=CHARACTERS.shape)
GOLD = RNG.integers(3, size=(4, TIME))
GOLD[0, 1] = -1
INSIDE = np.arange(TIME) < LENGTHS[:, None]
SCHEMES = {
    "IOB1": ("O", "I-X", "B-X", "I-Y"),
    "IOB2": ("O", "I-X", "B-X", "B-Y"),
    "IOBES": ("I-X", "O", "E-X", "S-X", "B-X"),
}


def make(characters=None, core=None, dtype=None, **options):
    """A small tagger and its variables."""
    embedder = TokenEmbedder(VOCAB, 3, characters, ALPHABET, 4, dtype=dtype)
    core = core or rx.Bidirectional(rx.Elman(3))
    model = Tagger(options.pop("tags", TAGS), embedder, core, dtype=dtype, **options)
    spelled = CHARACTERS if characters else None
    # Random in the shapes alone: no bias is zero, and no initialiser need be compiled.
    shapes = jax.eval_shape(model.init, jax.random.key(0), WORDS, spelled)
    return model, random_like(1, shapes, np.float32, scale=0.5)


def all_answers(model):
    """Everything that reads emissions, in one program: (loss, count), tags, probabilities."""

    def run(variables, emissions, tags, lengths):
        loss = model.apply(variables, emissions, tags, lengths, method="loss")
        best = model.apply(variables, emissions, lengths, method="predict")
        return loss, best, model.apply(variables, emissions, lengths, method="marginals")

    return jax.jit(run)


def enumerate_paths(params, emissions, permitted=lambda path: True):
    """All sequences of tags that are permitted, and their scores."""
    time, tags = emissions.shape
    start, between, end = (np.asarray(params[n], np.float64) for n in ("start", "between", "end"))
    paths = [p for p in itertools.product(range(tags), repeat=time) if permitted(p)]
    scores = [
        sum(emissions[t, tag] for t, tag in enumerate(path))
        + sum(between[pair] for pair in itertools.pairwise(path))
        + (start[path[0]] + end[path[-1]] if path else 0.0)
        for path in paths
    ]
    return paths, np.array(scores, np.float64)


def shares_of(paths, scores, tags):
    """Each tag's probability at each token."""
    probabilities = np.exp(scores - np.logaddexp.reduce(scores))
    eye = np.eye(tags)
    return sum(p * eye[list(path)] for path, p in zip(paths, probabilities, strict=True))


def test_emissions_are_an_affine_map_of_the_cores_outputs():
    model, variables = make("convolution")
    params = variables["params"]

    @jax.jit
    def run(params):
        xs = model.embedder.apply({"params": params["embedder"]}, WORDS, CHARACTERS)
        _, ys = rx.unroll(model.core, params["rnn"]["core"], jnp.swapaxes(xs, 0, 1))
        return ys, model.apply({"params": params}, WORDS, CHARACTERS)

    ys, got = run(params)
    head = params["head"]
    want = np.swapaxes(ys, 0, 1) @ np.asarray(head["kernel"]) + np.asarray(head["bias"])[None, None]
    assert (got.shape, got.dtype) == ((4, TIME, 3), jnp.float32)
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_a_padded_row_is_what_it_is_alone():
    model, variables = make("convolution", crf=True)

    def of(params, words, spelled, tags, lengths):
        emissions = model.apply({"params": params}, words, spelled, lengths)
        values = (tags, lengths)
        nats, count = model.apply({"params": params}, emissions, *values, method="loss")
        return nats, (count, emissions)

    @jax.jit
    def padded(params, words, spelled, tags):
        lengths = jnp.asarray(LENGTHS[1:])
        return jax.value_and_grad(of, has_aux=True)(params, words, spelled, tags, lengths)

    @jax.jit
    def alone(params):
        def each(params):
            rows = [(b, slice(n)) for b, n in enumerate(LENGTHS) if b and n]
            results = [
                of(
                    params,
                    WORDS[b : b + 1, cut],
                    CHARACTERS[b : b + 1, cut],
                    GOLD[b : b + 1, cut],
                    None,
                )
                for b, cut in rows
            ]
            return sum(nats for nats, _ in results), [emissions for _, (_, emissions) in results]

        return jax.value_and_grad(each, has_aux=True)(params)

    (want_nats, wants), want_gradient = alone(variables["params"])
    # A vocabulary that is too small for what stands in the padding gives NaN there.
    for junk in (0, 1, VOCAB + ALPHABET, -9):
        words, tags = (np.where(INSIDE, a, junk)[1:] for a in (WORDS, GOLD))
        marks = np.where(INSIDE[..., None], CHARACTERS, junk)[1:]
        (nats, (count, emissions)), gradient = padded(variables["params"], words, marks, tags)
        assert count == 3
        np.testing.assert_allclose(nats, want_nats, rtol=1e-5)
        for row, n, want in zip(emissions, LENGTHS[1:], wants, strict=False):
            np.testing.assert_allclose(row[:n], want[0], atol=1e-6)
        assert np.isfinite(emissions).all()
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=5e-6), gradient, want_gradient
        )


@pytest.mark.fast
@pytest.mark.parametrize("lengths", [LENGTHS, None])
def test_without_a_crf_each_token_is_by_itself(lengths):
    model, variables = make()
    emissions = 2 * RNG.normal(size=(4, TIME, 3)).astype(np.float32)
    (nats, count), best, shares = all_answers(model)(variables, emissions, GOLD, lengths)
    inside = np.ones((4, TIME), bool) if lengths is None else INSIDE
    logs = emissions - np.log(np.exp(emissions).sum(-1, keepdims=True))
    counts = inside & (GOLD >= 0)
    chosen = np.take_along_axis(logs, np.maximum(GOLD, 0)[..., None], -1)[..., 0]
    np.testing.assert_allclose(nats, -chosen[counts].sum(), rtol=1e-5)
    assert count == counts.sum() == (15 if lengths is None else 6)
    np.testing.assert_array_equal(best, np.where(inside, logs.argmax(-1), 0))
    np.testing.assert_allclose(shares, np.exp(logs) * inside[..., None], atol=1e-6)
    assert best.dtype == jnp.int32


@pytest.mark.fast
@pytest.mark.parametrize("lengths", [LENGTHS, None])
def test_with_a_crf_all_is_enumeration(lengths):
    model, variables = make(crf=True)
    params = variables["params"]
    emissions = 2 * RNG.normal(size=(4, TIME, 3)).astype(np.float32)
    (nats, count), best, shares = all_answers(model)(variables, emissions, GOLD, lengths)
    want = 0.0
    for b, n in enumerate([TIME] * 4 if lengths is None else lengths):
        paths, scores = enumerate_paths(params, emissions[b, :n])
        fits = [all(g in (-1, y) for g, y in zip(GOLD[b], path, strict=False)) for path in paths]
        want += np.logaddexp.reduce(scores) - np.logaddexp.reduce(scores[fits])
        assert tuple(np.asarray(best[b])) == paths[scores.argmax()] + (0,) * (TIME - n)
        if n:
            np.testing.assert_allclose(shares[b, :n], shares_of(paths, scores, 3), atol=1e-5)
        assert not np.asarray(shares[b, n:]).any()
    np.testing.assert_allclose(nats, want, rtol=1e-5)
    assert count == (15 if lengths is None else 6)


@pytest.mark.parametrize("crf", [False, True])
def test_tags_that_are_all_unknown_cost_and_teach_nothing(crf):
    model, variables = make(crf=crf)
    unknown = np.full((4, TIME), -1)

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1), has_aux=True)
    def loss(variables, emissions):
        return model.apply(variables, emissions, unknown, LENGTHS, method="loss")

    emissions = RNG.normal(size=(4, TIME, 3)).astype(np.float32)
    (nats, count), gradient = loss(variables, emissions)
    assert (float(nats), int(count)) == (0.0, 0)
    for leaf in jax.tree.leaves(gradient):
        np.testing.assert_allclose(leaf, 0, atol=1e-6)


MADE = {}


def with_scheme(scheme):
    if scheme not in MADE:
        model, variables = make(tags=SCHEMES[scheme], crf=True, scheme=scheme)
        MADE[scheme] = variables["params"], all_answers(model)
    return MADE[scheme]


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999), scale=st.sampled_from([0.0, 1.0, 30.0]))
def test_a_scheme_permits_what_is_well_formed_and_nothing_else(scheme, seed, scale):
    (params, run), tags = with_scheme(scheme), SCHEMES[scheme]
    rng = np.random.default_rng(seed)
    emissions = (scale * rng.normal(size=(4, TIME, len(tags)))).astype(np.float32)

    def permitted(path):
        try:
            check([tags[i] for i in path], scheme)
        except ValueError:
            return False
        return True

    likeliest, want = np.zeros((4, TIME), int), 0.0
    answers = []
    for b, n in enumerate(LENGTHS):
        paths, scores = enumerate_paths(params, emissions[b, :n], permitted)
        likeliest[b, :n] = paths[scores.argmax()]
        want += np.logaddexp.reduce(scores) - scores.max()
        answers.append((paths, scores))
    (nats, _), best, shares = run({"params": params}, emissions, likeliest, LENGTHS)
    np.testing.assert_array_equal(best, likeliest)
    np.testing.assert_allclose(nats, want, rtol=1e-3, atol=2e-4 * max(1, scale))
    for b, n in enumerate(LENGTHS[:3]):
        share = shares_of(*answers[b], len(tags))
        np.testing.assert_allclose(shares[b, :n], share, atol=1e-4)
        assert not np.asarray(shares[b, :n])[share == 0].any()


def test_a_forbidden_transition_has_probability_zero():
    params, run = with_scheme("IOB2")
    tags = np.array([[SCHEMES["IOB2"].index(name) for name in ("O", "O", "I-X", "O")]] * 4)
    (nats, _), _, _ = run({"params": params}, np.zeros((4, TIME, 4), np.float32), tags, LENGTHS)
    # Only the first sentence is long enough to hold it.
    assert 1e3 < nats < np.inf
    assert np.exp(-np.float32(nats)) == 0


def test_step_by_step_is_the_whole():
    model, variables = make("convolution", rx.Stack((rx.Elman(3), rx.GRU(3))), crf=True)
    emissions = jax.jit(model.apply)(variables, WORDS, CHARACTERS)
    step = jax.jit(lambda *args: model.apply(*args, method="step"))
    state = model.initial_state((4,))
    for t in range(TIME):
        state, got = step(variables, state, WORDS[:, t], CHARACTERS[:, t])
        assert got.dtype == jnp.float32
        np.testing.assert_allclose(got, emissions[:, t], atol=1e-6)


def test_a_bidirectional_tagger_has_no_step():
    model, variables = make()
    with pytest.raises(ValueError, match="Bidirectional has no step"):
        model.apply(variables, model.initial_state((4,)), WORDS[:, 0], method="step")


def test_dropout_needs_an_rng_and_draws_one_mask_a_sentence():
    tags = tuple(map(str, range(60)))
    model = Tagger(tags, TokenEmbedder(VOCAB, 60), Echo(60), dropout=0.5)
    params = {"embedder": {"words": {"embedding": jnp.ones((VOCAB, 60))}}, "rnn": {"core": {}}}
    params["head"] = {"kernel": jnp.eye(60), "bias": jnp.zeros(60)}
    apply = jax.jit(model.apply)
    np.testing.assert_array_equal(apply({"params": params}, WORDS), np.ones((4, TIME, 60)))
    on, again, other = (
        np.asarray(apply({"params": params}, WORDS, rngs={"dropout": jax.random.key(seed)}))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(on, again)
    np.testing.assert_array_equal(on, np.broadcast_to(on[:, :1], on.shape))
    np.testing.assert_array_equal(np.unique(on), [0, 2])
    assert (on[0, 0] != on[1, 0]).any()
    assert (on != other).any()


def test_bfloat16_computes_in_half_and_returns_float32():
    model, variables = make(None, rx.Elman(3, dtype=jnp.bfloat16), jnp.bfloat16)
    exact, _ = make(core=rx.Elman(3))

    @jax.jit
    def run(variables):
        def loss(variables):
            emissions = model.apply(variables, WORDS, None, LENGTHS)
            nats, _ = model.apply(variables, emissions, GOLD, LENGTHS, method="loss")
            return nats, emissions

        gradient, emissions = jax.grad(loss, has_aux=True)(variables)
        return gradient, emissions, exact.apply(variables, WORDS, None, LENGTHS)

    gradient, got, want = run(variables)
    assert got.dtype == jnp.float32
    assert 1e-4 < np.abs(got - want).max() < 0.05
    for leaf in jax.tree.leaves(gradient):
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tags": ("A", "B", "A")}, r"tags must be distinct .* got \('A', 'B', 'A'\)"),
        ({"tags": ()}, "at least one"),
        ({"scheme": "IOB2"}, "crf must be True for scheme 'IOB2'"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_tag_that_the_scheme_does_not_have_is_named():
    with pytest.raises(ValueError, match=r"tags must be those of IOB2 .*, got 'NOUN'"):
        make(tags=("O", "NOUN"), crf=True, scheme="IOB2")


def test_missing_and_superfluous_characters_are_named():
    model, variables = make()
    with pytest.raises(ValueError, match="characters must be none"):
        model.apply(variables, WORDS, CHARACTERS)
    with pytest.raises(ValueError, match="characters must be the words' characters"):
        make("lstm")[0].apply(variables, WORDS)


def test_it_hashes_by_its_attributes_as_a_static_argument_must():
    (model, _), (same, _) = make(crf=True, scheme="IOB2"), make(crf=True, scheme="IOB2")
    assert model == same
    assert hash(model) == hash(same)
    assert model != make(crf=True)[0]
