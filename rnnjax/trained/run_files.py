"""The source of `run.py`, which shows an exported model at work, with JAX and NumPy alone.

JAX reads programs with the package flatbuffers, which it does not install.
"""

from rnnjax.data import Lexicon, WordIndexer

_MODULES = ("hashlib", "io", "json", "re", "sys", "unicodedata")

# Reading JSON, arrays without pickles, and programs of `jax.export` runs no code that they hold.
_LOAD = '''\
from functools import partial
from pathlib import Path

import jax
import numpy as np
from jax import export

HERE = Path(__file__).parent
MODEL = json.loads((HERE / "export.json").read_text("utf-8"))


def read(name):
    data = (HERE / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != MODEL["sha256"][name]:
        sys.exit(f"error: {name} is damaged: it is not what was exported")
    return data


def program(name):
    """Return a function of arrays by name, which is compiled once for each of their shapes."""
    return partial(jax.jit(export.deserialize(bytearray(read(f"{name}.jax"))).call), WEIGHTS)


WEIGHTS = jax.device_put(dict(np.load(io.BytesIO(read("weights.npz")))))
'''


def script(title: str, *parts: str) -> str:
    """Return a script: what it does, and parts that use the functions of the loaded model."""
    body = "\n\n".join(part.strip("\n") + "\n" for part in (_LOAD, *parts))
    imports = "".join(f"import {name}\n" for name in _MODULES if f"{name}." in body)
    needs = "It needs the packages jax and flatbuffers; JAX reads programs with the latter."
    return f'"""{title}\n\n{needs}\n"""\n\n{imports}{body}'


ZEROS = '''
def zeros(name, **sizes):
    """Return the arguments of a program, filled with zeros."""

    def make(each):
        return np.zeros([sizes.get(size, size) for size in each["shape"]], each["dtype"])

    return {name: make(each) for name, each in MODEL["programs"][name]["arguments"].items()}
'''

_BYTES = """
def decode(ids):
    text = "".join(MODEL["symbols"][i] for i in ids)
    return text.encode("latin-1").decode(errors="replace")
"""

# How texts become ids, and ids texts, for each kind of vocabulary.
CODES = {
    "char": """
def encode(text):
    text = unicodedata.normalize("NFC", text)
    if unknown := sorted({*text} - {*MODEL["symbols"]}):
        sys.exit(f"error: the training text lacks {unknown}")
    return [MODEL["symbols"].index(c) for c in text]


def decode(ids):
    return "".join(MODEL["symbols"][i] for i in ids)
""",
    "word": """
IDS = {word: i for i, word in enumerate(MODEL["symbols"])}


def encode(text):
    text = unicodedata.normalize("NFC", text).replace("\\n", " <eos> ")
    return [IDS.get(word, 0) for word in text.split()]


def decode(ids):
    text = " ".join(MODEL["symbols"][i] for i in ids).replace("<eos>", "\\n")
    return text.replace(" \\n", "\\n").replace("\\n ", "\\n")
""",
    "byte": """
def encode(text):
    return [*unicodedata.normalize("NFC", text).encode()]

"""
    + _BYTES,
    "piece": '''
def encode(text):
    """Return the ids of bytes, pairs of which are merged to pieces of words, and those again."""
    ids = [*unicodedata.normalize("NFC", text).encode()]
    for new, pair in enumerate(MODEL["merges"], 256):
        for place in range(len(ids)):
            if ids[place : place + 2] == pair:
                ids[place : place + 2] = [new]
    return ids

'''
    + _BYTES,
}

_GENERATE = '''
def generate(ids, count, temperature=0.8, seed=0, **condition):
    """Yield the ids that follow `ids`, one for each step, until the end."""
    ids, lengths = np.array([ids], np.int32), np.array([len(ids)], np.int32)
    found = program("text")(tokens=ids, lengths=lengths, **condition)
    logs, step = np.asarray(found["logits"])[:, -1], program("step")
    random = np.random.default_rng(seed)
    for _ in range(count):
        noise = temperature * random.gumbel(size=logs.shape)
        token = np.argmax(logs + noise, axis=-1).astype(np.int32)
        if token[0] == MODEL["stop"]:
            return
        yield token[0]
        found = step(token=token, state=found["state"], fresh=np.array([False]), **condition)
        logs = np.asarray(found["logits"])
'''

LANGUAGE_MODEL = (
    _GENERATE,
    """
if __name__ == "__main__":
    for text in sys.argv[1:] or MODEL["examples"]:
        ids = encode(text)
        print(decode([*ids, *generate([MODEL["start"], *ids], 200)]), end="\\n\\n")
""",
)

