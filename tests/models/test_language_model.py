from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import Echo, random_like

import rnnjax as rx
from rnnjax.losses import cross_entropy
from rnnjax.models import LanguageModel

VOCAB = 7
TOKENS = np.random.default_rng(0).integers(VOCAB, size=(3, 9)).astype(np.int32)
MODELS = {
    "embedding": {"embed_size": 5},
    "one-hot": {},
    "tied": {"embed_size": 6, "tie_embeddings": True},
    "projected": {"embed_size": 5, "tie_embeddings": True},
}


def make(**options):
    """A two-layer model and its variables; no bias is zero."""
    options = {"core": rx.Stack((rx.LSTM(6), rx.LSTM(6))), **options}
    model = LanguageModel(VOCAB, **options)
    shapes = jax.eval_shape(model.init, jax.random.key(1), TOKENS)
    return model, random_like(2, shapes, np.float32, scale=0.5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def literal(params, tokens):
    """The model from its equations, in numpy and float64, a token at a time."""
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
    rows = params["embedding"]["embedding"] if "embedding" in params else np.eye(VOCAB)
    layers = params["rnn"]["core"]
    logits = np.zeros((*tokens.shape, VOCAB))
    for b, sequence in enumerate(tokens):
        state = {name: (np.zeros(6), np.zeros(6)) for name in layers}
        for t, token in enumerate(sequence):
            x = rows[token]
            for name in sorted(layers):
                p, (h, c) = layers[name], state[name]
                i, f, g, o = np.split(x @ p["w_x"] + h @ p["w_h"] + p["b"], 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
                state[name], x = (h, c), h
            if "projection" in params:
                x = x @ params["projection"]["kernel"] + params["projection"]["bias"]
            logits[b, t] = x @ params.get("kernel", rows.T) + params["bias"]
    return logits


@pytest.mark.fast
@pytest.mark.parametrize("kind", MODELS)
def test_it_is_its_equations(kind):
    model, variables = make(**MODELS[kind])
    assert ("projection" in variables["params"]) == (kind == "projected")
    assert ("kernel" in variables["params"]) == (kind in ("embedding", "one-hot"))
    _, logits = jax.jit(model.apply)(variables, TOKENS)
    np.testing.assert_allclose(logits, literal(variables["params"], TOKENS), atol=2e-6)


@pytest.mark.parametrize("kind", MODELS)
def test_step_by_step_is_one_call(kind):
    model, variables = make(**MODELS[kind])
    final, logits = jax.jit(model.apply)(variables, TOKENS)
    step = jax.jit(lambda *args: model.apply(*args, method="step"))
    state = model.initial_state((3,))
    for t in range(TOKENS.shape[1]):
        state, each = step(variables, state, TOKENS[:, t])
        np.testing.assert_allclose(each, logits[:, t], atol=2e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), state, final)


def test_state_carried_over_chunks_is_one_call():
    model, variables = make(embed_size=5)
    apply = jax.jit(model.apply)
    final, logits = apply(variables, TOKENS)
    state, parts = None, []
    for a, b in ((0, 3), (3, 6), (6, 9)):
        state, part = apply(variables, TOKENS[:, a:b], state)
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), logits, atol=2e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), state, final)


def test_logits_depend_on_no_later_token():
    model, variables = make(embed_size=5)
    apply = jax.jit(model.apply)
    changed = np.array(TOKENS)
    changed[:, 5] = (changed[:, 5] + 1) % VOCAB
    _, before = apply(variables, TOKENS)
    _, after = apply(variables, changed)
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert (np.abs(before[:, 5] - after[:, 5]) > 1e-4).all()


def test_a_padded_row_is_what_it_is_alone():
    model, variables = make(embed_size=5)
    lengths = [9, 4, 0]
    final, logits = jax.jit(model.apply)(variables, TOKENS, lengths=jnp.array(lengths))
    for row, length in enumerate(lengths):
        alone = literal(variables["params"], TOKENS[row : row + 1, :length])[0]
        np.testing.assert_allclose(logits[row, :length], alone, atol=2e-6)
    # Length 0 leaves the initial state; another ends where its last token was read.
    assert not np.any(final[1].h[2])
    state, _ = jax.jit(model.apply)(variables, TOKENS[1:2, :4])
    np.testing.assert_allclose(final[1].c[1], state[1].c[0], atol=2e-6)


def test_padding_out_of_range_reaches_nothing():
    # Under jit nothing checks; an embedding looked up out of range is NaN.
    model, variables = make(embed_size=5)
    lengths = jnp.array([9, 4, 2])
    counts = np.arange(9) < np.asarray(lengths)[:, None]
    padded = jnp.asarray(np.where(counts, TOKENS, VOCAB + 5))

    @jax.jit
    @jax.value_and_grad
    def loss(params, tokens):
        _, logits = model.apply({"params": params}, tokens, lengths=lengths)
        return cross_entropy(logits, jnp.asarray(TOKENS), jnp.asarray(counts))[0]

    got, want = loss(variables["params"], padded), loss(variables["params"], TOKENS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), got, want)


