"""A trained language model, which scores and continues text."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.baselines import Spelling
from rnnjax.data import (
    Buckets,
    TokenArray,
    Vocabulary,
    evaluation_chunks,
    evaluation_sentences,
    whole_sentences,
)
from rnnjax.decoding import log_probability, sample
from rnnjax.decoding.padding import grown
from rnnjax.inference import evaluate
from rnnjax.models import LanguageModel
from rnnjax.trained.base import Trained
from rnnjax.trained.carried import Names
from rnnjax.trained.export import Parts
from rnnjax.trained.programs import Argument, Program, step_program
from rnnjax.trained.run_files import CODES, LANGUAGE_MODEL, script

_SPELLING = "spelling.json"
_AT_ONCE = 64  # texts scored in parallel
# A text of up to so many tokens is read in one stream. A longer one is read in several at
# once, which keeps two cores busy; each first reads the end of the one before, to have a state.
_ONE_STREAM, _STREAMS, _OVERLAP = 5_000, 10, 400


@dataclass(frozen=True)
class TrainedLanguageModel(Trained):
    """A trained `LanguageModel` with its vocabulary.

    Attributes:
      vocabulary: the tokens.
      chunk: number of tokens per chunk when a long text is evaluated.
      sentences: whether each line is read from the zero state, as a model of `PackedSentences`.
      spelling: what an unknown word of a text to score costs in addition to `<unk>`; None: nothing.

    Example:
      >>> vocabulary = rx.data.Vocabulary.characters("hello")
      >>> model = rx.models.LanguageModel(len(vocabulary), rx.GRU(4), embed_size=3)
      >>> trained = rx.trained.TrainedLanguageModel(model, None, vocabulary).initialized(seed=0)
      >>> [text] = trained.generate(["he"], num_tokens=5)
      >>> len(text)
      5
    """

    model: LanguageModel
    vocabulary: Vocabulary
    chunk: int = 64
    sentences: bool = False
    spelling: Spelling | None = None

    settings: ClassVar[tuple[str, ...]] = ("chunk", "sentences")

    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""
        return jax.jit(self.model.init)(jax.random.key(seed), jnp.zeros((1, 1), jnp.int32))[
            "params"
        ]

    def save_text(self, folder: Path) -> None:
        """Write the vocabulary and the rare words."""
        self.vocabulary.save(folder / "vocabulary.json")
        if self.spelling is not None:
            self.spelling.save(folder / _SPELLING)

    def sizes(self) -> tuple[Any, Any]:
        """Return the number of tokens, of the files and of the model."""
        return len(self.vocabulary), self.model.vocab_size

    def names(self) -> Names:
        """Return the tokens of the embedding and the output layer; see `Trained.names`."""
        # A byte and a word that are written the same are not the same token.
        tokens = tuple((self.vocabulary.kind, symbol) for symbol in self.vocabulary.symbols)
        tables: Names = {
            "embedding/embedding": (tokens, None),
            "kernel": (None, tokens),
            "bias": (tokens,),
        }
        if self.model.embed_size is not None:
            return tables
        first = ("rnn/core/w_x", "rnn/core/layer_0/w_x")  # which reads one-hot vectors
        return {**tables, **dict.fromkeys(first, (tokens, None))}

    @classmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return the vocabulary and the model of spellings."""
        path = folder / _SPELLING
        return {
            "vocabulary": Vocabulary.load(folder / "vocabulary.json"),
            "spelling": Spelling.load(path) if path.exists() else None,
        }

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return a program for whole texts, and one for each token of a stream."""
        for example in examples:
            self.vocabulary.encode(example)  # it names a character that the vocabulary lacks
        text = {
            **asdict(self.vocabulary),
            "start": self.vocabulary.start,
            "stop": self.vocabulary.start if self.sentences else None,
            "examples": examples or [""],
        }
        title = 'Go on with texts: python run.py ["THE BEGINNING" ...].'
        source = script(title, CODES[self.vocabulary.kind], *LANGUAGE_MODEL)
        return Parts(language_programs(self.model), text, source)

    def nats(self, tokens: TokenArray) -> float:
        """Return the mean cross-entropy of a long text in nats per token.

        The state is carried through the whole text. A model of sentences starts each line from the
        zero state, and leaves out empty lines.

        Args:
          tokens: `(tokens,)` ids, from `vocabulary.encode` or `rnnjax.data.open_shards`.
        """
        streams, overlap = (1, 0) if len(tokens) <= _ONE_STREAM else (_STREAMS, _OVERLAP)
        if self.sentences:
            tokens = whole_sentences(tokens, self.vocabulary.start)
            chunks = evaluation_sentences(tokens, streams, self.chunk, self.vocabulary.start)
        else:
            chunks = evaluation_chunks(tokens, streams, self.chunk, self.vocabulary.start, overlap)
        start = self.model.initial_state((streams,))
        return evaluate(self.model, self.params, chunks, start)[0]

    def log_probabilities(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-probability in nats of each text, and its number of tokens.

        A text is a line; both results include the end of the line. A word that the vocabulary
        lacks costs `<unk>` and its spelling; see `spelling_costs`.

        Raises:
          ValueError: the vocabulary lacks a character of a text; or a text for a model of sentences
            has several lines.
        """
        if self.sentences:
            _check_lines("texts", texts)
        rows = [start_ids(self.vocabulary, text, end=True) for text in texts]
        lengths = np.array([len(row) for row in rows], int)
        found = -self.spelling_costs(texts)
        if not rows:
            return found, lengths
        # Pad to powers of two, so that few programs are compiled, and score few at once: all logits
        # might not fit into memory.
        for members, length in Buckets(lengths, (), min(grown(len(rows)), _AT_ONCE)).in_order():
            none = np.zeros(0, np.int32)
            tokens, counts = pad([rows[row] if row >= 0 else none for row in members], length)
            logs = log_probability(self.model, self.variables, tokens, counts)
            found[members[members >= 0]] += np.asarray(logs)[members >= 0]
        return found, lengths - 1

    def spelling_costs(self, texts: Sequence[str]) -> np.ndarray:
        """Return what the spelling of the unknown words of each text costs in nats, `(texts,)`.

        A word that is given as `<unk>` has no spelling, and costs nothing here.
        """
        costs = np.zeros(len(texts))
        if self.spelling is not None:
            words = [self.vocabulary.unknown(text) for text in texts]
            owners = np.repeat(np.arange(len(texts)), [len(each) for each in words])
            np.subtract.at(costs, owners, self.spelling.log_probabilities(list(chain(*words))))
        return costs

    def generate(
        self, prompts: Sequence[str], num_tokens: int, *, seed: int = 0, **options: Any
    ) -> list[str]:
        """Return a continuation of each prompt.

        A model of sentences writes the rest of a line, without its end.

        Args:
          prompts: beginnings of texts; an empty prompt is the beginning of a line. For a model of
            sentences, a prompt is the beginning of a line.
          num_tokens: the largest number of tokens to add.
          seed: seed of the random numbers.
          **options: `temperature`, `top_k`, `top_p` and `stop_token` of `rnnjax.decoding.sample`.
            A stop token is an id, not a text.

        Raises:
          ValueError: an option is out of range, the vocabulary lacks a character of a prompt, or a
            prompt for a model of sentences has several lines.
        """
        if isinstance(prompts, str):
            raise ValueError(f"prompts must be a sequence of texts, got the text {prompts!r}")
        if not prompts:
            return []
        end = self.vocabulary.start if self.sentences else None
        if self.sentences:
            _check_lines("prompts", prompts)
            if options.get("stop_token") is None:
                options["stop_token"] = end
        rows = [start_ids(self.vocabulary, text) for text in prompts]
        # Few programs for all numbers of prompts; what a row draws does not depend on the others.
        tokens, lengths = pad(rows + rows[:1] * (grown(len(rows)) - len(rows)))
        drawn, counts = sample(
            self.model,
            self.variables,
            tokens,
            lengths,
            jax.random.key(seed),
            num_tokens=num_tokens,
            **options,
        )
        pairs = zip(np.asarray(drawn), np.asarray(counts), strict=True)
        # With another stop, the model may go on after the end, where it never was in training.
        texts = [self.vocabulary.decode(_before(row[:count], end)) for row, count in pairs]
        return texts[: len(prompts)]


