"""Tasks as Flax Linen modules."""

from rnnjax.models.language_model import LanguageModel as LanguageModel
