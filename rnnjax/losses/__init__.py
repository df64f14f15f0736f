"""Losses: pure functions on arrays."""

from rnnjax.losses.adaptive_softmax import AdaptiveSoftmax as AdaptiveSoftmax
from rnnjax.losses.binary_cross_entropy import binary_cross_entropy as binary_cross_entropy
from rnnjax.losses.cross_entropy import cross_entropy as cross_entropy
from rnnjax.losses.ctc import ctc_loss as ctc_loss
from rnnjax.losses.distillation import Divergence as Divergence
from rnnjax.losses.distillation import distillation_loss as distillation_loss
from rnnjax.losses.linear_cross_entropy import linear_cross_entropy as linear_cross_entropy
from rnnjax.losses.linear_distillation import linear_distillation_loss as linear_distillation_loss
from rnnjax.losses.nade import nade_logits as nade_logits
from rnnjax.losses.real_values import absolute_error as absolute_error
from rnnjax.losses.real_values import gaussian_nll as gaussian_nll
from rnnjax.losses.real_values import pinball_loss as pinball_loss
from rnnjax.losses.real_values import squared_error as squared_error
from rnnjax.losses.real_values import student_t_nll as student_t_nll
from rnnjax.losses.sampled_softmax import sampled_cross_entropy as sampled_cross_entropy
