"""Tagging, whatever model does it: reading files, measuring answers, reporting on them."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rnnjax.baselines import most_frequent_tags
from rnnjax.data import UNLABELLED, Splits, Tagged, TextFile, is_conllu, read_columns, read_conllu
from rnnjax.data.readers.conllu import Column
from rnnjax.data.readers.files import uncompressed
from rnnjax.metrics import Score, accuracy, label_scores, macro_f1, span_scores, total
from rnnjax.schemes import (
    Scheme,
    convert,
    detect,
    from_spans,
    mark_spans,
    resemble_spans,
    spans,
)
from rnnjax.trained import TrainedSentenceModel
from rnnjax_experiments.sentences.report import print_metrics, print_scores, show_errors
from rnnjax_experiments.shared.tables import Table

Targets = Sequence[str]


def read_tagged(
    source: Path | TextFile, column: Column, table: Table, *, lenient: bool = False
) -> list[Tagged]:
    """Read CoNLL-U, of which `column` is learnt, or a token a line, its tag last.

    `lenient` is that of `read_columns`.
    """
    file = source if isinstance(source, TextFile) else TextFile.read(source)
    conllu = uncompressed(file.path).suffix.lower() == ".conllu" or is_conllu(file)
    sentences = (
        read_conllu(file, column)
        if conllu
        else read_columns(file, **table.options, lenient=lenient)
    )
    if not sentences:
        raise ValueError(f"{file} holds no sentence")
    if conllu and all(tag == UNLABELLED for each in sentences for tag in each.tags):
        raise ValueError(f"{file} says nothing in its column {column}: there is '_' everywhere")
    return sentences


def convert_spans(parts: Mapping[str, list[Tagged]], scheme: Scheme) -> list[list[Tagged]]:
    """Return parts of a corpus with tags that mark spans in `scheme`, other tags as they were.

    Say what was recognised, and warn of tags that look like spans but are none.
    """
    said: dict[str, list[str]] = {}
    converted = []
    for name, sentences in parts.items():
        found, new = _converted(sentences, scheme)
        converted.append(new)
        if new:
            what = f"spans in {found}, learnt in {scheme}" if found else "labels, not spans"
            said.setdefault(f"tags are {what}", []).append(name)
        if resemble_spans({tag for sentence in new for tag in sentence.tags}):
            print(
                f"{name}: tags look like spans but are taken as labels; spans are written B-PER, "
                "I-PER and O, or in another scheme's letters",
                file=sys.stderr,
            )
    for what, names in said.items():
        print(f"{', '.join(names)}: {what}")
    return converted


def _converted(sentences: list[Tagged], scheme: Scheme) -> tuple[Scheme | None, list[Tagged]]:
    """Return the scheme of the sentences' tags, None if they mark no spans, and the sentences."""
    tags = {tag for sentence in sentences for tag in sentence.tags}
    if UNLABELLED in tags and mark_spans(tags - {UNLABELLED}):
        raise ValueError(
            "tags that mark spans must all be known: '_' (not labelled) stands among them"
        )
    found = detect(sentence.tags for sentence in sentences)
    if found is None:
        return None, sentences
    return found, [Tagged(each.tokens, convert(each.tags, found, scheme)) for each in sentences]


class Tokens(NamedTuple):
    """The tags of all tokens that are labelled, end to end."""

    gold: list[str]
    predicted: list[str]


def measure(targets: Targets, sentences: Sequence[Tagged], answers: list[Any]) -> dict[str, float]:
    """Return the metrics; the error is that of spans where tags mark them, else of tokens.

    The accuracy of tags that mark spans is that of IOB2, whatever they were trained in.
    """
    return _measure(sentences, [[targets[i] for i in answer] for answer in answers])


