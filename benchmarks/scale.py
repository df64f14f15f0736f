"""Count what an update of `rnnjax lm train billion` holds and sends on many devices.

    python -m benchmarks.scale                                  programs for 1, 8 and 64 devices
    python -m benchmarks.scale --optimizer adagrad              with another optimiser
    python -m benchmarks.scale --meshes 2x2 --narrow 16 --run   16 times narrower, and runs it

A mesh DxM has D parts of the batch and M of the large tables; see `rnnjax.train.Placement`. The
devices are virtual ones of the CPU: programs are compiled and read, and their arrays never made.
docs/scale.md explains the prediction.
"""

import argparse
import re
import time
from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjax import host
from rnnjax.train import Placement, init_state, make_train_step, model_loss
from rnnjax_experiments.lm.presets import PRESETS, LanguageModelExperiment

BILLION = PRESETS["billion"]
OPTIMIZERS = {
    "adamw": BILLION.optimizer.make(100, 100),
    "adagrad": optax.adagrad(0.2),
    "sgd": optax.sgd(1.0),
}


class Device(NamedTuple):
    """Published figures of a device in a cluster, and the shares of them that are assumed."""

    flops: float = 989e12  # NVIDIA H200 SXM, bfloat16 without sparsity
    memory: float = 4.8e12  # bytes a second
    node: int = 8  # devices that NVLink joins
    near: float = 450e9  # bytes a second and direction, NVLink 4
    far: float = 50e9  # bytes a second and direction, one 400 Gb/s InfiniBand port a device
    share_of_flops: float = 0.4
    share_of_bytes: float = 0.8


class Exchange(NamedTuple):
    """A collective: its kind, the bytes of its result, and the devices of its first group."""

    kind: str
    size: int
    group: tuple[int, ...]

    def seconds(self, device: Device) -> float:
        """Return how long it takes in a ring, by bandwidth alone."""
        near = len({each // device.node for each in self.group}) == 1
        rounds = 2 if self.kind == "all-reduce" else 1
        sent = rounds * (len(self.group) - 1) / len(self.group) * self.size
        return sent / (device.share_of_bytes * (device.near if near else device.far))


class Update:
    """The update of an experiment on a mesh.

    Args:
      experiment: the model and how it is trained.
      data: the parts of the batch.
      model: the parts of large tables.
      optimizer: one of `OPTIMIZERS`.
    """

    def __init__(
        self,
        experiment: LanguageModelExperiment,
        data: int,
        model: int,
        optimizer: str = "adamw",
    ) -> None:
        self.experiment = experiment
        self.placement = Placement.of(data * model, model)
        self.model = experiment.model(experiment.vocab_max or 0)
        self.optimizer = OPTIMIZERS[optimizer]
        self.shapes = jax.eval_shape(self._start)
        self.places = self.placement.of_state(self.shapes)
        step = make_train_step(model_loss(self.model), self.optimizer, seed=0)
        self.step: Any = self.placement.keep_state(step, self.shapes)

    def _start(self) -> Any:
        params = self.model.init(jax.random.key(0), jnp.ones((1, 1), int))["params"]
        carry = self.model.initial_state((self.experiment.batch_size,))
        return init_state(params, self.optimizer, carry)

    def compiled(self) -> Any:
        """Return the compiled update."""

        def abstract(leaf: Any, place: Any) -> Any:
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)

        state = jax.tree.map(abstract, self.shapes, self.places)
        return self.step.lower(state, self.placement.batch(self.batch(0))).compile()

    def batch(self, seed: int) -> dict[str, Any]:
        """Return a batch of random words, the frequent ones first."""
        size = self.experiment.batch_size, self.experiment.chunk + 1
        drawn = np.exp(np.random.default_rng(seed).uniform(0, np.log(self.model.vocab_size), size))
        words = drawn.astype(np.int32) - 1
        return {"inputs": words[:, :-1], "targets": words[:, 1:], "fresh": np.bool_(seed == 0)}

    def losses(self, steps: int) -> list[float]:
        """Return the losses of some updates."""
        state = jax.jit(self._start, out_shardings=self.places)()
        found = []
        for seed in range(steps):
            state, metrics = self.step(state, self.placement.batch(self.batch(seed)))
            found.append(float(metrics["loss"]))
        return found

    @property
    def flops(self) -> float:
        """The operations of the products of an update, forwards and backwards."""
        params = self.shapes.params
        matrices = sum(leaf.size for leaf in jax.tree.leaves(params["rnn"]) if leaf.ndim > 1)
        width = params["kernel"].shape[0]
        drawn = self.experiment.num_sampled or self.model.vocab_size
        tokens = self.experiment.batch_size * self.experiment.chunk
        return 3 * 2 * tokens * (matrices + width * drawn)


def exchanges(text: str) -> Counter[Exchange]:
    """Return how many times each collective of a program in HLO runs."""
    bodies: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if match := re.match(r"(?:ENTRY )?%?([\w.\-]+) .*\{$", line):
            bodies[match[1]] = lines = []
        lines.append(line)
    found: Counter[Exchange] = Counter()

    def count(name: str, times: int) -> None:
        for line in bodies[name]:
            if match := re.search(
                r" = (.*) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)\(",
                line,
            ):
                found[Exchange(match[2], _bytes(match[1]), _group(line))] += times
            trips = re.search(r'"known_trip_count":\{"n":"(\d+)"', line)
            for role, called in re.findall(r"(body|calls|computation)=%?([\w.\-]+)", line):
                count(called, times * (int(trips[1]) if trips and role == "body" else 1))
            for branches in re.findall(r"branch_computations=\{([^}]*)\}", line):
                for branch in branches.split(","):
                    count(branch.strip().lstrip("%"), times)
            if called := re.search(r" call\(.*to_apply=%?([\w.\-]+)", line):
                count(called[1], times)

    count(re.findall(r"^ENTRY %?([\w.\-]+)", text, re.MULTILINE)[0], 1)
    return found


def _bytes(result: str) -> int:
    """Return the bytes of arrays such as "(f32[2,3]{1,0}, s32[])"."""
    sizes = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s64": 8, "u64": 8, "f64": 8}
    arrays = re.findall(r"([a-z]+\d*)\[([\d,]*)\]", result)
    return sum(sizes.get(kind, 4) * int(np.prod(_numbers(shape))) for kind, shape in arrays)


def _group(line: str) -> tuple[int, ...]:
    """Return the devices of the first group of a collective."""
    if match := re.search(r"replica_groups=\{\{([\d,]+)\}", line):
        return tuple(_numbers(match[1]))
    if match := re.search(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", line):
        return tuple(_devices(match[2], match[3]).reshape(_numbers(match[1]))[0].tolist())
    order = r"(?:, device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\))?"
    match = re.search(r"replica_groups=mesh\[(.*?)\]" + order + r" \{(.*?)\}", line)
    if match is None:
        return (0,)
    sizes = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", match[1])}
    axes = [list(sizes).index(name) for name in re.findall(r"'(\w+)'", match[4])]
    shape = match[2] or str(np.prod(list(sizes.values())))
    devices = _devices(shape, match[3]).reshape(list(sizes.values()))
    last = range(devices.ndim - len(axes), devices.ndim)
    along = np.moveaxis(devices, axes, last)
    return tuple(along.reshape(-1, np.prod([devices.shape[axis] for axis in axes]))[0].tolist())


def _devices(shape: str, order: str | None) -> np.ndarray:
    """Return the numbers of all devices in a shape, its axes in another order."""
    sizes = _numbers(shape)
    numbers = np.arange(np.prod(sizes)).reshape(sizes)
    return numbers.transpose(_numbers(order)) if order else numbers


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",") if each]


