"""Recurrent networks for JAX: cells, fast unrolling, models, training and decoding.

`import rnnjax as rx` imports the cells and `unroll`. `rx.load_run` and the other packages
(`rx.linen`, `rx.nnx`, `rx.models`, `rx.train`, `rx.decoding`, `rx.losses`, `rx.data`, ...) are
imported at first use, so that importing a cell takes no longer than importing JAX.

Examples in docstrings assume these imports:

    from pathlib import Path
    import flax.linen as nn
    import jax
    import jax.numpy as jnp
    import numpy as np
    import rnnjax as rx
"""

import importlib
import importlib.metadata
from typing import Any

from rnnjax import initializers as initializers
from rnnjax.cells import GLA as GLA
from rnnjax.cells import GRU as GRU
from rnnjax.cells import LRU as LRU
from rnnjax.cells import LSTM as LSTM
from rnnjax.cells import MGU as MGU
from rnnjax.cells import QRNN as QRNN
from rnnjax.cells import RGLRU as RGLRU
from rnnjax.cells import RHN as RHN
from rnnjax.cells import S5 as S5
from rnnjax.cells import SLSTM as SLSTM
from rnnjax.cells import SRU as SRU
from rnnjax.cells import UGRNN as UGRNN
from rnnjax.cells import ConvGRU as ConvGRU
from rnnjax.cells import ConvLSTM as ConvLSTM
from rnnjax.cells import Core as Core
from rnnjax.cells import CoupledLSTM as CoupledLSTM
from rnnjax.cells import Elman as Elman
from rnnjax.cells import ElmanState as ElmanState
from rnnjax.cells import GatedCell as GatedCell
from rnnjax.cells import GLAState as GLAState
from rnnjax.cells import GRUState as GRUState
from rnnjax.cells import IndRNN as IndRNN
from rnnjax.cells import LayerNormGRU as LayerNormGRU
from rnnjax.cells import LayerNormLSTM as LayerNormLSTM
from rnnjax.cells import LinearCell as LinearCell
from rnnjax.cells import LRUState as LRUState
from rnnjax.cells import LSTMState as LSTMState
from rnnjax.cells import MatrixCell as MatrixCell
from rnnjax.cells import MatrixParts as MatrixParts
from rnnjax.cells import MinGRU as MinGRU
from rnnjax.cells import MinGRUState as MinGRUState
from rnnjax.cells import MinLSTM as MinLSTM
from rnnjax.cells import MogrifierLSTM as MogrifierLSTM
from rnnjax.cells import PeepholeLSTM as PeepholeLSTM
from rnnjax.cells import ProjectedLSTM as ProjectedLSTM
from rnnjax.cells import QRNNState as QRNNState
from rnnjax.cells import RGLRUState as RGLRUState
from rnnjax.cells import RHNState as RHNState
from rnnjax.cells import S5State as S5State
from rnnjax.cells import SLSTMState as SLSTMState
from rnnjax.cells import SRUState as SRUState
from rnnjax.cells import UGRNNState as UGRNNState
from rnnjax.sequence import Bidirectional as Bidirectional
from rnnjax.sequence import BidirectionalState as BidirectionalState
from rnnjax.sequence import Conditioned as Conditioned
from rnnjax.sequence import ConditionedState as ConditionedState
from rnnjax.sequence import RecurrentDropout as RecurrentDropout
from rnnjax.sequence import Reversed as Reversed
from rnnjax.sequence import Stack as Stack
from rnnjax.sequence import WeightDrop as WeightDrop
from rnnjax.sequence import Window as Window
from rnnjax.sequence import WindowState as WindowState
from rnnjax.sequence import Zoneout as Zoneout
from rnnjax.sequence import unroll as unroll

_ROOMS = (
    "analysis",
    "baselines",
    "crf",
    "data",
    "decoding",
    "host",
    "inference",
    "interop",
    "linen",
    "losses",
    "metrics",
    "models",
    "nnx",
    "schemes",
    "train",
    "trained",
)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"rnnjax.{name}")
    if name == "load_run":
        return importlib.import_module("rnnjax.trained").load_run
    if name == "__version__":
        return importlib.metadata.version("rnnjax")
    raise AttributeError(f"module 'rnnjax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS, "load_run", "__version__"])
