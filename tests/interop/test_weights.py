"""Weights of other libraries: their own numbers, round trips, and what is refused."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict
from hypothesis import given, settings
from hypothesis import strategies as st
from weight_cases import CORES, LAYERS, outputs, random_params, untold, without_recurrent_bias

import rnnjax as rx
from rnnjax import interop

GOLDEN = Path(__file__).parents[1] / "golden"


def of(library):
    return getattr(interop, library)


def golden(library, name):
    """Return the weights, as the library has them, the inputs and the outputs."""
    with np.load(GOLDEN / f"weights_{library}.npz") as arrays:
        prefix = f"{name}/weights/"
        found = {n.removeprefix(prefix): arrays[n] for n in arrays if n.startswith(prefix)}
        return as_lists(unflatten_dict(found, sep="/")), arrays["xs"], arrays[f"{name}/ys"]


def as_lists(tree):
    """Return nested dictionaries with a list for each whose keys are numbers."""
    if not isinstance(tree, dict):
        return tree
    tree = {key: as_lists(value) for key, value in tree.items()}
    return [tree[str(i)] for i in range(len(tree))] if "0" in tree else tree


def assert_equal(got, want, atol=0.0):
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


def rounding(library):
    """Return the error of a round trip: Haiku's forget bias is kept without the 1 that it adds."""
    return 2e-7 if library == "haiku" else 0.0


