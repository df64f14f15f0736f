"""Compile training steps for an accelerator without having one, and describe the programs.

    python -m benchmarks.compile_for h200      an NVIDIA H200
    python -m benchmarks.compile_for v5e       one chip of a TPU v5e
    python -m benchmarks.compile_for h200 --list     what of ours `python -m benchmarks.gpu` runs

It needs JAX 0.11 or newer and the plug-in wheels of the target, but no driver, device or network.
Products have JAX's default precision: TF32 on the GPU and bfloat16 on the TPU, also for float32.
"""

import argparse
import importlib.metadata
import math
import os
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import rnn, topologies
from jax.sharding import SingleDeviceSharding

import rnnjax as rx
from benchmarks import peers
from benchmarks.cases import LayerCase
from benchmarks.gpu.plan import plan
from benchmarks.peers.ours import COMMAND_BUFFER, core_of, unroll_options
from rnnjax.sequence.kernels import cudnn

# The device in the format of stream_executor.GpuTargetConfigProto (openxla/xla), from
# xla/backends/gpu/target_config/specs/h200.txtpb, without fields that do not change the programs.
H200 = """
gpu_device_info {
  name: "NVIDIA H200"
  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }
  core_count: 132
  fpus_per_core: 128
  clock_rate_ghz: 1.98
  threads_per_warp: 32
  threads_per_block_limit: 1024
  threads_per_core_limit: 2048
  thread_dim_limit_x: 1024
  thread_dim_limit_y: 1024
  thread_dim_limit_z: 64
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  registers_per_block_limit: 65536
  registers_per_core_limit: 65536
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  l2_cache_size: 52428800
  memory_bandwidth: 4800000000000
  device_memory_size: 151397597184
  driver_version: "13.0.0"
  runtime_version: "13.0.0"
  compile_time_toolkit_version: "13.0.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
"""


class Target(NamedTuple):
    """An accelerator to compile for."""

    wheels: tuple[str, ...]
    topology: dict[str, str]  # arguments of `get_topology_desc`
    options: dict[str, Any]  # of the compiler


TARGETS = {
    "h200": Target(
        ("jax-cuda13-plugin", "jax-cuda13-pjrt"),
        {"platform": "cuda", "topology": "1x1x1", "target_config": H200},
        {"xla_gpu_autotune_level": 0},  # there is no device to time candidates on
    ),
    "v5e": Target(("libtpu",), {"platform": "tpu", "topology_name": "v5e:2x2"}, {}),
}
# Of the list for GPUs: XLA has no tiles for some products of many steps without a device.
LIST_OPTIONS = {"xla_gpu_enable_triton_gemm": False}
# Otherwise libtpu asks the metadata server of the cloud which machine this is.
TPU_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
}
COLUMNS = (
    "compile s",
    "temporary MiB",
    "arguments MiB",
    "results MiB",
    "GFLOP",
    "ops a step",
    "products a step",
    "KiB copied a step",
)


def cases() -> list[tuple[LayerCase, str]]:
    """Return the cases to compile, and a name in `peers.LAYERS` for each."""
    plain = [LayerCase(cell, 64, 128, 512) for cell in ("LSTM", "GRU", "Elman")]
    masked = [LayerCase(c.cell, 64, 128, 512, lengths=True, resets=True) for c in plain]
    half = [LayerCase(c.cell, 64, 128, 512, dtype="bfloat16") for c in plain[:2]]
    return [
        (case, how) for case in (*plain, *masked, *half) for how in ("rnnjax-scan", "rnnjax-fused")
    ]


def listed() -> list[tuple[LayerCase, str]]:
    """Return what the list for GPUs runs of rnnjax."""
    jobs = dict.fromkeys((wave.case, name) for wave in plan() for name in wave.names)
    ours = {name for name, (module, _) in peers.LAYERS.items() if module == "ours"}
    return [
        (case, name)
        for case, name in jobs
        if name in ours
        if name != "rnnjax-cudnn" or (case.cell == "LSTM" and case.dtype != "bfloat16")
    ]


def device(name: str) -> Any:
    """Return a device of the target to compile for; `SystemExit` says what to install."""
    wheels = TARGETS[name].wheels
    if jax.__version_info__ < (0, 11) or not all(map(_installed, wheels)):
        needed = f"{name} needs JAX 0.11 or newer (Python 3.12 or newer) and {', '.join(wheels)}"
        raise SystemExit(f"{needed}: pip install --upgrade jax {' '.join(wheels)}")
    # Without this, the CUDA plug-in warns that it finds no driver.
    jax.config.update("jax_platforms", "cpu")
    for variable, value in TPU_ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    # JAX asks cuDNN how large its buffers are, which needs a GPU; what it would say is not counted.
    untyped: Any = rnn
    untyped.gpu_rnn.compute_rnn_workspace_reserve_space_sizes = lambda *_: (1, 1)
    cudnn.has_cuda = lambda: True
    return topologies.get_topology_desc(**TARGETS[name].topology).devices[0]


def _installed(wheel: str) -> bool:
    try:
        return bool(importlib.metadata.version(wheel))
    except importlib.metadata.PackageNotFoundError:
        return False


