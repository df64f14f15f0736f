"""A trained model that answers questions about stories."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.data import Answer, Encoded, Question, WordIndexer, split_words
from rnnjax.data.encoding.encoded import joined, ragged
from rnnjax.decoding.padding import grown
from rnnjax.inference import answer
from rnnjax.models import QuestionAnswerer
from rnnjax.models.interface import Batch
from rnnjax.trained import run_files
from rnnjax.trained.base import Trained
from rnnjax.trained.batches import batches_in_order
from rnnjax.trained.carried import Names
from rnnjax.trained.export import Parts
from rnnjax.trained.programs import COUNT, IDS, Argument, Program
from rnnjax.trained.sentence_exports import spaced

Questions = Sequence[Question]


@dataclass(frozen=True)
class TrainedQuestionAnswerer(Trained):
    """A trained `QuestionAnswerer` with its words.

    Attributes:
      indexer: the words.
      batch_size: the largest number of questions in a training batch.
      shapes: the largest number of lengths that stories are padded to.

    Example:
      >>> words = rx.data.Lexicon.of("Ada is at home . Where ?".split())
      >>> core = rx.Bidirectional(rx.GRU(4))
      >>> model = rx.models.QuestionAnswerer(len(words), 3, question_core=core, story_core=core)
      >>> trained = rx.trained.TrainedQuestionAnswerer(
      ...     model, None, rx.data.WordIndexer(words, None, ())
      ... ).initialized(seed=0)
      >>> [answer] = trained.predict([("Ada is at home.", "Where is Ada?")])
      >>> answer in "Ada is at home ."
      True
    """

    model: QuestionAnswerer
    indexer: WordIndexer
    batch_size: int = 32
    shapes: int = 6

    settings: ClassVar[tuple[str, ...]] = ("batch_size", "shapes")

    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""
        words, one = jnp.zeros((1, 1), jnp.int32), jnp.ones(1, jnp.int32)
        return jax.jit(self.model.init)(jax.random.key(seed), words, words, one, one)["params"]

    def save_text(self, folder: Path) -> None:
        """Write the words."""
        self.indexer.save(folder / "indexer.json")

    def sizes(self) -> tuple[Any, Any]:
        """Return the number of words, of the files and of the model."""
        return len(self.indexer.words), self.model.vocab_size

    def names(self) -> Names:
        """Return the words; see `Trained.names`."""
        return {"embedding/embedding": (self.indexer.words.names, None)}

    @classmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return the words."""
        return {"indexer": WordIndexer.load(folder / "indexer.json")}

    def predict(self, questions: Sequence[tuple[str, str]]) -> list[str]:
        """Return the answer to each question, words of its story with spaces between them.

        Args:
          questions: pairs of a story and a question, plain English, which is split into words.
        """
        split = [Question(split_words(story), split_words(asked)) for story, asked in questions]
        return self.texts(split)

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return a program that gives the first and the last word of each answer.

        An example is a story and a question with a tab between them.
        """

        def run(params: Any, lengths: Array, **given: Array) -> dict[str, Array]:
            nothing = jnp.zeros_like(lengths)
            answers = {"starts": nothing, "ends": nothing, "starts_known": nothing > 0}
            batch = {**given, "lengths": lengths, **answers}
            found, _ = self.model.apply({"params": params}, batch, method="batch_answers")
            return {"spans": found}

        arguments = {
            "words": IDS,
            "lengths": COUNT,
            "question": Argument("batch, words", "int32"),
            "question_lengths": COUNT,
        }
        few = " ".join(self.indexer.words.symbols[:5])
        script = run_files.script(
            'Answer questions: python run.py ["A STORY<tab>A QUESTION" ...].',
            run_files.look_up(self.indexer.words),
            run_files.ANSWER,
        )
        cut = [spaced(text) for text in examples or [f"{few}\t{few}"]]
        return Parts(
            {"predict": Program(run, arguments)},
            {"words": asdict(self.indexer.words), "examples": cut},
            script,
        )

    def texts(self, questions: Questions) -> list[str]:
        """Return the answer to each question as text."""
        spans = self.answers(questions)
        pairs = zip(questions, spans, strict=True)
        return [each._replace(answer=span).answer_text for each, span in pairs]

    def answers(self, questions: Questions) -> list[tuple[int, int]]:
        """Return where the answer to each question starts and ends in its story, as in a slice."""
        found = answer(self.model, self.params, self.batches(questions), len(questions))[0]
        return [(int(first), int(last) + 1) for first, last in found]

    def batches(self, questions: Questions) -> list[tuple[np.ndarray, Batch]]:
        """Return batches of questions for `rnnjax.inference`."""
        return batches_in_order(self.encode(questions), self.shapes, self.batch_size)

    def encode(self, questions: Questions) -> Encoded:
        """Return questions as arrays, in the form that the model reads.

        Raises:
          ValueError: an answer is not a span of its story.
        """
        words = self.indexer.words
        stories = [words.encode(each.story) for each in questions]
        asked = [words.encode(each.question) for each in questions]
        known = np.array([each.answer is not None for each in questions], bool)
        spans = [each.answer or (0, 1) for each in questions]
        for number, (each, (start, end)) in enumerate(zip(questions, spans, strict=True), 1):
            if each.answer and not 0 <= start < end <= len(each.story):
                raise ValueError(
                    f"answers must be spans of their stories, got {start} to {end} for the "
                    f"{len(each.story)} tokens of question {number}"
                )
        firsts, ends = np.array(spans, np.int32).reshape(-1, 2).T
        return Encoded(
            ragged(stories),
            {"words": joined(stories)},
            {"starts": Answer(firsts, False, known), "ends": Answer(ends - 1, False, known)},
            {"question": _padded(asked), "question_lengths": _lengths(asked)},
        )


def _lengths(rows: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([len(row) for row in rows], np.int32)


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return rows of ids as one array, padded to a power of two, so that few shapes occur."""
    lengths = _lengths(rows)
    padded = np.zeros((len(rows), grown(int(lengths.max(initial=1)))), np.int32)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = joined(rows)
    return padded
