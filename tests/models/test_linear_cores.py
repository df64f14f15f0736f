"""Models and programs whose core is linear: training, streams and stored steps."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exporting import assert_exports, stored
from oracle import random_params

import rnnjax as rx
from rnnjax.decoding import Stream
from rnnjax.models import LanguageModel, Tagger, TokenEmbedder

CORE = rx.Stack((rx.MinGRU(4), rx.LRU(4)))
TOKENS = np.random.default_rng(0).integers(5, size=(2, 7))
KEY = jax.random.key(0)


def test_a_language_model_reads_a_stream_as_it_reads_a_text():
    model = LanguageModel(5, CORE, embed_size=3)
    variables = jax.jit(model.init)(KEY, TOKENS)
    logits = jax.jit(model.apply)(variables, TOKENS)[1]
    stream = Stream(model, variables, start=int(TOKENS[0, 0]))
    stream.read(TOKENS[0, 1:])
    want = jax.nn.log_softmax(logits[0, -1])
    np.testing.assert_allclose(stream.log_probabilities, want, rtol=1e-4, atol=1e-5)


@pytest.mark.full  # the same two kernels as of each cell
def test_a_tagger_learns_from_both_directions():
    model = Tagger(("O", "X"), TokenEmbedder(5, 3), rx.Bidirectional(CORE))
    variables = jax.jit(model.init)(KEY, TOKENS)

    def loss(variables, implementation):
        tagger = model.clone(implementation=implementation)
        return (tagger.apply(variables, TOKENS, lengths=np.array([7, 3])) ** 2).sum()

    got, want = (
        jax.jit(jax.grad(partial(loss, implementation=name)))(variables)
        for name in ("associative", "scan")
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), got, want)


def test_programs_for_all_sizes():
    params = random_params(CORE, dtype=np.float32)

    def run(params, xs, state, lengths):
        return rx.unroll(CORE, params, xs, state, lengths=lengths, reverse=True)

    def make(time, batch):
        xs = np.random.default_rng(time).normal(size=(time, batch, 2)).astype(np.float32)
        state = CORE.initial_state((batch,))
        return xs, state, np.arange(batch, dtype=np.int32) % (time + 1)

    assert_exports(run, params, ("t, b, ...", "b, ...", "b"), make)
    args = params, CORE.initial_state((3,)), jnp.ones((3, 2))
    program = stored(CORE.step, (None, "b, ...", "b, ..."), args)
    got, want = program.call(*args), CORE.step(*args)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), got, want)


def test_memory_of_a_training_step():
    """A few arrays of the size of h: less than the scan of the step."""
    cell, xs = rx.MinGRU(16), jnp.ones((256, 4, 16))
    params = cell.init(KEY, 16)

    def units(implementation):
        def loss(params):
            return rx.unroll(cell, params, xs, implementation=implementation)[1].sum()

        memory = jax.jit(jax.value_and_grad(loss)).lower(params).compile().memory_analysis()
        return memory.temp_size_in_bytes / xs.nbytes

    assert units("associative") < 1.5 * units("scan")
    assert units("associative") < 12
