"""Distillation: a small student learns from a trained teacher, and is compared with itself alone.

$ rnnjax distill train --teacher runs/docstrings
$ rnnjax distill train sentiment --teacher runs/a runs/b --data train.tsv dev.tsv
$ rnnjax distill train tags --teacher runs/ewt --data ... --unlabelled more.txt
$ rnnjax distill lm tied --teacher runs/large --data wikitext-2/
$ rnnjax distill mlm --teacher runs/mlm
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.data import (
    UNLABELLED,
    Answer,
    Labelled,
    Splits,
    Tagged,
    names_of,
    random_spans,
    read_labelled,
)
from rnnjax.data.readers.lines import read_lines
from rnnjax.train import taught_language_model_loss, taught_loss
from rnnjax.trained import TrainedSentenceModel
from rnnjax_experiments.classify import presets as classify_presets
from rnnjax_experiments.corpora.docstrings import docstrings_by_package
from rnnjax_experiments.corpora.roles import identifier_roles
from rnnjax_experiments.distill.masked import School, compare_masked
from rnnjax_experiments.distill.presets import (
    DESCRIPTIONS,
    LANGUAGE_DESCRIPTIONS,
    LANGUAGE_PRESETS,
    MASKED_DESCRIPTIONS,
    MASKED_PRESETS,
    PRESETS,
    ClassifierStudent,
    LanguageStudent,
    MaskedStudents,
    TaggerStudent,
    Teaching,
    settings,
)
from rnnjax_experiments.distill.report import compare, compare_language_models
from rnnjax_experiments.distill.teachers import experiment_of, load_teachers, teach
from rnnjax_experiments.label import presets as label_presets
from rnnjax_experiments.lm import presets as lm_presets
from rnnjax_experiments.lm.data import load_data
from rnnjax_experiments.lm.training import train_tokens, untrained
from rnnjax_experiments.mlm.data import python_texts, read_texts
from rnnjax_experiments.mlm.pretrained import load_pretrained
from rnnjax_experiments.sentences import classifying, tagging
from rnnjax_experiments.sentences.data import check_files
from rnnjax_experiments.sentences.tagging import convert_spans, read_tagged
from rnnjax_experiments.sentences.training import train_sentences
from rnnjax_experiments.sentences.training import untrained as untrained_on_sentences
from rnnjax_experiments.shared.cluster import check_alone
from rnnjax_experiments.shared.command_line import Commands, presets
from rnnjax_experiments.shared.run_folder import digest, open_run
from rnnjax_experiments.shared.tables import AUTO, Table
from rnnjax_experiments.shared.typed_input import cut

Student = ClassifierStudent | TaggerStudent

if TYPE_CHECKING:
    Preset = Student
    LanguagePreset = LanguageStudent
    MaskedPreset = MaskedStudents
else:
    Preset = presets(PRESETS, DESCRIPTIONS)
    LanguagePreset = presets(LANGUAGE_PRESETS, LANGUAGE_DESCRIPTIONS)
    MaskedPreset = presets(MASKED_PRESETS, MASKED_DESCRIPTIONS)


def train(
    teacher: tuple[Path, ...],
    experiment: Preset = PRESETS["docstrings"],
    data: tuple[Path, ...] = (),
    table: Table = AUTO,
    unlabelled: Path | None = None,
    tokens: bool = False,
    language: str | None = None,
    seeds: tuple[int, ...] = (0,),
    out: Path | None = None,
) -> None:
    """Train a student alone and taught, from the same weights, and compare them and the teacher.

    With more text, of a file or of the training sentences' own spans, the one that is taught knows
    its words too, and the one alone takes as many steps.

    Args:
      teacher: runs of `label`, `classify` or `finetune`; of several, their mean probability.
      experiment: the student and how it is taught; a preset, any part of which may be changed.
      data: two or three files as the teacher's script reads them; by default those of the
        standard library.
      table: whether files have a line of names or cells in quotes.
      unlabelled: a file with a sentence a line, which the teacher alone teaches.
      tokens: those sentences are tokens with white space between them, not plain text.
      language: the sentences' language, where the teacher is an encoder that knows several.
      seeds: of the students, one of each kind for each; --seed is not read.
      out: the folder; a run for each student is in it, as `label` and `classify` read them, and
        the report's picture. By default under runs/.
    """
    check_files(data)
    experiment.check_teaching()
    experiment.check()
    _check_seeds(seeds)
    teachers = load_teachers(teacher, language)
    splits = _read(experiment, teachers[0], experiment_of(teacher[0]), data, table)
    _check_labels(teachers[0], splits)
    more = _unlabelled(experiment, splits.train, unlabelled, tokens)
    out = out or Path("runs") / f"taught-by-{teacher[0].resolve().name}"
    logits = teach(teachers, [*splits.train, *more], out)
    students: dict[str, list[TrainedSentenceModel]] = {"alone": [], "taught": []}
    for seed in seeds:
        for name, runs in students.items():
            student = dataclasses.replace(experiment, seed=seed)
            print(f"\n{name}, seed {seed}")
            runs.append(_student(student, splits, more, logits if name == "taught" else None, out))
    compare(out, teachers, students, splits)


def lm(
    teacher: tuple[Path, ...],
    experiment: LanguagePreset = LANGUAGE_PRESETS["manual"],
    data: Path | None = None,
    out: Path | None = None,
) -> None:
    """Train a language model alone and taught, from the same weights, and compare them.

    The teacher reads with the student at every step: nothing is kept of what it says.

    Args:
      teacher: runs of `lm` on the same corpus; several, with the same architecture, are an
        ensemble, whose logits are the mean of theirs.
      experiment: the student and how it is taught; a preset, any part of which may be changed.
      data: as `lm train` has it; by default Python's own reference manual.
      out: the folder; a run for each student is in it, as `lm` reads them. By default under runs/.
    """
    experiment.check_teaching()
    teachers = [open_run(run, lm_presets.LanguageModelExperiment) for run in teacher]
    if not teachers:
        raise ValueError("teacher must be at least one run's folder")
    vocabulary, ids, _, data_digest = corpus = load_data(experiment, data)
    for run, (theirs, each) in zip(teacher, teachers, strict=True):
        if each.vocabulary != vocabulary:
            raise ValueError(
                f"{run} must have the student's vocabulary: it has {len(each.vocabulary):,} "
                f"{each.vocabulary.unit}s, the student {len(vocabulary):,} {vocabulary.unit}s"
            )
        if _architecture(theirs) != _architecture(teachers[0][0]):
            raise ValueError(
                f"{run} and {teacher[0]} must have the same architecture to be an ensemble"
            )
    out = out or Path("runs") / f"taught-by-{teacher[0].resolve().name}"
    members = jax.tree.map(
        lambda *leaves: jnp.stack(leaves), *(each.params for _, each in teachers)
    )
    plain = _plain(experiment, lm_presets.LanguageModelExperiment)
    students = {}
    for name in ("alone", "taught"):
        print(f"\n{name}")
        start = untrained(plain, corpus)
        options: dict[str, Any] = {}
        read = data_digest
        if name == "taught":
            options = _taught(experiment, start, [each for _, each in teachers], members)
            read = digest(read + repr(settings(experiment)), members)
        students[name] = train_tokens(plain, start, ids, read, out / name, **options)
    compare_language_models(out, [each for _, each in teachers], students, ids)


def mlm(
    teacher: Path,
    experiment: MaskedPreset = MASKED_PRESETS["library"],
    text: tuple[str, ...] = (),
    seeds: tuple[int, ...] = (0, 1, 2),
    out: Path | None = None,
) -> None:
    """Teach masked language models of several sizes what a larger one says of hidden tokens.

    All are taught with the first seed; the best of them is trained with every seed, taught and on
    the text alone, from the same weights, for as many steps. The text needs no labels.

    Args:
      teacher: a run of `mlm`; its tokeniser is the students'.
      experiment: the students and how they are taught; a preset, any part of which may be changed.
      text: files, as `mlm train` has them; by default what Python says of itself.
      seeds: of the best student, one pair for each; those of the teacher are not read.
      out: the folder; a run for each student is in it, as `mlm` reads them, and the report's
        picture. By default under runs/.
    """
    experiment.check()
    _check_seeds(seeds)
    theirs, trained = load_pretrained(teacher)
    for name in experiment.students:
        experiment.student(name, theirs, 0).config()  # raises before the first is trained
    texts = read_texts(text) if text else python_texts()
    out = out or Path("runs") / f"taught-by-{teacher.resolve().name}"
    compare_masked(School(experiment, theirs, trained, texts, out), seeds)


def _check_seeds(seeds: tuple[int, ...]) -> None:
    """Raise `ValueError` unless there are seeds, each once: the spread is over their number."""
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be at least one, each once, got {seeds}")


def _student(
    experiment: Student,
    splits: Splits[Any],
    more: list[Any],
    logits: np.ndarray | None,
    out: Path,
) -> TrainedSentenceModel:
    """Return a student trained by itself, or where there are logits by its teacher too."""
    tagged = isinstance(experiment, TaggerStudent)
    kind = label_presets.TaggingExperiment if tagged else classify_presets.ClassificationExperiment
    plain = _plain(experiment, kind)
    learnt = splits
    if logits is not None:
        learnt = splits._replace(train=[*splits.train, *more])
    elif more:
        # As many steps as the one that is taught with more text.
        share = (len(splits.train) + len(more)) / len(splits.train)
        plain = dataclasses.replace(plain, epochs=round(plain.epochs * share))
    plain, start, _ = untrained_on_sentences(plain, learnt, None)
    encoded, loss_fn = start.indexer.encode(learnt.train), None
    read = digest(repr(learnt))
    if logits is not None:
        read = digest(read + repr(settings(experiment)), logits)
        said = Answer(logits, per_token=start.model.per_token)
        encoded = encoded._replace(answers={**encoded.answers, "teacher": said})
        loss_fn = taught_loss(start.model, **settings(experiment))
    run = out / f"{'alone' if logits is None else 'taught'}-{experiment.seed}"
    measure = _kind(experiment).measure
    return train_sentences(plain, start, encoded, splits.dev, measure, read, run, loss_fn=loss_fn)


def _taught(
    experiment: LanguageStudent, start: Any, teachers: list[Any], members: Any
) -> dict[str, Any]:
    """Return what `fit_tokens` needs to know of the teachers."""
    check_alone("teaching in every update")
    batch = (experiment.batch_size,)
    states = [each.model.initial_state(batch) for each in teachers]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *states)
    return {
        "loss_fn": taught_language_model_loss(
            start.model, teachers[0].model, **settings(experiment)
        ),
        "carry": (start.model.initial_state(batch), together),
        "beside": {"teacher": members},
    }


def _read(
    experiment: Student,
    teacher: TrainedSentenceModel,
    how: Any,
    data: tuple[Path, ...],
    table: Table,
) -> Splits[Any]:
    """Return what the student learns from, with the tags of the teacher, trained as `how` says."""
    tagged = isinstance(experiment, TaggerStudent)
    if tagged != teacher.model.per_token:
        raise ValueError(
            f"teacher must {'tag tokens' if tagged else 'classify sentences'} as its student does"
        )
    if teacher.indexer.paired:
        raise ValueError("teacher must read single sentences: a student does not read pairs")
    if not isinstance(experiment, TaggerStudent):
        parts = (read_labelled(path, plain=experiment.plain, **table.options) for path in data)
        return Splits.of(parts) if data else docstrings_by_package()
    files = (
        read_tagged(path, experiment.column, table, lenient=experiment.lenient) for path in data
    )
    splits = Splits.of(files) if data else identifier_roles()
    return Splits(*convert_spans(splits._asdict(), how.scheme))


def _check_labels(teacher: TrainedSentenceModel, splits: Splits[Any]) -> None:
    """Raise `ValueError` unless what the student learns from has the teacher's labels."""
    names = names_of(splits.train)
    if names != teacher.targets:
        raise ValueError(
            "teacher and student must have the same labels, got "
            f"{', '.join(teacher.targets)} and {', '.join(names)}"
        )


