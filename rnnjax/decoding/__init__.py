"""Using language models: sampling from them, and scoring text with them."""

from rnnjax.decoding.bayes import Posterior as Posterior
from rnnjax.decoding.bayes import conditional_log_probabilities as conditional_log_probabilities
from rnnjax.decoding.bayes import posterior as posterior
from rnnjax.decoding.completions import Completion as Completion
from rnnjax.decoding.completions import completions as completions
from rnnjax.decoding.sample import sample as sample
from rnnjax.decoding.score import log_probability as log_probability
from rnnjax.decoding.stream import Stream as Stream