def training(case: LayerCase, how: str, place: Any) -> Any:
    """Return a training step, value and gradient of parameters and inputs, traced for a device."""
    given = {k: v for k, v in peers.LAYERS[how][1].items() if k != "command_buffer"}
    options = unroll_options(**given)
    core, dtype = core_of(case), jnp.bfloat16 if case.dtype == "bfloat16" else jnp.float32

    def array(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=SingleDeviceSharding(place))

    def loss(params: Any, xs: Any, cotangent: Any, masks: dict[str, Any]) -> jax.Array:
        ys = rx.unroll(core, params, xs, **masks, **options)[1]
        return jnp.sum(ys * cotangent)

    params = jax.eval_shape(lambda: core.init(jax.random.key(0), case.width))
    params = jax.tree.map(lambda p: array(p.shape, p.dtype), params)
    xs = array((case.time, case.batch, case.width), dtype)
    masks = {}
    if case.lengths:
        masks["lengths"] = array((case.batch,), jnp.int32)
    if case.resets:
        masks["resets"] = array((case.time, case.batch), jnp.bool_)
    return jax.jit(jax.value_and_grad(loss, (0, 1))).trace(params, xs, xs, masks)


def row(case: LayerCase, how: str, place: Any, options: dict[str, Any]) -> list[str]:
    """Compile a program; return its name and the values of `COLUMNS`."""
    if peers.LAYERS[how][1].get("command_buffer"):
        options = {**options, **COMMAND_BUFFER}
    start = time.perf_counter()
    executable = training(case, how, place).lower().compile(compiler_options=options)
    seconds = time.perf_counter() - start
    memory = executable.memory_analysis()
    sizes = (memory.temp_size_in_bytes, memory.argument_size_in_bytes, memory.output_size_in_bytes)
    flops = (executable.cost_analysis() or {}).get("flops")  # the CUDA plug-in does not report it
    steps = loops(executable.as_text())
    return [
        f"{case}, {how}",
        f"{seconds:.1f}",
        *(f"{size / 2**20:.1f}" for size in sizes),
        "-" if flops is None else f"{flops / 1e9:.1f}",
        " + ".join(str(step.operations) for step in steps),
        " + ".join(str(step.products) for step in steps),
        " + ".join(f"{step.copied_bytes / 1024:.0f}" for step in steps),
    ]


class Loop(NamedTuple):
    """The work of one iteration of a loop."""

    operations: int
    """Kernels, on a GPU; on a TPU parts of one program, those of the scalar core included."""
    products: int
    copied_bytes: int
    """By copies that are operations of their own; a step's state is small, a stacked buffer not."""


class _Instruction(NamedTuple):
    shape: str
    opcode: str
    rest: str

    def called(self) -> list[str]:
        return re.findall(r"\b(?:calls|to_apply|body)=%?([\w.-]+)", self.rest)


# Operations without work: names of buffers, and waiting for what "-start" began.
FREE = {"parameter", "constant", "bitcast", "tuple", "get-tuple-element", "after-all"}


def loops(hlo: str) -> list[Loop]:
    """Return the work of each loop's body, in the order of the optimised program."""
    computations = dict(_computations(hlo))
    whiles = [i for body in computations.values() for i in body if i.opcode == "while"]
    return [_count(computations, instruction.called()[0]) for instruction in whiles]


def _count(computations: dict[str, list[_Instruction]], name: str) -> Loop:
    body = [
        i for i in computations[name] if i.opcode not in FREE and not i.opcode.endswith("-done")
    ]
    copied = [_copied_bytes(computations, instruction) for instruction in body]
    return Loop(len(body), _products(computations, name), sum(copied))


def _products(computations: dict[str, list[_Instruction]], name: str) -> int:
    found = 0
    for instruction in computations[name]:
        library = instruction.opcode == "custom-call" and "__cublas" in instruction.rest
        found += library or instruction.opcode in ("dot", "convolution")
        found += sum(_products(computations, called) for called in instruction.called())
    return found


def _copied_bytes(computations: dict[str, list[_Instruction]], instruction: _Instruction) -> int:
    """Return the size of a copy, or of a fusion that only copies; 0 for other operations."""
    if instruction.opcode in ("copy", "copy-start"):
        return _bytes(instruction.shape)
    inner = [i for name in instruction.called() for i in computations[name]]
    alone = inner and {i.opcode for i in inner} <= FREE | {"copy"}
    return sum(_bytes(i.shape) for i in inner if i.opcode == "copy") if alone else 0


def _bytes(shape: str) -> int:
    """Return the size of the first array of a shape."""
    kind, bits, dimensions = re.findall(r"([a-z]+)(\d*)\[([\d,]*)\]", shape)[0]
    size = 1 if kind == "pred" else int(bits) // 8
    return size * math.prod(int(d) for d in dimensions.split(",") if d)


def _computations(hlo: str) -> Iterator[tuple[str, list[_Instruction]]]:
    blocks = re.findall(r"^(?:ENTRY )?%?([\w.-]+) \([^\n]*\{\n(.*?)^\}", hlo, re.M | re.S)
    for name, text in blocks:
        # The opcode is the first lower-case word before a parenthesis.
        found = re.findall(r"^ +(?:ROOT )?%?[\w.-]+ = (.*?) ([a-z][a-z-]*)\((.*)$", text, re.M)
        yield name, [_Instruction(*parts) for parts in found]


def main(arguments: list[str] | None = None) -> None:
    """Compile every program for the target, and print a line after each."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.compile_for",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", choices=TARGETS, help="what to compile for")
    parser.add_argument("--list", action="store_true", help="what the list for GPUs runs")
    options = parser.parse_args(arguments)
    if options.list and options.target != "h200":
        parser.error(f"--list is for h200, got {options.target}")
    name = options.target
    place = device(name)
    print(f"| {name} | {' | '.join(COLUMNS)} |\n|---|{'---:|' * len(COLUMNS)}")
    jobs, more = (listed(), LIST_OPTIONS) if options.list else (cases(), {})
    for case, how in jobs:
        print(f"| {' | '.join(row(case, how, place, TARGETS[name].options | more))} |", flush=True)


if __name__ == "__main__":
    main()
