"""Baselines for recurrent models: n-grams, spellings, compressors, counting, and forecasts."""

from rnnjax.baselines.compression import compression_bits as compression_bits
from rnnjax.baselines.counting import most_frequent_tags as most_frequent_tags
from rnnjax.baselines.counting import naive_bayes as naive_bayes
from rnnjax.baselines.forecasting import LinearForecaster as LinearForecaster
from rnnjax.baselines.forecasting import last_known as last_known
from rnnjax.baselines.forecasting import persistence as persistence
from rnnjax.baselines.forecasting import seasonal_persistence as seasonal_persistence
from rnnjax.baselines.ngram import NGram as NGram
from rnnjax.baselines.spelling import Spelling as Spelling
