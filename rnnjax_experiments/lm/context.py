"""What a context is worth: `lm context`."""

from functools import partial
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.cells.base import State
from rnnjax.checks import check_positive
from rnnjax.models import LanguageModel
from rnnjax.trained import TrainedLanguageModel
from rnnjax_experiments.lm.baselines import count
from rnnjax_experiments.lm.data import tokens_of
from rnnjax_experiments.lm.plots import plot_contexts
from rnnjax_experiments.lm.text import load
from rnnjax_experiments.shared.command_line import print_table

# The n-grams' contexts, one token more each, then twice as many each time.
CONTEXTS = (1, 2, 3, 4, 5, 8, 16, 32, 64, 128, 256, 512)
ORDERS = range(1, 7)
_TOKENS_AT_ONCE, _ROWS_AT_ONCE = 16_384, 256


def context(
    run: tuple[Path, ...],
    data: Path | None = None,
    positions: int = 2000,
    out: Path = Path("runs/context"),
) -> None:
    """Print the cost of held-out tokens, given only the last 1, 2, 4, ... 512 tokens before them.

    The tokens are drawn at random from those of the test text, or else the validation text, that
    have 512 tokens before them. Each is predicted from the zero state and exactly as many tokens.
    N-grams of orders 1 to 6 are compared: the context of a 5-gram is four tokens.

    Args:
      run: the folders of one or several runs on the same corpus.
      data: what they were trained on, as for `train`; by default Python's own reference manual.
      positions: how many tokens to predict.
      out: folder for context.png.
    """
    check_positive(positions=positions)
    runs = {str(each): _load(each) for each in run}
    if not runs:
        raise ValueError("run must be at least one run's folder")
    vocabulary = next(iter(runs.values())).vocabulary
    if any(trained.vocabulary != vocabulary for trained in runs.values()):
        raise ValueError("run must be runs with the same vocabulary")
    *_, tokens = (tokens_of(each, data, vocabulary) for each in run)
    train, held_out = tokens.train, tokens.held_out[:]
    where = _draw(len(held_out), positions)
    columns = {name: _curve(name, trained, held_out, where) for name, trained in runs.items()}
    columns["n-gram"] = {}
    for order in ORDERS:
        model = count(train, order, vocabulary)
        logs = model.log_probabilities(held_out, train[-order:])[where]
        columns["n-gram"][order - 1] = -float(logs.mean())
    _report(columns, vocabulary.unit, len(where), out)


def _load(run: Path) -> TrainedLanguageModel:
    trained = load(run)
    if trained.sentences:
        raise ValueError(f"run must be models of a stream, and {run} reads each line by itself")
    return trained


def _draw(tokens: int, positions: int) -> np.ndarray:
    """Return positions that have the longest context before them, in order."""
    longest = max(CONTEXTS)
    if tokens <= longest:
        raise ValueError(f"the held-out text must have more than {longest} tokens, got {tokens}")
    draw = np.random.default_rng(0)
    chosen = draw.choice(tokens - longest, min(positions, tokens - longest), replace=False)
    return longest + np.sort(chosen)


def _curve(
    name: str, trained: TrainedLanguageModel, tokens: np.ndarray, where: np.ndarray
) -> dict[int, float]:
    """Return the mean cost of the tokens at positions, in nats, by the length of their context."""
    curve = {}
    for length in CONTEXTS:
        print(f"{name}: {length} tokens of context ...", flush=True)
        curve[length] = float(costs(trained, tokens, where, length).mean())
    return curve


def costs(
    trained: TrainedLanguageModel, tokens: np.ndarray, where: np.ndarray, length: int
) -> np.ndarray:
    """Return the cost in nats of tokens, each given only the `length` tokens before it.

    Args:
      trained: the model, which starts from the zero state.
      tokens: `(n,)` the text.
      where: `(positions,)` which tokens, each at least `length`.
      length: how many tokens the model sees.
    """
    rows = min(_ROWS_AT_ONCE, max(1, _TOKENS_AT_ONCE // length))
    found = []
    for first in range(0, len(where), rows):
        # The last batch is filled up, so that one program is compiled.
        chosen = np.resize(where[first : first + rows], rows)
        before = tokens[chosen[:, None] + np.arange(-length, 0)]
        found.append(_costs(trained.model, trained.variables, before, tokens[chosen]))
    return np.concatenate([np.asarray(each) for each in found])[: len(where)]


@partial(jax.jit, static_argnums=0)
def _costs(model: LanguageModel, variables: Any, tokens: Array, targets: Array) -> Array:
    read = model.apply(variables, tokens, method="features")
    _, features = cast(tuple[State, Array], read)
    logits = cast(Array, model.apply(variables, features[:, -1], method="logits"))
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], axis=-1)[:, 0]


def _report(columns: dict[str, dict[int, float]], unit: str, positions: int, out: Path) -> None:
    """Print the table and a sentence for each run, and draw the picture."""
    lengths = sorted(set().union(*columns.values()))
    print_table(
        f"nats a {unit}, mean over {positions:,} held-out {unit}s, given only the last {unit}s",
        (f"{unit}s seen", *columns),
        [
            (n, *(f"{curve[n]:.4f}" if n in curve else "" for curve in columns.values()))
            for n in lengths
        ],
    )
    ngram = columns["n-gram"]
    order = min(ngram, key=lambda n: ngram[n])
    for name, curve in columns.items():
        if name == "n-gram":
            continue
        better = [n for n in curve if curve[n] < ngram[order]]
        said = f"beats it from {min(better)} {unit}s on" if better else "never beats it"
        far = curve[max(order, 1)] - curve[max(curve)]
        print(
            f"{name}: the best n-gram is of order {order + 1}, and the network {said}; what lies "
            f"more than {max(order, 1)} {unit}s back is worth {far:.4f} nats"
        )
    out.mkdir(parents=True, exist_ok=True)
    plot_contexts(columns, unit, out / "context.png")
    print(f"picture: {out / 'context.png'}")
