"""Tuning an encoder as a person meets it."""

import json
import re

import numpy as np
import pytest
from encoder_runs import TINY, labelled, lines_of, paired, tagged
from lm_runs import assert_fails, assert_same_end
from sentence_runs import table, write

from rnnjax.train.checkpoint import Checkpoints
from rnnjax_experiments.finetune import commands as finetune
from rnnjax_experiments.finetune.tuned import load_tuned
from rnnjax_experiments.mlm import commands as mlm
from rnnjax_experiments.mlm.pretrained import load_pretrained

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

QUICK = ("--epochs", "8", "--shapes", "1", "--batch-size", "8", "--learning-rate", "0.01")


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(finetune.COMMANDS)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    sizes = {"train": 48, "dev": 12, "test": 16}
    return {
        "sentences": [write(folder / f"{n}.tsv", labelled(k, seed=n)) for n, k in sizes.items()],
        "tokens": [write(folder / f"{n}.tok", tagged(k, seed=n)) for n, k in sizes.items()],
        "pairs": [write(folder / "pairs.tsv", paired(80))] * 2,
    }


@pytest.fixture(scope="module")
def tuned(pretrained, data, cli):
    """A run for sentences: its folder and what it printed. Not to be written to."""
    folder = data["sentences"][0].parent / "tuned"
    call = ("train", "sentiment", "--encoder", pretrained[0], "--data", *data["sentences"], *QUICK)
    code, out, err = cli(*call, "--out", folder)
    assert code == 0, err
    return folder, out, call


def test_a_tuned_encoder_tells_labels_and_has_all_it_needs(tuned, data, cli):
    folder, out, _ = tuned
    assert {"config.json", "indexer.json", "tokenizer.json"} < {p.name for p in folder.iterdir()}
    accuracy = float(table(out, "test, per cent")["this model"][0])
    assert accuracy > 80
    code, again, _ = cli("evaluate", "--run", folder, folder, "--data", data["sentences"][2])
    assert code == 0
    assert f"{accuracy:.2f} ± 0.00" in again
    pairs = [line.split("\t") for line in data["sentences"][2].read_text().splitlines()]
    code, said, _ = cli("predict", "--run", folder, stdin="".join(f"{t}\n" for t, _ in pairs))
    rows = [line.split("\t") for line in said.splitlines()]
    assert [row[2] for row in rows] == [text for text, _ in pairs]
    right = [row[0] == label for row, (_, label) in zip(rows, pairs, strict=True)]
    assert 100 * np.mean(right) == pytest.approx(accuracy, abs=0.01)


@pytest.mark.full  # two trainings
def test_it_starts_from_the_pretrained_weights_or_from_new_ones(pretrained, data, cli, tmp_path):
    # With a rate of (almost) nothing, what is saved is what it started from.
    still = (*QUICK, "--epochs", "1", "--learning-rate", "1e-30")
    call = ("train", "sentiment", "--encoder", pretrained[0], "--data", *data["sentences"], *still)
    assert cli(*call, "--out", tmp_path / "tuned")[0] == 0
    assert cli(*call, "--scratch", "--out", tmp_path / "scratch")[0] == 0
    was = load_pretrained(pretrained[0])[1].params["encoder"]["token_embedding"]["embedding"]
    tuned, scratch = (
        load_tuned(tmp_path / name)[1].params["encoder"]["token_embedding"]["embedding"]
        for name in ("tuned", "scratch")
    )
    np.testing.assert_array_equal(tuned, was)
    assert np.abs(np.asarray(scratch) - np.asarray(was)).max() > 0.1
    sizes = [load_tuned(tmp_path / name)[1].size for name in ("tuned", "scratch")]
    assert sizes[0] == sizes[1]


@pytest.mark.slow  # a training of its own
def test_tags_are_given_to_words_however_many_pieces_they_have(pretrained, data, cli, tmp_path):
    call = ("train", "tags", "--encoder", pretrained[0], "--data", *data["tokens"], *QUICK)
    code, out, err = cli(*call, "--out", tmp_path / "run")
    assert code == 0, err
    assert float(table(out, "test, per cent")["this model"][0]) > 80
    predict = ("predict", "--run", tmp_path / "run", "--tokens")
    code, out, _ = cli(*predict, stdin="the dogdogcat sings .\n\n")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["the", "dogdogcat", "sings", ".", "", ""]
    assert rows[0][1] == "DET"
    assert rows[3][1] == "PUNCT"


