"""Training: optimiser, update, loop, losses, checkpoints, log."""

from rnnjax.placement import Placement as Placement
from rnnjax.train.checkpoint import Checkpoints as Checkpoints
from rnnjax.train.hosts import own_copy as own_copy
from rnnjax.train.interrupt import InterruptedRunError as InterruptedRunError
from rnnjax.train.log import MetricsLog as MetricsLog
from rnnjax.train.log import read_metrics as read_metrics
from rnnjax.train.loop import DivergedError as DivergedError
from rnnjax.train.loop import FitResult as FitResult
from rnnjax.train.loop import Schedule as Schedule
from rnnjax.train.loop import fit as fit
from rnnjax.train.loop import load_best as load_best
from rnnjax.train.losses import model_loss as model_loss
from rnnjax.train.losses import taught_language_model_loss as taught_language_model_loss
from rnnjax.train.losses import taught_loss as taught_loss
from rnnjax.train.losses import taught_masked_loss as taught_masked_loss
from rnnjax.train.optimizer import Optimizer as Optimizer
from rnnjax.train.plot import plot_curves as plot_curves
from rnnjax.train.scheduled_sampling import scheduled_sampling_loss as scheduled_sampling_loss
from rnnjax.train.step import TrainState as TrainState
from rnnjax.train.step import init_state as init_state
from rnnjax.train.step import make_train_step as make_train_step