def language_programs(
    model: LanguageModel, condition: Mapping[str, Argument] = MappingProxyType({})
) -> dict[str, Program]:
    """Return the programs of a language model, which reads the token before each next one."""

    def run(params: Any, **given: Any) -> dict[str, Any]:
        state, logits = cast(tuple[Any, Array], model.apply({"params": params}, **given))
        return {"logits": logits, "state": jax.tree.leaves(state)}

    arguments = {
        "tokens": Argument("batch, time", "int32"),
        "lengths": Argument("batch", "int32"),
        **condition,
    }
    token = {"token": Argument("batch", "int32")}
    step = step_program(model, model.running_core, token, "logits", condition)
    return {"text": Program(run, arguments), "step": step}


def start_ids(vocabulary: Vocabulary, text: str, *, end: bool = False) -> np.ndarray:
    """Return the ids of `text`, after the start token."""
    ids = vocabulary.encode(text + "\n" if end and vocabulary.kind != "word" else text)
    if not end and vocabulary.kind == "word":
        ids = ids[:-1] if len(ids) else ids  # a prompt is an unfinished line
    return np.concatenate([[vocabulary.start], ids]).astype(np.int32)


def _check_lines(name: str, texts: Sequence[str]) -> None:
    for text in texts:
        if "\n" in text:
            raise ValueError(f"{name} for a model of sentences must be lines, got {text!r}")


def _before(row: np.ndarray, end: int | None) -> np.ndarray:
    """Return the tokens before the first `end`, or all."""
    ends = np.flatnonzero(row == end)  # none if `end` is None
    return row[: ends[0]] if len(ends) else row


def pad(rows: list[np.ndarray], length: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of ids as one array, padded to `length` or the longest, and their lengths."""
    lengths = np.array([len(row) for row in rows], np.int32)
    tokens = np.zeros((len(rows), length or lengths.max()), np.int32)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = row
    return tokens, lengths
