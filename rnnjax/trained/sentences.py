"""Trained taggers and classifiers of sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.data import (
    UNLABELLED,
    Labelled,
    Paired,
    PieceIndexer,
    Tagged,
    WordIndexer,
    split_words,
)
from rnnjax.data.readers.records import Sentences
from rnnjax.inference import answer, logits_of
from rnnjax.models import Classifier, PairClassifier, Tagger, TransformerClassifier
from rnnjax.models.interface import Batch
from rnnjax.trained.base import Trained
from rnnjax.trained.batches import batches_in_order
from rnnjax.trained.carried import Names
from rnnjax.trained.export import Parts
from rnnjax.trained.sentence_exports import piece_exports, spaced, word_exports


@dataclass(frozen=True)
class TrainedSentenceModel(Trained):
    """A trained `Tagger`, `Classifier`, `PairClassifier` or `TransformerClassifier`.

    Attributes:
      indexer: encodes sentences; its `targets` are the names of tags or labels.
      batch_size: the largest number of texts in a training batch.
      shapes: the largest number of lengths that texts are padded to.

    Example:
      >>> sentences = [rx.data.Labelled(("what", "fun"), "good"), rx.data.Labelled(("bad",), "bad")]
      >>> indexer = rx.data.fit_indexer(sentences, characters=False)
      >>> embedder = rx.models.TokenEmbedder(vocab_size=9, embed_size=3)
      >>> model = rx.models.Classifier(indexer.targets, embedder, rx.GRU(4))
      >>> trained = rx.trained.TrainedSentenceModel(model, None, indexer).initialized(seed=0)
      >>> [(label, probability)] = trained.predict(["what fun"])
      >>> label in ("bad", "good")
      True
    """

    model: Tagger | Classifier | PairClassifier | TransformerClassifier
    indexer: WordIndexer | PieceIndexer
    batch_size: int = 16
    shapes: int = 6

    settings: ClassVar[tuple[str, ...]] = ("batch_size", "shapes")

    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""
        key, ids = jax.random.key(seed), jnp.zeros((1, 2), jnp.int32)
        if isinstance(self.indexer, PieceIndexer):
            return init_encoder(self.model, seed)
        characters = None
        if self.indexer.characters is not None:
            characters = jnp.zeros((1, 1, self.indexer.max_word_length), jnp.int32)
        given: dict[str, Any] = {"characters": characters}
        if self.indexer.paired:
            given["first_lengths"] = jnp.ones(1, jnp.int32)
        return jax.jit(self.model.init)(key, ids[:, :1], **given)["params"]

    def save_text(self, folder: Path) -> None:
        """Write the indexer."""
        if isinstance(self.indexer, PieceIndexer):
            self.indexer.save(folder)
        else:
            self.indexer.save(folder / "indexer.json")

    def sizes(self) -> tuple[Any, Any]:
        """Return the number of words or pieces, of the files and of the model."""
        if isinstance(self.indexer, PieceIndexer):
            return len(self.indexer.subwords), self.model.config.vocab_size
        return len(self.indexer.words), self.model.embedder.vocab_size

    def names(self) -> Names:
        """Return the words, characters and targets; see `Trained.names`."""
        targets = self.indexer.targets
        heads: Names = {
            **dict.fromkeys(("head/kernel", "head/output/kernel"), (None, targets)),
            **dict.fromkeys(("head/bias", "head/output/bias", "start", "end"), (targets,)),
            "between": (targets, targets),
        }
        if isinstance(self.indexer, PieceIndexer):
            return {
                **heads,
                "encoder/token_embedding/embedding": (self.indexer.subwords.names, None),
            }
        words: Names = {"embedder/words/embedding": (self.indexer.words.names, None)}
        if self.indexer.characters is None:
            return {**heads, **words}
        characters = self.indexer.characters.names
        path = "embedder/character_encoder/Embed_0/embedding"
        return {**heads, **words, path: (characters, None)}

    @classmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return the indexer."""
        if (folder / "tokenizer.json").exists():
            return {"indexer": PieceIndexer.load(folder)}
        return {"indexer": WordIndexer.load(folder / "indexer.json")}

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the tags or labels; an id is an index of these."""
        return self.indexer.targets

    def predict(self, texts: Sequence[str | Sequence[str]]) -> list[Any]:
        """Return the tags of the words of each text, or the label of each text.

        Args:
          texts: plain English texts, which are split into words, or sequences of words. For a model
            of pairs, two texts with a tab between them.

        Returns:
          For each text, a list of (word, tag), or a pair (label, probability).
        """
        if isinstance(texts, str):
            raise ValueError(f"texts must be a sequence of texts, got the text {texts!r}")
        sentences = [self._unlabelled(text) for text in texts]
        answers = self.answers(sentences)
        if self.model.per_token:
            return [
                [(word, self.targets[i]) for word, i in zip(sentence.tokens, tags, strict=True)]
                for sentence, tags in zip(sentences, answers, strict=True)
            ]
        return [(self.targets[shares.argmax()], float(shares.max())) for shares in answers]

    def answers(self, sentences: Sentences) -> list[Any]:
        """Return the answer to each sentence; see `rnnjax.inference.answer`."""
        return answer(self.model, self.params, self.batches(sentences), len(sentences))[0]

    def logits(self, sentences: Sentences) -> list[Any]:
        """Return the logits of each sentence; see `rnnjax.inference.logits_of`."""
        return logits_of(self.model, self.params, self.batches(sentences), len(sentences))

    def batches(self, sentences: Sentences) -> list[tuple[np.ndarray, Batch]]:
        """Return batches of sentences for `rnnjax.inference`."""
        return batches_in_order(self.indexer.encode(sentences), self.shapes, self.batch_size)

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return a program for whole sentences, and of a reader of words one for each word.

        An example for a model of pairs is two texts with a tab between them.
        """
        if isinstance(self.indexer, WordIndexer):
            return word_exports(self.model, self.indexer, examples)
        few = self.indexer.subwords.decode(self.indexer.subwords.ordinary[:8])
        given = examples or ["\t".join([few] * (1 + self.indexer.paired))]
        texts = [spaced(text) for text in given]
        encoded = self.indexer.encode([self._unlabelled(text) for text in texts])
        return piece_exports(self.model, self.indexer, texts, encoded)

    def _unlabelled(self, text: str | Sequence[str]) -> Any:
        if self.indexer.paired:
            parts = text.split("\t") if isinstance(text, str) else ()
            if len(parts) != 2:
                raise ValueError(f"texts must be two with a tab between them, got {text!r}")
            return Paired(split_words(parts[0]), split_words(parts[1]), UNLABELLED)
        words = split_words(text) if isinstance(text, str) else tuple(text)
        if self.model.per_token:
            return Tagged(words, (UNLABELLED,) * len(words))
        return Labelled(words, UNLABELLED)


def init_encoder(model: Any, seed: int) -> Any:
    """Return new parameters of a model with a `TransformerEncoder`."""
    ids = jnp.zeros((1, 2), jnp.int32)
    kinds = {"segments": model.config.num_segments, "languages": model.config.num_languages}
    kinds["words"] = getattr(model, "reads_words", False)
    given = {name: ids for name, count in kinds.items() if count}
    return jax.jit(model.init)(jax.random.key(seed), ids, **given)["params"]
