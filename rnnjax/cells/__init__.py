"""Cells: the parameters, state and equation of one step; one family per file."""

from rnnjax.cells.base import Core as Core
from rnnjax.cells.base import GatedCell as GatedCell
from rnnjax.cells.elman import Elman as Elman
from rnnjax.cells.elman import ElmanState as ElmanState
from rnnjax.cells.elman import IndRNN as IndRNN
from rnnjax.cells.gru import GRU as GRU
from rnnjax.cells.gru import GRUState as GRUState
from rnnjax.cells.linear import LinearCell as LinearCell
from rnnjax.cells.lru import LRU as LRU
from rnnjax.cells.lru import LRUState as LRUState
from rnnjax.cells.lstm import LSTM as LSTM
from rnnjax.cells.lstm import LSTMState as LSTMState
from rnnjax.cells.lstm import ProjectedLSTM as ProjectedLSTM
from rnnjax.cells.minimal import MinGRU as MinGRU
from rnnjax.cells.minimal import MinGRUState as MinGRUState
from rnnjax.cells.minimal import MinLSTM as MinLSTM
from rnnjax.cells.mogrifier import MogrifierLSTM as MogrifierLSTM
from rnnjax.cells.rhn import RHN as RHN
from rnnjax.cells.rhn import RHNState as RHNState
from rnnjax.cells.slstm import SLSTM as SLSTM
from rnnjax.cells.slstm import SLSTMState as SLSTMState