@pytest.mark.parametrize(("library", "name"), LAYERS)
def test_the_outputs_are_those_of_the_library(library, name):
    weights, xs, want = golden(library, name)
    expected = CORES[library][name]
    core, params = of(library).load(weights, **untold(library, expected))
    assert core == expected
    assert {a.dtype for a in jax.tree.leaves(params)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(outputs(core, params, xs), want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("library", "name"), LAYERS)
def test_weights_go_back_as_they_came(library, name):
    weights, *_ = golden(library, name)
    core, params = of(library).load(weights, CORES[library][name])
    options = {"optimized": True} if (library, name) == ("nnx", "optimized_lstm") else {}
    back = of(library).dump(core, params, **options)
    assert jax.tree.map(np.shape, back) == jax.tree.map(np.shape, nested(library, weights))
    assert_equal(of(library).load(back, core)[1], params, atol=rounding(library))


def nested(library, weights):
    """Return golden weights as `dump` does: Haiku's modules are one level of their own."""
    if library != "haiku":
        return weights
    modules = {}
    for name, array in jax.tree.leaves_with_path(weights):
        *module, last = (each.key for each in name)
        modules.setdefault("/".join(module), {})[last] = array
    return modules


@st.composite
def cases(draw):
    """Draw a library, one of its cores, and the arguments of `load` that make it again."""
    library = draw(st.sampled_from(list(CORES)))
    cell = draw(
        st.sampled_from([c for c in CORES[library].values() if isinstance(c, rx.GatedCell)])
    )
    sizes = {"hidden_size": draw(st.integers(1, 5))}
    if isinstance(cell, rx.ProjectedLSTM):
        sizes["projection_size"] = draw(st.integers(1, 5))
    core = type(cell)(**{**vars(cell), **sizes})
    if library not in ("haiku", "equinox") and draw(st.booleans()):
        core = rx.Bidirectional(core)
    layers = draw(st.sampled_from([1, 2, 3, 11]))
    core = core if layers == 1 else rx.Stack((core,) * layers)
    return library, core, untold(library, cell), draw(st.integers(1, 5))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(cases())
def test_round_trip(case):
    library, core, options, input_size = case
    params = random_params(core, input_size)
    if library == "nnx":
        params = without_recurrent_bias(params)
    back = of(library).dump(core, params)
    again, loaded = of(library).load(back, **options)
    assert again == core
    assert_equal(loaded, params, atol=2 * rounding(library))
    assert_equal(of(library).load(back, core)[1], params, atol=2 * rounding(library))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.usefixtures("x64")
def test_the_dtype_stays(dtype):
    core = rx.GRU(3)
    params = random_params(core, 2, jnp.dtype(dtype))
    for library in ("torch", "keras", "linen", "equinox"):
        back = of(library).dump(core, params)
        assert {str(a.dtype) for a in jax.tree.leaves(back)} == {dtype}
        loaded = of(library).load(back)[1]
        assert {str(a.dtype) for a in jax.tree.leaves(loaded)} == {dtype}
        assert_equal(loaded, params)


def torch_weights(core, input_size=3, prefix=""):
    params = random_params(core, input_size)
    return interop.torch.dump(core, params, prefix=prefix)


def changed(weights, **arrays):
    """Return weights with other arrays, or without those that are None."""
    arrays = {name.replace("__", "."): array for name, array in arrays.items()}
    return {n: a for n, a in {**weights, **arrays}.items() if a is not None}


LSTM = torch_weights(rx.LSTM(4))
DEEP = torch_weights(rx.Stack((rx.Bidirectional(rx.GRU(4)),) * 2), prefix="encoder.rnn.")
BAD_TORCH = {
    "missing": (
        changed(LSTM, weight_hh_l0=None),
        {},
        r"weights do not fit PyTorch's nn.LSTM as LSTM\(hidden_size=4.*: "
        r"weight_hh_l0 is missing: its shape must be \(16, 4\)$",
    ),
    "missing input": (changed(LSTM, weight_ih_l0=None), {}, r"weight_ih_l0 is.*\(16, any\)$"),
    "missing bias": (changed(LSTM, bias_hh_l0=None), {}, r": bias_hh_l0 is.*\(16,\)$"),
    "misshapen": (
        changed(LSTM, weight_hh_l0=np.zeros((16, 3), np.float32)),
        {},
        r": weight_hh_l0 must have shape \(16, 4\), got \(16, 3\)$",
    ),
    "rank": (
        changed(LSTM, weight_ih_l0=np.zeros(16, np.float32)),
        {},
        r": weight_ih_l0 must have shape \(16, any\), got \(16,\)$",
    ),
    "surplus": (changed(LSTM, bias_ch_l0=np.zeros(16)), {}, r": bias_ch_l0 has no place in it$"),
    "no array of a layer": (
        changed(LSTM, decoder__weight=np.zeros(16)),
        {},
        r"^decoder.weight is no array of a recurrent layer of PyTorch: prefix must be what",
    ),
    "in a deep core": (
        changed(DEEP, encoder__rnn__weight_ih_l1_reverse=np.zeros((12, 4), np.float32)),
        {"prefix": "encoder.rnn."},
        r": encoder.rnn.weight_ih_l1_reverse must have shape \(12, 8\), got \(12, 4\)$",
    ),
    "a layer is missing": (
        {n: a for n, a in torch_weights(rx.Stack((rx.GRU(4),) * 3)).items() if "l1" not in n},
        {},
        r"weights must hold arrays of a layer of PyTorch, got none named \*_l1$",
    ),
    "integers": (
        {name: array.astype(int) for name, array in LSTM.items()},
        {},
        "^weight_ih_l0 must be of a floating dtype, got int64$",
    ),
    "prefix": (DEEP, {"prefix": "decoder."}, r"names that start with 'decoder\.', got \['enc"),
    "of another cell": (
        LSTM,
        {"core": rx.GRU(4)},
        r"core must be LSTM\(hidden_size=4.*\) for these weights, got GRU\(hidden_size=4",
    ),
    "of another width": (LSTM, {"core": rx.LSTM(5)}, r"must be LSTM\(.*=4.*, got LSTM\(.*=5"),
    "of one layer": (
        LSTM,
        {"core": rx.Stack((rx.LSTM(4),) * 2)},
        r"core must be a Stack of 1 layers for these weights, got Stack",
    ),
    "of one direction": (
        LSTM,
        {"core": rx.Bidirectional(rx.LSTM(4))},
        "core must be a cell for these weights, got Bidirectional",
    ),
    "of two directions": (
        DEEP,
        {"core": rx.Stack((rx.GRU(4),) * 2), "prefix": "encoder.rnn."},
        "core must be a Bidirectional for these weights, got GRU",
    ),
    "activation": (LSTM, {"activation": "gelu"}, r"one of \['tanh', 'relu'\], got 'gelu'"),
}


@pytest.mark.parametrize("case", BAD_TORCH)
def test_bad_weights_of_torch(case):
    weights, options, message = BAD_TORCH[case]
    with pytest.raises(ValueError, match=message):
        interop.torch.load(weights, **options)


def broken(library, core, change):
    """Return the weights of a core, changed in place."""
    weights = of(library).dump(core, random_params(core, 3))
    change(weights)
    return weights


BAD_OTHERS = {
    "keras: number": ("keras", rx.LSTM(4), lambda w: w.extend(w[:2]), r"twice .*got 5 arrays"),
    "keras: shape": (
        "keras",
        rx.Stack((rx.Bidirectional(rx.GRU(4)),) * 2),
        lambda w: w[1].__setitem__(4, np.zeros((4, 11))),
        r"layer 1 backward recurrent_kernel must have shape \(4, 12\), got \(4, 11\)$",
    ),
    "keras: none": ("keras", rx.LSTM(4), lambda w: w.clear(), "weights must hold arrays, got none"),
    "linen: missing": (
        "linen",
        rx.Bidirectional(rx.LSTM(4)),
        lambda w: w["forward_rnn"]["cell"]["if"].clear(),
        r": forward_rnn/cell/if/kernel is missing: its shape must be \(3, 4\)$",
    ),
    "linen: surplus": (
        "linen",
        rx.GRU(4),
        lambda w: w["cell"]["hr"].update(bias=np.zeros(4)),
        ": cell/hr/bias has no place in it$",
    ),
    "nnx: shape": (
        "nnx",
        rx.Elman(4),
        lambda w: w["cell"]["dense_i"].update(bias=np.zeros(5)),
        r": cell/dense_i/bias must have shape \(4,\), got \(5,\)$",
    ),
    "haiku: shape": (
        "haiku",
        rx.LSTM(4),
        lambda w: w["lstm/linear"].update(b=np.zeros(15)),
        r": lstm/linear/b must have shape \(16,\), got \(15,\)$",
    ),
    "haiku: two modules": (
        "haiku",
        rx.LSTM(4),
        lambda w: w.update(linear={"w": np.zeros((4, 16))}),
        r"name must be that of one module.*got None; modules: \['linear', 'lstm/linear'\]",
    ),
    "haiku: a layer between others": (
        "haiku",
        rx.Stack((rx.LSTM(4),) * 3),
        lambda w: w.pop("lstm_1/linear"),
        r"params must hold all layers of lstm, got those of numbers \[0, 2\]$",
    ),
    "equinox: missing": (
        "equinox",
        rx.Stack((rx.GRU(4),) * 2),
        lambda w: w[1].pop("bias_n"),
        r": 1\.bias_n is missing: its shape must be \(4,\)$",
    ),
}


@pytest.mark.parametrize("case", BAD_OTHERS)
def test_bad_weights_of_others(case):
    library, core, change, message = BAD_OTHERS[case]
    with pytest.raises(ValueError, match=message):
        of(library).load(broken(library, core, change))


def test_the_same_core_in_both_directions():
    twice = rx.Bidirectional(rx.GRU(4), rx.GRU(4))
    params = random_params(twice, 3)
    once = interop.torch.dump(rx.Bidirectional(rx.GRU(4)), params)
    jax.tree.map(np.testing.assert_array_equal, interop.torch.dump(twice, params), once)


@pytest.mark.parametrize("library", ["linen", "nnx", "keras"])
def test_a_module_is_not_its_weights(library):
    with pytest.raises(ValueError, match=r"weights must be .* got a object$"):
        of(library).load(object())


class Peephole(rx.LSTM):
    """A cell of one's own is not an LSTM."""


REFUSED = {
    "a GRU that resets after": (
        "haiku",
        rx.GRU(4),
        r"Haiku has no layer that computes GRU\(.*reset_after=True\); "
        r"it has LSTM, GRU \(with reset_after=False\), VanillaRNN",
    ),
    "a GRU that resets before": ("torch", rx.GRU(4, reset_after=False), "PyTorch has no layer"),
    "tanh": ("haiku", rx.Elman(4), r"computes Elman.*VanillaRNN \(with activation='relu'\)"),
    "sigmoid": ("torch", rx.Elman(4, activation="sigmoid"), "PyTorch has no layer"),
    "no simple cell": ("equinox", rx.Elman(4), "Equinox has no layer that computes Elman"),
    "directions": ("equinox", rx.Bidirectional(rx.GRU(4)), "no layer that computes Bidirectional"),
    "projection": ("keras", rx.ProjectedLSTM(4, projection_size=2), "no layer.*ProjectedLSTM"),
    "heads": ("torch", rx.LSTM(4, heads=2), r"PyTorch has no layer that computes LSTM.*heads=2"),
    "recurrent bias": ("nnx", rx.GRU(4), r"b_hn must be 0 for GRUCell.* got up to \d"),
    "one's own": ("torch", Peephole(4), "PyTorch has no layer that computes Peephole"),
    "directions of stacks": (
        "torch",
        rx.Bidirectional(rx.Stack((rx.GRU(4),))),
        r"PyTorch has no layer that computes Stack\(",
    ),
    "a stack in a stack": ("keras", rx.Stack((rx.Stack((rx.GRU(4),)),)), "no layer.* Stack"),
    "residual": ("torch", rx.Stack((rx.GRU(3),) * 2, residual=True), "core must.*no residuals"),
    "widths": ("torch", rx.Stack((rx.GRU(4), rx.GRU(5))), "core must have layers that are alike"),
    "sum": ("torch", rx.Bidirectional(rx.GRU(4), merge="sum"), "core must have.*side by side"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_library_cannot_compute_is_refused(case):
    library, core, message = REFUSED[case]
    params = random_params(core, 3)
    with pytest.raises(ValueError, match=message):
        of(library).dump(core, params)


def test_parameters_that_do_not_fit_are_refused():
    params = random_params(rx.LSTM(4), 3)
    with pytest.raises(ValueError, match=r"params of GRU.* must have the shapes .*got \{'w_x'"):
        interop.keras.dump(rx.GRU(4), params)
    with pytest.raises(ValueError, match="params must hold layer_0, got"):
        interop.keras.dump(rx.Stack((rx.LSTM(4),)), params)


def test_a_core_without_biases_takes_none():
    core = rx.LSTM(4, use_bias=False)
    params = random_params(core, 3)
    for library in ("linen", "nnx", "haiku"):  # their cells have biases
        weights = of(library).dump(core, params)
        assert_equal(of(library).load(weights, core)[1], params)
    with pytest.raises(ValueError, match=r"biases must be 0 for LSTM.*use_bias=False"):
        interop.linen.load(broken("linen", rx.LSTM(4), lambda w: None), core)


def test_a_given_core_keeps_its_own_settings():
    core = rx.Stack((rx.GRU(4, dtype="bfloat16"),) * 2, dropout=0.5, residual=True)
    params = random_params(core, 3)
    weights = interop.keras.dump(core, params)
    assert interop.keras.load(weights, core)[0] is core
    single = rx.Stack((rx.LSTM(4),))
    assert interop.torch.load(LSTM, single)[1].keys() == {"layer_0"}


def test_directions_of_two_kinds():
    core = rx.Bidirectional(rx.GRU(4), rx.LSTM(5))
    params = random_params(core, 3)
    got, loaded = interop.linen.load(interop.linen.dump(core, params))
    assert got == core
    assert_equal(loaded, params)


def test_a_bare_cell_of_flax():
    params = random_params(rx.LSTM(4), 3)
    for library in ("linen", "nnx"):
        cell = of(library).dump(rx.LSTM(4), params)["cell"]
        assert_equal(of(library).load(cell)[1], params)
        assert_equal(of(library).load({"params": cell})[1], params)


def test_names_of_haiku():
    core = rx.Stack((rx.GRU(4, reset_after=False),) * 2)
    params = random_params(core, 3)
    weights = interop.haiku.dump(core, params, name="model/~/reader_2")
    assert sorted(weights) == ["model/~/reader_2", "model/~/reader_2_1"]
    head = {"model/~/linear": {"w": np.zeros((4, 2))}}
    got, loaded = interop.haiku.load({**head, **weights}, name="model/~/reader_2")
    assert got == core
    assert_equal(loaded, params)


def test_one_file_may_hold_float16_and_bfloat16():
    weights = {"weight_ih": np.ones((16, 3), np.float16), "weight_hh": np.ones((16, 4))}
    weights = {"bias": np.full(16, 0.5), **weights}
    for name in ("weight_hh", "bias"):
        weights[name] = weights[name].astype(jnp.bfloat16)
    _, params = interop.equinox.load(weights)
    assert {array.dtype for array in params.values()} == {jnp.dtype("float32")}
    np.testing.assert_array_equal(params["b"], 0.5)