def _measure(sentences: Sequence[Tagged], predicted: Sequence[Sequence[str]]) -> dict[str, float]:
    tokens = _tokens(sentences, predicted)
    if not mark_spans(set(tokens.gold)):
        right = accuracy(*tokens)
        return {
            "accuracy": right,
            "macro_f1": macro_f1(label_scores(*tokens)),
            "error": 1 - right,
        }
    scores = span_scores([sentence.tags for sentence in sentences], predicted)
    overall = total(scores)
    return {
        "accuracy": accuracy(*tokens),
        "precision": overall.precision,
        "recall": overall.recall,
        "f1": overall.f1,
        "macro_f1": macro_f1(scores),
        "error": 1 - overall.f1,
    }


def _tokens(sentences: Sequence[Tagged], predicted: Sequence[Sequence[str]]) -> Tokens:
    gold: Sequence[Sequence[str]] = [sentence.tags for sentence in sentences]
    if mark_spans({tag for tags in gold for tag in tags}):
        gold, predicted = list(map(_iob2, gold)), list(map(_iob2, predicted))
    pairs = [
        pair
        for tags, given in zip(gold, predicted, strict=True)
        for pair in zip(tags, given, strict=True)
        if pair[0] != UNLABELLED
    ]
    if not pairs:
        raise ValueError("no token is labelled: there is nothing to measure")
    return Tokens([gold for gold, _ in pairs], [answer for _, answer in pairs])


def _iob2(tags: Sequence[str]) -> Sequence[str]:
    return from_spans(spans(tags), len(tags), "IOB2")


def report(out: Path, trained: TrainedSentenceModel, splits: Splits[Tagged]) -> None:
    """Print the tables, draw the pictures, write down and show what went wrong."""
    split, sentences = ("test", splits.test) if splits.test else ("dev", splits.dev)
    targets = trained.targets
    predicted = [[targets[i] for i in answer] for answer in trained.answers(sentences)]
    tokens = _tokens(sentences, predicted)
    marks = mark_spans(targets)
    gold = [sentence.tags for sentence in sentences]
    scores = _span_scores(gold, predicted) if marks else label_scores(*tokens)
    print_scores(f"{split}, by {'span' if marks else 'tag'}", scores)
    rows = {
        "most frequent tag": _counted(splits.train, sentences, marks),
        "this model": predicted,
    }
    print_metrics(split, [(name, _measure(sentences, each)) for name, each in rows.items()])
    if marks:
        tokens = Tokens(*([tag.split("-", 1)[-1] for tag in tags] for tags in tokens))
    wrong = [_marked(*each) for each in zip(sentences, predicted, strict=True)]
    show_errors(out, [line for line in wrong if line], *tokens)


def _span_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> dict[str, Score]:
    """Return the scores by kind; spans whose tags name no kind have a row too."""
    return {kind or "span": each for kind, each in span_scores(gold, predicted).items()}


def _counted(
    train: Sequence[Tagged], sentences: Sequence[Tagged], marks: bool
) -> Sequence[Sequence[str]]:
    """Return each token's most frequent tag; of tags that mark spans, in IOB2."""
    if marks:
        train = [Tagged(each.tokens, tuple(_iob2(each.tags))) for each in train]
    return most_frequent_tags(train, sentences)


def _marked(sentence: Tagged, predicted: Sequence[str]) -> str:
    """Return a sentence with its wrong tags beside their tokens; empty where there is none."""
    triples = list(zip(sentence.tokens, sentence.tags, predicted, strict=True))
    if all(gold in (tag, UNLABELLED) for _, gold, tag in triples):
        return ""
    return " ".join(
        token if gold in (tag, UNLABELLED) else f"[{token}: {gold}, not {tag}]"
        for token, gold, tag in triples
    )


def print_tags(targets: Targets, sentences: Sequence[tuple[str, ...]], answers: list[Any]) -> None:
    """Print a token and its tag a line, an empty line after each sentence; spans as IOB2."""
    for sentence, answer in zip(sentences, answers, strict=True):
        tags: Sequence[str] = [targets[i] for i in answer]
        if mark_spans(targets):
            tags = _iob2(tags)
        for token, tag in zip(sentence, tags, strict=True):
            print(f"{token}\t{tag}")
        print(flush=True)
