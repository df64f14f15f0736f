"""Sentences with tags or labels, as the readers return them."""

from collections.abc import Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

# The tag or label of what is not labelled, as in CoNLL-U: losses and metrics skip it.
UNLABELLED = "_"


class Tagged(NamedTuple):
    """A sentence with a tag for each token.

    Example:
      >>> rx.data.Tagged(("Ada", "wrote"), ("B-PER", "O")).tags
      ('B-PER', 'O')
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]


class Labelled(NamedTuple):
    """A sentence with one label.

    Example:
      >>> rx.data.Labelled(("what", "fun"), "good").label
      'good'
    """

    tokens: tuple[str, ...]
    label: str


class Paired(NamedTuple):
    """Two sentences with one label, such as whether the first entails the second.

    Example:
      >>> rx.data.Paired(("He", "sleeps"), ("He", "rests"), "yes").tokens
      ('He', 'sleeps', 'He', 'rests')
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    label: str

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of both sentences."""
        return self.first + self.second


class Question(NamedTuple):
    """A question about a story; the answer is a span of the story.

    Attributes:
      story: its tokens.
      question: its tokens.
      answer: where the answer starts and ends, as in a slice of the story; None if it is unknown.

    Example:
      >>> story, asked = ("Ada", "is", "at", "home"), ("Where", "is", "Ada")
      >>> rx.data.Question(story, asked, (3, 4)).answer_text
      'home'
    """

    story: tuple[str, ...]
    question: tuple[str, ...]
    answer: tuple[int, int] | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of the story and of the question."""
        return self.story + self.question

    @property
    def answer_text(self) -> str:
        """The tokens of the answer, with spaces between them; empty if it is unknown."""
        return " ".join(self.story[slice(*self.answer)]) if self.answer else ""


Sentences = Sequence[Tagged | Labelled | Paired]
Sentence = TypeVar("Sentence", Tagged, Labelled, Paired)


class Splits(NamedTuple, Generic[Sentence]):
    """The splits of a labelled corpus; `test` is empty if there is no test split.

    Example:
      >>> corpus = rx.data.Splits([rx.data.Labelled(("fun",), "good")], [], [])
      >>> len(corpus.train), len(corpus.test)
      (1, 0)
    """

    train: list[Sentence]
    dev: list[Sentence]
    test: list[Sentence]

    @classmethod
    def of(cls, parts: Iterable[list[Any]]) -> "Splits[Any]":
        """Return the splits of two or three parts: to train, develop and perhaps test on."""
        return cls(*[*parts, []][:3])
