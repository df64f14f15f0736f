"""Stories of facts, and questions about them with known answers, made up with a seed."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnnjax.data.readers.records import Question

_PEOPLE = (
    *("Ada", "Bruno", "Chen", "Dalia", "Emil", "Fatima"),
    *("Aunt Greta", "Uncle Hugo", "Doctor Ito", "Old Jonas", "Captain Kim", "Little Lena"),
)
_PLACES = (
    *("kitchen", "garden", "attic", "harbour", "library", "bakery", "museum", "cellar"),
    *("old mill", "railway station", "post office", "town hall", "tea room", "bus stop"),
    *("bridge over the river", "house on the hill"),
)
_THINGS = (
    *("apple", "lamp", "letter", "violin", "umbrella", "hammer", "kettle", "map"),
    *("silver key", "red ball", "wooden box", "blue scarf", "old coin", "paper bag"),
    *("jar of honey", "bag of nails"),
)
_MOVES = ("went to", "walked to", "hurried to", "came to")
_TAKES = ("took", "picked up", "found")

# Facts of the stories to train on, and of those to test on; the last ones are longer.
TRAINED = 10
TESTED = (*range(1, TRAINED + 1), 12, 15, 20)


class StorySplits(NamedTuple):
    """Questions to train, develop and test on."""

    train: list[Question]
    dev: list[Question]
    test: list[Question]


def stories(
    train: int = 20_000, dev: int = 1_000, of_each: int = 200, seed: int = 0
) -> StorySplits:
    """Make up stories and questions, with the span of the story that answers each.

        Ada took the lamp . Emil went to the old mill . Ada gave the lamp to Emil .
        Who has the lamp ?  ->  Emil

    A fact says where somebody went, what somebody took, or what somebody gave to whom. A question
    is where somebody is, who has something, or what somebody took last; a later fact overrides an
    earlier one. Stories to train and develop on have 1 to 10 facts, those to test on up to 20. No
    story of training comes with the same question in another split.

    Args:
      train: questions to train on.
      dev: questions to develop on.
      of_each: questions to test on, for each number of facts.
      seed: of all choices.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, TRAINED + 1, train)
    seen = [_question(rng, int(facts)) for facts in lengths]
    known = {each[:2] for each in seen}

    def new(facts: int) -> Question:
        while (made := _question(rng, facts))[:2] in known:
            pass
        return made

    return StorySplits(
        seen,
        [new(int(facts)) for facts in rng.integers(1, TRAINED + 1, dev)],
        [new(facts) for facts in TESTED for _ in range(of_each)],
    )


def _question(rng: np.random.Generator, facts: int) -> Question:
    """Return a story of so many facts, and a question about something that it says."""
    people = [_PEOPLE[i] for i in rng.permutation(len(_PEOPLE))[:6]]
    words: list[str] = []
    answers: dict[str, tuple[int, int]] = {}
    holders: dict[str, str] = {}

    def say(text: str) -> None:
        words.extend(text.split())

    def point(text: str) -> tuple[int, int]:
        say(text)
        return len(words) - len(text.split()), len(words)

    def move() -> None:
        who = _one(rng, people)
        say(f"{who} {_one(rng, _MOVES)} the")
        answers[f"Where is {who} ?"] = point(_one(rng, _PLACES))

    def take() -> None:
        who, thing = _one(rng, people), _one(rng, _THINGS)
        answers[f"Who has the {thing} ?"] = point(who)
        say(f"{_one(rng, _TAKES)} the")
        answers[f"What did {who} take last ?"] = point(thing)
        holders[thing] = who

    def give() -> None:
        thing = _one(rng, list(holders))
        who = holders[thing]
        other = _one(rng, [each for each in people if each != who])
        say(f"{who} gave the {thing} to")
        answers[f"Who has the {thing} ?"] = point(other)
        holders[thing] = other

    for _ in range(facts):
        kinds: list[Callable[[], None]] = [move, take, *([give] if holders else [])]
        kinds[rng.integers(len(kinds))]()
        say(".")
    asked = _one(rng, list(answers))
    return Question(tuple(words), tuple(asked.split()), answers[asked])


def _one(rng: np.random.Generator, choices: list[str] | tuple[str, ...]) -> str:
    return choices[rng.integers(len(choices))]
