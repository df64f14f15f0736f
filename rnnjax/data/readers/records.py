"""What sequence labelling and classification are trained on: sentences with their answers."""

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

# The tag or label of what is not labelled, as in CoNLL-U: nothing is learnt or counted there.
UNLABELLED = "_"


class Tagged(NamedTuple):
    """A sentence with a tag for each token."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]


class Labelled(NamedTuple):
    """A sentence with one label."""

    tokens: tuple[str, ...]
    label: str


class Paired(NamedTuple):
    """Two sentences with one label, such as whether the first entails the second."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    label: str

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of both."""
        return self.first + self.second


Sentences = Sequence[Tagged | Labelled | Paired]
Sentence = TypeVar("Sentence", Tagged, Labelled, Paired)


class Splits(NamedTuple, Generic[Sentence]):
    """The splits of a labelled corpus; `test` is empty where there is none."""

    train: list[Sentence]
    dev: list[Sentence]
    test: list[Sentence]
