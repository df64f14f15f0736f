"""Baselines for recurrent models: n-grams, spellings, compressors, and counting."""

from rnnjax.baselines.compression import compression_bits as compression_bits
from rnnjax.baselines.counting import most_frequent_tags as most_frequent_tags
from rnnjax.baselines.counting import naive_bayes as naive_bayes
from rnnjax.baselines.ngram import NGram as NGram
from rnnjax.baselines.spelling import Spelling as Spelling
