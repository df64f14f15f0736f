"""Using models that write: sampling, searching, and scoring text."""

from rnnjax.decoding.beam import Hypotheses as Hypotheses
from rnnjax.decoding.beam import beam_search as beam_search
from rnnjax.decoding.sample import sample as sample
from rnnjax.decoding.score import log_probability as log_probability
from rnnjax.decoding.translate import translate as translate
