"""The pure functions of a trained model, as programs of `jax.export` for all sizes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, export

from rnnjax.checks import check_steps
from rnnjax.sequence.masks import restart

PLATFORMS = ("cpu", "cuda", "tpu")


class Argument(NamedTuple):
    """An array that a program takes.

    Attributes:
      shape: its sizes with commas between them, symbols for those that are free: "batch, time, 4".
      dtype: the name of its dtype.

    Example:
      >>> rx.trained.Argument("batch, time", "int32").dtype
      'int32'
    """

    shape: str
    dtype: str


IDS, COUNT = Argument("batch, time", "int32"), Argument("batch", "int32")


@dataclass(frozen=True)
class Program:
    """A pure function of a model's parameters and of arrays, which can be exported.

    Attributes:
      run: takes the parameters, and arrays by name; returns arrays by name.
      arguments: what each name is, an `Argument` or a list of them.
      limits: what holds for the free sizes, such as "time <= 512". Each is at least 1.
      refusal: why it cannot be exported; None if it can.

    Example:
      >>> numbers = {"xs": rx.trained.Argument("n", "float32")}
      >>> product = rx.trained.Program(lambda params, xs: {"ys": params["w"] * xs}, numbers)
      >>> product.exported({"w": jnp.array(2.0)}).out_avals
      (ShapedArray(float32[n]),)
    """

    run: Callable[..., dict[str, Any]]
    arguments: Mapping[str, Any]
    limits: tuple[str, ...] = ()
    refusal: str | None = None

    def exported(self, params: Any) -> export.Exported:
        """Return the program for all platforms: of `named` parameters, and the arguments by name.

        Raises:
          ValueError: there is a reason not to.
        """
        if self.refusal is not None:
            raise ValueError(self.refusal)
        tree, dtypes = jax.tree.structure(params), jax.tree.map(jnp.result_type, params)
        names = list(named(params))

        def run(weights: dict[str, Array], **arguments: Any) -> dict[str, Any]:
            leaves = jax.tree.unflatten(tree, [weights[name] for name in names])
            given = jax.tree.map(lambda leaf, dtype: leaf.astype(dtype), leaves, dtypes)
            return self.run(given, **arguments)

        scope = export.SymbolicScope(self.limits)

        def spec(argument: Argument) -> jax.ShapeDtypeStruct:
            shape = export.symbolic_shape(argument.shape, scope=scope)
            return jax.ShapeDtypeStruct(shape, jnp.dtype(argument.dtype))

        arrays = dict(self.arguments)
        specs = jax.tree.map(spec, arrays, is_leaf=lambda each: isinstance(each, Argument))
        return export.export(jax.jit(run), platforms=PLATFORMS)(named(params), **specs)


def named(params: Any) -> dict[str, np.ndarray]:
    """Return parameters by the names of their branches, in dtypes that NumPy can store."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    arrays = {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in leaves
    }
    # Of bfloat16, which NumPy does not know, every value is a float32.
    return {
        name: array.astype(np.float32) if array.dtype.kind == "V" else array
        for name, array in arrays.items()
    }


def step_program(
    model: Any,
    core: Any,
    inputs: Mapping[str, Argument],
    result: str,
    condition: Mapping[str, Argument] = MappingProxyType({}),
) -> Program:
    """Return the program of a model's `step`: state in, state out.

    It also takes `fresh` `(batch,)` bool: where it is True, a row starts from the initial state,
    whatever `state` holds. States are lists of their arrays.

    Args:
      model: a module with `step(state, *inputs)` and `initial_state(batch_shape)`.
      core: what has to step; the program is refused where it cannot.
      inputs: what a step reads, in the order of the method's arguments.
      result: the name of what it returns besides the state.
      condition: what the method `start` makes the initial state of, if not all start alike.
    """
    like = jax.eval_shape(lambda: model.initial_state((1,)))
    arrays, tree = jax.tree.flatten(like)
    state = [
        Argument(", ".join(["batch", *map(str, each.shape[1:])]), each.dtype.name)
        for each in arrays
    ]

    def run(params: Any, state: list[Array], fresh: Array, **given: Array) -> dict[str, Any]:
        variables = {"params": params}
        if condition:
            start = model.apply(variables, *(given[name] for name in condition), method="start")
        else:
            start = model.initial_state(fresh.shape)
        before = restart(fresh, start, jax.tree.unflatten(tree, state))
        read = (given[name] for name in inputs)
        after, found = model.apply(variables, before, *read, method="step")
        return {result: found, "state": jax.tree.leaves(after)}

    fresh = Argument("batch", "bool")
    arguments = {**inputs, **condition, "state": state, "fresh": fresh}
    try:
        check_steps("core", core)
    except ValueError as error:
        return Program(run, arguments, refusal=str(error))
    return Program(run, arguments)