def test_a_reset_starts_afresh():
    model, variables = make(embed_size=5)
    resets = np.zeros(TOKENS.shape, bool)
    resets[0, 4] = resets[2, 7] = True
    _, logits = jax.jit(model.apply)(variables, TOKENS, resets=resets)
    for row, at in ((0, 4), (2, 7)):
        parts = [literal(variables["params"], t[None])[0] for t in np.split(TOKENS[row], [at])]
        np.testing.assert_allclose(logits[row], np.concatenate(parts), atol=2e-6)
    np.testing.assert_allclose(logits[1:2], literal(variables["params"], TOKENS[1:2]), atol=2e-6)


@pytest.mark.parametrize("kind", ["tied", "projected"])
def test_tied_embeddings_learn_from_both_ends(kind):
    model, variables = make(**MODELS[kind])
    params = variables["params"]
    assert params["embedding"]["embedding"].shape == (VOCAB, MODELS[kind]["embed_size"])
    tokens = np.array([[2, 2, 2]])
    weight = np.random.default_rng(3).normal(size=(1, 3, VOCAB)).astype(np.float32)

    @jax.jit
    def look(params):
        """Return the gradient of a weighted sum of the logits, and what the head reads."""
        loss = lambda p: (model.apply({"params": p}, tokens)[1] * weight).sum()  # noqa: E731
        _, read = model.apply({"params": params}, tokens, method="features")
        return jax.grad(loss)(params), read

    gradient, read = jax.tree.map(np.asarray, look(params))
    gradient = gradient["embedding"]["embedding"]
    # As an output every row counts; as an input only that of token 2, which alone has more than
    # what the head makes of it: sum over t of weight[t, row] * what the head reads at t.
    assert (np.abs(gradient).max(axis=1) > 0).all()
    read = read[0]
    if kind == "projected":
        projection = jax.tree.map(np.asarray, params["projection"])
        read = read @ projection["kernel"] + projection["bias"]
    head = np.asarray(weight[0]).T @ read
    others = np.arange(VOCAB) != 2
    np.testing.assert_allclose(gradient[others], head[others], atol=1e-5)
    assert np.abs(gradient[2] - head[2]).max() > 1e-3


def test_one_hot_is_an_identity_embedding():
    one_hot, variables = make()
    embedded, other = make(embed_size=VOCAB)
    params = {**other["params"], **variables["params"]}
    params["embedding"] = {"embedding": jnp.eye(VOCAB)}
    _, want = jax.jit(one_hot.apply)(variables, TOKENS)
    _, got = jax.jit(embedded.apply)({"params": params}, TOKENS)
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_dropout_needs_an_rng():
    core = rx.Stack((rx.LSTM(6), rx.LSTM(6)), dropout=0.5)
    model, variables = make(embed_size=5, dropout=0.5, core=core)
    plain, _ = make(embed_size=5)
    apply = jax.jit(model.apply)
    _, off = apply(variables, TOKENS)
    np.testing.assert_array_equal(off, jax.jit(plain.apply)(variables, TOKENS)[1])
    _, on = apply(variables, TOKENS, rngs={"dropout": jax.random.key(0)})
    _, again = apply(variables, TOKENS, rngs={"dropout": jax.random.key(0)})
    _, other = apply(variables, TOKENS, rngs={"dropout": jax.random.key(1)})
    np.testing.assert_array_equal(on, again)
    for a, b in ((on, off), (on, other)):
        assert np.abs(np.asarray(a) - b).max() > 1e-3


def test_dropout_between_layers_is_on_with_the_rng_too():
    core = rx.Stack((rx.LSTM(6), rx.LSTM(6)), dropout=0.5)
    model, variables = make(embed_size=5, core=core)
    apply = jax.jit(model.apply)
    _, off = apply(variables, TOKENS)
    _, on = apply(variables, TOKENS, rngs={"dropout": jax.random.key(0)})
    assert np.abs(np.asarray(on) - off).max() > 1e-3


def test_dropout_draws_one_mask_a_sequence_and_keeps_the_mean():
    model = LanguageModel(VOCAB, Echo(400), embed_size=400, dropout=0.25)
    params = {"embedding": {"embedding": jnp.ones((VOCAB, 400))}, "rnn": {"core": {}}}
    params |= {"kernel": jnp.ones((400, VOCAB)), "bias": jnp.zeros(VOCAB)}
    key = jax.random.key(0)
    features = jax.jit(partial(model.apply, method="features"))
    _, seen = features({"params": params}, TOKENS, rngs={"dropout": key})
    seen = np.asarray(seen)  # dropped as an input, and once more as an output
    np.testing.assert_array_equal(seen, np.broadcast_to(seen[:, :1], seen.shape))
    values, counts = np.unique(seen[:, 0].round(4), return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 0.75**2], rtol=1e-4)
    # Two independent masks keep 0.75² of 1200; four standard deviations are 0.058.
    assert abs(counts[1] / counts.sum() - 0.75**2) < 0.058
    assert (seen[0, 0] != seen[1, 0]).any()


