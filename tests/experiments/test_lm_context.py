"""What a context is worth, truncation, and n-grams beside a network's text."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lm_runs import SMALL, assert_fails, write_text
from means import mean_of
from sentence_runs import table

import rnnjax as rx
from rnnjax import load_run
from rnnjax.baselines import NGram
from rnnjax.data import Chunks
from rnnjax.decoding import log_probability
from rnnjax.models import LanguageModel
from rnnjax.train import model_loss
from rnnjax_experiments.lm import context, truncation

pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_a_token_costs_what_it_costs_after_its_context_alone(trained, monkeypatch):
    run = load_run(trained[0])
    tokens = run.vocabulary.encode("the dog hears a fish.\nthe cat sees the tree.\n")
    where = np.array([7, 11, 12, 30, 40])
    monkeypatch.setattr(context, "_ROWS_AT_ONCE", 2)
    for length in (1, 6):
        found = context.costs(run, tokens, where, length)
        # The cost of a window less that of the window without its last token.
        windows = np.stack([tokens[i - length : i + 1] for i in where])
        whole, before = (
            log_probability(run.model, run.variables, windows, np.full(len(where), n))
            for n in (length + 1, length)
        )
        np.testing.assert_allclose(found, np.asarray(before) - np.asarray(whole), rtol=1e-3)


def test_networks_and_n_grams_stand_in_one_table(trained, text, cli, tmp_path, monkeypatch):
    monkeypatch.setattr(context, "CONTEXTS", (1, 2, 5))
    monkeypatch.setenv("COLUMNS", "300")
    out = tmp_path / "out"
    call = ("context", "--run", trained[0], "--data", text, "--positions", "50", "--out", out)
    code, said, err = cli(*call)
    assert code == 0, err
    rows = table(said, "nats a character, mean over 50 held-out characters")
    assert list(rows) == ["characters seen", "0", "1", "2", "3", "4", "5"]
    assert (rows["0"][0], rows["3"][0], rows["4"][0]) == ("", "", "")
    assert float(rows["5"][0]) < float(rows["1"][0])
    assert "the best n-gram is of order" in said
    assert (out / "context.png").read_bytes()[:4] == b"\x89PNG"
    # The column of n-grams, computed by itself.
    run, whole = load_run(trained[0]), text.read_text()
    train = run.vocabulary.encode(whole[: int(0.9 * len(whole))])
    held_out = run.vocabulary.encode(whole[int(len(whole) * 0.95) :])
    where = context._draw(len(held_out), 50)
    logs = NGram.fit(train, 3, len(run.vocabulary)).log_probabilities(held_out, train[-3:])
    assert float(rows["2"][1]) == pytest.approx(-logs[where].mean(), abs=1e-4)


def test_n_gram_text_stands_beside_the_networks(trained, text, cli):
    call = ("generate", "--run", trained[0], "--num-tokens", "40", "--prompt", "the ")
    _, alone, _ = cli(*call)
    code, out, err = cli(*call, "--ngram", "4", "--data", text)
    assert code == 0, err
    assert f"{trained[0]}:\n{alone}" in out
    assert len(out.split("4-gram:\nthe ")[1].rstrip("\n")) in range(35, 41)
    code, out, _ = cli(*call, "--ngram", "4", "--data", text, "--stop", ".")
    assert out.split("4-gram:\n")[1].count(".") == 1


def test_bad_contexts_are_named(trained, text, cli, tmp_path, monkeypatch):
    call = ("context", "--run", trained[0], "--out", tmp_path / "out")
    other = write_text(tmp_path / "other.txt", 150)
    assert_fails(cli(*call, "--data", other), "data must be what", trained[0], "is not")
    generate = ("generate", "--run", trained[0], "--ngram", "3", "--data", other)
    assert_fails(cli(*generate), "data must be what", "other.txt")
    assert_fails(cli(*call, "--data", text), "must have more than 512 tokens, got 223")
    assert_fails(cli(*call, "--data", text, "--positions", "0"), "positions must be")
    bad = ("generate", "--run", trained[0], "--ngram", "0", "--data", text)
    assert_fails(cli(*bad), "order must be at least 1")


@pytest.mark.full
def test_truncations_are_trained_once_and_compared(text, cli, tmp_path):
    call = ("truncation", "--data", text, *SMALL, "--epochs", "1", "--evaluations", "1")
    call = (*call, "--steps", "16", "4", "--out", tmp_path)
    code, out, err = cli(*call)
    assert code == 0, err
    rows = table(out, "held-out text after 1 epochs")
    assert rows["4 steps"] != rows["16 steps"]
    assert (tmp_path / "truncation.png").read_bytes()[:4] == b"\x89PNG"
    code, again, _ = cli(*call)
    assert again.count("resuming at step") == 2
    assert table(again, "held-out text after 1 epochs") == rows
    bad = cli("truncation", "--data", text, "--steps", "3", "--out", tmp_path)
    assert_fails(bad, "steps must divide the chunk, 256, got (3,)")


def test_gradients_of_a_chunk_end_after_so_many_steps():
    model = LanguageModel(vocab_size=5, core=rx.GRU(3), embed_size=2)
    tokens = np.random.default_rng(0).integers(5, size=26)
    chunk = Chunks(tokens, 2, 8, start=0, seed=0).at(1)  # its mask is not all True
    params = model.init(jax.random.key(0), jnp.ones((1, 1), int))["params"]
    carry = jax.tree.map(lambda leaf: leaf + 0.5, model.initial_state((2,)))

    @partial(jax.jit, static_argnums=0)
    def gradient(loss_fn, batch, carry):
        key = jax.random.key(0)
        return jax.value_and_grad(loss_fn, has_aux=True)(params, carry, batch, key)

    whole = gradient(mean_of(model_loss(model)), chunk, carry)
    same = gradient(mean_of(truncation.truncated_loss(model, 8)), chunk, carry)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), whole, same)
    # In parts of two steps, it is the mean over chunks of two steps, read one by one.
    (loss, _), found = gradient(mean_of(truncation.truncated_loss(model, 2)), chunk, carry)
    want, count = jax.tree.map(jnp.zeros_like, params), chunk["mask"].sum()
    for first in range(0, 8, 2):
        part = {
            n: a[:, first : first + 2] if a.ndim else a & (first == 0) for n, a in chunk.items()
        }
        (_, carry), each = gradient(mean_of(model_loss(model)), part, carry)
        share = part["mask"].sum() / count
        want = jax.tree.map(lambda a, b, share=share: a + share * b, want, each)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, want)
    np.testing.assert_allclose(loss, whole[0][0], rtol=1e-5)
    gaps = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), found, whole[1])
    assert max(jax.tree.leaves(gaps)) > 1e-4
