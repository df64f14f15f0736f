"""Decoding: sampling, beam search, translation, and scores of text."""

from rnnjax.decoding.bayes import Posterior as Posterior
from rnnjax.decoding.bayes import conditional_log_probabilities as conditional_log_probabilities
from rnnjax.decoding.bayes import posterior as posterior
from rnnjax.decoding.beam import Hypotheses as Hypotheses
from rnnjax.decoding.beam import beam_search as beam_search
from rnnjax.decoding.best_path import best_path as best_path
from rnnjax.decoding.completions import Completion as Completion
from rnnjax.decoding.completions import completions as completions
from rnnjax.decoding.prefix_beam import prefix_beam_search as prefix_beam_search
from rnnjax.decoding.sample import sample as sample
from rnnjax.decoding.sample_music import sample_music as sample_music
from rnnjax.decoding.sample_paths import sample_paths as sample_paths
from rnnjax.decoding.score import log_probability as log_probability
from rnnjax.decoding.stream import Stream as Stream
from rnnjax.decoding.transcript_stream import TranscriptStream as TranscriptStream
from rnnjax.decoding.translate import translate as translate
