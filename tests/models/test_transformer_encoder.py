import math
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_like

from rnnjax.models import TransformerConfig, TransformerEncoder
from rnnjax.models.transformer_encoder import EncoderLayer, sinusoids

VOCAB, HIDDEN, TIME = 9, 6, 5
LENGTHS = np.array([5, 3, 1, 0])
INSIDE = np.arange(TIME) < LENGTHS[:, None]
RNG = np.random.default_rng(0)
TOKENS = RNG.integers(VOCAB, size=(4, TIME))
IDS = {
    "segments": RNG.integers(2, size=(4, TIME)),
    "languages": RNG.integers(3, size=(4, TIME)),
    "positions": RNG.integers(7, size=(4, TIME)),
}
WEIGHT = RNG.normal(size=(4, TIME, HIDDEN)).astype(np.float32)
KINDS = {"num_segments": 2, "num_languages": 3}


def config(**options):
    return TransformerConfig(VOCAB, HIDDEN, options.pop("layers", 1), 2, 8, 7, **options)


def make(**options):
    """An encoder and its parameters: no bias is zero, no scale is one."""
    model = TransformerEncoder(config(**options))
    ids = IDS if options.get("num_segments") else {}
    shapes = jax.eval_shape(model.init, jax.random.key(0), TOKENS, **ids)
    return model, random_like(1, shapes, np.float32, scale=0.5)["params"]


def normal(p, x):
    return (x - x.mean()) / math.sqrt(x.var() + 1e-6) * p["scale"] + p["bias"]


def gelu(x):
    return np.array([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x])


def attention(p, xs):
    """Each token asks all tokens, each head by itself."""
    out = []
    for x in xs:
        total = p["out"]["bias"].copy()
        for head in range(2):

            def part(name, v, head=head):
                return v @ p[name]["kernel"][:, head] + p[name]["bias"][head]

            scores = [part("query", x) @ part("key", y) / math.sqrt(HIDDEN // 2) for y in xs]
            weights = np.exp(scores) / np.exp(scores).sum()
            mixed = sum(w * part("value", y) for w, y in zip(weights, xs, strict=True))
            total += mixed @ p["out"]["kernel"][head]
        out.append(total)
    return out


def literal(p, tokens, segments=None, languages=None, positions=None, sinusoidal=False):
    """The features of one sentence that is not padded, a token at a time."""
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), p)
    xs = []
    for t, token in enumerate(tokens):
        place = t if positions is None else positions[t]
        x = p["token_embedding"]["embedding"][token]
        if segments is not None:
            x = x + p["segment_embedding"]["embedding"][segments[t]]
            x = x + p["language_embedding"]["embedding"][languages[t]]
        if sinusoidal:
            x = math.sqrt(HIDDEN) * x + wave(place, HIDDEN)
        else:
            x = math.sqrt(HIDDEN) * (x + p["position_embedding"]["embedding"][place])
        xs.append(x)
    for layer in sorted(name for name in p if name.startswith("layers_")):
        q = p[layer]
        mixed = attention(q["attention"], [normal(q["attention_norm"], x) for x in xs])
        xs = [x + y for x, y in zip(xs, mixed, strict=True)]
        wide = [
            normal(q["feedforward_norm"], x) @ q["widen"]["kernel"] + q["widen"]["bias"] for x in xs
        ]
        xs = [
            x + gelu(w) @ q["narrow"]["kernel"] + q["narrow"]["bias"]
            for x, w in zip(xs, wide, strict=True)
        ]
    return np.array([normal(p["norm"], x) for x in xs])


