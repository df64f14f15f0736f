"""Sequence labelling: train, evaluate, predict.

python -m experiments.label train                       # roles of the standard library's names
python -m experiments.label train pos --data train.conllu dev.conllu test.conllu
python -m experiments.label train entities --data train.tsv dev.tsv
echo "They're happy together." | python -m experiments.label predict --run runs/pos
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import tyro

from experiments.common import main
from experiments.label_presets import DESCRIPTIONS, PRESETS, Experiment
from experiments.sentence_data import check_files, typed_sentences
from experiments.sentence_report import print_metrics, print_scores, say_unseen, show_errors
from experiments.sentences import Trained, load_trained, train_sentences
from rnnjax.baselines import most_frequent_tags
from rnnjax.data import (
    UNLABELLED,
    Encoder,
    Splits,
    Tagged,
    identifier_roles,
    read_columns,
    read_conllu,
)
from rnnjax.data.conllu import Column
from rnnjax.metrics import Score, accuracy, label_scores, macro_f1, span_scores, total
from rnnjax.schemes import Scheme, convert, detect, from_spans, mark_spans, spans

if TYPE_CHECKING:
    Preset = Experiment
else:
    Preset = Annotated[
        tyro.extras.subcommand_type_from_defaults(PRESETS, DESCRIPTIONS), tyro.conf.arg(name="")
    ]


def train(
    experiment: Preset = PRESETS["code"],
    data: tuple[Path, ...] = (),
    column: Column = "upos",
    vectors: Path | None = None,
    out: Path | None = None,
    tensorboard: bool = False,
) -> None:
    """Train a tagger, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: two or three files, to train, develop and perhaps test on: CoNLL-U where they are named
        *.conllu, else a token a line, its tag last (CoNLL-2003, WikiANN); by default the roles of
        names in Python's standard library.
      column: what to learn of a CoNLL-U file.
      vectors: pre-trained word vectors, in the text format of GloVe or word2vec.
      out: the run's folder: configuration, encoder, metrics, checkpoints, plots, errors; by
        default under runs/.
      tensorboard: write TensorBoard events as well.
    """
    check_files(data)
    files = (_read(path, column) for path in data)
    splits = Splits(*[*files, []][:3]) if data else identifier_roles()
    splits = Splits(*(_convert(part, experiment.scheme) for part in splits))
    out = out or Path("runs") / (data[0].resolve().parent.name if data else "code")
    trained = train_sentences(experiment, splits, _measure, out, vectors, tensorboard)
    _report(out, trained, splits)


def evaluate(run: tuple[Path, ...], data: Path, column: Column = "upos") -> None:
    """Print how well trained taggers do on a labelled text; of several, mean and spread.

    Args:
      run: the runs' folders.
      data: a file as `train` reads it.
      column: what it was that the tagger learnt of CoNLL-U files.
    """
    rows = []
    for each in run:
        trained = load_trained(each, Experiment)
        sentences = _convert(_read(data, column), trained.experiment.scheme)
        say_unseen(trained.encoder, (tag for sentence in sentences for tag in sentence.tags))
        answers, _ = trained.answers(sentences)
        rows.append((str(each), _measure(trained.encoder, sentences, answers)))
    print_metrics(str(data), rows, spread=len(rows) > 1)


def predict(run: Path, data: Path | None = None, tokens: bool = False) -> None:
    """Tag text: a token and its tag a line, an empty line after each sentence.

    Tags that mark spans are written as IOB2.

    Args:
      run: the run's folder.
      data: a file with a sentence a line; by default standard input, answered line by line.
      tokens: the sentences are tokens with white space between them, not plain text.
    """
    trained = load_trained(run, Experiment)
    for sentences in typed_sentences(data, tokens):
        unlabelled = [Tagged(each, (UNLABELLED,) * len(each)) for each in sentences]
        answers, _ = trained.answers(unlabelled)
        for sentence, answer in zip(sentences, answers, strict=True):
            tags: Sequence[str] = [trained.encoder.targets[i] for i in answer]
            if mark_spans(trained.encoder.targets):
                tags = from_spans(spans(tags), len(tags), "IOB2")
            for token, tag in zip(sentence, tags, strict=True):
                print(f"{token}\t{tag}")
            print(flush=True)


def _read(path: Path, column: Column) -> list[Tagged]:
    conllu = path.suffix == ".conllu"
    sentences = read_conllu(path, column) if conllu else read_columns(path)
    if not sentences:
        raise ValueError(f"{path} holds no sentence")
    return sentences


def _convert(sentences: list[Tagged], scheme: Scheme) -> list[Tagged]:
    """Return the sentences with tags that mark spans in `scheme`, other tags as they were."""
    found = detect(sentence.tags for sentence in sentences)
    if found is None:
        return sentences
    return [Tagged(each.tokens, convert(each.tags, found, scheme)) for each in sentences]


class Tokens(NamedTuple):
    """The tokens of all sentences that are labelled, end to end."""

    gold: list[str]
    predicted: list[str]


def _tokens(encoder: Encoder, sentences: Sequence[Tagged], answers: list[Any]) -> Tokens:
    pairs = [
        (gold, encoder.targets[answer])
        for sentence, given in zip(sentences, answers, strict=True)
        for gold, answer in zip(sentence.tags, given, strict=True)
        if gold != UNLABELLED
    ]
    if not pairs:
        raise ValueError("no token is labelled: there is nothing to measure")
    return Tokens([a for a, _ in pairs], [b for _, b in pairs])


def _measure(encoder: Encoder, sentences: Sequence[Tagged], answers: list[Any]) -> dict[str, float]:
    """Return the metrics; the error is that of spans where tags mark them, else of tokens."""
    tokens = _tokens(encoder, sentences, answers)
    values = {"accuracy": accuracy(*tokens)}
    if not mark_spans(encoder.targets):
        values["macro_f1"] = macro_f1(label_scores(*tokens))
        return {**values, "error": 1 - values["accuracy"]}
    overall = total(_span_scores(encoder, sentences, answers))
    values |= {"precision": overall.precision, "recall": overall.recall, "f1": overall.f1}
    return {**values, "error": 1 - overall.f1}


def _span_scores(
    encoder: Encoder, sentences: Sequence[Tagged], answers: list[Any]
) -> dict[str, Score]:
    predicted = [[encoder.targets[i] for i in answer] for answer in answers]
    return span_scores([sentence.tags for sentence in sentences], predicted)


def _report(out: Path, trained: Trained[Experiment], splits: Splits[Tagged]) -> None:
    """Print the tables, draw the pictures, write down and show what went wrong."""
    split, sentences = ("test", splits.test) if splits.test else ("dev", splits.dev)
    encoder, (answers, _) = trained.encoder, trained.answers(sentences)
    tokens = _tokens(encoder, sentences, answers)
    marks = mark_spans(encoder.targets)
    scores = _span_scores(encoder, sentences, answers) if marks else label_scores(*tokens)
    print_scores(f"{split}, by {'span' if marks else 'tag'}", scores)
    ids = {tag: i for i, tag in enumerate(encoder.targets)}
    counted = [[ids[tag] for tag in tags] for tags in most_frequent_tags(splits.train, sentences)]
    rows = {"each token's most frequent tag": counted, "this model": answers}
    print_metrics(split, [(n, _measure(encoder, sentences, each)) for n, each in rows.items()])
    if marks:
        tokens = Tokens(*([tag.split("-", 1)[-1] for tag in tags] for tags in tokens))
    wrong = [
        _marked(sentence, [encoder.targets[i] for i in answer])
        for sentence, answer in zip(sentences, answers, strict=True)
    ]
    show_errors(out, [line for line in wrong if line], *tokens)


def _marked(sentence: Tagged, predicted: Sequence[str]) -> str:
    """Return a sentence with its wrong tags beside their tokens; empty where there is none."""
    triples = list(zip(sentence.tokens, sentence.tags, predicted, strict=True))
    if all(gold in (tag, UNLABELLED) for _, gold, tag in triples):
        return ""
    return " ".join(
        token if gold in (tag, UNLABELLED) else f"[{token}: {gold}, not {tag}]"
        for token, gold, tag in triples
    )


if __name__ == "__main__":
    main({"train": train, "evaluate": evaluate, "predict": predict}, description=__doc__ or "")
