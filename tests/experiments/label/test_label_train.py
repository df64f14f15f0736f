"""Training taggers, and evaluating them, as a person meets it."""

import json
import os
import re
import shutil
import signal

import jax
import numpy as np
import pytest
from label_runs import names
from lm_runs import assert_fails, assert_same_end, final_state
from sentence_runs import SMALL, table, write

from rnnjax.data import SentenceBatches, Splits, Tagged, WordIndexer, fit_indexer
from rnnjax.train import Checkpoints
from rnnjax.trained import load_run
from rnnjax_experiments.label import commands as label
from rnnjax_experiments.sentences import tagging
from rnnjax_experiments.sentences.data import set_vectors

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_train_leaves_all_that_a_run_needs(tagged):
    folder, out = tagged
    files = {
        "config.json",
        "model.json",
        "indexer.json",
        "metrics.jsonl",
        "curves.png",
        "confusion.png",
    }
    assert {p.name for p in folder.iterdir()} == {
        *files,
        "SHA256SUMS",
        "errors.txt",
        "best",
        "latest",
    }
    for picture in ("curves.png", "confusion.png"):
        assert (folder / picture).read_bytes()[:4] == b"\x89PNG"
    experiment = json.loads((folder / "config.json").read_text())
    assert (experiment["hidden_size"], experiment["crf"]) == (8, False)
    assert experiment["optimizer"]["learning_rate"] == 0.05
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    valid = [record for record in records if record["split"] == "valid"]
    assert len(valid) == 2
    assert valid[-1]["loss"] < valid[0]["loss"] < np.log(4)  # it learned
    assert valid[-1]["error"] == pytest.approx(1 - valid[-1]["accuracy"])
    for words in ("60 / 12 / 10 sentences", "4 targets", "compiled for 2 shapes", "test, by tag"):
        assert words in out
    assert set(table(out, "test, by tag")) == {"", "DET", "NOUN", "VERB", "X"}


def test_the_sentences_with_errors_are_written_down(tagged, treebank):
    folder, out = tagged
    wrong = (folder / "errors.txt").read_text()
    tokens = sum(line[:1].isdigit() for line in treebank[2].read_text().splitlines())
    accuracy = float(table(out, "test, per cent")["this model"][0])
    assert len(re.findall(r", not ", wrong)) == round(tokens * (1 - accuracy / 100))
    assert f"{len(wrong.splitlines())} sentences with errors" in out
    assert wrong.splitlines()[0] in out


def test_evaluate_of_several_runs_has_mean_and_deviation(tagged, treebank, cli, tmp_path):
    folder = tagged[0]
    other = shutil.copytree(folder, tmp_path / "other")
    params = load_run(folder).params
    shutil.rmtree(other / "best")
    head = jax.tree.map(np.zeros_like, params["head"])
    Checkpoints(other / "best", keep=1).save(1, {"params": {**params, "head": head}})
    code, out, _ = cli("evaluate", "--run", folder, other, "--data", treebank[1])
    assert code == 0
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in out.splitlines()
        if line.startswith("│") and "." in line  # not the rest of a long name
    ]
    values = np.array([[float(cell) for cell in row[1:]] for row in rows[:2]])
    for i, cell in enumerate(rows[2][1:]):
        mean, deviation = map(float, cell.split("±"))
        assert mean == pytest.approx(values[:, i].mean(), abs=0.011)
        assert deviation == pytest.approx(values[:, i].std(ddof=1), abs=0.011)
    assert values[0, 0] != values[1, 0]


def test_what_is_not_labelled_cannot_stand_among_spans(cli, tmp_path):
    data = write(tmp_path / "data.txt", "a\tB-X\nb\t_\nc\tO\n\n")
    call = ("train", "entities", "--data", data, data, "--out", tmp_path / "run", *SMALL)
    assert_fails(cli(*call), "'_'", "spans")


def test_accuracy_of_spans_is_that_of_iob2_whatever_the_scheme():
    sentence = Tagged(("a", "b", "c"), ("B-PER", "E-PER", "O"))
    answers = [["B-PER", "I-PER", "E-PER"]]
    tags = sorted({"B-PER", "I-PER", "E-PER", "S-PER", "O"})
    ids = [[tags.index(tag) for tag in each] for each in answers]
    values = tagging.measure(tags, [sentence], ids)
    assert values["accuracy"] == pytest.approx(2 / 3)
    assert values["f1"] == 0


