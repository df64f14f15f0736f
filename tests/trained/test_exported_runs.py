"""Exported models do without rnnjax what they do with it."""

import hashlib
import json
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from exported_kinds import KINDS, WORDS, language_model, tagger, transcriber

import rnnjax as rx
from rnnjax import data, trained


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """What exports the model of a kind once: the model, the folder, and the names of run.py."""

    @cache
    def exported(kind):
        model = KINDS[kind]().initialized(0)
        # Larger weights, so that answers differ.
        model = replace(model, params=jax.tree.map(lambda leaf: 3 * leaf, model.params))
        folder = tmp_path_factory.mktemp("exports") / "out"
        model.export(folder, examples=EXAMPLES.get(kind, ()))
        return model, folder, runpy.run_path(str(folder / "run.py"), run_name="run")

    return exported


EXAMPLES = {
    "tagger of pieces": ["the dog saw Ada", "a cat"],
    "pair classifier of pieces": ["the dog saw\ta cat", "Ada\tAda"],
    "masked": ["the [MASK] saw a [MASK]", "Ada [MASK]"],
    "translator": ["3 May", "05-03, 03"],
}


def texts(count, most=12):
    random = np.random.default_rng(0)
    sizes = random.integers(0, most, count)
    return [" ".join(random.choice([*WORDS, "Dogs", "x²", "é"], size)) for size in sizes]


def called(run, name, **arguments):
    return jax.tree.map(np.asarray, run["program"](name)(**arguments))


# A process in which neither rnnjax nor what it builds on can be imported, but for JAX and NumPy.
ALONE = """
import json, runpy, sys
for name in ("rnnjax", "flax", "optax", "orbax", "tokenizers"):
    sys.modules[name] = None
import jax
compiled = []
def listen(name, *_, **__):
    if name.endswith("backend_compile_duration"):
        compiled.append(name)
jax.monitoring.register_event_duration_secs_listener(listen)
path, sys.argv = sys.argv[1], sys.argv[1:]
run = runpy.run_path(path, run_name=sys.argv.pop())
if run["__name__"] == "run":
    found = [answer.tolist() for answer in run["predict"](json.load(sys.stdin))]
    json.dump([found, len(compiled)], sys.stdout)
"""


