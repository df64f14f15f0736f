"""The labelling script as a person meets it."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from lm_runs import assert_fails, assert_same_end, final_state, finish
from sentence_runs import SMALL, table, write

from experiments.label import commands as label
from experiments.sentences import tagging
from experiments.sentences.data import set_vectors
from rnnjax.data import SentenceBatches, Splits, Tagged, WordIndexer, fit_indexer

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WORDS = {"DET": ["the", "a"], "NOUN": ["dog", "cat", "bird", "fish"], "VERB": ["sees", "hears"]}
ORDER = ("DET", "NOUN", "VERB", "DET", "NOUN")
NAMES = {"PER": ["Ada", "Bo", "Ada Bo"], "LOC": ["Oslo", "New Oslo", "Rome"]}


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(label.COMMANDS)


def conllu(sentences, seed):
    draw, lines = random.Random(seed), []
    for number in range(sentences):
        lines.append(f"# sent_id = {number}")
        tags = ORDER[: draw.choice([2, 3, 5])]
        for i, tag in enumerate(tags, 1):
            word = draw.choice(WORDS[tag])
            tag = "X" if draw.random() < 0.1 else tag  # so that something goes wrong
            lines.append("\t".join([str(i), word, "_", tag, tag.lower(), "_", "0", *"___"]))
        lines.append("")
    return "\n".join(lines) + "\n"


def names(sentences, seed, scheme="IOB1"):
    """Sentences of two names each, some right after another of their kind."""
    draw, lines = random.Random(seed), ["-DOCSTART- -X- O", ""]
    for _ in range(sentences):
        kinds = [draw.choice(["PER", "LOC"]) for _ in range(2)]
        between = draw.choice([["met"], []])
        previous = None
        for part in (kinds[0], *between, kinds[1]):
            if part not in NAMES:
                lines.append(f"{part} VB O")
            else:
                touches = previous == part
                for i, word in enumerate(draw.choice(NAMES[part]).split()):
                    begins = not i and (touches or scheme == "IOB2")
                    lines.append(f"{word} NN {'B' if begins else 'I'}-{part}")
            previous = part
        lines.append("")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def treebank(tmp_path_factory):
    """Three files of a treebank."""
    folder = tmp_path_factory.mktemp("treebank")
    sizes = {"train": 60, "dev": 12, "test": 10}
    return [write(folder / f"{name}.conllu", conllu(size, name)) for name, size in sizes.items()]


@pytest.fixture(scope="module")
def tagged(treebank, cli):
    """A run on the treebank: its folder and what it printed. Not to be written to."""
    folder = treebank[0].parent / "run"
    code, out, err = cli("train", "pos", "--data", *treebank, "--out", folder, *SMALL)
    assert code == 0, err
    return folder, out


@pytest.fixture(scope="module")
def found(tmp_path_factory, cli):
    """A run on names in CoNLL-2003's columns, spans in IOB1: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("names")
    data = [
        write(folder / f"{name}.txt", names(size, name)) for name, size in (("a", 80), ("b", 15))
    ]
    command = ("train", "entities", "--data", *data, "--out", folder / "run", *SMALL)
    options = ("--patience", "1", "--epochs", "3", "--shapes", "1", "--bidirectional")
    code, out, err = cli(*command, *options)
    assert code == 0, err
    return folder / "run", out


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
    assert {p.name for p in folder.iterdir()} == {*files, "errors.txt", "best", "latest"}
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


def test_evaluate_measures_what_predict_answers(tagged, treebank, cli, tmp_path):
    folder, _ = tagged
    code, out, err = cli("evaluate", "--run", folder, "--data", treebank[1])
    assert (code, err.strip()) == (0, "")
    rows = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│")]
    (accuracy,) = [float(row[1]) for row in rows]
    gold = [line.split("\t") for line in treebank[1].read_text().splitlines() if line[:1].isdigit()]
    text = "".join(("\n" if row[0] == "1" else " ") + row[1] for row in gold).lstrip() + "\n"
    code, out, _ = cli(
        "predict", "--run", folder, "--data", write(tmp_path / "dev.txt", text), "--tokens"
    )
    assert code == 0
    answers = [line.split("\t") for line in out.splitlines() if line]
    assert [word for word, _ in answers] == [row[1] for row in gold]
    right = [tag == row[3] for (_, tag), row in zip(answers, gold, strict=True)]
    assert accuracy == pytest.approx(100 * np.mean(right), abs=0.005)
    assert accuracy > 60
    # Of standard input the same, though each sentence is answered by itself.
    assert cli("predict", "--run", folder, "--tokens", stdin=text)[1] == out


def test_evaluate_of_several_runs_has_mean_and_deviation(tagged, treebank, cli):
    folder = tagged[0]
    other = folder.parent / "other"
    call = ("train", "pos", "--data", *treebank[:2], "--out", other, *SMALL)
    code, out, err = cli(*call, "--seed", "1", "--epochs", "1", "--learning-rate", "0.001")
    assert code == 0, err
    assert "dev, by tag" in out  # there is no test split
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