def test_train_and_evaluate_say_what_was_recognised(found, cli, tmp_path):
    folder, out = found
    assert out.splitlines()[0] == "runs on 1 cpu device"
    assert out.splitlines()[1] == "train, dev: tags are spans in IOB1, learnt in IOBES"
    bilou = write(tmp_path / "bilou.txt", "Ada B-PER\nBo L-PER\n\nOslo U-LOC\n")
    code, out, _ = cli("evaluate", "--run", folder, "--data", bilou)
    assert (code, out.splitlines()[0]) == (0, f"{bilou}: tags are spans in BILOU, learnt in IOBES")


@pytest.mark.parametrize(
    ("tags", "learnt", "said", "warned"),
    [
        ("B I O", "B E O", "x: tags are spans in IOB2, learnt in IOBES\n", False),
        ("B-X M-X E-X", "B-X I-X E-X", "x: tags are spans in BMES, learnt in IOBES\n", False),
        ("B_X I_X O", "B_X I_X O", "x: tags are labels, not spans\n", True),
        ("b-x i-x o", "b-x i-x o", "x: tags are labels, not spans\n", True),
        ("NOUN VERB _", "NOUN VERB _", "x: tags are labels, not spans\n", False),
    ],
)
def test_what_was_recognised_and_what_only_looks_so(tags, learnt, said, warned, capsys):
    tokens, tags = ("a", "b", "c"), tuple(tags.split())
    got = tagging.convert_spans({"x": [Tagged(tokens, tags)], "y": []}, "IOBES")
    assert got == [[Tagged(tokens, tuple(learnt.split()))], []]
    out, err = capsys.readouterr()
    assert (out, "look like spans" in err) == (said, warned)


def test_the_scheme_of_the_data_does_not_matter(found, cli, tmp_path):
    folder, _ = found
    tables = []
    for scheme in ("IOB1", "IOB2"):
        data = write(tmp_path / scheme, names(15, 7, scheme))
        code, out, err = cli("evaluate", "--run", folder, "--data", data)
        assert (code, err.strip()) == (0, "")
        tables.append([line for line in out.splitlines() if line.startswith("│")])
    assert "B-PER" in (tmp_path / "IOB1").read_text()
    assert tables[0] == tables[1]


@pytest.mark.slow  # a training of its own
def test_wikiann_s_columns_and_kinds_with_dashes(cli, tmp_path):
    text = "en:Ada Bo\tB-real-person\nmet\tO\n\nOslo\tB-geo-loc\nin\tO\n\n"
    data = [write(tmp_path / name, text * 5) for name in ("train.tsv", "dev.tsv")]
    options = ("--characters", "lstm", "--character-features", "4", "--epochs", "1", "--no-crf")
    call = ("train", "entities", "--data", *data, "--out", tmp_path / "run", *SMALL, *options)
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tagging, "show_errors", lambda *arguments: drawn.append(arguments))
        code, out, err = cli(*call)
    assert code == 0, err
    assert set(table(out, "dev, by span")) == {"", "geo-loc", "real-person"}
    # What is told apart in the picture are the kinds, whole.
    assert set(drawn[0][2]) == {"O", "geo-loc", "real-person"}
    assert cli("predict", "--run", tmp_path / "run", stdin="Ñandú 犬 Bo\n")[0] == 0


def test_an_unseen_tag_is_said_and_counted_as_wrong(tagged, cli, tmp_path):
    rows = [("the", "DET"), ("dog", "NOUN"), ("o", "INTJ"), ("well", "INTJ"), ("hm", "_")]
    lines = [f"{i}\t{w}\t_\t{t}\t_\t_\t0\t_\t_\t_" for i, (w, t) in enumerate(rows, 1)]
    data = write(tmp_path / "new.conllu", "\n".join(lines) + "\n\n")
    code, out, err = cli("evaluate", "--run", tagged[0], "--data", data)
    assert code == 0
    assert "counted as wrong: INTJ (2)" in err
    (accuracy,) = re.findall(r"│ +([\d.]+) │ +[\d.]+ │$", out, re.MULTILINE)
    assert float(accuracy) in (0, 25, 50)  # of the four that are labelled


class Stopped:
    """Batches that send a signal when a step's is asked for."""

    def __init__(self, monkeypatch, step):
        at = SentenceBatches.at

        def stopping(batches, index):
            if index == step:
                os.kill(os.getpid(), signal.SIGINT)
            return at(batches, index)

        monkeypatch.setattr(SentenceBatches, "at", stopping)


