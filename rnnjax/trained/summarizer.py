"""A trained model that summarises texts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.checks import check_positive
from rnnjax.data import Encoded, Lexicon, Translation, WordIndexer, split_words
from rnnjax.data.encoding.encoded import joined, ragged
from rnnjax.data.vocabularies.lexicon import PAD, UNKNOWN
from rnnjax.decoding import translate
from rnnjax.models import EncoderDecoder, PointerGenerator
from rnnjax.models.interface import Batch
from rnnjax.trained import run_files
from rnnjax.trained.base import Trained
from rnnjax.trained.batches import batches_in_order
from rnnjax.trained.carried import Names
from rnnjax.trained.export import Parts
from rnnjax.trained.programs import COUNT, IDS, Program
from rnnjax.trained.sentence_exports import spaced
from rnnjax.trained.translator import encoder_decoder_names

# The id 0 stands before and after each summary, and no summary has an unknown word.
_TOKENS: dict[str, Any] = {"start_token": PAD, "stop_token": PAD, "never": (UNKNOWN,)}


class Pair(Protocol):
    """A text and its summary, such as a `Translation`."""

    @property
    def source(self) -> str:
        """The text."""

    @property
    def target(self) -> str:
        """The summary."""


@dataclass(frozen=True)
class TrainedSummarizer(Trained):
    """A trained `PointerGenerator`, or an `EncoderDecoder` of one vocabulary, with its words.

    Texts are split by `rnnjax.data.split_words`. Summaries are words with spaces between them. The
    id 0 stands before and after each summary.

    Attributes:
      indexer: the words.
      source_words: the number of words of a text that are read; the others are cut off.
      summary_words: the largest number of words in a summary; in training, others are cut off.
      beam: the default width of the beam search.
      length_penalty: the default penalty; see `rnnjax.decoding.beam_search`.
      batch_size: the largest number of texts in a training batch.
      shapes: the largest number of lengths that texts are padded to.

    Example:
      >>> words = rx.data.Lexicon.of("the cat sat on the mat".split())
      >>> size = len(words)
      >>> model = rx.models.PointerGenerator(size, size, rx.GRU(4), rx.GRU(4), embed_size=3)
      >>> indexer = rx.data.WordIndexer(words, None, ())
      >>> trained = rx.trained.TrainedSummarizer(model, None, indexer, 50, 5).initialized(0)
      >>> len(trained.summarize(["The cat sat on the mat.", ""]))
      2
    """

    model: EncoderDecoder
    indexer: WordIndexer
    source_words: int
    summary_words: int
    beam: int = 4
    length_penalty: float = 1.0
    batch_size: int = 16
    shapes: int = 6

    settings: ClassVar[tuple[str, ...]] = (
        *("source_words", "summary_words", "beam", "length_penalty", "batch_size", "shapes"),
    )

    @property
    def words(self) -> Lexicon:
        """The vocabulary."""
        return self.indexer.words

    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""
        ids = jnp.zeros((1, 1), jnp.int32)
        return jax.jit(self.model.init)(jax.random.key(seed), ids, None, ids)["params"]

    def save_text(self, folder: Path) -> None:
        """Write the words."""
        self.indexer.save(folder / "indexer.json")

    def sizes(self) -> tuple[Any, Any]:
        """Return the number of words, of the files and of the model."""
        return (len(self.words),) * 2, (self.model.source_size, self.model.target_size)

    def names(self) -> Names:
        """Return the words; see `Trained.names`."""
        return encoder_decoder_names(self.words.names, self.words.names)

    @classmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return the words."""
        return {"indexer": WordIndexer.load(folder / "indexer.json")}

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return a program that writes the likeliest word at each step: `summarize` with beam 1."""

        def run(params: Any, source: Array, lengths: Array) -> dict[str, Array]:
            options = {**_TOKENS, "num_tokens": self.summary_words, "beam": 1}
            found = translate(self.model, {"params": params}, source, lengths, **options)
            return {"tokens": found.tokens[:, 0]}

        text = {
            "words": asdict(self.words),
            "source_words": self.source_words,
            "copies": self._copies,
            "examples": [spaced(t) for t in examples or [" ".join(self.words.symbols[:20])]],
        }
        script = run_files.script(
            'Summarise texts: python run.py ["A TEXT" ...].',
            run_files.look_up(self.words),
            run_files.SUMMARIZE,
        )
        programs = {"summarize": Program(run, {"source": IDS, "lengths": COUNT})}
        return Parts(programs, text, script)

    def summarize(
        self,
        texts: Sequence[str],
        beam: int | None = None,
        length_penalty: float | None = None,
        most: int | None = None,
    ) -> list[str]:
        """Return a summary of each text; an empty text has an empty one.

        Args:
          texts: the texts.
          beam: width of the beam search; None uses the default of the model.
          length_penalty: see `rnnjax.decoding.beam_search`; None uses the default of the model.
          most: the largest number of words in a summary; None uses `summary_words`.

        Raises:
          ValueError: an option is out of range.
        """
        most = self.summary_words if most is None else most
        check_positive(most=most)
        pairs = [Translation(text, "") for text in texts]
        own = [self._read(text)[1] for text in texts]
        written = [""] * len(texts)
        for rows, batch in self.batches(pairs):
            found = translate(
                self.model,
                self.variables,
                batch["source"],
                batch["source_lengths"],
                **_TOKENS,
                num_tokens=most,
                beam=self.beam if beam is None else beam,
                length_penalty=self.length_penalty if length_penalty is None else length_penalty,
            )
            for row, tokens in zip(rows, np.asarray(found.tokens[:, 0]).tolist(), strict=True):
                if row >= 0 and texts[row].split():
                    written[row] = " ".join(self.words.decode(tokens, own[row]))
        return written

    def batches(self, pairs: Sequence[Pair]) -> list[tuple[np.ndarray, Batch]]:
        """Return batches of texts and summaries for `rnnjax.inference`."""
        return batches_in_order(self.encode(pairs), self.shapes, self.batch_size)

    def encode(self, pairs: Sequence[Pair]) -> Encoded:
        """Return texts and their summaries as arrays, in the form that the model reads.

        A model that copies gets ids of its extended vocabulary.
        """
        read = [self._read(pair.source) for pair in pairs]
        places = self.summary_words + 1
        targets = np.zeros((len(pairs), places), np.int32)
        known = np.zeros((len(pairs), places), bool)
        for row, (pair, (_, more)) in enumerate(zip(pairs, read, strict=True)):
            ids = [*self.words.encode(split_words(pair.target), more), PAD][:places]
            targets[row, : len(ids)] = ids
            known[row, : len(ids)] = True
        sources = [ids for ids, _ in read]
        starts = ragged(sources)
        wholes = {
            "source_lengths": np.diff(starts).astype(np.int32),
            "tokens": np.insert(targets[:, :-1], 0, PAD, axis=1),
            "targets": targets,
            "targets_known": known,
        }
        return Encoded(starts, {"source": joined(sources)}, {}, wholes)

    @property
    def _copies(self) -> bool:
        return isinstance(self.model, PointerGenerator)

    def _read(self, text: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the ids of a text, and its own words: those that the vocabulary lacks."""
        words = split_words(text)[: self.source_words]
        more = self.words.missing(words) if self._copies else ()
        return self.words.encode(words, more), more