def wave(place, width):
    angles = [place / 10000 ** (2 * (i // 2) / width) for i in range(width)]
    return np.array([math.cos(a) if i % 2 else math.sin(a) for i, a in enumerate(angles)])


def check_literal(options, ids):
    model, params = make(**options)
    got = jax.jit(model.apply)({"params": params}, TOKENS, LENGTHS, **ids)
    assert (got.shape, got.dtype) == ((4, TIME, HIDDEN), jnp.float32)
    for b, n in enumerate(LENGTHS):
        assert not np.asarray(got[b, n:]).any()
        if n:
            each = {name: values[b, :n] for name, values in ids.items()}
            sinusoidal = model.config.positions == "sinusoidal"
            want = literal(params, TOKENS[b, :n], **each, sinusoidal=sinusoidal)
            np.testing.assert_allclose(got[b, :n], want, atol=2e-5)


@pytest.mark.fast
def test_one_layer_is_its_equations():
    check_literal({}, {})


def test_layers_segments_languages_and_positions_are_their_equations():
    check_literal({"layers": 2, **KINDS}, IDS)


def test_concrete_arrays_under_a_trace_are_checked_too():
    model, params = make()
    lengths = jnp.asarray(LENGTHS)

    def run(tokens):
        return jax.jit(lambda p: model.apply({"params": p}, tokens, lengths))(params)

    assert run(jnp.asarray(TOKENS)).shape == (4, TIME, HIDDEN)
    with pytest.raises(ValueError, match=r"lengths must lie in \[0, 4\)"):
        run(jnp.asarray(TOKENS)[:, :3])


def test_sinusoidal_positions_are_added_unscaled():
    check_literal({"positions": "sinusoidal", **KINDS}, IDS)


def test_sinusoids_are_their_formula():
    got = sinusoids(jnp.arange(12).reshape(3, 4), 10)
    assert (got.shape, got.dtype) == ((3, 4, 10), jnp.float32)
    want = [wave(place, 10) for place in range(12)]
    np.testing.assert_allclose(got.reshape(12, 10), want, atol=1e-5)


def test_without_lengths_every_token_counts():
    model, params = make()
    apply = jax.jit(model.apply)
    got = apply({"params": params}, TOKENS)
    want = apply({"params": params}, TOKENS, np.full(4, TIME))
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert np.abs(got).min(axis=-1).all()


def test_a_padded_row_is_what_it_is_alone():
    model, params = make(**KINDS)

    def of(params, tokens, lengths, ids, weight):
        features = model.apply({"params": params}, tokens, lengths, **ids)
        return (features * weight).sum(), features

    padded = jax.jit(jax.value_and_grad(of, has_aux=True))

    @jax.jit
    @partial(jax.value_and_grad, has_aux=True)
    def alone(params):
        totals, wants = [], []
        for b, n in enumerate(LENGTHS[:3]):
            ids = {name: values[b : b + 1, :n] for name, values in IDS.items()}
            tokens, weight = TOKENS[b : b + 1, :n], WEIGHT[b : b + 1, :n]
            total, want = of(params, tokens, None, ids, weight)
            totals.append(total)
            wants.append(want[0])
        return sum(totals), wants

    (want_total, wants), want_gradient = alone(params)
    for junk in (0, 1, 99, -3):
        ids = {name: np.where(INSIDE, values, junk) for name, values in IDS.items()}
        tokens = np.where(INSIDE, TOKENS, junk)
        (total, features), gradient = padded(params, tokens, LENGTHS, ids, WEIGHT)
        np.testing.assert_allclose(total, want_total, rtol=1e-5)
        for row, n, want in zip(features, LENGTHS, wants, strict=False):
            np.testing.assert_allclose(row[:n], want, atol=5e-6)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), gradient, want_gradient
        )


def test_what_stands_in_the_padding_changes_no_bit():
    model, params = make(**KINDS)
    apply = jax.jit(model.apply)
    dirty = {name: np.where(INSIDE, values, 99) for name, values in IDS.items()}
    one = apply({"params": params}, TOKENS, LENGTHS, **IDS)
    other = apply({"params": params}, np.where(INSIDE, TOKENS, -7), LENGTHS, **dirty)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("time", [0, 3])
def test_a_batch_of_nothing_gives_zeros_and_no_nan(time):
    model, params = make()

    @jax.jit
    @partial(jax.grad, has_aux=True)
    def run(params):
        tokens, lengths = np.zeros((2, time), int), np.zeros(2, int)
        features = model.apply({"params": params}, tokens, lengths)
        return (features**2).sum(), features

    gradient, features = run(params)
    assert features.shape == (2, time, HIDDEN)
    assert not np.asarray(features).any()
    for leaf in jax.tree.leaves(gradient):
        assert not np.asarray(leaf).any()


def test_bfloat16_is_for_products_alone():
    model, params = make(layers=2, dtype="bfloat16")
    exact, _ = make(layers=2)

    def run(params, model=model):
        features = model.apply({"params": params}, TOKENS, LENGTHS)
        return (features.astype(jnp.float32) * WEIGHT).sum(), features

    gradient, got = jax.jit(jax.grad(run, has_aux=True))(params)
    want_gradient, want = jax.jit(jax.grad(partial(run, model=exact), has_aux=True))(params)
    assert got.dtype == jnp.bfloat16
    assert 1e-4 < np.abs(got.astype(jnp.float32) - want).max() < 0.1
    for leaf, full in zip(jax.tree.leaves(gradient), jax.tree.leaves(want_gradient), strict=True):
        assert leaf.dtype == jnp.float32
        np.testing.assert_allclose(leaf, full, atol=0.03 * np.abs(full).max() + 0.1)
    made = {
        jax.tree_util.keystr(path): leaf.dtype
        for path, leaf in jax.tree.leaves_with_path(
            jax.eval_shape(model.init, jax.random.key(0), TOKENS)
        )
    }
    assert set(made.values()) == {jnp.dtype("float32")}
    # Softmax and normalisation in float32; the operands of products in bfloat16.
    program = str(jax.make_jaxpr(run)(params))
    assert set(re.findall(r":(\w+)\[[^\]]*\] = (?:exp|rsqrt)\b", program)) == {"f32"}
    operands = re.findall(r"dot_general\[(?:[^\[\]]|\[[^\]]*\])*\] (\w+) (\w+)", program)
    types = dict(re.findall(r"\b(\w+):(\w+)\[", program))
    assert len(operands) >= 8
    assert {types[name] for pair in operands for name in pair} == {"bf16"}


def test_what_layers_add_to_is_float32():
    model, params = make(dtype="bfloat16")
    exact, _ = make()
    layer = params["layers_0"]
    nothing = jax.tree.map(jnp.zeros_like, (layer["attention"]["out"], layer["narrow"]))
    layer = {
        **layer,
        "attention": {**layer["attention"], "out": nothing[0]},
        "narrow": nothing[1],
    }
    variables = {"params": {**params, "layers_0": layer}}
    got, want = (jax.jit(m.apply)(variables, TOKENS) for m in (model, exact))
    # Rounded once, at the end.
    np.testing.assert_array_equal(got, want.astype(jnp.bfloat16))


def test_remat_changes_what_is_kept_and_no_number():
    kept, params = make(dropout=0.3)
    again, same = make(dropout=0.3, remat=True)
    assert jax.tree.structure(params) == jax.tree.structure(same)

    def gradient(model):
        def loss(params):
            rngs = {"dropout": jax.random.key(3)}
            return (model.apply({"params": params}, TOKENS, LENGTHS, rngs=rngs) * WEIGHT).sum()

        return jax.value_and_grad(loss)

    one, other = (jax.jit(gradient(model))(params) for model in (kept, again))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), one, other)
    marks = [str(jax.make_jaxpr(gradient(model))(params)).count("remat") for model in (kept, again)]
    assert marks[0] == 0 < marks[1]