@pytest.mark.slow  # several trainings
def test_a_run_that_is_interrupted_goes_on_and_ends_the_same(
    tagged, treebank, cli, tmp_path, monkeypatch
):
    call = ("train", "pos", "--data", *treebank, "--out", tmp_path / "run", *SMALL)
    with monkeypatch.context() as patch:
        Stopped(patch, 10)
        code, _, err = cli(*call)
    assert code == 130
    assert err.splitlines()[-1].startswith("interrupted at step 11 of")
    code, out, _ = cli(*call)
    assert code == 0
    assert "resuming at step 11 of" in out
    assert_same_end(tmp_path / "run", tagged[0])
    assert (tmp_path / "run" / "errors.txt").read_text() == (tagged[0] / "errors.txt").read_text()
    # Once more it does nothing but report.
    code, again, _ = cli(*call)
    assert code == 0
    assert "compiled for 0 shapes" in again
    assert table(again, "test, per cent") == table(tagged[1], "test, per cent")
    assert_same_end(tmp_path / "run", tagged[0])


def test_patience_ends_a_run_and_the_best_is_kept(found, cli):
    folder, out = found
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    errors = {r["step"]: r["error"] for r in records if r["split"] == "valid"}
    best = min(errors.values())
    (kept,) = (folder / "best").iterdir()
    assert errors[int(kept.name)] == best
    values = list(errors.values())
    worse = [i for i in range(1, len(values)) if values[i] >= min(values[:i])]
    assert len(values) == (worse[0] + 1 if worse else 3)
    rows = table(out, "dev, per cent")
    shown = float(rows["this model"][rows[""].index("f1")])
    assert shown == pytest.approx(100 * (1 - best), abs=0.006)


@pytest.mark.slow  # a training of its own
def test_vectors_are_read_and_their_coverage_is_said(treebank, cli, tmp_path):
    words = ["the", "dog", "sees", "never"]
    lines = [f"{word} {i}.5 -{i} {i + 1}\n" for i, word in enumerate(words)]
    vectors = write(tmp_path / "vectors.txt", "".join(lines))
    data = tmp_path / "data"
    shutil.copytree(treebank[0].parent, data, ignore=lambda *_: ["run", "other"])
    # A word of the development text alone: its vector says what training cannot.
    for name in ("train", "test"):
        path = data / f"{name}.conllu"
        path.write_text(path.read_text().replace("\tsees\t", "\thears\t"))
    files = [data / f"{name}.conllu" for name in ("train", "dev", "test")]
    call = ("train", "pos", "--data", *files, "--out", tmp_path / "run", *SMALL)
    options = ("--vectors", vectors, "--epochs", "1", "--shapes", "1")
    code, out, err = cli(*call, *options)
    assert code == 0, err
    assert "vectors for 37.5% of 8 words" in out
    encoder = WordIndexer.load(tmp_path / "run" / "indexer.json")
    assert encoder.words.symbols[-1] == "sees"
    assert json.loads((tmp_path / "run" / "config.json").read_text())["embed_size"] == 3
    # The word was never trained on: its vector is as it was, but for its length.
    _, tree = final_state(tmp_path / "run")
    table = tree["state"]["params"]["embedder"]["words"]["embedding"]
    vector = np.asarray(table[encoder.words.encode(["sees"])[0]])
    want = np.array([2.5, -2, 3])
    np.testing.assert_allclose(vector / vector[0], want / want[0], rtol=1e-5)
    assert 0.01 < np.abs(vector).max() < 1
    # The same file with other numbers would not go on from there.
    vectors.write_text(vectors.read_text().replace("2.5", "2.6"))
    assert_fails(cli(*call, *options), "the data changed")


def test_vectors_all_alike_do_no_harm():
    encoder = fit_indexer([Tagged(("the", "dog"), ("DET", "NOUN"))])
    table = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    params = {"embedder": {"words": {"embedding": table}}}
    set_to = set_vectors(params, encoder, {"dog": np.zeros(2, np.float32)})
    set_to = np.asarray(set_to["embedder"]["words"]["embedding"])
    (dog,) = encoder.words.encode(["dog"])
    assert set_to[dog].tolist() == [0, 0]
    np.testing.assert_array_equal(np.delete(set_to, dog, 0), np.delete(table, dog, 0))


def test_without_data_it_is_the_roles_of_names(cli, tmp_path, monkeypatch):
    sentences = [Tagged(("f", "(", "x", ")"), ("function", "_", "local", "_"))]
    seen = []

    def train_recurrent(experiment, splits, *_, **__):
        seen.append((experiment, splits))
        raise ValueError("that is all")

    monkeypatch.setattr(label, "identifier_roles", lambda: Splits(sentences, sentences, []))
    monkeypatch.setattr(label, "train_recurrent", train_recurrent)
    assert_fails(cli("train", "--out", tmp_path / "run"), "that is all")
    assert seen == [(label.PRESETS["code"], (sentences, sentences, []))]


def test_the_presets_are_shown(cli):
    code, out, _ = cli("train", "--help")
    assert code == 0
    for preset in label.PRESETS:
        assert preset in out