@pytest.mark.slow  # a training of its own
def test_pairs_carry_over_to_the_other_language(cli_of, cli, tmp_path):
    texts = [write(tmp_path / f"a.{n}", lines_of(120, n)) for n in ("en", "nl")]
    named = [f"{path.suffix[1:]}={path}" for path in texts]
    small = ("--steps", "4", "--evaluations", "1", "--max-length", "40")
    call = ("train", "--text", *named, "--pairs", *named, *TINY, *small)
    code, _, err = cli_of(mlm.COMMANDS)(*call, "--out", tmp_path / "mlm")
    assert code == 0, err
    pairs = {n: write(tmp_path / f"{n}.tsv", paired(60, n)) for n in ("en", "nl")}
    columns = ("--columns", "first", "second", "label")
    train = ("train", "pairs", "--encoder", tmp_path / "mlm", "--data", pairs["en"], pairs["en"])
    where = ("--where", "split=TRAIN", "split=TEST", *columns, *QUICK, "--epochs", "1")
    assert_fails(cli(*train, *where), "language", "en, nl", "None")
    out = tmp_path / "run"
    code, _, err = cli(*train, *where, "--language", "en", "--out", out)
    assert code == 0, err
    params = load_tuned(out)[1].params["encoder"]
    assert "segment_embedding" in params
    evaluate = ("evaluate", "--run", out, "--data", pairs["nl"], *columns, "--where", "split=TEST")
    code, said, _ = cli(*evaluate, "--language", "nl")
    assert code == 0
    assert re.search(r"│ +\d+\.\d\d │", said)
    code, said, _ = cli("predict", "--run", out, stdin="the dog sings .\tthe dog bites .\n")
    assert code == 0
    assert said.split("\t")[0] in ("same", "other")
    assert_fails(cli("predict", "--run", out, stdin="one alone\n"), "two sentences", "tab")
    assert_fails(cli(*evaluate, "--language", "fr"), "language", "en, nl", "fr")


@pytest.mark.slow  # reads the whole library, and trains twice
def test_the_defaults_of_both_scripts_go_together(cli_of, cli, tmp_path):
    tiny = ("--hidden-size", "8", "--layers", "1", "--heads", "2", "--feedforward-size", "8")
    call = ("train", *tiny, "--steps", "1", "--evaluations", "1", "--out", tmp_path / "mlm")
    code, _, err = cli_of(mlm.COMMANDS)(*call)
    assert code == 0, err
    call = ("train", "--encoder", tmp_path / "mlm", "--train-share", "0.05", "--epochs", "1")
    code, out, err = cli(*call, "--out", tmp_path / "run")
    assert code == 0, err
    assert "this model" in out


@pytest.mark.slow  # several trainings
def test_a_share_of_the_sentences_is_drawn_with_the_seed(tuned, cli, tmp_path):
    call = (*tuned[2], "--train-share", "0.25", "--epochs", "1", "--out")
    code, out, _ = cli(*call, tmp_path / "a")
    assert code == 0
    assert "12 / 12 / 16 sentences" in out
    digests = []
    for seed in (0, 1):
        assert cli(*call, tmp_path / str(seed), "--seed", seed)[0] == 0
        digests.append(json.loads((tmp_path / str(seed) / "config.json").read_text())["data"])
    assert digests[0] != digests[1]
    assert_same_end(tmp_path / "a", tmp_path / "0")


@pytest.mark.slow  # several trainings
def test_another_encoder_is_another_run(tuned, pretrained, cli, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in ("config.json", "model.json", "tokenizer.json"):
        (other / name).symlink_to(pretrained[0] / name)
    params = load_pretrained(pretrained[0])[1].params
    Checkpoints(other / "best", keep=1).save(1, {"params": {**params, "bias": params["bias"]}})
    call = list(tuned[2])
    call[call.index("--encoder") + 1] = other
    assert cli(*call, "--out", tuned[0])[0] == 0  # of the same weights it is the same
    changed = {**params, "encoder": {**params["encoder"]}}
    norm = changed["encoder"]["norm"]
    changed["encoder"]["norm"] = {**norm, "bias": norm["bias"] + 1}
    Checkpoints(other / "best", keep=1).save(2, {"params": changed})
    assert_fails(cli(*call, "--out", tuned[0]), "holds another run", "data changed")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--train-share", "0"), ("train_share", "0")),
        (("--epochs", "0"), ("epochs", "0")),
        (("--language", "en"), ("language", "None", "en")),
        (("--max-length", "30"), ("max_length", "24", "30", "learned")),
        (("--data", "{long}", "{dev}"), ("train split", "sentence 1", "max_length = 24")),
        (("--data", "{dev}", "{long}"), ("dev split", "sentence 1", "max_length = 24")),
        (("--data", "{dev}"), ("data", "two or three")),
        (("--encoder", "{gone}"), ("gone", "config.json")),
    ],
)
def test_what_cannot_be_tuned_is_said_before(options, names, tuned, data, cli, tmp_path):
    long = write(tmp_path / "long.tsv", "dog " * 40 + "\tgood\n")
    places = {"long": long, "dev": data["sentences"][1], "gone": tmp_path / "gone"}
    given = [option.format(**places) for option in options]
    assert_fails(cli(*tuned[2], *given, "--out", tmp_path / "run"), *names)
    assert not (tmp_path / "run").exists()


def test_only_sentences_have_default_data(pretrained, cli):
    call = ("train", "tags", "--encoder", pretrained[0])
    assert_fails(cli(*call), "data", "tokens", "none by default")
