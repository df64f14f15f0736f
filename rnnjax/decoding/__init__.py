"""Using language models: sampling from them, and scoring text with them."""

from rnnjax.decoding.sample import sample as sample
from rnnjax.decoding.score import log_probability as log_probability
