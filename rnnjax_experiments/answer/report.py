"""How often answers are exact, by the number of facts in the story: a table and a picture."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnjax.data import Question
from rnnjax.metrics import exact_matches
from rnnjax_experiments.shared.command_line import print_table
from rnnjax_experiments.shared.pictures import panels

Rows = dict[str, list[str]]  # of each answerer, its answer to each question


def facts(question: Question) -> int:
    """Return the number of facts in a story: of its full stops."""
    return question.story.count(".")


def exact(questions: Sequence[Question], answers: Sequence[str]) -> float:
    """Return the share of answers that are right to the word, among questions with an answer."""
    pairs = zip(answers, questions, strict=True)
    known = [(given, each.answer_text) for given, each in pairs if each.answer]
    if not known:
        raise ValueError("no question has an answer: there is nothing to measure")
    return exact_matches(*zip(*known, strict=True))


def latest_answers(train: Sequence[Question], questions: Sequence[Question]) -> list[str]:
    """Return what a simple rule answers, to compare with.

    Of all that answered questions with the same first word in training, it is what the story has
    last; nothing if it has none.
    """
    seen: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for each in train:
        seen[_kind(each)].add(tuple(each.answer_text.split()))
    return [_latest(each.story, seen[_kind(each)]) for each in questions]


def print_exact(title: str, questions: Sequence[Question], rows: Rows) -> dict[str, list[float]]:
    """Print the share of exact answers for each number of facts, in per cent; return them."""
    counts = np.array([facts(each) for each in questions if each.answer])
    questions = [each for each in questions if each.answer]
    groups = {str(n): np.flatnonzero(counts == n) for n in np.unique(counts)}
    shares = {
        name: [
            100 * exact([questions[i] for i in group], [answers[i] for i in group])
            for group in groups.values()
        ]
        for name, answers in rows.items()
    }
    whole = [f"{100 * exact(questions, answers):.2f}" for answers in rows.values()]
    lines = [
        (name, len(group), *(f"{values[i]:.2f}" for values in shares.values()))
        for i, (name, group) in enumerate(groups.items())
    ]
    header = ("facts", "questions", *rows)
    print_table(
        f"{title}, exact answers, per cent", header, [*lines, ("all", len(questions), *whole)]
    )
    return shares


def plot_exact(counts: Sequence[int], shares: dict[str, list[float]], picture: Path) -> None:
    """Draw the share of exact answers against the number of facts.

    Args:
      counts: the numbers of facts.
      shares: the per cent of each answerer, one for each number.
      picture: file to write.
    """
    with panels(picture, size=(6, 4)) as (axes,):
        for name, values in shares.items():
            axes.plot(counts, values, "o-", label=name)
        axes.set_xlabel("facts in the story")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel("exact answers, per cent")
        axes.set_ylim(0, 102)
        axes.legend()


def _kind(question: Question) -> str:
    return question.question[0].lower() if question.question else ""


def _latest(story: tuple[str, ...], phrases: set[tuple[str, ...]]) -> str:
    """Return the phrase that ends last in the story, the longest of those that end together."""
    longest = max(map(len, phrases), default=0)
    for end in range(len(story), 0, -1):
        for start in range(max(0, end - longest), end):
            if story[start:end] in phrases:
                return " ".join(story[start:end])
    return ""