@pytest.mark.parametrize("kind", MODELS)
def test_bfloat16_computes_in_half_and_returns_float32(kind):
    core = rx.Stack((rx.LSTM(6, dtype=jnp.bfloat16),) * 2)
    model, variables = make(**MODELS[kind], core=core, dtype=jnp.bfloat16)
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    _, logits = jax.jit(model.apply)(variables, TOKENS)
    assert logits.dtype == jnp.float32
    want = literal(variables["params"], TOKENS)
    np.testing.assert_allclose(logits, want, atol=0.1)
    assert np.abs(logits - want).max() > 1e-4  # it did compute in half precision
    step = partial(model.apply, method="step")
    _, one = jax.eval_shape(step, variables, model.initial_state((3,)), TOKENS[:, 0])
    assert one.dtype == jnp.float32


@pytest.mark.parametrize("kind", ["one-hot", "projected"])
def test_cross_entropy_is_that_of_the_logits(kind):
    model, variables = make(**MODELS[kind])
    targets, mask = np.roll(TOKENS, -1, axis=1), TOKENS != 3
    arguments = (TOKENS, targets, model.initial_state((3,)))
    final, nats, count = jax.jit(
        lambda *args: model.apply(*args, mask=jnp.asarray(mask), method="cross_entropy")
    )(variables, *arguments)
    logits = literal(variables["params"], TOKENS)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = np.take_along_axis(logs, targets[..., None], -1)[..., 0]
    np.testing.assert_allclose(nats, -chosen[mask].sum(), rtol=1e-5)
    assert count == mask.sum()
    want, _ = jax.jit(model.apply)(variables, TOKENS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), final, want)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (TOKENS[0], r"shape \(batch, time\), got int32 \(9,\)"),
        (TOKENS[None], r"shape \(batch, time\), got int32 \(1, 3, 9\)"),
        (TOKENS.astype(np.float32), "integers .* got float32"),
        (np.full((1, 2), VOCAB), r"\[0, 7\), got values from 7 to 7"),
        (np.array([[-1, 0]]), "got values from -1 to 0"),
    ],
)
def test_bad_tokens_are_named(tokens, message):
    model, variables = make(embed_size=5)
    with pytest.raises(ValueError, match=f"tokens must .*{message}"):
        model.apply(variables, tokens)


def test_a_bad_step_is_named():
    model, variables = make(embed_size=5)
    with pytest.raises(ValueError, match=r"tokens must .*\(batch,\), got int32 \(3, 9\)"):
        model.apply(variables, model.initial_state((3,)), TOKENS, method="step")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tie_embeddings": True}, "embed_size must be given if tie_embeddings"),
        ({"embed_size": 5, "dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"embed_size": 5, "dropout": -0.1}, "dropout"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        LanguageModel(VOCAB, rx.LSTM(6), **options).init(jax.random.key(0), TOKENS)


def test_it_is_tabulated_like_any_module():
    model = LanguageModel(VOCAB, rx.LSTM(6), embed_size=5)
    table = model.tabulate(jax.random.key(0), TOKENS)
    assert "embedding" in table
    assert hash(model) == hash(LanguageModel(VOCAB, rx.LSTM(6), embed_size=5))


def test_tabulate_and_concrete_tokens_under_a_trace():
    model = LanguageModel(5, rx.Stack((rx.LSTM(3), rx.GRU(3))), embed_size=2)
    tokens = jnp.array([[0, 4, 2]])
    assert "w_x" in model.tabulate(jax.random.key(0), tokens)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), tokens))
    variables = jax.jit(model.init)(jax.random.key(0), tokens)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, shapes)
    with pytest.raises(ValueError, match="values from 0 to 5"):
        jax.eval_shape(lambda: model.init(jax.random.key(0), np.array([[0, 5]])))


def test_training_samples_tokens_and_evaluation_reads_all():
    batch = {"inputs": TOKENS[:, :-1], "targets": TOKENS[:, 1:]}
    batch["mask"] = np.arange(8)[None] < [[8], [5], [0]]

    def nats(num_sampled, **rngs):
        model, variables = make(embed_size=5, num_sampled=num_sampled)
        loss = model.apply(variables, batch, method="batch_loss", rngs=rngs)
        assert loss.number == 13
        return float(loss.mean)

    every, keys = nats(None), [jax.random.key(seed) for seed in (0, 1)]
    assert nats(2) == every
    few = [nats(2, dropout=key) for key in keys]
    assert few[0] != few[1]
    # A large sample has the norm of all tokens, to its own error.
    np.testing.assert_allclose(nats(20_000, dropout=keys[0]), every, rtol=0.02)


def test_a_sample_has_tokens():
    with pytest.raises(ValueError, match="num_sampled must be an integer of at least 1, got 0"):
        make(num_sampled=0)