CONDITIONAL = (
    _GENERATE,
    """
if __name__ == "__main__":
    for number, name in enumerate(MODEL["classes"]):
        for text in sys.argv[1:] or MODEL["examples"]:
            ids, condition = encode(text), np.array([number], np.int32)
            more = generate([MODEL["start"], *ids], 50, condition=condition)
            print(f"{name}: {decode([*ids, *more])}")
""",
)


def look_up(words: Lexicon) -> str:
    """Return what looks up the ids of words."""
    word = 'unicodedata.normalize("NFC", word)' + ".lower()" * words.lowercase
    word = f're.sub(r"\\d", "0", {word})' if words.fold_digits else word
    return f'''
WORDS = {{word: i for i, word in enumerate(MODEL["words"]["symbols"], 2)}}


def normal(word):
    return {word}


def look_up(words):
    """Return the ids of words; 1 is one that the training text does not have."""
    return [WORDS.get(normal(word), 1) for word in words]
'''


SPELL = '''
LETTERS = {c: i for i, c in enumerate(MODEL["characters"]["symbols"], 2)}


def spell(word):
    """Return the ids of the letters of a word; of a long one, those of its start and its end."""
    word, most = unicodedata.normalize("NFC", word), MODEL["max_word_length"]
    word = word if len(word) <= most else word[: most - most // 2] + word[-(most // 2) :]
    return [LETTERS.get(c, 1) for c in word] + [0] * (most - len(word))
'''


def batches(indexer: WordIndexer) -> str:
    """Return what makes arrays of texts."""
    more = ""
    if indexer.characters is not None:
        more += """
            for place, word in enumerate(words):
                batch["characters"][row, place] = spell(word)"""
    if indexer.paired:
        more += """
            first, tab, _ = text.partition("\\t")
            if not tab:
                sys.exit(f"error: texts must be two with a tab between them, got {text!r}")
            batch["first_lengths"][row] = len(first.split())"""
    return f'''
def batches(texts, size=32):
    """Yield texts as arrays, all of one shape: whatever the lengths, there is one compilation."""
    time = max([1, *(len(text.split()) for text in texts)])
    for start in range(0, len(texts), size):
        batch = zeros("predict", batch=size, time=time)
        for row, text in enumerate(texts[start : start + size]):
            words = text.split()  # rnnjax also cuts punctuation marks off English words
            batch["lengths"][row] = len(words)
            batch["words"][row, : len(words)] = look_up(words){more}
        yield batch
'''


# The pieces of other texts need the package tokenizers.
EXAMPLES = '''
def batches(examples):
    """Yield examples as arrays. `tokenizers.Tokenizer.from_file("{file}")` cuts other texts."""
    time = max([1, *(len(values) for each in examples for values in each["inputs"].values())])
    batch = zeros("{program}", batch=len(examples), time=time)
    for row, each in enumerate(examples):
        for name, values in each["inputs"].items():
            batch[name][row, : len(values)] = values
            batch["lengths"][row] = len(values)
    yield batch
'''

PREDICT = '''
def predict(texts):
    """Return the answer to each text."""
    found, run = [], program("predict")
    for batch in batches(texts):
        found += [*np.asarray(run(**batch)["{result}"])]
    return found[: len(texts)]
'''

TAGS = """
if __name__ == "__main__":
    texts = sys.argv[1:] or MODEL["examples"]
    for text, tags in zip(texts, predict(texts)):
        for word, tag in zip(text.split(), tags):
            print(word, MODEL["targets"][tag], sep="\\t")
        print()
"""

LABELS = """
if __name__ == "__main__":
    texts = sys.argv[1:] or MODEL["examples"]
    for text, shares in zip(texts, predict(texts)):
        print(MODEL["targets"][np.argmax(shares)], f"{np.max(shares):.3f}", text, sep="\\t")
"""

PIECE_TAGS = """
if __name__ == "__main__":
    for each, tags in zip(MODEL["examples"], predict(MODEL["examples"])):
        for word, tag in zip(each["text"].split(), tags[each["firsts"]]):
            print(word, MODEL["targets"][tag], sep="\\t")
        print()
"""

PIECE_LABELS = """
if __name__ == "__main__":
    for each, shares in zip(MODEL["examples"], predict(MODEL["examples"])):
        print(MODEL["targets"][np.argmax(shares)], f"{np.max(shares):.3f}", each["text"], sep="\\t")
"""

TRANSLATE = """
if __name__ == "__main__":
    examples = MODEL["examples"]
    [batch] = batches(examples)
    for each, ids in zip(examples, np.asarray(program("translate")(**batch)["tokens"]).tolist()):
        pieces = [MODEL["pieces"][i] for i in ids if i != MODEL["end"]]
        print(each["text"], "".join(pieces).replace("▁", " ").strip(), sep="\\t")
"""

