"""Questions about stories, answered with a span of the story: train, evaluate, predict.

$ rnnjax answer train                       # stories that are made up
$ rnnjax answer train own --data train.tsv dev.tsv test.tsv
$ printf 'Ada went home. Emil came.\\tWhere is Ada?\\n' |
$     rnnjax answer predict --run runs/stories
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rnnjax.data import (
    Buckets,
    Lexicon,
    Question,
    SentenceBatches,
    WordIndexer,
    choose_borders,
    read_questions,
)
from rnnjax.inference import evaluate as evaluate_loss
from rnnjax.train import plot_curves
from rnnjax.trained import TrainedQuestionAnswerer
from rnnjax_experiments.answer.presets import DESCRIPTIONS, PRESETS, AnswerExperiment
from rnnjax_experiments.answer.report import exact, facts, latest_answers, plot_exact, print_exact
from rnnjax_experiments.corpora.stories import stories
from rnnjax_experiments.sentences.data import check_files
from rnnjax_experiments.shared.command_line import Commands, presets
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.recipe import train as train_run
from rnnjax_experiments.shared.run_folder import digest, open_run
from rnnjax_experiments.shared.typed_input import cut, parsed_lines
from rnnjax_experiments.shared.unknown_words import say_unknown, unknown_in_sentences

if TYPE_CHECKING:
    Preset = AnswerExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)

Splits = Sequence[list[Question]]  # to train, develop and perhaps test on


def train(
    experiment: Preset = PRESETS["stories"],
    data: tuple[Path, ...] = (),
    out: Path | None = None,
    from_: From = None,
    tensorboard: bool = False,
) -> None:
    """Train a model that answers questions, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: two or three files, to train, develop and perhaps test on. A line is a story, a
        question, and where the answer starts and ends in the story, tabs between them; start and
        end count tokens, as in a slice. White space separates tokens. By default stories that are
        made up.
      out: the run's folder: configuration, words, metrics, checkpoints, plots; by default under
        runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      tensorboard: write TensorBoard events as well.
    """
    experiment.check()
    check_files(data)
    splits: Splits = [read_questions(path) for path in data] if data else stories()
    out = out or Path("runs") / (f"{data[0].resolve().parent.name}-answer" if data else "stories")
    trained = _train(experiment, splits, out, from_, tensorboard)
    split, questions = ("test", splits[2]) if len(splits) > 2 else ("dev", splits[1])
    answers = {
        "latest known answer": latest_answers(splits[0], questions),
        "this model": trained.texts(questions),
    }
    shares = print_exact(split, questions, answers)
    counts = sorted({facts(each) for each in questions if each.answer})
    plot_exact(counts, shares, out / "exact.png")
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats an answer")
    _show_errors(questions, answers["this model"])
    print(f"by facts: {out / 'exact.png'}\ncurves: {out / 'curves.png'}\nmodel: {out}")


def evaluate(run: tuple[Path, ...], data: Path | None = None) -> None:
    """Print how many answers of trained models are exact, by the number of facts in the story.

    Args:
      run: the runs' folders.
      data: a file as `train` reads it; by default the stories that are made up to test on.
    """
    if not run:
        raise ValueError("there must be at least one run to evaluate")
    questions = stories().test if data is None else read_questions(data)
    trained = {str(each): open_run(each, AnswerExperiment)[1] for each in run}
    for each in trained.values():
        say_unknown(unknown_in_sentences(each, questions))
    answers = {name: each.texts(questions) for name, each in trained.items()}
    print_exact(str(data or "made-up stories"), questions, answers)


def predict(run: Path, data: Path | None = None, tokens: bool = False) -> None:
    """Answer questions: the answer, and the line itself, a tab between them.

    Args:
      run: the run's folder.
      data: a file with a story, a tab and a question a line; by default standard input, answered
        line by line.
      tokens: stories and questions are tokens with white space between them, not plain text, which
        is cut into words as in English.
    """
    _, trained = open_run(run, AnswerExperiment)
    unknown = []
    for lines, questions in parsed_lines(data, partial(_typed, tokens=tokens)):
        unknown.append(unknown_in_sentences(trained, questions))
        for text, line in zip(trained.texts(questions), lines, strict=True):
            print(f"{text}\t{line}", flush=True)
    say_unknown(*unknown)


def _train(
    experiment: AnswerExperiment, splits: Splits, out: Path, source: Path | None, tensorboard: bool
) -> TrainedQuestionAnswerer:
    """Train in the folder `out`, or go on with the run that stopped there."""
    for name, part in zip(("train", "dev", "test"), splits, strict=False):
        if not any(each.answer for each in part):
            raise ValueError(f"the {name} split must have a question with an answer")
    learnt, dev = splits[:2]
    tokens = (token for each in learnt for token in each.tokens)
    words = Lexicon.of(tokens, lowercase=experiment.lowercase)
    start = TrainedQuestionAnswerer(
        experiment.model(len(words)),
        None,
        WordIndexer(words, None, ()),
        experiment.batch_size,
        experiment.shapes,
    ).initialized(experiment.seed)
    sizes = " / ".join(f"{len(part):,}" for part in splits)
    print(
        f"{start.size:,} parameters; {len(words):,} words; {sizes} questions to train, develop "
        "and test on"
    )
    encoded, held_out = start.encode(learnt), [batch for _, batch in start.batches(dev)]
    borders = choose_borders(encoded.lengths, experiment.shapes)
    buckets = Buckets(
        encoded.lengths,
        borders,
        experiment.batch_size,
        seed=experiment.seed,
        share=placement().share,
    )
    batches = SentenceBatches(encoded, buckets, words.first_rare, experiment.hide_rare)

    def measure(trained: TrainedQuestionAnswerer) -> dict[str, float]:
        loss, _ = evaluate_loss(trained.model, trained.params, held_out)
        share = exact(dev, trained.texts(dev))
        return {"loss": loss, "exact": share, "error": 1 - share}

    return train_run(
        out,
        experiment,
        start,
        digest(repr(splits)),
        batch_at=batches.at,
        evaluate=measure,
        schedule=experiment.schedule(buckets.steps_per_epoch),
        steps_per_epoch=buckets.steps_per_epoch,
        tokens_per_step=round(encoded.starts[-1] / buckets.steps_per_epoch),
        monitor="error",
        source=source,
        tensorboard=tensorboard,
    )


def _show_errors(questions: Sequence[Question], answers: Sequence[str]) -> None:
    """Print some questions that were answered wrongly."""
    pairs = zip(questions, answers, strict=True)
    wrong = [(each, text) for each, text in pairs if each.answer and each.answer_text != text]
    print(f"{len(wrong):,} answers are not exact" + ("; the first of them:" if wrong else ""))
    for each, text in wrong[:5]:
        story, asked = " ".join(each.story), " ".join(each.question)
        print(f"  {story}\n    {asked}  {each.answer_text}, not {text}")


def _typed(line: str, tokens: bool) -> Question:
    cells = [cut(cell, tokens) for cell in line.split("\t")]
    if len(cells) != 2:
        raise ValueError(f"a line must be a story, a tab and a question, got {line!r}")
    return Question(cells[0], cells[1])


COMMANDS: Commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
