from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from means import mean_of
from oracle import random_like

import rnnjax as rx
from rnnjax.losses import cross_entropy
from rnnjax.models import EncoderDecoder
from rnnjax.train import model_loss, scheduled_sampling_loss

READ, WRITTEN = 7, 6  # sizes of the vocabularies
RNG = np.random.default_rng(0)
SOURCE = RNG.integers(READ, size=(4, 5))
LENGTHS = np.array([5, 3, 1, 0])
TOKENS = RNG.integers(WRITTEN, size=(4, 3))
TARGETS = RNG.integers(WRITTEN, size=(4, 3))
MASK = np.arange(3) < np.array([3, 2, 3, 1])[:, None]
CORES = {
    "lstm": (rx.Stack((rx.Bidirectional(rx.LSTM(3)),) * 2), rx.LSTM(4), rx.LSTM(3)),
    "gru": (rx.GRU(3), rx.Stack((rx.GRU(3), rx.LSTM(2))), None),
    "same": (rx.Reversed(rx.Stack((rx.LSTM(3),) * 2)), rx.Stack((rx.LSTM(3),) * 2), None),
}
PLAIN = {"cores": "same", "attention": None, "bridge": "copy"}


def make(cores="lstm", **options):
    """A small model and its variables; no bias is zero."""
    encoder, decoder, upper = CORES[cores]
    sizes = options.pop("sizes", (READ, WRITTEN))
    options = {"embed_size": 4, "attention_size": 3, **options}
    model = EncoderDecoder(*sizes, encoder, decoder, upper, **options)
    init = partial(model.init, jax.random.key(0))
    shapes = jax.eval_shape(init, SOURCE % min(sizes), LENGTHS, TOKENS)
    return model, random_like(1, shapes, np.float32, scale=0.5)


@pytest.mark.parametrize(
    "options",
    [
        {"cores": "lstm", "attention": "additive"},
        {"cores": "gru", "attention": "dot"},
        {"cores": "lstm", "attention": "dot", "input_feeding": True},
        PLAIN,
    ],
)
def test_steps_say_what_the_whole_sequence_says(options):
    model, variables = make(**options)
    whole = jax.jit(model.apply)(variables, SOURCE, LENGTHS, TOKENS)
    assert whole.shape == (4, 3, WRITTEN)
    assert whole.dtype == jnp.float32
    memory, state = jax.jit(partial(model.apply, method="encode"))(variables, SOURCE, LENGTHS)
    step = jax.jit(partial(model.apply, method="step"))
    for time in range(3):
        state, logits = step(variables, memory, state, TOKENS[:, time])
        np.testing.assert_allclose(logits, whole[:, time], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, PLAIN])
def test_what_stands_in_the_padding_reaches_nothing(options):
    model, variables = make(**options)
    apply = jax.jit(model.apply)
    whole = apply(variables, SOURCE, LENGTHS, TOKENS)
    padding = np.arange(5) >= LENGTHS[:, None]
    other = apply(variables, np.where(padding, 10_000, SOURCE), LENGTHS, TOKENS)
    np.testing.assert_array_equal(whole, other)
    row, length = 1, LENGTHS[1]
    alone = apply(variables, SOURCE[row : row + 1, :length], None, TOKENS[row : row + 1])
    np.testing.assert_allclose(whole[row], alone[0], rtol=1e-4, atol=1e-5)


def test_without_attention_the_decoder_starts_from_the_final_state():
    """The model of Sutskever et al. 2014, written out with `unroll`."""
    model, variables = make(**PLAIN)
    logits = jax.jit(model.apply)(variables, SOURCE, LENGTHS, TOKENS)
    p = variables["params"]
    for row, length in enumerate(LENGTHS):
        backwards = SOURCE[row, :length][::-1]
        xs = p["source_embedding"]["embedding"][backwards]
        stack = model.decoder
        final = stack.initial_state()
        for x in xs:
            final, _ = stack.step(p["encoder_rnn"]["core"], final, x)
        _, ys = rx.unroll(
            stack, p["decoder_rnn"]["core"], p["target_embedding"]["embedding"][TOKENS[row]], final
        )
        out = jnp.tanh(ys @ p["readout"]["kernel"] + p["readout"]["bias"][None])
        want = out @ p["target_embedding"]["embedding"].T + p["bias"][None]
        np.testing.assert_allclose(logits[row], want, rtol=1e-4, atol=1e-5)


