"""Trained models, loaded from the folders of runs."""

from rnnjax.trained.answerer import TrainedQuestionAnswerer as TrainedQuestionAnswerer
from rnnjax.trained.base import Trained as Trained
from rnnjax.trained.carried import Carried as Carried
from rnnjax.trained.carried import carry_over as carry_over
from rnnjax.trained.conditional import TrainedConditionalModel as TrainedConditionalModel
from rnnjax.trained.description import describe as describe
from rnnjax.trained.description import rebuild as rebuild
from rnnjax.trained.export import Parts as Parts
from rnnjax.trained.language_model import TrainedLanguageModel as TrainedLanguageModel
from rnnjax.trained.load import load_run as load_run
from rnnjax.trained.masked import TrainedMaskedModel as TrainedMaskedModel
from rnnjax.trained.polyphonic import TrainedPolyphonicModel as TrainedPolyphonicModel
from rnnjax.trained.programs import Argument as Argument
from rnnjax.trained.programs import Program as Program
from rnnjax.trained.regressor import Forecast as Forecast
from rnnjax.trained.regressor import TrainedRegressor as TrainedRegressor
from rnnjax.trained.sentences import TrainedSentenceModel as TrainedSentenceModel
from rnnjax.trained.summarizer import TrainedSummarizer as TrainedSummarizer
from rnnjax.trained.transcriber import TrainedTranscriber as TrainedTranscriber
from rnnjax.trained.translator import TrainedTranslator as TrainedTranslator