def row(update: Update, device: Device) -> list[str]:
    """Return a row of the table: counts of the compiled update, and the prediction."""
    compiled, placement = update.compiled(), update.placement
    memory, sent = compiled.memory_analysis(), exchanges(compiled.as_text())
    held = memory.argument_size_in_bytes
    compute = update.flops / placement.mesh.size / (device.share_of_flops * device.flops)
    # The optimiser reads and writes what is held, and reads a gradient that was written before.
    own = sum(
        np.prod(place.shard_shape(leaf.shape))
        for leaf, place in zip(
            jax.tree.leaves(update.shapes.params),
            jax.tree.leaves(update.places.params),
            strict=True,
        )
    )
    pass_over = (2 * held + 2 * 4 * own) / (device.share_of_bytes * device.memory)
    links = sum(times * each.seconds(device) for each, times in sent.items())
    tokens = update.experiment.batch_size * update.experiment.chunk
    total = Counter[str]()
    for each, times in sent.items():
        total[each.kind] += times * each.size
    counts = Counter(each.kind for each, times in sent.items() for _ in range(times))
    return [
        f"{placement.mesh.size}",
        f"{placement.data_parts} x {placement.model_parts}",
        f"{update.experiment.batch_size:,}",
        f"{held / 1e9:.2f}",
        f"{memory.temp_size_in_bytes / 1e9:.2f}",
        "; ".join(f"{counts[k]} {k}, {total[k] / 1e9:.2f}" for k in sorted(total)) or "none",
        f"{1e3 * compute:.1f} + {1e3 * pass_over:.1f} + {1e3 * links:.1f}",
        f"{tokens / (compute + pass_over + links):,.0f}",
    ]


HEADER = (
    "devices",
    "mesh",
    "rows",
    "held, GB",
    "temporary, GB",
    "collectives, and GB of their results",
    "ms: products + optimiser + links",
    "tokens/s",
)


def narrower(experiment: LanguageModelExperiment, by: int) -> LanguageModelExperiment:
    """Return an experiment on the same words with layers that are narrower."""
    names = "hidden_size", "projection_size", "embed_size"
    return replace(experiment, **{name: getattr(experiment, name) // by for name in names})


def main() -> None:
    """Print the table; with --run, the losses of three updates on each mesh."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", allow_abbrev=False)
    meshes = ["1x1", "8x1", "1x8", "64x1", "8x8", "1x64"]
    parser.add_argument("--meshes", nargs="+", default=meshes, help="such as 8x1 or 2x4")
    parser.add_argument("--rows", type=int, default=128, help="of a batch, for each device")
    parser.add_argument("--narrow", type=int, default=1, help="divides all widths")
    parser.add_argument("--words", type=int, default=BILLION.vocab_max, help="of the vocabulary")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adamw")
    parser.add_argument("--run", action="store_true", help="run three updates on each mesh")
    options = parser.parse_args()
    sizes = [(int(data), int(model)) for data, model in (m.split("x") for m in options.meshes)]
    host.tune(max(data * model for data, model in sizes))
    experiment = replace(narrower(BILLION, options.narrow), vocab_max=options.words)
    print("| " + " | ".join(HEADER) + " |\n" + "|---" * len(HEADER) + "|")
    for data, model in sizes:
        whole = replace(experiment, batch_size=options.rows * data * model)
        update = Update(whole, data, model, options.optimizer)
        print("| " + " | ".join(row(update, Device())) + " |", flush=True)
        if options.run:
            before = time.perf_counter()
            losses = ", ".join(f"{loss:.5f}" for loss in update.losses(3))
            print(f"losses {losses} in {time.perf_counter() - before:.0f} s", flush=True)


if __name__ == "__main__":
    main()
