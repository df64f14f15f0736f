"""From arrays to parameters: optimiser, update, loop, checkpoints, log."""

from rnnjax.train.checkpoint import Checkpoints as Checkpoints
from rnnjax.train.conditional import conditional_loss as conditional_loss
from rnnjax.train.interrupt import InterruptedRunError as InterruptedRunError
from rnnjax.train.language_model import evaluate_language_model as evaluate_language_model
from rnnjax.train.language_model import language_model_loss as language_model_loss
from rnnjax.train.language_model import (
    taught_language_model_loss as taught_language_model_loss,
)
from rnnjax.train.log import MetricsLog as MetricsLog
from rnnjax.train.log import read_metrics as read_metrics
from rnnjax.train.loop import DivergedError as DivergedError
from rnnjax.train.loop import FitResult as FitResult
from rnnjax.train.loop import Schedule as Schedule
from rnnjax.train.loop import fit as fit
from rnnjax.train.loop import load_best as load_best
from rnnjax.train.masked import evaluate_masked as evaluate_masked
from rnnjax.train.masked import masked_loss as masked_loss
from rnnjax.train.optimizer import Optimizer as Optimizer
from rnnjax.train.plot import plot_attention as plot_attention
from rnnjax.train.plot import plot_confusion as plot_confusion
from rnnjax.train.plot import plot_curves as plot_curves
from rnnjax.train.plot import plot_trade as plot_trade
from rnnjax.train.sentences import SentenceModel as SentenceModel
from rnnjax.train.sentences import answer as answer
from rnnjax.train.sentences import ensemble_logits as ensemble_logits
from rnnjax.train.sentences import logits_of as logits_of
from rnnjax.train.sentences import sentence_loss as sentence_loss
from rnnjax.train.sentences import taught_loss as taught_loss
from rnnjax.train.step import TrainState as TrainState
from rnnjax.train.step import init_state as init_state
from rnnjax.train.step import make_train_step as make_train_step
from rnnjax.train.translation import evaluate_translation as evaluate_translation
from rnnjax.train.translation import translation_loss as translation_loss