def test_predict_reads_plain_text_blank_lines_and_what_it_never_saw(tagged, cli, tmp_path):
    folder, _ = tagged
    code, out, err = cli("predict", "--run", folder, stdin="The dog doesn't.\n\nÑandú 犬\n")
    assert (code, err.strip()) == (0, "")
    blocks = [[line.split("\t") for line in b.splitlines()] for b in out.split("\n\n")]
    # The empty line, too, is a sentence, with a blank line after it.
    words = [[row[0] for row in block if row != [""]] for block in blocks]
    assert words == [["The", "dog", "does", "n't", "."], ["Ñandú", "犬"], []]
    assert out.count("\n\n") == 2
    assert out.split("\n")[6] == ""
    tags = {row[1] for block in blocks for row in block if len(row) == 2}
    assert tags <= {*WORDS, "X"}
    # A line ends where the file's line does, and nowhere else.
    file = write(tmp_path / "text.txt", "a\u2028b dog\r\n\n")
    code, out, _ = cli("predict", "--run", folder, "--data", file, "--tokens")
    assert (code, [line.split("\t")[0] for line in out.split("\n")]) == (
        0,
        ["a", "b", "dog", *[""] * 3],
    )


@pytest.mark.parametrize("stdin", ["\n", " \t\n", "\n\n"])
def test_predict_of_nothing_but_empty_lines(tagged, cli, tmp_path, stdin):
    for options in ((), ("--data", write(tmp_path / "blank.txt", stdin))):
        code, out, err = cli("predict", "--run", tagged[0], *options, stdin=stdin)
        assert (code, out) == (0, "\n" * stdin.count("\n")), err


def test_predict_of_no_input_is_nothing(tagged, cli):
    assert cli("predict", "--run", tagged[0])[:2] == (0, "")


@pytest.mark.parametrize("run", ["tagged", pytest.param("found", marks=pytest.mark.slow)])
def test_a_sentence_of_5000_tokens_is_tagged(run, start_of, request):
    folder, _ = request.getfixturevalue(run)
    # Not within this process, which optimises next to nothing.
    call = start_of("experiments.label")
    process = call("predict", "--run", folder, "--tokens", stdin=subprocess.PIPE)
    code, out, err = finish(process, "a dog " * 2_500 + "\n")
    assert code == 0, err
    assert len(out.splitlines()) == 5_001


@pytest.mark.slow  # a training of its own
def test_conllu_is_known_by_what_is_in_it_and_its_column_by_the_run(cli, tmp_path):
    row = "{i}\t{w}\t_\t_\t{t}\t_\t0\t_\t_\tSpaceAfter=No"
    rows = [row.format(i=i, w=w, t=t) for i, (w, t) in enumerate([("a", "X"), ("b", "Y")], 1)]
    data = write(tmp_path / "data.txt", ("\n".join(rows) + "\n\n") * 9)
    call = ("train", "pos", "--data", data, data, "--out", tmp_path / "run", *SMALL)
    assert_fails(cli(*call), "data.txt", "column upos", "'_' everywhere")
    code, out, err = cli(*call, "--column", "xpos")
    assert code == 0, err
    assert set(table(out, "dev, by tag")) == {"", "X", "Y"}
    code, out, err = cli("evaluate", "--run", tmp_path / "run", "--data", data)
    assert code == 0
    assert "wrong" not in err
    code, out, _ = cli("predict", "--run", tmp_path / "run", stdin="\ufeffa b\n")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["a", "b", ""]


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


def test_standard_input_is_answered_line_by_line(tagged, start_of):
    process = start_of("experiments.label")("predict", "--run", tagged[0], stdin=subprocess.PIPE)
    try:
        for word in ("dog", "sees"):
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            # This would wait for ever if the answer waited for the end of the input.
            assert process.stdout.readline().split("\t")[0] == word
            assert process.stdout.readline() == "\n"
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()


def test_names_are_found_and_answered_as_iob2(found, cli):
    folder, out = found
    scores = table(out, "dev, by span")
    assert set(scores) == {"", "LOC", "PER"}
    rows = table(out, "dev, per cent")
    assert set(rows) == {"", "each token's most frequent tag", "this model"}
    metrics = dict(zip(rows[""], rows["this model"], strict=True))
    assert float(metrics["f1"]) > 60
    assert set(WordIndexer.load(folder / "indexer.json").targets) <= {
        f"{letter}-{kind}" for letter in "BIES" for kind in NAMES
    } | {"O"}
    code, out, _ = cli("predict", "--run", folder, stdin="Ada Bo met New Oslo\nAda met Rome\n")
    assert code == 0
    tags = [line.split("\t")[1] if line else "O" for line in out.splitlines()]
    assert set(tags) <= {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}
    for before, tag in pairwise(["O", *tags]):  # IOB2, by its definition
        assert tag[0] != "I" or before in (f"B{tag[1:]}", tag)


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
    assert float(table(out, "dev, per cent")["this model"][-1]) == pytest.approx(
        100 * (1 - best), abs=0.006
    )


