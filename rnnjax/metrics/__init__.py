"""Metrics of losses and predictions; no JAX."""

from rnnjax.metrics.forecasts import coverage as coverage
from rnnjax.metrics.forecasts import crps_gaussian as crps_gaussian
from rnnjax.metrics.forecasts import crps_quantiles as crps_quantiles
from rnnjax.metrics.forecasts import crps_samples as crps_samples
from rnnjax.metrics.forecasts import mae as mae
from rnnjax.metrics.forecasts import nrmse as nrmse
from rnnjax.metrics.forecasts import rmse as rmse
from rnnjax.metrics.labels import Score as Score
from rnnjax.metrics.labels import accuracy as accuracy
from rnnjax.metrics.labels import confusion as confusion
from rnnjax.metrics.labels import label_scores as label_scores
from rnnjax.metrics.labels import macro_f1 as macro_f1
from rnnjax.metrics.labels import span_scores as span_scores
from rnnjax.metrics.labels import total as total
from rnnjax.metrics.language import bits_per_character as bits_per_character
from rnnjax.metrics.language import perplexity as perplexity
from rnnjax.metrics.summaries import Rouge as Rouge
from rnnjax.metrics.summaries import rouge_l as rouge_l
from rnnjax.metrics.transcripts import Edits as Edits
from rnnjax.metrics.transcripts import edits as edits
from rnnjax.metrics.transcripts import total_edits as total_edits
from rnnjax.metrics.translation import bleu as bleu
from rnnjax.metrics.translation import exact_matches as exact_matches
