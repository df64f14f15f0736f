"""Models as Flax Linen modules, one task per file."""

from rnnjax.models.attention import Attention as Attention
from rnnjax.models.classifier import Classifier as Classifier
from rnnjax.models.conditional_language_model import (
    ConditionalLanguageModel as ConditionalLanguageModel,
)
from rnnjax.models.dropout import Dropout as Dropout
from rnnjax.models.embedder import TokenEmbedder as TokenEmbedder
from rnnjax.models.encoder_decoder import EncoderDecoder as EncoderDecoder
from rnnjax.models.forecast_heads import GaussianHead as GaussianHead
from rnnjax.models.forecast_heads import Head as Head
from rnnjax.models.forecast_heads import QuantileHead as QuantileHead
from rnnjax.models.forecast_heads import StudentTHead as StudentTHead
from rnnjax.models.forecast_heads import ValueHead as ValueHead
from rnnjax.models.interface import BatchLoss as BatchLoss
from rnnjax.models.interface import Model as Model
from rnnjax.models.interface import SentenceModel as SentenceModel
from rnnjax.models.language_model import LanguageModel as LanguageModel
from rnnjax.models.masked_language_model import MaskedLanguageModel as MaskedLanguageModel
from rnnjax.models.pair_classifier import PairClassifier as PairClassifier
from rnnjax.models.pointer_generator import PointerGenerator as PointerGenerator
from rnnjax.models.polyphonic_model import PolyphonicModel as PolyphonicModel
from rnnjax.models.question_answerer import QuestionAnswerer as QuestionAnswerer
from rnnjax.models.regressor import Regressor as Regressor
from rnnjax.models.tagger import Tagger as Tagger
from rnnjax.models.text_reader import TextReader as TextReader
from rnnjax.models.transcriber import Transcriber as Transcriber
from rnnjax.models.transformer_classifier import TransformerClassifier as TransformerClassifier
from rnnjax.models.transformer_encoder import TransformerConfig as TransformerConfig
from rnnjax.models.transformer_encoder import TransformerEncoder as TransformerEncoder
