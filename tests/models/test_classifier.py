import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import Echo, random_like, some_fast

import rnnjax as rx
from rnnjax.losses import cross_entropy
from rnnjax.models import Classifier, TokenEmbedder

VOCAB, ALPHABET, TIME = 7, 6, 4
LABELS = ("bad", "good", "neither")
POOLINGS = ("last", "mean", "max", "attention")
LENGTHS = np.array([4, 2, 1, 0])
TARGETS = np.array([2, 0, 1, 1])
RNG = np.random.default_rng(0)
WORDS = RNG.integers(VOCAB, size=(4, TIME))
CHARACTERS = np.where(np.arange(3) < RNG.integers(4, size=(4, TIME, 1)), 2, 0)
CHARACTERS *= RNG.integers(1, 3, size=CHARACTERS.shape)
INSIDE = np.arange(TIME) < LENGTHS[:, None]


def make(pooling="max", characters=None, core=None, dtype=None, **options):
    """A small classifier and its variables."""
    embedder = TokenEmbedder(VOCAB, 3, characters, ALPHABET, 4, dtype=dtype)
    core = core or rx.Bidirectional(rx.Elman(3))
    labels = options.pop("labels", LABELS)
    model = Classifier(labels, embedder, core, pooling, dtype=dtype, **options)
    spelled = CHARACTERS if characters else None
    # Random in the shapes alone: no bias is zero, and no initialiser need be compiled.
    shapes = jax.eval_shape(model.init, jax.random.key(0), WORDS, spelled)
    return model, random_like(1, shapes, np.float32, scale=0.5)


def literal(pooling, params, ys, core):
    """The logits of one sentence from the core's outputs `(time, features)`, in float64."""
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    ys = np.asarray(ys, np.float64)
    if not len(ys):
        pooled = np.zeros(ys.shape[1])
    elif pooling == "last":
        half = ys.shape[1] // 2 if isinstance(core, rx.Bidirectional) else ys.shape[1]
        pooled = np.concatenate([ys[-1, :half], ys[0, half:]])
    elif pooling == "attention":
        hidden = np.tanh(
            ys @ params["reader"]["attention"]["kernel"] + params["reader"]["attention"]["bias"]
        )
        shares = np.exp(hidden @ params["reader"]["query"]["kernel"])
        pooled = (shares * ys).sum(axis=0) / shares.sum()
    else:
        pooled = getattr(ys, pooling)(axis=0)
    head, hidden = params["head"]["output"], params["head"].get("hidden_layer")
    if hidden is not None:
        pooled = np.tanh(pooled @ hidden["kernel"] + hidden["bias"])
    return pooled @ head["kernel"] + head["bias"]


@pytest.mark.parametrize("pooling", some_fast(POOLINGS, ["last", "attention"]))
def test_logits_are_those_of_the_pooled_outputs(pooling):
    model, variables = make(pooling, hidden=5 if pooling == "last" else None)
    params = variables["params"]

    @jax.jit
    def run(params):
        xs = model.embedder.apply({"params": params["embedder"]}, WORDS)
        core, xs = params["reader"]["rnn"]["core"], jnp.swapaxes(xs, 0, 1)
        _, ys = rx.unroll(model.core, core, xs, lengths=jnp.asarray(LENGTHS))
        return ys, model.apply({"params": params}, WORDS, None, LENGTHS)

    ys, got = run(params)
    assert (got.shape, got.dtype) == ((4, 3), jnp.float32)
    for b, n in enumerate(LENGTHS):
        want = literal(pooling, params, ys[:n, b], model.core)
        np.testing.assert_allclose(got[b], want, atol=2e-6)