FILL = """
if __name__ == "__main__":
    examples = MODEL["examples"]
    [batch] = batches(examples)
    for each, shares in zip(examples, np.asarray(program("fill")(**batch)["probabilities"])):
        print(each["text"])
        for place, token in enumerate(each["inputs"]["tokens"]):
            if token == MODEL["mask"]:
                best = np.argsort(-shares[place])[:5]
                print(*(f"{MODEL['pieces'][i]} {shares[place, i]:.3f}" for i in best), sep="\\t")
"""

TRANSCRIBE = '''
def transcribe(sequences):
    """Return the transcripts of sequences of frames, padded to the longest."""
    time = max(len(frames) for frames in sequences)
    batch = zeros("transcribe", batch=len(sequences), time=time)
    for row, frames in enumerate(sequences):
        batch["frames"][row, : len(frames)] = frames
        batch["lengths"][row] = len(frames)
    found = program("transcribe")(**batch)
    rows = zip(np.asarray(found["symbols"]), np.asarray(found["counts"]))
    return ["".join(MODEL["symbols"][i] for i in row[:count]) for row, count in rows]


if __name__ == "__main__":
    size = zeros("transcribe", batch=2, time=50)["frames"].shape
    noise = np.random.default_rng(0).normal(size=size)
    for text in transcribe([*map(np.load, sys.argv[1:])] or noise):
        print(text)
'''

ANSWER = '''
def predict(story, question):
    """Return the answer to a question, words of its story."""
    story, question = story.split(), question.split()
    rows = {"words": look_up(story), "question": look_up(question)}
    lengths = {"lengths": [len(story)], "question_lengths": [len(question)]}
    batch = {name: np.array([row], np.int32) for name, row in rows.items()}
    batch |= {name: np.array(row, np.int32) for name, row in lengths.items()}
    first, last = np.asarray(program("predict")(**batch)["spans"])[0]
    return " ".join(story[first : last + 1])


if __name__ == "__main__":
    for text in sys.argv[1:] or MODEL["examples"]:
        if text.count("\\t") != 1:
            sys.exit(f"error: {text!r} must be a story and a question with a tab between them")
        print(text, predict(*text.split("\\t")), sep="\\t")
'''

SUMMARIZE = '''
def summarize(text):
    """Return a summary of a text; the words that the vocabulary lacks have the ids after it."""
    words = [normal(word) for word in text.split()][: MODEL["source_words"]]
    names = ["", "", *WORDS]
    if MODEL["copies"]:
        names += dict.fromkeys(word for word in words if word not in WORDS)
    ids = {name: i for i, name in enumerate(names) if i > 1}
    source = np.array([[ids.get(word, 1) for word in words]], np.int32)
    found = program("summarize")(source=source, lengths=np.array([len(words)], np.int32))
    tokens = np.asarray(found["tokens"])[0].tolist()
    return " ".join(names[i] for i in tokens if i)


if __name__ == "__main__":
    for text in sys.argv[1:] or MODEL["examples"]:
        print(text, summarize(text), sep="\\n", end="\\n\\n")
'''

FORECAST = """
if __name__ == "__main__":
    batch = zeros("forecast", batch=1, time=MODEL["history"])
    # Values are scaled to mean 0 and variance 1. What is not known, as the other columns, is NaN.
    for values in (batch[name] for name in ("inputs", "known") if name in batch):
        values[:] = np.nan
    wave, last = np.sin(np.arange(MODEL["history"]) / 3), 0.0
    if MODEL["changes"]:  # from the last known value
        wave, last = np.diff(wave, prepend=np.nan), wave[-1]
    batch["inputs"][0, :, 0] = wave
    batch["lengths"][:] = MODEL["history"]
    [(series, scales), *_] = MODEL["scales"].items()
    mean, deviation = scales[MODEL["target"]]
    for ahead, value in zip(MODEL["horizons"], np.asarray(program("forecast")(**batch)["mean"])[0]):
        print(f"{MODEL['target']} {series}, {ahead} ahead: {(last + value) * deviation + mean:.4g}")
"""

MUSIC = '''
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def generate(count, temperature=1.0, seed=0):
    """Return the keys of each step of a new piece, as numbers from 0, which is A0."""
    draw, keys = program("draw"), np.zeros((1, count, MODEL["keys"]), bool)
    uniform = np.random.default_rng(seed).random((count, 1, MODEL["keys"]), np.float32)
    for step in range(count):
        given = {"uniform": uniform[step], "temperature": np.float32(temperature)}
        keys[:, step] = draw(keys=keys, lengths=np.array([step], np.int32), **given)["keys"]
    return [np.flatnonzero(chord).tolist() for chord in keys[0]]


if __name__ == "__main__":
    for chord in generate(32, seed=int(sys.argv[1]) if sys.argv[1:] else 0):
        print(*(f"{NOTES[(key + 9) % 12]}{(key + 9) // 12}" for key in chord))
'''
