"""A trained language model of text, given its class."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.data import UNLABELLED, Answer, Encoded, Labelled, Vocabulary, split_words
from rnnjax.data.encoding.encoded import joined, ragged, target_ids
from rnnjax.decoding import conditional_log_probabilities, posterior, sample
from rnnjax.decoding.padding import grown
from rnnjax.files import read_with_digest, write_with_digest
from rnnjax.models import ConditionalLanguageModel
from rnnjax.trained.base import Trained
from rnnjax.trained.batches import batches_in_order
from rnnjax.trained.carried import Names
from rnnjax.trained.export import Parts
from rnnjax.trained.language_model import language_programs
from rnnjax.trained.programs import Argument
from rnnjax.trained.run_files import CODES, CONDITIONAL, script

Texts = Sequence[Labelled]


@dataclass(frozen=True)
class TrainedConditionalModel(Trained):
    """A trained `ConditionalLanguageModel` with its vocabulary and its classes.

    Attributes:
      vocabulary: the words.
      shares: the share of each class in the training texts, by name.
      lowercase: whether words are converted to lower case.
      batch_size: the largest number of texts in a training batch.
      shapes: the largest number of lengths that texts are padded to.

    Example:
      >>> vocabulary = rx.data.Vocabulary.words("what fun what a bad film")
      >>> model = rx.models.ConditionalLanguageModel(
      ...     len(vocabulary), rx.GRU(4), embed_size=3, reader=nn.Embed(2, 3), condition_size=3
      ... )
      >>> trained = rx.trained.TrainedConditionalModel(
      ...     model, None, vocabulary, shares={"bad": 0.5, "good": 0.5}
      ... ).initialized(seed=0)
      >>> trained.answers([rx.data.Labelled(("what", "fun"), "good")])[0].shape
      (2,)
    """

    model: ConditionalLanguageModel
    vocabulary: Vocabulary
    shares: Mapping[str, float]
    lowercase: bool = False
    batch_size: int = 16
    shapes: int = 6

    settings: ClassVar[tuple[str, ...]] = ("lowercase", "batch_size", "shapes")

    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""
        return jax.jit(_init, static_argnums=0)(self.model, seed)

    def save_text(self, folder: Path) -> None:
        """Write the vocabulary and the classes."""
        self.vocabulary.save(folder / "vocabulary.json")
        write_with_digest(folder / "classes.json", json.dumps(dict(self.shares)) + "\n")

    def sizes(self) -> tuple[Any, Any]:
        """Return the number of tokens, of the files and of the model."""
        return len(self.vocabulary), self.model.vocab_size

    def names(self) -> Names:
        """Return the words and the classes; see `Trained.names`."""
        words = self.vocabulary.symbols
        return {
            "embedding/embedding": (words, None),
            "kernel": (None, words),
            "bias": (words,),
            "reader/embedding": (self.classes, None),
        }

    @classmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return the vocabulary and the classes."""
        shares = json.loads(read_with_digest(folder / "classes.json"))
        return {"vocabulary": Vocabulary.load(folder / "vocabulary.json"), "shares": shares}

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes; the id of a class is its index."""
        return tuple(self.shares)

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return a program for whole texts, and one for each token of a stream."""
        text = {
            **asdict(self.vocabulary),
            "start": self.vocabulary.start,
            "stop": self.vocabulary.start,
            "classes": self.classes,
            "shares": dict(self.shares),
            "examples": [self.line(text.split()) for text in examples or [""]],
        }
        title = 'Write a text of each class: python run.py ["THE BEGINNING" ...].'
        programs = language_programs(self.model, {"condition": Argument("batch", "int32")})
        return Parts(programs, text, script(title, CODES[self.vocabulary.kind], *CONDITIONAL))

    def encode(self, texts: Texts) -> Encoded:
        """Return texts as arrays: tokens, next tokens, and the class of each text."""
        rows = [self.vocabulary.encode(self.line(text.tokens) + "\n") for text in texts]
        before = [np.insert(row[:-1], 0, self.vocabulary.start) for row in rows]
        return Encoded(
            ragged(rows),
            {"tokens": joined(before)},
            {"targets": Answer(joined(rows), per_token=True)},
            wholes={"condition": target_ids(self.classes, texts)},
        )

    def line(self, tokens: Sequence[str]) -> str:
        """Return a line of text for the model."""
        line = " ".join(tokens)
        return line.lower() if self.lowercase else line

    def likelihoods(self, texts: Texts) -> np.ndarray:
        """Return log p(text | class) of each text and class, `(texts, classes)`, in nats."""
        found = np.zeros((len(texts), len(self.classes)), np.float64)
        every = jnp.arange(len(self.classes))
        batches = batches_in_order(self.encode(texts), self.shapes, self.batch_size)
        for rows, batch in batches:
            whole = np.concatenate([batch["tokens"][:, :1], batch["targets"]], axis=1)
            lengths = batch["lengths"] + 1
            logs = conditional_log_probabilities(self.model, self.variables, every, whole, lengths)
            found[rows[rows >= 0]] = np.asarray(logs)[rows >= 0]
        return found

    def posterior(self, likelihoods: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return p(class | text) `(texts, classes)`, and log p(text) in nats, by Bayes' rule.

        The prior of a class is its share in the training texts.
        """
        texts = len(likelihoods)
        # So many rows that few programs are compiled.
        rows = np.pad(likelihoods, ((0, grown(texts) - texts), (0, 0)))
        found = posterior(rows, np.log(list(self.shares.values())))
        return np.asarray(found.conditions)[:texts], np.asarray(found.texts)[:texts]

    def predict(self, texts: Sequence[str | Sequence[str]]) -> list[tuple[str, float]]:
        """Return the class of each text and its probability, by Bayes' rule.

        Args:
          texts: plain English texts, which are split into words, or sequences of words.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts must be a sequence of texts, got the text {texts!r}")
        words = (split_words(text) if isinstance(text, str) else tuple(text) for text in texts)
        shares = self.answers([Labelled(each, UNLABELLED) for each in words])
        return [(self.classes[each.argmax()], float(each.max())) for each in shares]

    def answers(self, texts: Texts) -> list[np.ndarray]:
        """Return the probability of each class, given each text."""
        return list(np.exp(self.posterior(self.likelihoods(texts))[0]))

    def samples(
        self, classes: Sequence[str], seed: int, *, prompt: str = "", **options: Any
    ) -> list[str]:
        """Return a random text for each of `classes`; see `rnnjax.decoding.sample`.

        The texts continue `prompt`, a line that `line` returns.

        Raises:
          ValueError: the model does not know a class.
        """
        for name in classes:
            if name not in self.shares:
                raise ValueError(
                    f"condition must be one of {', '.join(self.classes)}, got {name!r}"
                )
        start = np.insert(self.vocabulary.encode(prompt + "\n")[:-1], 0, self.vocabulary.start)
        ids = jnp.array([self.classes.index(name) for name in classes])
        state = self.model.apply(self.variables, ids, method="start")
        # Never draw the unknown word, which says nothing to a reader.
        bias = self.params["bias"].at[0].set(-jnp.inf)
        drawn, counts = sample(
            self.model,
            {"params": {**self.params, "bias": bias}},
            np.tile(start, (len(classes), 1)),
            np.full(len(classes), len(start)),
            jax.random.key(seed),
            stop_token=self.vocabulary.start,
            initial_state=state,
            **options,
        )
        rows = zip(np.asarray(drawn), np.asarray(counts), strict=True)
        texts = (self.vocabulary.decode(row[:count]).strip() for row, count in rows)
        return [f"{prompt} {text}".strip() for text in texts]


def _init(model: Any, seed: int) -> Any:
    tokens = jnp.zeros((1, 1), jnp.int32)
    return model.init(jax.random.key(seed), tokens, condition=jnp.zeros(1, jnp.int32))["params"]