def test_dropout_needs_an_rng():
    model, params = make(dropout=0.5)
    without, _ = make()
    apply = jax.jit(model.apply)
    off = apply({"params": params}, TOKENS)
    np.testing.assert_array_equal(off, jax.jit(without.apply)({"params": params}, TOKENS))
    on, again, other = (
        apply({"params": params}, TOKENS, rngs={"dropout": jax.random.key(seed)})
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(on, again)
    assert (on != other).any()
    assert (on != off).any()


def near_a_half(hits):
    assert abs(np.mean(hits) - 0.5) < 4 * 0.5 / math.sqrt(np.size(hits))


def test_dropout_is_on_the_embedding_and_on_each_part():
    options = TransformerConfig(VOCAB, 64, 1, 2, 8, TIME, dropout=0.5)
    model, layer = TransformerEncoder(options), EncoderLayer(options)
    shapes = jax.eval_shape(model.init, jax.random.key(0), TOKENS)
    params = random_like(1, shapes, np.float32, scale=0.5)["params"]
    rngs = {"dropout": jax.random.key(0)}
    zeros = partial(jax.tree.map, jnp.zeros_like)
    own = params["layers_0"]
    no_attention = {**own, "attention": {**own["attention"], "out": zeros(own["attention"]["out"])}}
    no_feedforward = {**own, "narrow": zeros(own["narrow"])}
    for part in (no_attention, no_feedforward):
        apply = jax.jit(layer.apply)
        nothing, inside = np.zeros((4 * TIME, 64), np.float32), np.ones((4, TIME), bool)
        off = apply({"params": part}, nothing, inside)
        on = apply({"params": part}, nothing, inside, rngs=rngs)
        near_a_half(on == 0)
        np.testing.assert_allclose(on, np.where(on == 0, 0, 2 * off), rtol=1e-5)
    silent = {**no_attention, "narrow": zeros(own["narrow"])}
    flat = {
        "token_embedding": {"embedding": jnp.ones((VOCAB, 64))},
        "position_embedding": zeros(params["position_embedding"]),
        "layers_0": silent,
        "norm": {"scale": jnp.ones(64), "bias": jnp.zeros(64)},
    }
    on = jax.jit(model.apply)({"params": flat}, TOKENS, rngs=rngs)
    near_a_half(on > 0)
    assert len(np.unique(np.round(on[0, 0], 4))) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 4}, "hidden_size must be a multiple of heads, 4, got 6"),
        ({"hidden_size": 5, "heads": 1, "positions": "sinusoidal"}, "must be even .* got 5"),
        ({"positions": "rotary"}, "positions must be one of 'learned', 'sinusoidal'"),
        ({"layers": 0}, "layers must be an integer of at least 1, got 0"),
        ({"max_length": 2.5}, "max_length must be an integer"),
        ({"num_languages": -1}, "num_languages must be at least 0, got -1"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_bad_options_are_named(change, message):
    given = {
        "vocab_size": VOCAB,
        "hidden_size": HIDDEN,
        "layers": 1,
        "heads": 2,
        "feedforward_size": 8,
        "max_length": 7,
    }
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**{**given, **change})


