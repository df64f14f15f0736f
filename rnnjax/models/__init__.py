"""Flax Linen models, one task a file."""

from rnnjax.models.classifier import Classifier as Classifier
from rnnjax.models.embedder import TokenEmbedder as TokenEmbedder
from rnnjax.models.language_model import LanguageModel as LanguageModel
from rnnjax.models.tagger import Tagger as Tagger
