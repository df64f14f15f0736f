"""Text given its class: train, evaluate, generate, predict the class by Bayes' rule.

$ rnnjax conditional train                      # topics of Python's manual
$ rnnjax conditional train sentiment --data train.tsv dev.tsv test.tsv
$ rnnjax conditional generate --run runs/topics --condition debugger import
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.baselines import NGram, naive_bayes
from rnnjax.data import (
    UNLABELLED,
    Labelled,
    Splits,
    TextFile,
    read_labelled,
)
from rnnjax.files import write_whole
from rnnjax.metrics import perplexity
from rnnjax.train import plot_curves
from rnnjax.trained import TrainedConditionalModel
from rnnjax_experiments.classify.presets import ClassificationExperiment
from rnnjax_experiments.conditional.presets import DESCRIPTIONS, PRESETS, ConditionalExperiment
from rnnjax_experiments.conditional.training import Texts, measured, read_words, train_texts
from rnnjax_experiments.corpora.topics import paragraphs_by_topic
from rnnjax_experiments.sentences.classifying import measure, print_labels
from rnnjax_experiments.sentences.data import check_files
from rnnjax_experiments.sentences.report import print_metrics, say_unseen
from rnnjax_experiments.shared.command_line import Commands, presets, print_table
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From
from rnnjax_experiments.shared.run_folder import open_run
from rnnjax_experiments.shared.tables import AUTO, Table
from rnnjax_experiments.shared.typed_input import cut, typed_lines
from rnnjax_experiments.shared.unknown_words import say_unknown, unknown_in_lines

if TYPE_CHECKING:
    Preset = ConditionalExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)

ORDER = 3  # of the n-gram to compare with
SAMPLES = 2  # of each class
LONGEST = 60  # words of a sample
COSTS = {"loss": "given its class", "wrong": "given another", "any": "class unknown"}


def train(
    experiment: Preset = PRESETS["topics"],
    data: tuple[Path, ...] = (),
    table: Table = AUTO,
    out: Path | None = None,
    from_: From = None,
    tensorboard: bool = False,
) -> None:
    """Train a model of text given its class, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: two or three files, to train, develop and perhaps test on, a text, a tab and its class a
        line; white space separates the tokens of a text, but see --plain. By default paragraphs of
        Python's reference manual and their topics, whatever the preset.
      table: whether files have a line of names or cells in quotes.
      out: the run's folder: configuration, vocabulary, classes, metrics, checkpoints, curves,
        samples; by default under runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      tensorboard: write TensorBoard events as well.
    """
    check_files(data)
    parts = (read_labelled(path, plain=experiment.plain, **table.options) for path in data)
    splits = Splits.of(parts) if data else paragraphs_by_topic()
    name = f"{data[0].resolve().parent.name}-conditional" if data else "topics"
    out = out or Path("runs") / name
    trained = train_texts(experiment, splits, out, source=from_, tensorboard=tensorboard)
    _report(out, trained, splits)


def evaluate(
    run: tuple[Path, ...],
    data: Path,
    classifier: tuple[Path, ...] = (),
    table: Table = AUTO,
) -> None:
    """Print what trained models make of texts with classes; of several, mean and spread.

    A text of a class that a model does not know counts as wrong, and not in the perplexities.

    Args:
      run: the runs' folders.
      data: a file as `train` reads it.
      classifier: runs of `classify`, to compare with.
      table: whether files have a line of names or cells in quotes.
    """
    file = TextFile.read(data)
    rows, costs = [], []
    for each in run:
        experiment, trained = open_run(each, ConditionalExperiment)
        texts = read_labelled(file, plain=experiment.plain, **table.options)
        say_unknown(_unknown(trained, texts))
        say_unseen(trained.classes, (text.label for text in texts))
        found = measured(trained, texts)
        costs.append((str(each), found))
        rows.append((str(each), _answered(found)))
    print_metrics(f"{data}, class by Bayes' rule", rows, spread=len(rows) > 1)
    _print_costs(str(data), costs)
    beside = []
    for each in classifier:
        classification, discriminative = open_run(each, ClassificationExperiment)
        texts = read_labelled(file, plain=classification.plain, **table.options)
        answers = discriminative.answers(texts)
        beside.append((str(each), measure(discriminative.targets, texts, answers)))
    if beside:
        print_metrics(f"{data}, class by classifiers", beside, spread=len(beside) > 1)


def generate(
    run: Path,
    condition: tuple[str, ...] = (),
    prompt: str = "",
    num_tokens: int = LONGEST,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    tokens: bool = False,
) -> None:
    """Print a text given each condition.

    Args:
      run: the run's folder.
      condition: classes; by default each that the model knows.
      prompt: how the texts begin.
      num_tokens: how many words to add at most.
      temperature: below 1 sharpens, above 1 flattens, 0 always takes the likeliest word.
      top_k: draw among the k likeliest words only.
      top_p: draw among the likeliest words that sum to probability p only.
      seed: the same seed gives the same texts.
      tokens: the prompt is tokens with white space between them, not plain text, which is cut into
        words as in English.
    """
    _, trained = open_run(run, ConditionalExperiment)
    start = trained.line(cut(prompt, tokens))
    say_unknown(unknown_in_lines(trained.vocabulary, [start]))
    names = condition or trained.classes
    options: dict[str, Any] = {
        "num_tokens": num_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
    }
    for name, text in zip(
        names, trained.samples(names, seed, prompt=start, **options), strict=True
    ):
        print(f"{name}\t{text}")


def predict(run: Path, data: Path | None = None, tokens: bool = False) -> None:
    """Tell the class of texts by Bayes' rule: class, its probability and the line, tabs between.

    Args:
      run: the run's folder.
      data: a file with a text a line; by default standard input, answered line by line.
      tokens: the texts are tokens with white space between them, not plain text, which is cut into
        words as in English.
    """
    _, trained = open_run(run, ConditionalExperiment)
    unknown = []
    for lines in typed_lines(data):
        texts = [Labelled(cut(line, tokens), UNLABELLED) for line in lines]
        unknown.append(_unknown(trained, texts))
        print_labels(trained.classes, lines, trained.answers(texts))
    say_unknown(*unknown)


def _unknown(trained: TrainedConditionalModel, texts: Texts) -> np.ndarray:
    return unknown_in_lines(trained.vocabulary, (trained.line(text.tokens) for text in texts))


def _report(out: Path, trained: TrainedConditionalModel, splits: Splits[Labelled]) -> None:
    """Print the tables, draw the curves, write samples down."""
    split, texts = ("test", splits.test) if splits.test else ("dev", splits.dev)
    say_unseen(trained.classes, (text.label for text in texts))
    found = measured(trained, texts)
    known = [text for text in texts if text.label in trained.shares]
    _print_costs(split, [("this model", found)], _ngram(trained, splits.train, known))
    counted = naive_bayes(read_words(trained, splits.train), read_words(trained, texts))
    certain = list(np.eye(len(trained.classes))[[trained.classes.index(n) for n in counted]])
    beside = measure(trained.classes, texts, certain)
    print_metrics(f"{split}, class", [("naive Bayes", beside), ("this model", _answered(found))])
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats a word")
    names = [name for name in trained.classes for _ in range(SAMPLES)]
    samples = trained.samples(names, 0, num_tokens=LONGEST, temperature=0.8)
    lines = [f"{name}\t{text}" for name, text in zip(names, samples, strict=True)]
    write_whole(out / "samples.txt", "".join(f"{line}\n" for line in lines))
    print(*lines[::SAMPLES], sep="\n")
    print(f"\ncurves: {out / 'curves.png'}\nsamples: {out / 'samples.txt'}\nmodel:  {out}")


def _print_costs(
    title: str, rows: Sequence[tuple[str, dict[str, float]]], ngram: float | None = None
) -> None:
    """Print perplexities of runs, of several their mean and spread, and an n-gram's."""
    values = np.array([[perplexity(found[name]) for name in COSTS] for _, found in rows])
    lines = [
        (name, *(f"{v:.2f}" for v in each)) for (name, _), each in zip(rows, values, strict=True)
    ]
    if len(rows) > 1:
        pairs = zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)
        lines.append(("mean ± standard deviation", *(f"{m:.2f} ± {s:.2f}" for m, s in pairs)))
    if ngram is not None:
        lines.insert(0, (f"{ORDER}-gram (Kneser-Ney)", "", "", f"{perplexity(ngram):.2f}"))
    print_table(f"{title}, perplexity a word", ("", *COSTS.values()), lines)


def _ngram(trained: TrainedConditionalModel, train: Texts, texts: Texts) -> float:
    """Return what an n-gram, which knows no classes, spends on a word of texts, in nats."""
    seen, held_out = (trained.encode(part).answers["targets"].values for part in (train, texts))
    model = NGram.fit(seen, ORDER, len(trained.vocabulary))
    return -float(model.log_probabilities(held_out, seen[-ORDER:]).mean())


def _answered(found: dict[str, float]) -> dict[str, float]:
    return {name: found[name] for name in ("accuracy", "macro_f1", "error")}


COMMANDS: Commands = {
    "train": train,
    "evaluate": evaluate,
    "generate": generate,
    "predict": predict,
    "export": export,
}