@pytest.mark.parametrize(
    ("pooling", "characters"),
    [("last", None), ("attention", "lstm")],
)
def test_a_padded_row_is_what_it_is_alone(pooling, characters):
    core = rx.Elman(3) if characters else rx.Bidirectional(rx.Elman(3))
    model, variables = make(pooling, characters, core)

    def of(params, words, spelled, targets, lengths):
        logits = model.apply({"params": params}, words, spelled, lengths)
        return cross_entropy(logits, targets)[0], logits

    @jax.jit
    def padded(params, words, spelled):
        lengths = jnp.asarray(LENGTHS[1:])
        return jax.value_and_grad(of, has_aux=True)(params, words, spelled, TARGETS[1:], lengths)

    @jax.jit
    def alone(params):
        def each(params):
            results = [
                of(
                    params,
                    WORDS[b : b + 1, :n],
                    CHARACTERS[b : b + 1, :n] if characters else None,
                    TARGETS[b : b + 1],
                    None,
                )
                for b, n in enumerate(LENGTHS)
                if b and n
            ]
            # A sentence of no tokens is pooled to zeros, of which the head leaves its bias.
            nothing = params["head"]["output"]["bias"][None]
            nats = cross_entropy(nothing, TARGETS[3:])[0] + sum(nats for nats, _ in results)
            return nats, jnp.concatenate([*(logits for _, logits in results), nothing])

        return jax.value_and_grad(each, has_aux=True)(params)

    (want_nats, want), want_gradient = alone(variables["params"])
    # What stands in the padding may be out of range, which an embedding answers with NaN.
    for junk in (0, 1, VOCAB + ALPHABET, -9):
        words = np.where(INSIDE, WORDS, junk)[1:]
        spelled = np.where(INSIDE[..., None], CHARACTERS, junk)[1:] if characters else None
        (nats, logits), gradient = padded(variables["params"], words, spelled)
        np.testing.assert_allclose(nats, want_nats, rtol=1e-5)
        np.testing.assert_allclose(logits, want, atol=1e-6)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=5e-6), gradient, want_gradient
        )


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_stream_gives_the_answer_to_all_that_was_read(pooling):
    characters = "convolution" if pooling == "mean" else None
    model, variables = make(pooling, characters, core=rx.Elman(3))
    row = slice(1, 2)
    spelled = CHARACTERS[row] if characters else None
    prefixes = np.repeat(WORDS[row], TIME, axis=0)
    parts = None if spelled is None else np.repeat(spelled, TIME, axis=0)
    wants = jax.jit(model.apply)(variables, prefixes, parts, np.arange(1, TIME + 1))
    step = jax.jit(lambda *args: model.apply(*args, method="step"))
    state = model.initial_state((1,))
    for t, want in enumerate(wants):
        marks = None if spelled is None else spelled[:, t]
        state, got = step(variables, state, WORDS[row, t], marks)
        assert got.dtype == jnp.float32
        np.testing.assert_allclose(got[0], want, atol=2e-6)


def test_a_bidirectional_classifier_has_no_step():
    model, variables = make()
    with pytest.raises(ValueError, match="Bidirectional has no step"):
        model.apply(variables, model.initial_state((4,)), WORDS[:, 0], method="step")


def test_dropout_needs_an_rng():
    labels = tuple(map(str, range(60)))
    model = Classifier(labels, TokenEmbedder(VOCAB, 60), Echo(60), "mean", dropout=0.5)
    params = {"embedder": {"words": {"embedding": jnp.ones((VOCAB, 60))}}}
    params["reader"] = {"rnn": {"core": {}}}
    params["head"] = {"output": {"kernel": jnp.eye(60), "bias": jnp.zeros(60)}}
    apply = jax.jit(model.apply)
    np.testing.assert_array_equal(apply({"params": params}, WORDS), np.ones((4, 60)))
    on, again, other = (
        np.asarray(apply({"params": params}, WORDS, rngs={"dropout": jax.random.key(seed)}))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(on, again)
    np.testing.assert_array_equal(np.unique(on), [0, 2])
    assert (on != other).any()


def test_bfloat16_computes_in_half_and_returns_float32():
    model, variables = make("attention", None, rx.Elman(3, dtype=jnp.bfloat16), jnp.bfloat16)
    exact, _ = make("attention", core=rx.Elman(3))

    @jax.jit
    def run(variables):
        def loss(variables):
            logits = model.apply(variables, WORDS, None, LENGTHS)
            return cross_entropy(logits, TARGETS)[0], logits

        gradient, logits = jax.grad(loss, has_aux=True)(variables)
        return gradient, logits, exact.apply(variables, WORDS, None, LENGTHS)

    gradient, got, want = run(variables)
    assert got.dtype == jnp.float32
    assert 1e-4 < np.abs(got - want).max() < 0.05
    for leaf in jax.tree.leaves(gradient):
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"pooling": "sum"},
            "pooling must be one of 'last', 'mean', 'max', 'attention', got 'sum'",
        ),
        ({"labels": ("a", "b", "a")}, r"labels must be distinct .* got \('a', 'b', 'a'\)"),
        ({"labels": ()}, "at least one"),
        ({"hidden": 0}, "hidden must be .* got 0"),
        ({"dropout": -0.5}, r"dropout must lie in \[0, 1\), got -0.5"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_missing_and_superfluous_characters_are_named():
    model, variables = make()
    with pytest.raises(ValueError, match="characters must be none"):
        model.apply(variables, WORDS, CHARACTERS)
    model, variables = make(characters="lstm")
    with pytest.raises(ValueError, match="characters must be the words' characters"):
        model.apply(variables, WORDS)


def test_it_hashes_by_its_attributes_as_a_static_argument_must():
    (model, _), (same, _) = make(), make()
    assert model == same
    assert hash(model) == hash(same)
    assert model != make("mean")[0]
