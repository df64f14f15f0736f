"""Analysis of cores: gradients over time, spectra, activations and gates; pure functions."""

from rnnjax.analysis.activations import ActivationScale as ActivationScale
from rnnjax.analysis.activations import activation_scale as activation_scale
from rnnjax.analysis.gates import Saturation as Saturation
from rnnjax.analysis.gates import gate_saturation as gate_saturation
from rnnjax.analysis.gradients import gradient_norms as gradient_norms
from rnnjax.analysis.gradients import random_probes as random_probes
from rnnjax.analysis.jacobian import Spectrum as Spectrum
from rnnjax.analysis.jacobian import spectrum as spectrum
from rnnjax.analysis.jacobian import step_jacobian as step_jacobian
