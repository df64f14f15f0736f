"""Loading a trained model from the folder of its run."""

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax

from rnnjax.files import read_with_digest
from rnnjax.train.loop import load_best
from rnnjax.trained.answerer import TrainedQuestionAnswerer
from rnnjax.trained.base import DESCRIPTION, Trained
from rnnjax.trained.conditional import TrainedConditionalModel
from rnnjax.trained.description import rebuild
from rnnjax.trained.language_model import TrainedLanguageModel
from rnnjax.trained.masked import TrainedMaskedModel
from rnnjax.trained.polyphonic import TrainedPolyphonicModel
from rnnjax.trained.regressor import TrainedRegressor
from rnnjax.trained.sentences import TrainedSentenceModel
from rnnjax.trained.summarizer import TrainedSummarizer
from rnnjax.trained.transcriber import TrainedTranscriber
from rnnjax.trained.translator import TrainedTranslator

KINDS: tuple[type[Trained], ...] = (
    TrainedConditionalModel,
    TrainedLanguageModel,
    TrainedMaskedModel,
    TrainedPolyphonicModel,
    TrainedQuestionAnswerer,
    TrainedRegressor,
    TrainedSentenceModel,
    TrainedSummarizer,
    TrainedTranscriber,
    TrainedTranslator,
)


def load_run(folder: str | Path) -> Any:
    """Return the model that a script has trained, with its best parameters.

    Args:
      folder: the folder of a run, such as runs/manual.

    Returns:
      The trained model, of a class of `rnnjax.trained`, such as `TrainedLanguageModel` or
      `TrainedSentenceModel` (taggers and classifiers).

    Raises:
      ValueError: the folder has no run, a run of another version, or no checkpoint.

    Example:
      >>> vocabulary = rx.data.Vocabulary.characters("hello")
      >>> model = rx.models.LanguageModel(len(vocabulary), rx.GRU(4), embed_size=3)
      >>> trained = rx.trained.TrainedLanguageModel(model, None, vocabulary).initialized(seed=0)
      >>> folder = Path("runs/hello")
      >>> rx.train.Checkpoints(folder / "best", keep=1).save(1, {"params": trained.params})
      >>> trained.save(folder)
      >>> type(rx.load_run(folder)).__name__
      'TrainedLanguageModel'
    """
    folder = Path(folder)
    path = folder / DESCRIPTION
    if not path.exists():
        raise ValueError(f"{folder} holds no run: there is no {path}")
    data = read_with_digest(path)
    try:
        described = json.loads(data)
        kind = {each.__name__: each for each in KINDS}[described["kind"]]
        model, settings = rebuild(described["model"]), rebuild(described["settings"])
        # A setting that the run's version did not have yet has its default.
        needed = {f.name for f in fields(kind) if f.default is MISSING} & set(kind.settings)
        known = isinstance(settings, dict) and needed <= set(settings) <= set(kind.settings)
        if not isinstance(model, nn.Module) or not known:
            raise ValueError(f"it holds no model with {', '.join(kind.settings)}")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not describe a model of this version: {error!r}") from error
    loaded = kind(model=model, params=None, **kind.load_text(folder), **settings)
    sizes, wanted = loaded.sizes()
    if sizes != wanted:
        raise ValueError(
            f"{folder} must hold the text files of its model, of {wanted}; got {sizes}"
        )
    shapes = jax.eval_shape(lambda: loaded.init(0))
    return type(loaded)(**{**vars(loaded), "params": load_best(folder, shapes)})
