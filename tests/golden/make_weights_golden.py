"""Write the golden files of weights: of layers of six libraries, and of language models.

    python3.11 -m venv /tmp/peers
    /tmp/peers/bin/pip install . dm-haiku==0.0.17 equinox==0.13.8 keras==3.15.1 torch==2.13.0
    PYTHONPATH=tests /tmp/peers/bin/python tests/golden/make_weights_golden.py

Each `weights_*.npz` holds the inputs ("xs"), and for each layer of `tests/peer_layers.py` its
weights ("LAYER/weights/..."), under the library's own names or by places in lists, and its outputs
("LAYER/ys").
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from peer_layers import LIBRARIES, TOKENS, XS, language_models, layers_of


def flat(weights, name=""):
    """Return the arrays of weights by names with "/" between the levels."""
    if isinstance(weights, list):
        weights = {str(i): each for i, each in enumerate(weights)}
    if not isinstance(weights, Mapping) and hasattr(weights, "weight_ih"):  # of Equinox
        names = ("weight_ih", "weight_hh", "bias", "bias_n")
        weights = {n: getattr(weights, n) for n in names if getattr(weights, n, None) is not None}
    if not isinstance(weights, Mapping):
        return {name: np.asarray(weights)}
    parts = [flat(each, f"{name}/{key}" if name else str(key)) for key, each in weights.items()]
    return {key: array for part in parts for key, array in part.items()}


def golden(library):
    """Return the arrays of a library."""
    arrays = {"xs": XS}
    for name, make in layers_of(library).items():
        layer = make()
        arrays |= flat(layer.weights(), f"{name}/weights") | {f"{name}/ys": layer.run(XS)}
    return arrays


def golden_language_models():
    """Return the arrays of PyTorch's language models."""
    import torch

    arrays = {"xs": TOKENS}
    for name, model in language_models().items():
        arrays |= flat(dict(model.state_dict()), f"{name}/weights")
        arrays[f"{name}/ys"] = model(torch.from_numpy(TOKENS)).detach().numpy()
    return arrays


if __name__ == "__main__":
    files = {library: golden(library) for library in LIBRARIES}
    files["torch_language_model"] = golden_language_models()
    for name, arrays in files.items():
        np.savez_compressed(Path(__file__).with_name(f"weights_{name}.npz"), **arrays)
