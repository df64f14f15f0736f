"""rnnjax."""

import os
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import rnnjax as rx
from benchmarks.cases import LayerCase, Unsupported
from benchmarks.peers.through_jax import layer_programs
from benchmarks.program import Program
from benchmarks.reference import Weights, make_work
from rnnjax import host

# Run a whole loop as one CUDA graph, instead of launching each kernel of each step.
COMMAND_BUFFER = {
    "xla_gpu_command_buffer_unroll_loops": True,
    "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,"
    "DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE",
}


def core_of(case: LayerCase) -> Any:
    """Return the case's core."""
    dtype = "bfloat16" if case.dtype == "bfloat16" else "float32"
    layer: Any = getattr(rx, case.cell)(case.width, dtype=dtype)
    if case.bidirectional:
        layer = rx.Bidirectional(layer)
    return layer if case.layers == 1 else rx.Stack((layer,) * case.layers)


def params_of(weights: Weights) -> Any:
    """Return the weights of a case as the parameters of its core."""
    layers: list[Any] = [
        w[0] if len(w) == 1 else {"forward": w[0], "backward": w[1]} for w in weights
    ]
    return layers[0] if len(layers) == 1 else {f"layer_{i}": w for i, w in enumerate(layers)}


def layer(
    case: LayerCase,
    *,
    implementation: Any = "auto",
    recompute: bool = False,
    unroll_factor: int = 1,
    command_buffer: bool = False,
    sharded: bool = False,
) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the case's programs, checked."""
    place = None
    if sharded:
        devices = len(os.sched_getaffinity(0))
        if case.batch % devices:
            raise Unsupported(f"rnnjax-sharded: {case.batch} rows over {devices} devices")
        host.tune(devices)
        place = _over_devices
    work, core = make_work(case), core_of(case)
    params = params_of(work.weights)
    masks: dict[str, Any] = {
        "lengths": None if work.lengths is None else jnp.asarray(work.lengths),
        "resets": None if work.resets is None else jnp.asarray(work.resets),
        "reverse": case.reverse,
    }

    def apply(params: Any, xs: jax.Array) -> jax.Array:
        options = {"implementation": implementation, "recompute": recompute}
        return rx.unroll(core, params, xs, **masks, **options, unroll_factor=unroll_factor)[1]

    options = COMMAND_BUFFER if command_buffer else None
    return layer_programs(case, work, apply, params, place=place, compiler_options=options)


def _over_devices(params: Any, xs: jax.Array) -> tuple[Any, jax.Array]:
    """Shard the batch over one CPU device per core, and copy the parameters to each."""
    mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
    everywhere, batch = NamedSharding(mesh, P()), NamedSharding(mesh, P(None, "batch"))
    return jax.device_put(params, everywhere), jax.device_put(xs, batch)
