"""What the tests of the language-model script share: a small run, and how to look at it."""

import random
import warnings

import jax
import numpy as np

from rnnjax.train.checkpoint import ocp

SMALL = (
    *("--hidden-size", "12", "--layers", "1", "--embed-size", "8", "--dropout", "0.1"),
    *("--batch-size", "4", "--chunk", "16", "--epochs", "8", "--evaluations", "5"),
    *("--learning-rate", "0.02"),
)


def write_text(path, sentences=200):
    words = ["the cat", "the dog", "a bird", "sees", "hears", "finds", "a fish", "the tree"]
    draw = random.Random(0)
    lines = [
        f"{draw.choice(words[:3])} {draw.choice(words[3:6])} {draw.choice(words[6:])}.\n"
        for _ in range(sentences)
    ]
    path.write_text("".join(lines))
    return path


def finish(process, text=None):
    out, err = process.communicate(text, timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def assert_fails(outcome, *names):
    """One line on the error stream, with these words in it, and a non-zero exit."""
    code, _, err = outcome
    assert code == 1
    (line,) = err.strip().splitlines()
    assert line.startswith("error: ")
    for name in names:
        assert str(name) in line


def final_state(folder):
    """All arrays of the newest checkpoint."""
    newest = max((folder / "latest").iterdir(), key=lambda p: int(p.name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it was not told the arrays' shardings
        return newest.name, ocp.load_checkpointables(newest)["state"]["tree"]


def assert_same_end(folder, other):
    (step, tree), (other_step, other_tree) = final_state(folder), final_state(other)
    assert step == other_step
    states = tree["state"], other_tree["state"]
    assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
    jax.tree.map(np.testing.assert_array_equal, *states)
