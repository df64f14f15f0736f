"""Recognition: the whole sequence, the stream, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.decoding import TranscriptStream, best_path
from rnnjax.losses import ctc_loss
from rnnjax.models import Transcriber

KEY = jax.random.key(0)
LENGTHS = np.array([8, 7, 1, 0])
FRAMES = np.random.default_rng(0).normal(size=(4, 8, 2)).astype(np.float32)
FRAMES[np.arange(8) >= LENGTHS[:, None]] = np.nan
STEPS = [3, 3, 1, 0]
CORE = rx.Stack((rx.Window(4, width=2), rx.GRU(3)))


def transcriber(core=CORE, **options):
    return Transcriber(4, core, **{"stack": 3, **options})


@pytest.fixture(scope="module")
def variables():
    """Of a model that writes now this, now that."""
    made = transcriber().init(KEY, FRAMES[:1])
    return jax.tree.map(lambda leaf: 3 * leaf, made)


@pytest.mark.fast
def test_the_core_reads_stacked_frames(variables):
    model = transcriber()
    logits, steps = jax.jit(model.apply)(variables, FRAMES, LENGTHS)
    assert steps.tolist() == STEPS
    assert logits.shape == (4, 3, 4)
    params = variables["params"]
    for row, (length, number) in enumerate(zip(LENGTHS, STEPS, strict=True)):
        flat = np.zeros(3 * 3 * 2, np.float32)
        flat[: length * 2] = FRAMES[row, :length].ravel()
        _, ys = rx.unroll(CORE, params["rnn"]["core"], jnp.asarray(flat.reshape(3, 6)))
        want = ys @ params["head"]["kernel"] + params["head"]["bias"][None]
        np.testing.assert_allclose(logits[row, :number], want[:number], rtol=1e-5, atol=1e-6)


def test_no_frames_make_no_steps(variables):
    logits, steps = transcriber().apply(variables, FRAMES[:, :0])
    assert (logits.shape, steps.tolist()) == ((4, 0, 4), [0] * 4)
    symbols, counts = best_path(logits, steps)
    assert (symbols.shape, counts.tolist()) == ((4, 0), [0] * 4)
    found = rx.decoding.prefix_beam_search(logits, beam=2)
    assert found.scores.tolist() == [[0.0, -np.inf]] * 4


@pytest.mark.fast
def test_the_loss_is_that_of_the_logits_and_padding_has_no_gradient(variables):
    model = transcriber(blank=2)
    batch = {
        "frames": FRAMES,
        "lengths": LENGTHS,
        "targets": np.array([[1, 3], [3, 3], [0, 0], [0, 0]]),
        "target_lengths": np.array([2, 2, 1, 0]),
    }

    @jax.jit
    def run(variables):
        def loss(variables):
            found = model.apply(variables, batch, method="batch_loss")
            return found.total, found

        return jax.value_and_grad(loss, has_aux=True)(variables), model.apply(
            variables, batch, method="batch_logits"
        )

    ((total, found), gradient), (logits, steps) = run(variables)
    assert steps.tolist() == STEPS
    args = batch["targets"].T, steps, batch["target_lengths"]
    want, _ = ctc_loss(jnp.swapaxes(logits, 0, 1), *args, blank=2)
    np.testing.assert_allclose(total, want, rtol=1e-6)
    assert (found.number, found.carry) == (3, None)
    leaves = jax.tree.leaves(gradient)
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    assert any(np.asarray(leaf).any() for leaf in leaves)
    with pytest.raises(ValueError, match="batch must hold 'targets', 'target_lengths', got 'fra"):
        model.apply(variables, {"frames": FRAMES}, method="batch_loss")


@pytest.mark.fast
def test_a_stream_writes_what_the_best_path_of_the_whole_is(variables):
    model = transcriber()
    frames = 3 * np.random.default_rng(1).normal(size=(1, 50, 2)).astype(np.float32)
    logits, steps = model.apply(variables, frames)
    symbols, (length,) = best_path(logits, steps)
    whole = symbols[0, :length].tolist()
    assert len(set(whole)) > 1
    stream = TranscriptStream(model, variables)
    for cuts in ([1, 2, 6, 13, 30], [50], []):  # the second time, from the start
        parts = [stream.read(part) for part in np.split(frames[0], cuts)]
        assert sum(parts, []) + stream.finish() == whole  # noqa: RUF017
    assert stream.finish() == []


def test_symbols_come_before_the_end(variables):
    frames = 3 * np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32)
    stream = TranscriptStream(transcriber(), variables)
    assert not stream.read(frames[:2])
    assert stream.read(frames[2:40])


def test_a_core_that_reads_backwards_cannot_stream():
    for core in (rx.Bidirectional(rx.GRU(2)), rx.Reversed(rx.GRU(2))):
        model = transcriber(core)
        variables = model.init(KEY, FRAMES)
        with pytest.raises(ValueError, match=r"core must be able to step.* has no step"):
            TranscriptStream(model, variables)
        with pytest.raises(ValueError, match="has no step"):
            model.apply(variables, model.initial_state((1,)), FRAMES[:1, :3], method="step")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stack": 0}, "stack must be an integer of at least 1, got 0"),
        ({"blank": 4}, r"blank must lie in \[0, 4\), got 4"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"frames": FRAMES[0]}, r"frames must be .* \(batch, time, features\), got .* \(8, 2\)"),
        ({"frames": np.ones((4, 8, 2), int)}, "frames must be of a floating dtype .* int64"),
        ({"lengths": np.array([9, 1, 1, 1])}, r"lengths must lie in \[0, 9\)"),
        ({"lengths": np.array([1.0])}, r"lengths must be integers of shape \(4,\)"),
    ],
)
def test_bad_input_is_named(options, message):
    frames, lengths = options.pop("frames", FRAMES), options.pop("lengths", LENGTHS)
    with pytest.raises(ValueError, match=message):
        transcriber(**options).init(KEY, frames, lengths)


def test_frames_that_do_not_fit_a_stream_are_named(variables):
    stream = TranscriptStream(transcriber(), variables)
    with pytest.raises(ValueError, match=r"frames must have shape \(n, features\), got \(2,\)"):
        stream.read(FRAMES[0, 0])
    stream.read(FRAMES[0, :1])
    with pytest.raises(ValueError, match=r"frames must have shape \(n, 2\), got \(1, 3\)"):
        stream.read(np.zeros((1, 3), np.float32))
    state = transcriber().initial_state((4,))
    with pytest.raises(ValueError, match=r"with stack 3, got \(4, 2, 2\)"):
        transcriber().apply(variables, state, FRAMES[:, :2], method="step")
