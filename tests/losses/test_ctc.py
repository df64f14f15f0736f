"""CTC against all paths, and the numbers of PyTorch (tests/golden/make_torch_golden.py)."""

import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ctc_paths import paths

from rnnjax.losses import ctc_loss

GOLDEN = Path(__file__).parents[1] / "golden" / "torch_ctc.npz"
TIME, CLASSES = 4, 3


def literal(logits, transcript, blank=0):
    """- log p of a transcript from all paths, and its gradient by logits (time, classes)."""
    total, hits = 0.0, np.zeros_like(logits)
    for path, found, probability in paths(logits, blank):
        total += probability if found == transcript else 0.0
        hits[range(len(path)), path] += probability if found == transcript else 0.0
    if total == 0.0:
        return np.inf, hits
    exps = np.exp(logits)
    return -np.log(total), exps / exps.sum(-1, keepdims=True) - hits / total


def each_loss(logits, targets, lengths=None, target_lengths=None, blank=0):
    """The loss of each sequence, the number of sequences, and the gradient of the sum."""

    def one(logits, *args):
        return ctc_loss(logits, *args, blank=blank)

    nats, count = jax.vmap(one, (1, 1, 0, 0))(logits, targets, lengths, target_lengths)
    gradient = jax.grad(lambda x: one(x, targets, lengths, target_lengths)[0])(logits)
    return nats, count, gradient


run = jax.jit(each_loss, static_argnames="blank")


@pytest.mark.fast
@pytest.mark.parametrize("blank", [0, 2])
def test_values_and_gradients_are_those_of_all_paths(x64, blank):
    symbols = [symbol for symbol in range(CLASSES) if symbol != blank]
    transcripts = [t for n in range(4) for t in itertools.product(symbols, repeat=n)]
    cases = [(t, n) for t in transcripts for n in (0, 1, 3, TIME)]
    logits = 2 * np.random.default_rng(0).normal(size=(TIME, len(cases), CLASSES))
    targets = np.full((3, len(cases)), 99)  # what does not count may be anything
    for i, (transcript, length) in enumerate(cases):
        targets[: len(transcript), i] = transcript
        logits[length:, i] = np.nan
    lengths = np.array([n for _, n in cases])
    sizes = np.array([len(t) for t, _ in cases])
    nats, count, gradient = run(logits, targets, lengths, sizes, blank=blank)
    np.testing.assert_array_equal(count, lengths > 0)
    for i, (transcript, length) in enumerate(cases):
        want, slope = literal(logits[:length, i], transcript, blank)
        np.testing.assert_allclose(nats[i], want, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(gradient[:length, i], slope, atol=1e-12)
    assert np.isinf(nats).any()  # some cannot fit
    assert not np.asarray(gradient)[np.arange(TIME)[:, None] >= lengths].any()


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_torch(x64, dtype, tolerance):
    golden = dict(np.load(GOLDEN))
    lengths = golden["lengths"], golden["target_lengths"]
    nats, _, gradient = run(golden["logits"].astype(dtype), golden["targets"], *lengths)
    assert nats.dtype == gradient.dtype == dtype
    np.testing.assert_allclose(nats, golden["nats"], rtol=tolerance)
    np.testing.assert_allclose(gradient, golden["grad"], atol=tolerance)


def test_long_sequences_in_float32_are_as_in_float64(x64):
    random = np.random.default_rng(1)
    logits = 3 * random.normal(size=(600, 1, 9)).astype(np.float32)
    targets = random.integers(1, 9, size=(50, 1))
    run = jax.jit(jax.value_and_grad(lambda x: ctc_loss(x, targets)[0]))
    got, want = run(logits), run(logits.astype(np.float64))
    np.testing.assert_allclose(got[0], want[0], rtol=1e-5)
    np.testing.assert_allclose(got[1], want[1], atol=1e-3)
    assert abs(got[1].sum(-1)).max() < 1e-6  # as of a softmax minus shares


def test_any_batch_and_half_precision():
    random = np.random.default_rng(2)
    logits = jnp.asarray(random.normal(size=(5, 2, 3, 4)), jnp.bfloat16)
    targets = random.integers(1, 4, size=(2, 2, 3))
    (nats, count), gradient = jax.value_and_grad(ctc_loss, has_aux=True)(logits, targets)
    assert (nats.dtype, gradient.dtype, int(count)) == (jnp.float32, jnp.bfloat16, 6)
    wide = np.asarray(logits, np.float64)
    want = [literal(wide[:, i, j], tuple(targets[:, i, j])) for i in range(2) for j in range(3)]
    np.testing.assert_allclose(nats, sum(value for value, _ in want), rtol=1e-5)
    slopes = np.stack([slope for _, slope in want], 1).reshape(wide.shape)
    np.testing.assert_allclose(np.asarray(gradient, np.float64), slopes, atol=4e-3)
    nats, count = ctc_loss(wide[:, 0, 0].astype(np.float32), targets[:, 0, 0])
    np.testing.assert_allclose(nats, want[0][0], rtol=1e-5)
    assert count == 1


def test_impossible_classes_and_transcripts_make_no_nan():
    logits = np.zeros((3, 2, 4), np.float32)
    logits[..., 3] = -np.inf
    targets = np.array([[1, 3], [2, 1], [2, 0]])  # four frames of three; a class that never is
    with jax.debug_nans(True):
        grads = jax.jit(jax.value_and_grad(lambda x: ctc_loss(x, targets, None, [3, 2])[0]))(logits)
    assert grads[0] == np.inf
    assert not grads[1].any()
    nats, _ = ctc_loss(logits[:, :1], targets[:1, :1])
    np.testing.assert_allclose(nats, -np.log(6 / 27), rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 2), (3, 0)])
def test_no_places_and_no_sequences(shape):
    logits = jnp.zeros((2, shape[1], 3))
    nats, count = ctc_loss(logits, jnp.zeros(shape, int))
    np.testing.assert_allclose(nats, shape[1] * 2 * np.log(3), rtol=1e-6)
    assert count == shape[1]


def test_a_nan_that_counts_shows():
    assert np.isnan(ctc_loss(jnp.full((3, 1, 4), jnp.nan), jnp.array([[1]]))[0])


@pytest.mark.parametrize(
    ("targets", "options", "message"),
    [
        ([1, 2], {}, r"targets must be integers of shape \(places, \*batch\) .* int32 \(2,\)"),
        ([[1.0, 2.0]], {}, "targets must be integers .* float32"),
        ([[1]], {}, r"batch \(2,\), got int32 \(1, 1\)"),
        ([[1, 3]], {}, r"targets must lie in \[0, 3\)"),
        ([[1, 0]], {}, "targets must not hold the blank, 0"),
        ([[1, 0]], {"blank": 1}, "targets must not hold the blank, 1"),
        ([[1, 2]], {"blank": 3}, r"blank must lie in \[0, 3\), got 3"),
        ([[1, 2]], {"lengths": [5, 4]}, "^lengths must lie between 0 and .* 4; got 5"),
        ([[1, 2]], {"target_lengths": [0, 2]}, "target_lengths must lie between 0 and .* got 2"),
        ([[1, 2]], {"target_lengths": [1]}, r"target_lengths must have the batch's shape"),
    ],
)
def test_bad_input_is_named(targets, options, message):
    with pytest.raises(ValueError, match=message):
        ctc_loss(jnp.zeros((4, 2, 3)), jnp.array(targets), **options)
    with pytest.raises(ValueError, match="logits must have shape"):
        ctc_loss(jnp.zeros(3), jnp.array(1))