def test_what_is_fed_is_the_input_of_the_last_output_layer():
    """The loop of Luong et al. 2015, written out with the model's parts."""
    model, variables = make("gru", input_feeding=True)
    logits = jax.jit(model.apply)(variables, SOURCE, LENGTHS, TOKENS)
    memory, first = jax.jit(partial(model.apply, method="encode"))(variables, SOURCE, LENGTHS)
    p = variables["params"]
    attention = rx.models.Attention(3)
    state, fed = first.lower, jnp.zeros((4, 4))
    for time in range(3):
        x = p["target_embedding"]["embedding"][TOKENS[:, time]]
        x = jnp.concatenate([x, fed], axis=1)
        state, y = model.decoder.step(p["decoder_rnn"]["core"], state, x)
        context, _ = attention.apply({"params": p["attend"]}, y[:, None], *memory[:3])
        both = jnp.concatenate([y, context[:, 0]], axis=1)
        fed = jnp.tanh(both @ p["readout"]["kernel"] + p["readout"]["bias"][None])
        want = fed @ p["target_embedding"]["embedding"].T + p["bias"][None]
        np.testing.assert_allclose(logits[:, time], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cores": "lstm", "attention": None}, "attention must not be None for an upper core"),
        ({"cores": "gru", "attention": None, "input_feeding": True}, "attention must not be None"),
        ({"cores": "gru", "bridge": "copy"}, "bridge must be 'dense' unless the encoder has"),
        ({"cores": "lstm", "bridge": "copy"}, "bridge must be 'dense' unless the encoder has"),
        ({"bridge": "none"}, "bridge must be one of"),
    ],
)
def test_parts_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_model_without_attention_has_no_weights():
    model, variables = make(**PLAIN)
    with pytest.raises(ValueError, match="must have attention"):
        model.apply(variables, SOURCE, LENGTHS, TOKENS, method="weights")


def test_the_start_depends_on_the_whole_source_and_order():
    model, variables = make()
    encode = jax.jit(partial(model.apply, method="encode"))
    _, state = encode(variables, SOURCE)
    turned = np.concatenate([SOURCE[:, 1:], SOURCE[:, :1]], axis=1)
    _, other = encode(variables, turned)
    for leaf, changed in zip(jax.tree.leaves(state), jax.tree.leaves(other), strict=True):
        assert (np.abs(leaf - changed).max(axis=1) > 1e-4).all()
        assert np.abs(leaf).max() <= 1


@pytest.mark.parametrize(("tie", "smoothing"), [(True, 0.0), (False, 0.2)])
def test_the_loss_is_that_of_the_logits(tie, smoothing):
    model, variables = make(tie_embeddings=tie)
    logits = jax.jit(model.apply)(variables, SOURCE, LENGTHS, TOKENS)
    want = jax.jit(partial(cross_entropy, label_smoothing=smoothing))(logits, TARGETS, MASK)
    loss = partial(model.apply, label_smoothing=smoothing, method="cross_entropy")
    got = jax.jit(loss)(variables, SOURCE, LENGTHS, TOKENS, TARGETS, MASK)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert ("kernel" in variables["params"]) != tie


def test_gradients_agree_with_finite_differences(x64):
    model, variables = make("gru")
    variables = random_like(2, variables, np.float64, scale=0.5)
    direction = random_like(3, variables, np.float64, scale=1.0)

    @jax.jit
    @jax.value_and_grad
    def along(by):
        batch = (SOURCE, LENGTHS, TOKENS, TARGETS, MASK)
        moved = jax.tree.map(lambda p, d: p + by * d, variables, direction)
        return model.apply(moved, *batch, method="cross_entropy")[0]

    step = 1e-5
    _, slope = along(0.0)
    (above, _), (below, _) = along(step), along(-step)
    np.testing.assert_allclose(slope, (above - below) / (2 * step), rtol=1e-6)