def _unlabelled(
    experiment: Student, train: list[Any], path: Path | None, tokens: bool
) -> list[Tagged] | list[Labelled]:
    """Return what the teacher alone teaches: spans, and a file's sentences."""
    sentences = random_spans((each.tokens for each in train), experiment.spans, seed=0)
    if path is not None:
        sentences += [words for _, line in read_lines(path) if (words := cut(line, tokens))]
    if isinstance(experiment, TaggerStudent):
        return [Tagged(words, (UNLABELLED,) * len(words)) for words in sentences]
    return [Labelled(words, UNLABELLED) for words in sentences]


def _kind(experiment: Teaching) -> Any:
    """Return the module that measures."""
    return tagging if isinstance(experiment, TaggerStudent) else classifying


def _architecture(experiment: lm_presets.LanguageModelExperiment) -> dict[str, Any]:
    """Return what models must have in common to be run together, each with its own weights."""
    names = "cell reset_before window hidden_size layers residual embed_size tie_embeddings dtype"
    return {name: getattr(experiment, name) for name in names.split()}


def _plain(experiment: Teaching, kind: Any) -> Any:
    """Return the student without its teaching, as its own script has it."""
    return kind(**{f.name: getattr(experiment, f.name) for f in dataclasses.fields(kind)})


COMMANDS: Commands = {"train": train, "lm": lm, "mlm": mlm}
