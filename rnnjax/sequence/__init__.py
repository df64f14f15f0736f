"""Running over time: `unroll`, and cores that are made of cores."""

from rnnjax.sequence.bidirectional import Bidirectional as Bidirectional
from rnnjax.sequence.bidirectional import BidirectionalState as BidirectionalState
from rnnjax.sequence.conditioned import Conditioned as Conditioned
from rnnjax.sequence.conditioned import ConditionedState as ConditionedState
from rnnjax.sequence.dropout import sequence_dropout as sequence_dropout
from rnnjax.sequence.kernels.fused import Fused as Fused
from rnnjax.sequence.kernels.newton import Newton as Newton
from rnnjax.sequence.kernels.newton import Solution as Solution
from rnnjax.sequence.linear_recurrence import linear_recurrence as linear_recurrence
from rnnjax.sequence.recurrent_noise import RecurrentDropout as RecurrentDropout
from rnnjax.sequence.recurrent_noise import Zoneout as Zoneout
from rnnjax.sequence.reversed import Reversed as Reversed
from rnnjax.sequence.solve import solve as solve
from rnnjax.sequence.stack import Stack as Stack
from rnnjax.sequence.unroll import Composite as Composite
from rnnjax.sequence.unroll import Implementation as Implementation
from rnnjax.sequence.unroll import Options as Options
from rnnjax.sequence.unroll import unroll as unroll
from rnnjax.sequence.weight_drop import WeightDrop as WeightDrop
from rnnjax.sequence.window import Window as Window
from rnnjax.sequence.window import WindowState as WindowState