@pytest.mark.fast
@pytest.mark.parametrize(
    ("args", "ids", "message"),
    [
        ([np.zeros((2, 8), int)], {}, r"at most max_length = 7 steps, got \(2, 8\)"),
        ([np.zeros(3, int)], {}, r"tokens must have shape \(batch, time\)"),
        ([np.zeros((4, 5))], {}, r"tokens must be integers of shape \(4, 5\), got float32"),
        ([TOKENS, np.ones(3, int)], {}, r"lengths must be integers of shape \(4,\), got int32"),
        ([TOKENS], {"segments": IDS["segments"]}, "segments must be None for num_segments = 0"),
        ([TOKENS], {"languages": IDS["languages"]}, "languages must be None"),
        ([TOKENS], {"positions": np.arange(5)}, r"positions must be integers of shape \(4, 5\)"),
    ],
)
def test_bad_arguments_are_named_before_anything_compiles(args, ids, message):
    model = TransformerEncoder(config())
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(partial(model.init, jax.random.key(0)), *args, **ids)


def test_missing_segments_and_languages_are_named():
    for name in ("segments", "languages"):
        model = TransformerEncoder(config(**{f"num_{name}": 2}))
        with pytest.raises(ValueError, match=f"{name} must be given for num_{name} = 2"):
            jax.eval_shape(model.init, jax.random.key(0), TOKENS)


@pytest.mark.parametrize(
    ("tokens", "lengths", "message"),
    [
        (TOKENS + 1, None, r"tokens must lie in \[0, 9\), got values from 1 to 9"),
        (-TOKENS, None, r"tokens must lie in \[0, 9\)"),
        (TOKENS, LENGTHS + 1, r"lengths must lie in \[0, 6\), got values from 1 to 6"),
        (TOKENS, -LENGTHS, r"lengths must lie in \[0, 6\), got values from -5 to 0"),
    ],
)
def test_concrete_values_out_of_range_are_named(tokens, lengths, message):
    model, params = make()
    assert TOKENS.max() == VOCAB - 1
    with pytest.raises(ValueError, match=message):
        model.apply({"params": params}, tokens, lengths)


def test_what_is_out_of_range_in_the_padding_is_not_read():
    model, params = make()
    tokens = np.where(INSIDE, TOKENS, 99)
    assert np.isfinite(model.apply({"params": params}, tokens, LENGTHS)).all()