def test_one_embedding_serves_both_sides_where_it_is_shared():
    _, variables = make(sizes=(WRITTEN, WRITTEN), shared=True)
    assert "source_embedding" not in variables["params"]
    assert "source_embedding" in make()[1]["params"]
    with pytest.raises(ValueError, match="must be equal if shared is True, got 7 and 6"):
        make(shared=True)


@pytest.mark.parametrize("name", ["decoder", "upper"])
def test_a_decoder_that_reads_the_future_is_refused(name):
    cores = {"decoder": rx.LSTM(3), "upper": rx.LSTM(3), name: rx.Bidirectional(rx.LSTM(3))}
    model = EncoderDecoder(READ, WRITTEN, rx.LSTM(3), **cores, embed_size=4)
    with pytest.raises(ValueError, match=f"{name} must be able to step, got Bidirectional"):
        model.init(jax.random.key(0), SOURCE, LENGTHS, TOKENS)


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="embed_size must be an integer of at least 1, got 0"):
        make(embed_size=0)


def test_dropout_needs_a_key():
    model, variables = make(dropout=0.5)
    apply = jax.jit(model.apply)
    silent = apply(variables, SOURCE, LENGTHS, TOKENS)
    without = jax.jit(make()[0].apply)(variables, SOURCE, LENGTHS, TOKENS)
    np.testing.assert_array_equal(silent, without)
    noisy = apply(variables, SOURCE, LENGTHS, TOKENS, rngs={"dropout": jax.random.key(0)})
    assert not np.allclose(silent, noisy)


def test_bfloat16_is_near_float32():
    cores = (rx.LSTM(3, dtype="bfloat16"), rx.LSTM(3, dtype="bfloat16"), None)
    CORES["half"] = cores
    model, variables = make("half", dtype="bfloat16")
    del CORES["half"]
    whole = EncoderDecoder(READ, WRITTEN, rx.LSTM(3), rx.LSTM(3), embed_size=4, attention_size=3)
    want = jax.jit(whole.apply)(variables, SOURCE, LENGTHS, TOKENS)
    got = jax.jit(model.apply)(variables, SOURCE, LENGTHS, TOKENS)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, want, atol=0.05)


def test_a_share_of_the_tokens_may_be_the_models_own():
    model, variables = make()
    batch = {"source": SOURCE, "source_lengths": LENGTHS, "tokens": TOKENS}
    batch |= {"targets": TARGETS, "targets_known": MASK}
    params, key = variables["params"], jax.random.key(0)
    loss_fn = jax.jit(mean_of(model_loss(model)))
    mixed = jax.jit(mean_of(scheduled_sampling_loss(model)))
    plain, _ = loss_fn(params, None, batch, key)
    none, _ = mixed(params, None, {**batch, "mix": np.float32(0)}, key)
    every, _ = mixed(params, None, {**batch, "mix": np.float32(1)}, key)
    np.testing.assert_allclose(none, plain, rtol=1e-6)
    # By hand: all but the start token are what the model would have written.
    guesses = np.asarray(jax.jit(model.apply)(variables, SOURCE, LENGTHS, TOKENS)).argmax(axis=-1)
    own = np.concatenate([TOKENS[:, :1], guesses[:, :-1]], axis=1)
    want, _ = loss_fn(params, None, {**batch, "tokens": own}, key)
    np.testing.assert_allclose(every, want, rtol=1e-6)
    assert not np.allclose(every, plain)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": SOURCE + 2}, r"source must lie in \[0, 7\)"),
        ({"tokens": TOKENS + 6}, r"tokens must lie in \[0, 6\)"),
        ({"source": SOURCE[0]}, "source must be integers of shape"),
        ({"tokens": TOKENS * 1.0}, "tokens must be integers of shape"),
        ({"lengths": LENGTHS + 1}, r"lengths must lie in \[0, 6\)"),
        ({"lengths": LENGTHS[:2]}, "lengths must be integers of shape"),
    ],
)
def test_bad_input_is_refused(change, message):
    model, variables = make()
    given = {"source": SOURCE, "lengths": LENGTHS, "tokens": TOKENS, **change}
    with pytest.raises(ValueError, match=message):
        model.apply(variables, *given.values())