def test_another_configuration_or_data_in_the_same_folder_is_refused(tagged, treebank, cli):
    folder, _ = tagged
    before = (folder / "config.json").read_text(), (folder / "indexer.json").read_text()
    call = ("train", "pos", "--out", folder, *SMALL, "--data")
    outcome = cli(*call, *treebank, "--hidden-size", "9")
    assert_fails(outcome, folder, "hidden_size was 8 and is now 9", "--out")
    assert_fails(cli(*call, *treebank[:2]), folder, "the data changed")
    outcome = cli(*call, *treebank, "--column", "xpos")
    assert_fails(outcome, folder, "the data changed")
    assert before == ((folder / "config.json").read_text(), (folder / "indexer.json").read_text())


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


CONLLU = "1\tdog\t_\tNOUN\t_\t_\t0\t_\t_\t_\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bad.conllu", CONLLU + "2\tdog\tNOUN\n", ["bad.conllu, line 2", "10 columns", "got 3"]),
        ("bad.txt", "dog NOUN\n\ncat\n", ["bad.txt, line 3", "2 columns"]),
        ("bad.txt", "Ada B-PER\nBo O\nCy I-PER\n", ["bad.txt", "follow no scheme", "line 3"]),
        ("bad.txt", "", ["bad.txt must contain text"]),
        ("bad.conllu", "# a comment\n", ["bad.conllu holds no sentence"]),
        ("bad.txt", "dog _\n", ["nothing in the train split is labelled"]),
        ("bad.txt", None, ["cannot read", "bad.txt"]),
    ],
)
def test_bad_data_is_one_line_and_leaves_no_claim_on_the_folder(
    treebank, cli, tmp_path, name, content, words
):
    path = tmp_path / name
    if content is not None:
        write(path, content)
    call = ("train", "pos", "--out", tmp_path / "run", *SMALL, "--data")
    assert_fails(cli(*call, path, treebank[1]), *words)
    words = [word.replace("train", "dev") for word in words]
    assert_fails(cli(*call, treebank[0], path), *words)
    assert not (tmp_path / "run").exists()


def test_bad_data_at_evaluation_is_one_line(tagged, cli, tmp_path):
    call = ("evaluate", "--run", tagged[0], "--data")
    assert_fails(cli(*call, write(tmp_path / "a.txt", "dog\n")), "a.txt, line 1")
    assert_fails(cli(*call, write(tmp_path / "a.conllu", "#\n")), "a.conllu holds no sentence")
    assert_fails(cli(*call, write(tmp_path / "b.txt", "dog _\n")), "no token is labelled")
    assert_fails(cli(*call, tmp_path / "c.txt"), "cannot read", "c.txt")


def test_a_ragged_file_of_vectors_is_one_line(treebank, cli, tmp_path):
    vectors = write(tmp_path / "vectors.txt", "the 1 2\ndog 1 2 3\n")
    call = ("train", "pos", "--data", *treebank, "--out", tmp_path / "run", *SMALL)
    assert_fails(cli(*call, "--vectors", vectors), "vectors.txt, line 2", "2 numbers")


def test_one_file_alone_is_refused(treebank, cli, tmp_path):
    call = ("train", "pos", "--out", tmp_path / "run", *SMALL, "--data")
    assert_fails(cli(*call, treebank[0]), "two or three files", "got 1")
    assert_fails(cli(*call, *treebank, treebank[0]), "two or three files", "got 4")


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [
        ("epochs", "0", "epochs"),
        ("shapes", "0", "shapes"),
        ("batch-size", "0", "batch_size"),
        ("patience", "0", "patience"),
        ("hidden-size", "0", "hidden_size"),
        ("layers", "0", "layers"),
        ("hide-rare", "2", "hide_rare"),
        ("dropout", "1.5", "dropout"),
        ("max-word-length", "1", "max_word_length"),
        ("seed", "-1", "seed"),
    ],
)
def test_a_bad_option_is_named(treebank, cli, tmp_path, option, value, name):
    call = ("train", "pos", "--data", *treebank, "--out", tmp_path / "run", *SMALL)
    assert_fails(cli(*call, f"--{option}", value), name)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_such_run_is_named(tagged, cli, tmp_path):
    path = tmp_path / "run" / "config.json"
    call = ("predict", "--run", tmp_path / "run")
    assert_fails(cli(*call), path, "holds no run")
    whole = json.loads((tagged[0] / "config.json").read_text())
    for config in ("{", "[]", "{}", {**whole, "colour": 1}, {**whole, "optimizer": {"colour": 1}}):
        write(path, config if isinstance(config, str) else json.dumps(config))
        assert_fails(cli(*call), path)
    write(path, json.dumps(whole))
    assert_fails(cli(*call), "model.json", "holds no run")
    described = write(path.with_name("model.json"), (tagged[0] / "model.json").read_text())
    assert_fails(cli(*call), "indexer.json is not a saved indexer")
    described.write_text(described.read_text().replace("Tagger", "Stagger"))
    assert_fails(cli(*call), "model.json does not describe a model", "Stagger")


def test_without_data_it_is_the_roles_of_names(cli, tmp_path, monkeypatch):
    sentences = [Tagged(("f", "(", "x", ")"), ("function", "_", "local", "_"))]
    seen = []

    def train_recurrent(experiment, splits, *_):
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
