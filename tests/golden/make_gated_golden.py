"""Write `gated.npz`: outputs of gated cells in other libraries.

    python3.11 -m venv /tmp/peers
    /tmp/peers/bin/pip install torch==2.13.0 onnx==1.23.2 onnxruntime==1.32.0 torchrecurrent==0.2.5
    /tmp/peers/bin/pip download --no-deps --no-build-isolation -d /tmp haste-pytorch-cpu==0.5.5
    tar xf /tmp/haste_pytorch_cpu-0.5.5.tar.gz -C /tmp
    HASTE=/tmp/haste_pytorch_cpu-0.5.5/frameworks/pytorch /tmp/peers/bin/python \
        tests/golden/make_gated_golden.py

For each cell it holds the inputs "xs", the parameters as rnnjax packs them, "CELL/NAME", the state
before the first step, "CELL/h" and "CELL/c", and the library's outputs, "CELL/ys".
"""

import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import torch
import torchrecurrent
from onnx import TensorProto, helper

TIME, BATCH, FEATURES, HIDDEN = 7, 2, 3, 5
rng = np.random.default_rng(0)


def draw(*shape):
    return (0.7 * rng.normal(size=shape)).astype(np.float32)


XS = draw(TIME, BATCH, FEATURES)


def params_of(gates, **more):
    """Return random parameters of a cell in rnnjax's layout, and a state."""
    shapes = {"w_x": (FEATURES, gates * HIDDEN), "w_h": (HIDDEN, gates * HIDDEN)}
    shapes |= {"b": (gates * HIDDEN,), "h": (BATCH, HIDDEN), "c": (BATCH, HIDDEN), **more}
    return {name: draw(*shape) for name, shape in shapes.items()}


def by_onnx(p, order, **attributes):
    """Return the outputs of ONNX's LSTM; `order` has the gates of p in its order, i, o, f, g."""

    def packed(a):  # (gates * hidden, ...)
        parts = np.split(a, a.shape[-1] // HIDDEN, -1)
        return np.concatenate([parts[k] for k in order], -1).T

    bias = np.concatenate([packed(p["b"]), np.zeros(4 * HIDDEN, np.float32)])
    feeds = {"X": XS, "W": packed(p["w_x"])[None], "R": packed(p["w_h"])[None], "B": bias[None]}
    feeds |= {"h": p["h"][None], "c": p["c"][None]}
    names = ["X", "W", "R", "B", "", "h", "c"]
    if "p_i" in p:
        feeds["P"] = np.concatenate([p["p_i"], p["p_o"], p["p_f"]])[None]
        names.append("P")
    node = helper.make_node("LSTM", names, ["Y"], hidden_size=HIDDEN, **attributes)
    info = helper.make_tensor_value_info
    inputs = [info(k, TensorProto.FLOAT, v.shape) for k, v in feeds.items()]
    outputs = [info("Y", TensorProto.FLOAT, (TIME, 1, BATCH, HIDDEN))]
    graph = helper.make_graph([node], "cell", inputs, outputs)
    opset = [helper.make_opsetid("", 14)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, feeds)[0][:, 0]


def by_torchrecurrent(cell, p, order):
    """Return the outputs of a cell; `order` has the gates of p in its order."""

    def packed(a):
        parts = np.split(a, a.shape[-1] // HIDDEN, -1)
        return torch.from_numpy(np.concatenate([parts[k] for k in order], -1).T.copy())

    layer, h, ys = cell(FEATURES, HIDDEN), torch.from_numpy(p["h"]), []
    weights = {"weight_ih": packed(p["w_x"]), "weight_hh": packed(p["w_h"])}
    weights |= {"bias_ih": packed(p["b"]), "bias_hh": torch.zeros(len(order) * HIDDEN)}
    with torch.no_grad():
        for name, value in weights.items():
            getattr(layer, name).copy_(value)
        for x in torch.from_numpy(XS):
            h = layer(x, h)
            ys.append(h.numpy())
    return np.stack(ys)


def by_haste(p):
    """Return the outputs of Haste's layer-normalised LSTM, as it runs on CPU."""
    package = ModuleType("haste_pytorch")  # without the extension, which needs no import here
    package.__path__ = [os.environ["HASTE"]]
    sys.modules |= {"haste_pytorch": package, "haste_pytorch_lib": ModuleType("haste_pytorch_lib")}
    from haste_pytorch.layer_norm_lstm import LayerNormLSTMScript

    def packed(a):  # i, g, f, o
        i, f, g, o = np.split(a, 4, -1)
        return torch.from_numpy(np.concatenate([i, g, f, o], -1))

    gains = torch.stack([packed(p["gain_x"]), packed(p["gain_h"])])
    rest = [torch.from_numpy(p[name]) for name in ("gain_c", "b_c")]
    h, c = torch.from_numpy(p["h"]), torch.from_numpy(p["c"])
    weights = [packed(p[name]) for name in ("w_x", "w_h", "b")]
    xs = torch.from_numpy(XS)
    hs, _ = LayerNormLSTMScript(False, 0.0, xs, h, c, *weights, gains, *rest, None)
    return hs[1:].numpy()


def main():
    """Write the file."""
    vector, packed = (HIDDEN,), (4 * HIDDEN,)
    params = {
        "PeepholeLSTM": params_of(4, p_i=vector, p_f=vector, p_o=vector),
        "CoupledLSTM": params_of(3),
        "LayerNormLSTM": params_of(4, gain_x=packed, gain_h=packed, gain_c=vector, b_c=vector),
        "MGU": params_of(2),
        "UGRNN": params_of(2),
    }
    params["MGU"].pop("c")
    params["UGRNN"].pop("c")
    ys = {
        "PeepholeLSTM": by_onnx(params["PeepholeLSTM"], (0, 3, 1, 2)),
        # The weights of the forget gate, which it has and does not read, are those of i.
        "CoupledLSTM": by_onnx(params["CoupledLSTM"], (0, 2, 0, 1), input_forget=1),
        "LayerNormLSTM": by_haste(params["LayerNormLSTM"]),
        "MGU": by_torchrecurrent(torchrecurrent.MGUCell, params["MGU"], (0, 1)),
        "UGRNN": by_torchrecurrent(torchrecurrent.UGRNNCell, params["UGRNN"], (1, 0)),
    }
    arrays = {f"{cell}/{name}": a for cell, p in params.items() for name, a in p.items()}
    arrays |= {f"{cell}/ys": a for cell, a in ys.items()}
    np.savez_compressed(Path(__file__).with_name("gated.npz"), xs=XS, **arrays)


if __name__ == "__main__":
    main()
