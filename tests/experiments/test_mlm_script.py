"""Pre-training as a person meets it."""

import json
import os
import re
import signal

import numpy as np
import pytest
from encoder_runs import TINY, lines_of
from lm_runs import assert_fails, assert_same_end
from sentence_runs import write

from rnnjax.data import MaskedBatches, Subwords, neighbour_vectors
from rnnjax.models import MaskedLanguageModel, TransformerConfig
from rnnjax.trained import TrainedMaskedModel
from rnnjax_experiments.mlm import commands as mlm
from rnnjax_experiments.mlm.data import Text, make_rows, read_texts, split, switched
from rnnjax_experiments.mlm.training import with_neighbours

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(mlm.COMMANDS)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Two files that are translations of each other."""
    folder = tmp_path_factory.mktemp("texts")
    return {name: write(folder / f"a.{name}", lines_of(200, name)) for name in ("en", "nl")}


def files(texts):
    return [f"{language}={path}" for language, path in texts.items()]


def test_train_leaves_all_that_tuning_needs(pretrained, cli):
    folder, out, text = pretrained
    wanted = {
        "config.json",
        "model.json",
        "tokenizer.json",
        "SHA256SUMS",
        "metrics.jsonl",
        "curves.png",
        "best",
        "latest",
    }
    assert {p.name for p in folder.iterdir()} == wanted
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in records if record["split"] == "valid"]
    assert len(losses) == 3
    assert losses[-1] < 0.8 * losses[0]  # it learned
    (printed,) = re.findall(r"held-out texts │ +([\d.]+)", out)
    assert float(printed) == pytest.approx(min(losses), abs=1e-4)
    _, held_out = split(read_texts([str(text)]))
    lines = write(text.parent / "held_out.txt", "".join(f"{each.parts[0]}\n" for each in held_out))
    code, out, _ = cli("evaluate", "--run", folder, "--text", lines)
    assert code == 0
    assert re.findall(r"│ +([\d.]+) │ +[\d.]+ │ +[\d.]+ │", out) == [printed]


def test_fill_tells_what_is_hidden(pretrained, cli):
    code, out, _ = cli(
        *("fill", "--run", pretrained[0], "--top", "3"), stdin="the [MASK] sings . [MASK]\n\n"
    )
    assert code == 0
    lines = out.splitlines()
    assert len(lines) == 2  # of each mask; the empty line hides nothing
    shares = [float(share) for share in re.findall(r" (0\.\d+)", lines[0])]
    assert len(shares) == 3
    assert shares == sorted(shares, reverse=True)
    assert {"▁dog", "▁cat", "▁bird"} & set(lines[0].split())


@pytest.mark.slow  # several trainings
def test_a_run_that_is_interrupted_goes_on_and_ends_the_same(
    pretrained, cli, tmp_path, monkeypatch
):
    call = ("train", "--text", pretrained[2], "--out", tmp_path / "run", *TINY)
    at = MaskedBatches.at

    def stopping(batches, step):
        if step == 30:
            os.kill(os.getpid(), signal.SIGINT)
        return at(batches, step)

    with monkeypatch.context() as patch:
        patch.setattr(MaskedBatches, "at", stopping)
        code, _, err = cli(*call)
    assert code == 130
    assert err.splitlines()[-1].startswith("interrupted at step 31 of")
    code, out, _ = cli(*call)
    assert code == 0
    assert "resuming at step 31" in out
    assert_same_end(tmp_path / "run", pretrained[0])


@pytest.mark.slow  # a training of its own
def test_pairs_are_trained_on_beside_texts(texts, cli, tmp_path):
    small = ("--steps", "2", "--evaluations", "1", "--max-length", "40")
    call = ("train", "pairs", "--text", *files(texts), "--pairs", *files(texts), *TINY, *small)
    code, out, err = cli(*call, "--out", tmp_path / "run")
    assert code == 0, err
    (kept, held_out) = map(int, re.findall(r"(\d+) / (\d+) rows", out)[0])
    assert kept + held_out == 600  # 200 of each language, and the pairs
    stored = json.loads((tmp_path / "run" / "config.json").read_text())
    assert stored["languages"] == ["en", "nl"]
    forgotten = ("evaluate", "--run", tmp_path / "run", "--text", texts["en"])
    assert_fails(cli(*forgotten), "a.en, line 1", "language")
    fill = ("fill", "--run", tmp_path / "run")
    assert cli(*fill, "--language", "nl", stdin="de [MASK] .\n")[0] == 0
    assert_fails(cli(*fill, stdin="de [MASK] .\n"), "language", "en, nl", "None")
    assert_fails(cli(*fill, "--language", "fr", stdin="x\n"), "language", "en, nl", "fr")


def test_a_pair_is_one_row_with_positions_that_start_again():
    subwords = Subwords.train(["a b c a b c"], 60)
    single, pair = Text(("a b",), ("nl",), "f"), Text(("a b", "c"), ("nl", "en"), "f")
    encoded = make_rows(subwords, [single, pair], 8, ("en", "nl"))
    batch = encoded.batch(np.array([0, 1]), 7)
    assert batch["languages"].tolist() == [[1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0]]
    assert batch["positions"].tolist() == [[0, 1, 2, 3, 0, 0, 0], [0, 1, 2, 3, 1, 2, 0]]
    assert batch["lengths"].tolist() == [4, 6]
    a, b = batch["tokens"][0, 1:3]
    (c,) = subwords.encode("c").ids
    assert batch["tokens"].tolist() == [[2, a, b, 3, 0, 0, 0], [2, a, b, 3, c, 3, 0]]


def test_switched_copies_swap_words_that_are_translations():
    nouns = {"dog": "hund", "cat": "katze", "man": "mann"}
    pairs = [Text((f"the {a} sees", f"der {b} sieht"), ("en", "de")) for a, b in nouns.items()]
    copies = switched([Text(("alone",), ("en",)), *pairs * 3], 2, 1.0, seed=0)
    assert copies == [Text(pair.parts[::-1], pair.languages) for pair in pairs * 6]
    some = switched(pairs * 9, 1, 0.5, seed=0)
    assert len({each.parts for each in some}) > 6
    assert some == switched(pairs * 9, 1, 0.5, seed=0)
    assert switched(pairs, 0, 0.5, seed=0) == []


@pytest.mark.full
def test_an_encoder_may_start_from_neighbours_and_read_switched_pairs(texts, cli, tmp_path):
    small = ("--steps", "2", "--max-length", "30", "--evaluations", "1", "--switched", "2")
    call = ("train", "pairs", "--pairs", *files(texts), *TINY, *small, "--lowercase")
    code, out, err = cli(*call, "--vectors", "neighbours", "--out", tmp_path / "run")
    assert code == 0, err
    (kept, held_out) = map(int, re.findall(r"(\d+) / (\d+) rows", out)[0])
    assert kept == 3 * (200 - held_out)
    tokenizer = Subwords.load(tmp_path / "run" / "tokenizer.json")
    assert tokenizer.encode("THE").ids.tolist() == tokenizer.encode("the").ids.tolist()


def test_vectors_of_pieces_start_from_their_neighbours():
    subwords = Subwords.train(["a b c a b c d"] * 3, 60)
    config = TransformerConfig(len(subwords), 4, 1, 2, 8, 9)
    drawn = TrainedMaskedModel(MaskedLanguageModel(config), None, subwords).initialized(0)
    encoded = make_rows(subwords, [Text(("a b c a b",), ()), Text(("c b a",), ())], 9, ())
    table, before = (
        np.asarray(each.params["encoder"]["token_embedding"]["embedding"])
        for each in (with_neighbours(drawn, encoded), drawn)
    )
    found = neighbour_vectors(encoded.starts, encoded.inputs["tokens"], *before.shape)
    known = found.any(axis=1)
    assert 3 <= known.sum() < len(known)
    np.testing.assert_array_equal(table[known], found[known])
    np.testing.assert_array_equal(table[~known], before[~known])


def test_what_is_held_out_is_so_in_every_pair():
    texts = [Text((f"a {i}",), ()) for i in range(400)]
    pairs = [Text((f"a {i}", f"b {i}"), ()) for i in range(400)]
    kept, held_out = split([*texts, *pairs])
    seen = {part for text in kept for part in text.parts}
    assert not seen & {text.parts[0] for text in held_out if len(text.parts) == 1}
    assert 4 < len(held_out) < 60


def test_long_texts_are_cut_and_lose_nothing():
    subwords = Subwords.train(["a b c a b c"], 60)
    encoded = make_rows(subwords, [Text(("a b c " * 4,), ())], 7, ())
    assert encoded.lengths.tolist() == [7, 7, 4]
    batch = encoded.batch(np.arange(3), 7)
    inside = batch["tokens"][batch["tokens"] > 3]
    assert inside.tolist() == subwords.encode("a b c " * 4).ids.tolist()
    assert (batch["word_starts"] == (batch["tokens"] > 3)).all()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--steps", "0"), ("steps", "0")),
        (("--vocab-size", "3"), ("vocab_size", "3")),
        (("--pairs", "{en}"), ("pairs", "twos", "1")),
        (("--pairs", "{en}", "{short}"), ("a.en and", "same number of lines", "got 200 and 1")),
        (("--pairs", "{en}", "{nl}", "--max-length", "9"), ("a.en, line 1", "positions for 9")),
        (("--text", "en={en}", "--pairs", "{en}", "{nl}"), ("a.en, line 1", "language", "none")),
        (("--text", "en={en}", "{nl}"), ("language", "all files", "none")),
        (("--text", "{gone}"), ("gone", "cannot read")),
        (("--text", "{short}"), ("1 texts", "too few")),
        (("--hidden-size", "7"), ("hidden_size", "heads")),
        (("--share", "0"), ("share", "0")),
    ],
)
def test_what_cannot_be_trained_on_is_said_before_training(options, names, texts, cli, tmp_path):
    short = write(tmp_path / "short", "one line\n")
    places = {**texts, "short": short, "gone": tmp_path / "gone"}
    options = [option.format(**places) for option in options]
    given = [] if {"--text", "--pairs"} & set(options) else ["--text", texts["en"]]
    out = tmp_path / "run"
    assert_fails(cli("train", *given, *TINY, *options, "--out", out), *names)
    assert not out.exists()


def test_another_run_s_tokeniser_is_refused(pretrained, cli, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.json", "model.json", "best"):
        (folder / name).symlink_to(pretrained[0] / name)
    others = lines_of(300, "nl").splitlines()
    for size, words in ((80, ("tokenizer.json", "not the")), (60, ("text files of its model",))):
        Subwords.train(others, size).save(folder / "tokenizer.json")
        assert_fails(cli("fill", "--run", folder, stdin="[MASK]\n"), *words)


def test_a_text_that_is_too_long_to_fill_is_refused(pretrained, cli):
    call = ("fill", "--run", pretrained[0])
    assert_fails(cli(*call, stdin="the dog " * 20 + "[MASK]\n"), "43 tokens", "positions for 24")
    assert_fails(cli(*call, "--top", "0", stdin="[MASK]\n"), "top", "0")