def alone(folder, *arguments, name="__main__", stdin=""):
    """Start run.py in a process that finds no rnnjax; return its exit status and what it said."""
    call = [sys.executable, "-I", "-c", ALONE, str(folder / "run.py"), *arguments, name]
    done = subprocess.run(call, input=stdin, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def test_a_tagger_alone_compiles_once_for_all_lengths(exported):
    model, folder, _ = exported("tagger")
    sentences = texts(1000)
    code, out, err = alone(folder, name="run", stdin=json.dumps(sentences))
    assert code == 0, err
    answers, compilations = json.loads(out)
    assert compilations == 1
    rows = [sentence.split() for sentence in sentences]
    predicted = replace(model, shapes=1).predict(rows)  # one shape compiles sooner
    want = [[model.targets.index(tag) for _, tag in row] for row in predicted]
    assert [tags[: len(row)] for tags, row in zip(answers, rows, strict=True)] == want
    assert len({tag for row in want for tag in row}) > 1
    assert {len(row) for row in want} == set(range(12))


def test_run_py_shows_the_model_at_work(exported):
    _, folder, _ = exported("tagger")
    code, out, err = alone(folder)
    assert code == 0, err
    words, tags = zip(*(line.split("\t") for line in out.split("\n") if line), strict=True)
    assert len(words) == 5
    assert set(tags) <= {"O", "B-X", "I-X", "B-Y"}
    assert alone(folder, "the cat", "")[1].startswith("the\t")


def test_run_py_says_what_it_needs(exported):
    _, _, run = exported("tagger")
    assert "packages jax and flatbuffers" in run["__doc__"]


def test_a_character_that_the_vocabulary_lacks(exported, tmp_path):
    model, _, run = exported("language model")
    with pytest.raises(SystemExit, match=r"error: the training text lacks \['é'\]"):
        run["encode"]("thé")
    with pytest.raises(ValueError, match=r"text must contain only the vocabulary's .*'é'"):
        model.export(tmp_path / "out", examples=["thé"])


@pytest.mark.parametrize("name", ["programs", "examples"])
def test_one_text_is_no_sequence_of_texts(name, exported, tmp_path):
    model, _, _ = exported("tagger")
    with pytest.raises(ValueError, match=f"{name} must be a sequence of texts, got .*'the cat'"):
        model.export(tmp_path / "out", **{name: "the cat"})


@pytest.mark.full
def test_a_pair_has_two_texts(exported):
    _, _, run = exported("pair classifier")
    with pytest.raises(SystemExit, match=r"a tab between them, got 'the cat'"):
        run["predict"](["the cat"])


def test_the_description_says_what_the_programs_take(exported):
    _, folder, _ = exported("language model")
    described = json.loads((folder / "export.json").read_text())
    text = described["programs"]["text"]
    assert text["arguments"]["tokens"] == {"shape": ["batch", "time"], "dtype": "int32"}
    size = len(described["symbols"])
    assert text["results"]["logits"] == {"shape": ["batch", "time", size], "dtype": "float32"}
    state = {"shape": ["batch", 4], "dtype": "float32"}
    assert described["programs"]["step"]["arguments"]["state"] == [state] * 3
    assert described["versions"]["jax"] == jax.__version__
    for name, digest in described["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


LANGUAGE_MODELS = [
    "language model",
    *(pytest.param(kind, marks=pytest.mark.full) for kind in ("sentences", "pieces", "bytes")),
]


@pytest.mark.parametrize("kind", LANGUAGE_MODELS)
def test_a_language_model_reads_and_writes(kind, exported):
    model, _, run = exported(kind)
    start = model.vocabulary.start
    for prompt in ("", "the cat"):
        ids = run["encode"](prompt)
        want = model.vocabulary.encode(prompt).tolist()
        assert ids == want[: len(ids)]
        assert len(want) - len(ids) == (model.vocabulary.kind == "word" and bool(prompt))
        written = run["decode"](list(run["generate"]([start, *ids], 9, temperature=0)))
        assert [written] == model.generate([prompt], 9, temperature=0)
    # Step by step, as at once.
    ids = np.array([[start, *run["encode"]("the cat saw")], [start, *run["encode"]("cat the saw")]])
    lengths = np.array([ids.shape[1], 2], np.int32)
    whole = called(run, "text", tokens=ids.astype(np.int32), lengths=lengths)
    _, logits = model.model.apply(model.variables, ids, lengths=lengths)
    np.testing.assert_allclose(whole["logits"], logits, rtol=1e-5, atol=1e-5)
    state = [np.full_like(each, np.nan) for each in whole["state"]]  # not read at first
    for place, token in enumerate(ids.T.astype(np.int32)):
        fresh = np.array([place == 0] * 2)
        found = called(run, "step", token=token, state=state, fresh=fresh)
        state = found["state"]
        np.testing.assert_allclose(found["logits"][0], logits[0, place], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(state[0][0], whole["state"][0][0], rtol=1e-5, atol=1e-5)


@pytest.mark.full
def test_a_translator_writes_greedily(exported):
    model, folder, run = exported("translator")
    code, out, err = alone(folder)
    assert code == 0, err
    given, written = zip(*(line.split("\t") for line in out.splitlines()), strict=True)
    assert list(given) == EXAMPLES["translator"]
    [batch] = run["batches"](run["MODEL"]["examples"])
    options = {"start_token": 2, "stop_token": 3, "beam": 1, "never": (0, 1, 2, 4)}
    options["num_tokens"] = 2 * batch["source"].shape[1] + 20
    best = rx.decoding.translate(model.model, model.variables, **batch, **options)
    assert list(written) == [model.tokenizers[1].decode(each).strip() for each in best.tokens[:, 0]]


SENTENCES = ["classifier", "pair classifier", "tagger of pieces", "pair classifier of pieces"]


@pytest.mark.full
@pytest.mark.parametrize("kind", SENTENCES)
def test_a_model_of_sentences_answers(kind, exported):
    model, _, run = exported(kind)
    given = EXAMPLES.get(kind) or texts(40)
    if kind == "pair classifier":
        given = [f"{one}\t{other}" for one, other in zip(given, given[::-1], strict=True)]
    pieces = "pieces" in kind
    found = run["predict"](run["MODEL"]["examples"] if pieces else given)
    if model.model.per_token:
        tags = []
        for each, row in zip(run["MODEL"]["examples"], found, strict=True):
            names = [model.targets[tag] for tag in row[each["firsts"]]]
            tags.append([*zip(each["text"].split(), names, strict=True)])
        assert tags == model.predict(given)
        return
    rows = given if "pair" in kind else [text.split() for text in given]
    for shares, (label, share) in zip(found, model.predict(rows), strict=True):
        assert model.targets[shares.argmax()] == label
        assert shares.max() == pytest.approx(share, rel=1e-5)


@pytest.mark.full
def test_a_classifier_reads_a_stream(exported):
    model, _, run = exported("classifier")
    words, state = run["look_up"](["the", "cat", "Zoe"]), None
    for step, word in enumerate(words):
        arguments = run["MODEL"]["programs"]["step"]["arguments"]["state"]
        state = state or [np.zeros([1, *each["shape"][1:]], each["dtype"]) for each in arguments]
        fresh = np.array([step == 0])
        found = called(run, "step", word=np.array([word], np.int32), state=state, fresh=fresh)
        state = found["state"]
    want = model.model.apply(model.variables, np.array([words]))
    np.testing.assert_allclose(found["logits"], want, rtol=1e-5)


@pytest.mark.full
def test_masks_are_filled(exported):
    model, folder, _ = exported("masked")
    code, out, err = alone(folder)
    assert code == 0, err
    lines = out.splitlines()
    assert (lines[0], lines[3]) == tuple(EXAMPLES["masked"])
    best = model.fill(EXAMPLES["masked"][0])
    for line, pieces in zip(lines[1:3], best, strict=True):
        assert line.split("\t") == [f"{piece} {share:.3f}" for piece, share in pieces]


@pytest.mark.full
def test_a_text_given_its_class(exported):
    model, folder, run = exported("conditional")
    assert alone(folder)[0] == 0
    ids, classes = np.array([[1, 2, 3], [1, 4, 2]], np.int32), np.array([0, 1], np.int32)
    lengths = np.array([3, 3], np.int32)
    whole = called(run, "text", tokens=ids, lengths=lengths, condition=classes)
    _, logits = model.model.apply(model.variables, ids, condition=classes)
    np.testing.assert_allclose(whole["logits"], logits, rtol=1e-5, atol=1e-6)
    state = [np.zeros_like(each) for each in whole["state"]]
    for place in range(3):
        given = {"token": ids[:, place], "condition": classes, "fresh": np.array([place == 0] * 2)}
        found = called(run, "step", state=state, **given)
        state = found["state"]
    np.testing.assert_allclose(found["logits"], logits[:, -1], rtol=1e-5, atol=1e-6)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["summarizer", "pointer generator"])
def test_texts_are_summarised(kind, exported):
    model, _, run = exported(kind)
    for text in ("the cat saw Zoe , Zoe .", "Zoe saw x a dog the cat", "Zoe"):
        assert [run["summarize"](text)] == model.summarize([text], beam=1)


@pytest.mark.full
def test_questions_are_answered(exported):
    model, folder, run = exported("answerer")
    pairs = [("the cat saw a dog", "Ada saw"), ("Zoe saw 1 dog", "a dog saw Ada the")]
    assert [run["predict"](*pair) for pair in pairs] == model.predict(pairs)
    code, _, err = alone(folder, "no tab")
    assert (code, err) == (
        1,
        "error: 'no tab' must be a story and a question with a tab between them\n",
    )


@pytest.mark.full
def test_frames_are_transcribed(exported):
    model, folder, run = exported("transcriber")
    assert alone(folder)[0] == 0
    random = np.random.default_rng(0)
    frames = [random.normal(size=(size, 3)).astype(np.float32) for size in (9, 1, 16, 4)]
    written = run["transcribe"](frames)
    assert written == model.transcribe(frames)
    assert len(set(written)) > 1


@pytest.mark.full
def test_a_series_is_forecast(exported):
    model, folder, run = exported("regressor")
    assert alone(folder)[0] == 0
    values = np.sin(np.arange(60.0))
    series = data.Series("wave", np.arange(60), {"height": 3 + values, "beside": values})
    encoded, origin = model.encoder.encode(series), 49
    found = called(
        run,
        "forecast",
        inputs=encoded.inputs[None, origin - 8 : origin + 1],
        known=model.encoder.future(series, origin, 2)[None],
        lengths=np.array([9], np.int32),
    )
    want = model.forecast(series, np.array([origin])).mean
    mean = encoded.last[origin] + found["mean"]
    np.testing.assert_allclose(model.encoder.unscaled("wave", mean), want, rtol=1e-4)


@pytest.mark.full
def test_a_piece_is_drawn(exported):
    model, folder, run = exported("music")
    code, out, err = alone(folder, "3")
    assert (code, out.count("\n")) == (0, 32), err
    steps, temperature = 5, 9.0  # weights are large, and the first bias lets few keys sound
    keys = np.zeros((1, steps, 88), bool)
    for step, chord in enumerate(run["generate"](steps, temperature, seed=1)):
        keys[0, step, chord] = True
    assert 0 < keys.sum() < keys.size
    # The logits of the piece as a whole, computed for all its keys at once.
    logits = np.asarray(model.model.apply(model.variables, keys))[0]
    uniform = np.random.default_rng(1).random((steps, 1, 88), np.float32)[:, 0]
    np.testing.assert_array_equal(keys[0], uniform < 1 / (1 + np.exp(-logits / temperature)))


def test_a_kind_without_programs_is_named():
    with pytest.raises(ValueError, match="PolyphonicModel must have programs to export"):
        trained.Trained.exports(KINDS["music"]())


REFUSED = {
    "tagger": (
        tagger,
        r"the program 'step' cannot be exported: core .*Bidirectional.* has no step",
    ),
    "transcriber": (
        lambda: transcriber(rx.Reversed(rx.GRU(4))),
        "the program 'step' cannot be exported: core .*Reversed has no step",
    ),
    "pair classifier": (KINDS["pair classifier"], "programs must be of predict, got 'step'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_named(name, tmp_path):
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make().export(tmp_path / "out", programs=["step"])
    assert not list(tmp_path.iterdir())


def test_the_folder_is_new_and_whole_or_not_there(tmp_path, monkeypatch):
    model = language_model(core=rx.GRU(4)).initialized(0)
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="out must be a new folder, and is there already"):
        model.export(tmp_path / "out")
    (tmp_path / "out").rmdir()

    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(json, "dumps", fail)  # after everything but export.json
    with pytest.raises(KeyboardInterrupt):
        model.export(tmp_path / "out", programs=["step"])
    assert not list(tmp_path.iterdir())


class Hostile:
    def __reduce__(self):
        return print, ("executed",)


def test_no_file_of_an_export_is_executed(exported, tmp_path, capsys):
    _, folder, _ = exported("language model")
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights, described = copy / "weights.npz", json.loads((copy / "export.json").read_text())
    arrays = {**np.load(weights), "bias": np.array(Hostile(), object)}
    np.savez(weights, **arrays)
    with pytest.raises(SystemExit, match=r"^error: weights.npz is damaged: it is not what was"):
        runpy.run_path(str(copy / "run.py"), run_name="run")
    described["sha256"]["weights.npz"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    (copy / "export.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        runpy.run_path(str(copy / "run.py"), run_name="run")
    assert capsys.readouterr().out == ""


def test_weights_of_a_dtype_that_numpy_lacks(tmp_path):
    core = rx.GRU(4, param_dtype="bfloat16")
    model = language_model(core=core).initialized(0)
    model.export(tmp_path / "out", programs=["text"])
    run = runpy.run_path(str(tmp_path / "out" / "run.py"), run_name="run")
    ids, lengths = np.array([[0, 1, 2]], np.int32), np.array([3], np.int32)
    found = called(run, "text", tokens=ids, lengths=lengths)
    _, want = model.model.apply(model.variables, ids)
    np.testing.assert_allclose(found["logits"], want, rtol=1e-3, atol=1e-3)
