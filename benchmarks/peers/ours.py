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
from rnnjax.sequence.kernels.kernel import Call
from rnnjax.sequence.kernels.table import refusal

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


def unroll_options(*, residual_dtype: str | None = None, **options: Any) -> dict[str, Any]:
    """Return the arguments of `rnnjax.unroll` besides the case's."""
    if residual_dtype is not None:
        options["implementation"] = rx.sequence.Fused(residual_dtype=residual_dtype)
    return options


def layer(
    case: LayerCase,
    *,
    command_buffer: bool = False,
    sharded: bool = False,
    **given: Any,
) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the case's programs, checked; `given` is for `unroll_options`."""
    place = None
    if sharded:
        devices = len(os.sched_getaffinity(0))
        if case.batch % devices:
            raise Unsupported(f"rnnjax-sharded: {case.batch} rows over {devices} devices")
        host.tune(devices)
        place = _over_devices
    work, core = make_work(case), core_of(case)
    params, options = params_of(work.weights), unroll_options(**given)
    if options.get("implementation") == "cudnn":
        call = Call(core, params, jnp.asarray(work.xs))
        if reason := refusal(call, "cudnn"):
            raise Unsupported(reason)
    masks: dict[str, Any] = {
        "lengths": None if work.lengths is None else jnp.asarray(work.lengths),
        "resets": None if work.resets is None else jnp.asarray(work.resets),
        "reverse": case.reverse,
    }

    def apply(params: Any, xs: jax.Array) -> jax.Array:
        return rx.unroll(core, params, xs, **masks, **options)[1]

    compiler = COMMAND_BUFFER if command_buffer else None
    return layer_programs(case, work, apply, params, place=place, compiler_options=compiler)


def _over_devices(params: Any, xs: jax.Array) -> tuple[Any, jax.Array]:
    """Shard the batch over one CPU device per core, and copy the parameters to each."""
    mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
    everywhere, batch = NamedSharding(mesh, P()), NamedSharding(mesh, P(None, "batch"))
    return jax.device_put(params, everywhere), jax.device_put(xs, batch)
