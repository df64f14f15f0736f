"""Distillation as a person meets it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from encoder_runs import labelled, tagged
from lm_runs import SMALL as SMALL_LM
from lm_runs import assert_fails, assert_same_end
from sentence_runs import SMALL, table, write

from rnnjax.data import read_labelled
from rnnjax_experiments.classify import commands as classify
from rnnjax_experiments.distill import commands as distill
from rnnjax_experiments.distill.commands import _architecture
from rnnjax_experiments.distill.teachers import load_teachers, teach
from rnnjax_experiments.finetune import commands as finetune
from rnnjax_experiments.label import commands as label
from rnnjax_experiments.lm import commands as lm
from rnnjax_experiments.lm import presets as lm_presets

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

STUDENT = (
    *("--hidden-size", "4", "--embed-size", "4", "--batch-size", "8", "--epochs", "2"),
    *("--shapes", "1", "--learning-rate", "0.05", "--dropout", "0"),
    *("--spans", "0"),
)


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(distill.COMMANDS)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    sizes = {"train": 40, "dev": 12, "test": 16}
    return [write(folder / f"{n}.tsv", labelled(k, seed=n)) for n, k in sizes.items()]


@pytest.fixture(scope="module")
def teachers(films, cli_of):
    """Two classifiers of other seeds."""
    run = cli_of(classify.COMMANDS)
    folders = [films[0].parent / f"teacher{seed}" for seed in (0, 1)]
    for seed, folder in enumerate(folders):
        call = ("train", "sentiment", "--data", *films, "--out", folder, *SMALL, "--seed", seed)
        assert run(*call)[0] == 0
    return folders


@pytest.fixture(scope="module")
def taught(films, teachers, cli):
    folder = films[0].parent / "students"
    more = write(films[0].parent / "more.txt", "the dog sings .\n\na cat bites so .\n")
    call = ("train", "sentiment", "--teacher", *teachers, "--data", *films, *STUDENT)
    call = (*call, "--unlabelled", more, "--spans", "1", "--seeds", "0", "1", "--out", folder)
    code, out, err = cli(*call)
    assert code == 0, err
    return folder, out, call


@pytest.mark.full  # six trainings
def test_students_are_trained_alone_and_taught_and_compared(taught, films, cli_of, cli):
    folder, out, call = taught
    runs = {f"{name}-{seed}" for name in ("alone", "taught") for seed in (0, 1)}
    names = {path.name for path in folder.iterdir()}
    assert runs | {"comparison.png"} < names
    rows = table(out, "test, per cent right")
    assert set(rows) == {"", "2 teachers", "student alone", "student taught"}
    gain, error = map(float, re.findall(r"2 seeds: ([+-][\d.]+) ± ([\d.]+)", out)[0])
    mean = {name: float(cells[1].split()[0]) for name, cells in rows.items() if name}
    assert gain == pytest.approx(mean["student taught"] - mean["student alone"], abs=0.011)
    assert error >= 0
    # Labelled sentences, a span of each and two of the file; alone, twice as many epochs or so.
    sizes = [int(n) for n in re.findall(r"(\d+) / 12 / 16 sentences", out)]
    assert sizes == 2 * [40, 82]
    steps = [int(n) for n in re.findall(r"minutes, (\d+) of \d+ steps", out)]
    assert steps[0] == pytest.approx(steps[1], rel=0.2)
    # What was computed is not computed again, and all ends the same.
    before = {path: path.stat().st_mtime_ns for path in folder.glob("teacher-*.npy")}
    assert len(before) == 2  # of what is learnt from, and of the test sentences
    code, again, _ = cli(*call)
    assert code == 0
    assert "compiled for 0 shapes" in again
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("teacher-*.npy")}
    assert table(again, "test, per cent right")["student taught"][1] == rows["student taught"][1]
    # A student is a run of its own script.
    predict = cli_of(classify.COMMANDS)
    code, said, _ = predict("predict", "--run", folder / "taught-0", stdin="the dog sings .\n")
    assert code == 0
    assert said.split("\t")[0] in ("good", "bad")


def test_several_teachers_are_their_mean_probability(teachers, films, tmp_path, capsys):
    sentences = read_labelled(films[2])
    logits = teach(load_teachers(teachers), sentences, tmp_path)
    alone = [np.stack(each.answers(sentences)) for each in load_teachers(teachers)]
    np.testing.assert_allclose(np.exp(logits), np.mean(alone, axis=0), rtol=1e-5)
    (kept,) = tmp_path.glob("teacher-*.npy")
    np.testing.assert_array_equal(np.load(kept), logits)
    whole = kept.read_bytes()
    for damaged in (b"", whole[:-5], whole[:-1] + bytes([whole[-1] ^ 1])):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(teach(load_teachers(teachers), sentences, tmp_path), logits)
        assert "is damaged" in capsys.readouterr().out
        assert kept.read_bytes() == whole  # computed again
    teach(load_teachers(teachers[:1]), sentences, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2  # another teacher, another file


@pytest.mark.slow  # several trainings
def test_an_encoder_teaches_a_tagger(pretrained, cli_of, cli, tmp_path):
    sizes = {"train": 32, "dev": 8}
    data = [write(tmp_path / f"{n}.tok", tagged(k, seed=n)) for n, k in sizes.items()]
    quick = ("--epochs", "2", "--shapes", "1", "--batch-size", "8", "--learning-rate", "0.02")
    tune = cli_of(finetune.COMMANDS)
    call = ("train", "tags", "--encoder", pretrained[0], "--data", *data, *quick)
    assert tune(*call, "--out", tmp_path / "teacher")[0] == 0
    more = write(tmp_path / "more.txt", "the dogdogcat sings\n")
    call = ("train", "tags", "--teacher", tmp_path / "teacher", "--data", *data, *STUDENT)
    call = (*call, "--unlabelled", more, "--tokens", "--out", tmp_path / "students")
    code, out, err = cli(*call)
    assert code == 0, err
    assert set(table(out, "dev, per cent right")) > {"teacher", "student alone", "student taught"}
    sizes = [int(n) for n in re.findall(r"(\d+) / 8 / 0 sentences", out)]
    assert sizes == [32, 33]


@pytest.mark.slow  # several trainings
def test_a_share_of_nothing_is_the_student_alone(teachers, films, cli, tmp_path):
    call = ("train", "sentiment", "--teacher", teachers[0], "--data", *films, *STUDENT)
    assert cli(*call, "--alpha", "0", "--out", tmp_path)[0] == 0
    assert_same_end(tmp_path / "alone-0", tmp_path / "taught-0")


@pytest.mark.slow  # several trainings
def test_a_language_model_is_taught_by_an_ensemble(text, cli_of, cli, tmp_path):
    train = cli_of(lm.COMMANDS)
    quick = (*SMALL_LM, "--epochs", "2", "--evaluations", "1")
    for seed in (0, 1):
        call = ("train", "--data", text, "--out", tmp_path / str(seed), *quick, "--seed", seed)
        assert train(*call)[0] == 0
    student = (*quick, "--hidden-size", "6", "--out", tmp_path / "students")
    call = ("lm", "--teacher", tmp_path / "0", tmp_path / "1", "--data", text, *student)
    code, out, err = cli(*call)
    assert code == 0, err
    rows = table(out, "test")
    assert set(rows) == {"", "teacher 1", "teacher 2", "alone", "taught"}
    assert rows["alone"][0] == rows["taught"][0] != rows["teacher 1"][0]
    code, said, _ = train("evaluate", "--run", tmp_path / "students" / "taught", "--data", text)
    assert code == 0
    assert "perplexity" in said
    other = write(tmp_path / "other.txt", "another alphabet: xyz\n" * 100)
    wrong = [other if part == text else part for part in call]
    assert_fails(cli(*wrong), "vocabulary", "student")
    wide = ("train", "--data", text, "--out", tmp_path / "w", *quick, "--hidden-size", "10")
    assert train(*wide)[0] == 0
    wrong = [tmp_path / "w" if part == tmp_path / "1" else part for part in call]
    assert_fails(cli(*wrong), "same architecture", "ensemble")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--alpha", "1.5"), ("alpha", "1.5", "[0, 1]")),
        (("--spans", "-1"), ("spans", "at least 0", "-1")),
        (("--temperature", "0"), ("temperature", "0")),
        (("--temperature", "nan"), ("temperature", "nan")),
        (("--epochs", "0"), ("epochs", "0")),
        (("--teacher", "{gone}"), ("gone", "no run")),
        (("--data", "{other}", "{other}"), ("same labels", "bad, good", "better, worse")),
        (("--data", "{other}"), ("data", "two or three")),
    ],
)
def test_what_cannot_be_taught_is_said_before(options, names, teachers, films, cli, tmp_path):
    other = write(tmp_path / "other.tsv", "a\tbetter\nb\tworse\n")
    given = [option.format(other=other, gone=tmp_path / "gone") for option in options]
    call = ("train", "sentiment", "--teacher", teachers[0], "--data", *films, *STUDENT)
    assert_fails(cli(*call, "--out", tmp_path / "run", *given), *names)
    assert not (tmp_path / "run").exists()  # and no teacher was asked


def test_a_student_s_tags_do_not_depend_on_each_other(teachers, cli, tmp_path):
    call = ("train", "tags", "--teacher", teachers[0], *STUDENT, "--crf", "--out", tmp_path / "run")
    assert_fails(cli(*call), "crf must be False")


@pytest.mark.slow  # several trainings
def test_a_teacher_of_another_task_is_refused(teachers, cli, cli_of, tmp_path):
    call = ("train", "tags", "--teacher", teachers[0], *STUDENT, "--out", tmp_path / "run")
    assert_fails(cli(*call), "teacher", "tag tokens")
    data = [write(tmp_path / f"{n}.tok", tagged(8, seed=n)) for n in ("train", "dev")]
    train = cli_of(label.COMMANDS)
    folder = tmp_path / "tagger"
    assert train("train", "pos", "--data", *data, *SMALL, "--out", folder)[0] == 0
    call = ("train", "sentiment", "--teacher", folder, "--data", *data, *STUDENT)
    assert_fails(cli(*call, "--out", tmp_path / "run"), "teacher", "classify sentences")
    assert_fails(cli(*call, "--teacher", teachers[0], folder), "same labels")
    config = json.loads((folder / "config.json").read_text())
    assert "alpha" not in config  # a student's run is not told from another one's


def test_teachers_that_are_run_together_must_be_alike_but_for_dropout():
    one = lm_presets.PRESETS["manual"]
    assert _architecture(replace(one, dropout=0.4)) == _architecture(one)
    others = ({"reset_before": True}, {"window": 3}, {"layers": 1}, {"tie_embeddings": True})
    for other in others:
        assert _architecture(replace(one, **other)) != _architecture(one)
