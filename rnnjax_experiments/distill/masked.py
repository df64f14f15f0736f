"""Teaching masked language models of several sizes, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rnnjax.data import MaskedBatches, split_words
from rnnjax.data.vocabularies.subwords import MASK, SPECIAL
from rnnjax.inference import evaluate as evaluate_loss
from rnnjax.models import MaskedLanguageModel
from rnnjax.train import taught_masked_loss
from rnnjax.trained import TrainedMaskedModel
from rnnjax_experiments.distill.plots import plot_trade
from rnnjax_experiments.distill.presets import MaskedStudents, settings
from rnnjax_experiments.distill.report import BATCHES, Row, gain, median_ms, spread
from rnnjax_experiments.mlm.data import Text, make_rows, split
from rnnjax_experiments.mlm.presets import PretrainingExperiment
from rnnjax_experiments.mlm.training import encode_texts, masked_batches, train_masked
from rnnjax_experiments.shared.cluster import check_alone
from rnnjax_experiments.shared.command_line import print_table
from rnnjax_experiments.shared.run_folder import digest

SHOWN = 8  # hidden words in the table
CONTEXT = 4  # words shown on either side of each
UNIT = "nats a hidden token"


@dataclass(frozen=True)
class School:
    """A teacher, and the students that it teaches on one corpus.

    Attributes:
      students: which, and how they are taught.
      experiment: how the teacher was trained.
      teacher: the teacher.
      texts: the corpus; a fiftieth is held out.
      out: the folder; a run for each student is in it, as `mlm` reads them.
    """

    students: MaskedStudents
    experiment: PretrainingExperiment
    teacher: TrainedMaskedModel
    texts: list[Text]
    out: Path

    @cached_property
    def held_out(self) -> MaskedBatches:
        """The texts to measure on, with the same hidden tokens for all models."""
        one = self.students.student(self.students.students[0], self.experiment, seed=0)
        held_out = split(self.texts)[1]
        rows = make_rows(self.teacher.subwords, held_out, one.max_length, one.languages)
        return masked_batches(one, rows)

    def train(self, name: str, seed: int, *, taught: bool) -> TrainedMaskedModel:
        """Return a student of that size, trained, or as its run left it."""
        how = "taught" if taught else "alone"
        print(f"\n{name} {how}, seed {seed}")
        experiment = self.students.student(name, self.experiment, seed)
        model = MaskedLanguageModel(experiment.config())
        start = TrainedMaskedModel(model, None, self.teacher.subwords, self.teacher.languages)
        rows = encode_texts(experiment, self.teacher.subwords, self.texts)
        options: dict[str, Any] = {}
        if taught:
            check_alone("teaching in every update")
            teaching = settings(self.students)
            read = digest(rows.digest + repr(teaching), self.teacher.params)
            rows = rows._replace(digest=read)
            options = {
                "loss_fn": taught_masked_loss(model, self.teacher.model, **teaching),
                "beside": {"teacher": self.teacher.params},
            }
        run = self.out / f"{name}-{how}-{seed}"
        return train_masked(experiment, start.initialized(seed), rows, run, **options)

    def nats(self, trained: TrainedMaskedModel) -> float:
        """Return what a hidden token of the held-out texts costs a model."""
        return evaluate_loss(trained.model, trained.params, self.held_out.once())[0]

    def latencies(self, trained: TrainedMaskedModel) -> tuple[float, ...]:
        """Return the milliseconds that all logits of texts of middling length take."""
        encoded = self.held_out.encoded
        order = np.argsort(encoded.lengths, kind="stable")
        run, times = jax.jit(trained.model.apply), []
        for size in BATCHES:
            rows = order[max(0, (len(order) - size) // 2) :][:size]
            batch = encoded.batch(rows, int(encoded.lengths[rows].max()))
            given = {name: batch[name] for name in (*encoded.inputs, "lengths")}
            times.append(median_ms(partial(_finish, run, trained.variables, given)))
        return tuple(times)


def compare_masked(school: School, seeds: Sequence[int]) -> None:
    """Train all students, and the best of them alone too; print and draw what came of it."""
    first = seeds[0]
    taught = {name: school.train(name, first, taught=True) for name in school.students.students}
    losses = {name: school.nats(student) for name, student in taught.items()}
    best = min(losses, key=lambda name: losses[name])
    others = seeds[1:]
    ours = [losses[best], *(school.nats(school.train(best, s, taught=True)) for s in others)]
    alone = [school.nats(school.train(best, seed, taught=False)) for seed in seeds]
    teacher = school.teacher
    rows = [Row("teacher", teacher.size, [school.nats(teacher)], school.latencies(teacher))]
    rows += [
        Row(
            f"student {name}",
            each.size,
            list(ours) if name == best else [losses[name]],
            school.latencies(each),
        )
        for name, each in taught.items()
    ]
    header = ("", "parameters", UNIT, *(f"ms at batch {size}" for size in BATCHES))
    lines = [
        (name, f"{size:,}", spread(nats, 3), *(f"{ms:.2f}" for ms in latencies))
        for name, size, nats, latencies in rows
    ]
    print_table("held-out texts", header, lines)
    picture = school.out / "comparison.png"
    plot_trade(
        [(row.name, row.size, row.latencies, row.qualities) for row in rows],
        header[3:],
        f"{UNIT}, held-out texts",
        picture,
    )
    _print_words(school, taught[best], best)
    differences = gain(np.subtract(ours, alone), 3)
    print(
        f"student {best}, {UNIT}: taught {spread(ours, 3)}, alone {spread(alone, 3)}; "
        f"taught minus alone, {len(seeds)} seed{'s' * (len(seeds) > 1)}: {differences}"
    )
    print(f"picture: {picture}\nstudents: {school.out}")


def _finish(run: Any, variables: Any, given: dict[str, Any]) -> None:
    jax.block_until_ready(run(variables, **given))


def _print_words(school: School, student: TrainedMaskedModel, name: str) -> None:
    """Print what teacher and student put first, second and third for some hidden words."""
    rows = []
    for text, word in hidden_words(school):
        told = [model.fill(text, 3)[0] for model in (school.teacher, student)]
        cells = [", ".join(f"{piece} {share:.2f}" for piece, share in each) for each in told]
        words = text.split()
        place = words.index(SPECIAL[MASK])
        around = words[max(0, place - CONTEXT) : place + CONTEXT + 1]
        rows.append((" ".join(around), word, *cells))
    header = ("hidden", "word", "teacher's first three", f"those of student {name}")
    print_table("what is put first, second and third", header, rows)


def hidden_words(school: School) -> list[tuple[str, str]]:
    """Return held-out texts with one word hidden, and the words; each is one piece."""
    if school.teacher.languages:  # texts of one language only, and told which
        return []
    rng, found = np.random.default_rng(0), []
    subwords, longest = school.teacher.subwords, school.experiment.max_length
    texts = [each.parts[0] for each in split(school.texts)[1] if len(each.parts) == 1]
    for index in rng.permutation(len(texts)):
        words = list(split_words(texts[index]))
        known = [i for i, word in enumerate(words) if word.isalpha() and len(word) > 2]
        known = [i for i in known if len(subwords.encode(words[i]).ids) == 1]
        if not known or len(subwords.encode(" ".join(words)).ids) + 3 > longest:
            continue
        place = int(rng.choice(known))
        word, words[place] = words[place], SPECIAL[MASK]
        found.append((" ".join(words), word))
        if len(found) == SHOWN:
            break
    return found
