"""Training with gradients through few or many steps: `lm truncation`."""

from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.metrics import perplexity
from rnnjax.models import LanguageModel
from rnnjax.models.interface import Batch, BatchLoss
from rnnjax.train.step import LossFn
from rnnjax_experiments.lm.data import load_data
from rnnjax_experiments.lm.plots import plot_truncations
from rnnjax_experiments.lm.presets import LanguageModelExperiment
from rnnjax_experiments.lm.training import train_tokens, untrained
from rnnjax_experiments.shared.command_line import print_table

# Small enough for all to be trained within ten minutes.
TRUNCATED = LanguageModelExperiment(
    hidden_size=128, layers=1, batch_size=8, chunk=256, epochs=8, evaluations=8
)


def truncation(
    experiment: LanguageModelExperiment = TRUNCATED,
    steps: tuple[int, ...] = (4, 16, 64, 256),
    data: Path | None = None,
    out: Path = Path("runs/truncation"),
) -> None:
    """Train with backpropagation through 4, 16, 64 and 256 steps, and print what each costs.

    All runs read the same chunks and carry the same states; only gradients end after so many steps.
    What is trained already is not trained again, and a run that stopped goes on. Each run can be
    given to `context`.

    Args:
      experiment: how all are trained.
      steps: after how many steps gradients end; each must divide the chunk.
      data: a text, as for `train`; by default Python's own reference manual.
      out: folder for the runs and truncation.png.
    """
    if not steps or any(each < 1 or experiment.chunk % each for each in steps):
        raise ValueError(f"steps must divide the chunk, {experiment.chunk}, got {steps}")
    vocabulary, tokens, _, read = corpus = load_data(experiment, data)
    found = {}
    for each in sorted(set(steps)):
        print(f"\ntruncated after {each} steps")
        start = untrained(experiment, corpus)
        trained = train_tokens(
            experiment,
            start,
            tokens,
            read,
            out / f"steps-{each}",
            loss_fn=truncated_loss(start.model, each),
        )
        found[each] = trained.nats(tokens.held_out)
    unit = vocabulary.unit
    print_table(
        f"held-out text after {experiment.epochs:g} epochs of {len(tokens.train):,} {unit}s",
        ("gradients end after", f"nats a {unit}", "perplexity"),
        [
            (f"{each} steps", f"{nats:.4f}", f"{perplexity(nats):.3f}")
            for each, nats in found.items()
        ],
    )
    shortest, longest = min(found), max(found)
    print(
        f"Gradients through {longest} steps instead of {shortest} are worth "
        f"{found[shortest] - found[longest]:+.4f} nats a {unit}."
    )
    plot_truncations(found, unit, out / "truncation.png")
    print(f"picture: {out / 'truncation.png'}")


def truncated_loss(model: LanguageModel, steps: int) -> LossFn:
    """Return the mean loss of a chunk, of which the gradients go back at most `steps` tokens."""

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> BatchLoss:
        def read(carry: Any, part: Batch) -> tuple[Any, tuple[Array, Array]]:
            carry = jax.lax.stop_gradient(carry)
            rngs = {"dropout": key}
            found = model.apply({"params": params}, part, carry, rngs=rngs, method="batch_loss")
            found = cast(BatchLoss, found)
            return found.carry, (found.total, found.number)

        carry, (totals, numbers) = jax.lax.scan(read, carry, _parts(batch, steps))
        return BatchLoss(totals.sum(), numbers.sum(), carry)

    return loss_fn


def _parts(batch: Batch, steps: int) -> dict[str, Array]:
    """Return parts of a chunk of so many steps each, after each other on a new first axis."""
    cut = {
        name: jnp.stack(jnp.split(each, each.shape[1] // steps, axis=1))
        for name, each in batch.items()
        if name != "fresh"
    }
    count = len(cut["inputs"])
    return {**cut, "fresh": (jnp.arange(count) == 0) & batch["fresh"]}
