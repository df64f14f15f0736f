"""A trained transcriber."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.data import Encoded, LogMel, Vocabulary, encode_frames, read_wav
from rnnjax.decoding import best_path, prefix_beam_search
from rnnjax.files import read_with_digest, write_with_digest
from rnnjax.models import Transcriber
from rnnjax.models.interface import Batch
from rnnjax.trained import run_files
from rnnjax.trained.base import Trained
from rnnjax.trained.batches import batches_in_order
from rnnjax.trained.carried import Names
from rnnjax.trained.export import Parts
from rnnjax.trained.language_model import TrainedLanguageModel
from rnnjax.trained.programs import COUNT, Argument, Program, step_program

Frames = Sequence[np.ndarray]


@dataclass(frozen=True)
class TrainedTranscriber(Trained):
    """A trained `Transcriber` with its characters, and with what makes frames of recordings.

    The blank is the newline of the vocabulary, which no transcript has.

    Attributes:
      vocabulary: the characters of transcripts.
      features: what makes frames of recordings; None if the model reads other frames, such as the
        columns of images.
      inputs: the number of features of a frame.
      batch_size: the largest number of sequences in a training batch.
      shapes: the largest number of lengths that sequences are padded to.

    Example:
      >>> vocabulary = rx.data.Vocabulary.characters("0123456789")
      >>> model = rx.models.Transcriber(len(vocabulary), rx.GRU(4), blank=vocabulary.start)
      >>> features = rx.data.LogMel(rate=8000, filters=20)
      >>> trained = rx.trained.TrainedTranscriber(model, None, vocabulary, features, inputs=20)
      >>> rx.data.write_wav("noise.wav", rx.data.Recording(np.random.rand(900), rate=8000))
      >>> [text] = trained.initialized(seed=0).transcribe(trained.read(["noise.wav"]))
      >>> set(text) <= set("0123456789")
      True
    """

    model: Transcriber
    vocabulary: Vocabulary
    features: LogMel | None
    inputs: int
    batch_size: int = 32
    shapes: int = 4

    settings: ClassVar[tuple[str, ...]] = ("inputs", "batch_size", "shapes")

    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""
        frames = jnp.zeros((1, 1, self.inputs))
        return jax.jit(self.model.init)(jax.random.key(seed), frames)["params"]

    def save_text(self, folder: Path) -> None:
        """Write the characters, and the settings of the features."""
        self.vocabulary.save(folder / "vocabulary.json")
        settings = None if self.features is None else dataclasses.asdict(self.features)
        write_with_digest(folder / "features.json", json.dumps(settings, indent=2) + "\n")

    def names(self) -> Names:
        """Return the characters of the output layer; see `Trained.names`."""
        characters = self.vocabulary.symbols
        return {"head/kernel": (None, characters), "head/bias": (characters,)}

    @classmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return the characters and the features."""
        path = folder / "features.json"
        try:
            settings = json.loads(read_with_digest(path))
            lists = {name: tuple(v) for name, v in (settings or {}).items() if type(v) is list}
            features = None if settings is None else LogMel(**{**settings, **lists})
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} must hold settings of features: {error}") from error
        return {"vocabulary": Vocabulary.load(folder / "vocabulary.json"), "features": features}

    def sizes(self) -> tuple[Any, Any]:
        """Return the numbers of characters and of filters, of the files and of the model."""
        filters = self.inputs if self.features is None else self.features.filters
        return (len(self.vocabulary), filters), (self.model.vocab_size, self.inputs)

    def read(self, paths: Sequence[str | Path]) -> list[np.ndarray]:
        """Return the frames of WAV files, `(frames, features)` each.

        Raises:
          ValueError: a file is no recording of the rate that the model has learnt, or the model
            reads no recordings.
        """
        features = self.features
        if features is None:
            raise ValueError("paths must be none: the model has not learnt recordings")
        return [features(read_wav(path, features.rate).samples) for path in paths]

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return a program for the best path of whole sequences, and one for each step of a stream.

        Examples, which are texts, are not read.
        """
        model, width = self.model, self.inputs

        def run(params: Any, frames: Array, lengths: Array) -> dict[str, Array]:
            logits, steps = _logits(model, params, {"frames": frames, "lengths": lengths})
            symbols, counts = best_path(logits, steps, blank=model.blank)
            return {"logits": logits, "symbols": symbols, "counts": counts}

        frames = {"frames": Argument(f"batch, {model.stack}, {width}", "float32")}
        whole = {"frames": Argument(f"batch, time, {width}", "float32"), "lengths": COUNT}
        programs = {
            "transcribe": Program(run, whole),
            "step": step_program(model, model.core, frames, "logits"),
        }
        features = None if self.features is None else dataclasses.asdict(self.features)
        text = {**dataclasses.asdict(self.vocabulary), "blank": model.blank, "features": features}
        title = "Transcribe arrays (time, features): python run.py [FILE.npy ...]."
        script = run_files.script(title, run_files.ZEROS, run_files.TRANSCRIBE)
        return Parts(programs, text, script)

    def transcribe(
        self,
        frames: Frames,
        beam: int | None = None,
        language_model: TrainedLanguageModel | None = None,
        weight: float = 0.5,
    ) -> list[str]:
        """Return the transcript of each sequence of frames.

        Args:
          frames: `(frames, features)` each; without a frame, the transcript is empty.
          beam: width of the prefix beam search; None takes the best path, which is quicker.
          language_model: a model of transcripts with the same characters, for the beam search.
          weight: the weight of the language model; see `rnnjax.decoding.prefix_beam_search`.

        Raises:
          ValueError: frames have another number of features, or the language model has other
            characters or no beam.
        """
        search = self._search(beam, language_model, weight)
        found = [""] * len(frames)
        for rows, batch in self.batches(frames):
            symbols, counts = jax.device_get(search(*self._logits(batch)))
            for row, ids, count in zip(rows, symbols, counts, strict=True):
                if row >= 0:
                    found[row] = self.vocabulary.decode(ids[:count])
        return found

    def probabilities(self, frames: np.ndarray) -> np.ndarray:
        """Return the probability of each class at each step, `(steps, classes)`.

        Args:
          frames: `(frames, features)` of one sequence.
        """
        [(_, batch)] = self.batches([frames])
        logits, (steps,) = jax.device_get(self._logits(batch))
        return np.asarray(jax.nn.softmax(logits[0, :steps]))

    def batches(
        self, frames: Frames, transcripts: Sequence[str] | None = None
    ) -> list[tuple[np.ndarray, Batch]]:
        """Return batches of frames, with transcripts where they are known, for inference."""
        return batches_in_order(self.encode(frames, transcripts), self.shapes, self.batch_size)

    def encode(self, frames: Frames, transcripts: Sequence[str] | None = None) -> Encoded:
        """Return frames and transcripts as arrays, in the form that the model reads.

        Raises:
          ValueError: frames have another number of features, or a transcript has a character that
            the vocabulary lacks.
        """
        for each in frames:
            if each.ndim != 2 or each.shape[1] != self.inputs:
                raise ValueError(f"frames must have shape (n, {self.inputs}), got {each.shape}")
        texts = [""] * len(frames) if transcripts is None else transcripts
        return encode_frames(frames, [*map(self.vocabulary.encode, texts)], self.inputs)

    def _search(
        self, beam: int | None, language_model: TrainedLanguageModel | None, weight: float
    ) -> Any:
        blank = self.model.blank
        if beam is None:
            if language_model is not None:
                raise ValueError("beam must be given with a language model")
            return partial(best_path, blank=blank)
        options: dict[str, Any] = {}
        if language_model is not None:
            if language_model.vocabulary != self.vocabulary:
                raise ValueError(
                    "the language model must have the characters "
                    f"{self.vocabulary.symbols!r}, got {language_model.vocabulary.symbols!r}"
                )
            variables = language_model.variables
            options = {"language_model": language_model.model, "variables": variables}
            options["weight"] = weight

        def search(logits: Array, steps: Array) -> tuple[Array, Array]:
            found = prefix_beam_search(logits, steps, beam=beam, blank=blank, **options)
            return found.tokens[:, 0], found.lengths[:, 0]

        return search

    def _logits(self, batch: Batch) -> tuple[Array, Array]:
        return _logits(self.model, self.params, jax.device_put(batch))


@partial(jax.jit, static_argnums=0)
def _logits(model: Transcriber, params: Any, batch: Batch) -> tuple[Array, Array]:
    found = model.apply({"params": params}, batch, method="batch_logits")
    return cast(tuple[Array, Array], found)
