"""Language models: train, evaluate, generate, score.

$ python -m experiments.lm train                        # Python's reference manual
$ python -m experiments.lm train char --data input.txt  # a preset, on your own text
$ python -m experiments.lm generate --run runs/manual --prompt "The import statement"
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from experiments.common import main, presets, print_table
from experiments.language_models import (
    Tokens,
    Trained,
    fit_tokens,
    load_trained,
    make_vocabulary,
    nats_of,
    untrained,
)
from experiments.lm_presets import DESCRIPTIONS, PRESETS, Experiment
from experiments.runs import claim, digest
from rnnjax import host
from rnnjax.baselines import NGram, compression_bits
from rnnjax.data import (
    Corpus,
    Vocabulary,
    read_corpus,
    read_text,
    reference_manual,
)
from rnnjax.decoding import log_probability, sample
from rnnjax.metrics import bits_per_character, perplexity
from rnnjax.train import (
    plot_curves,
)

if TYPE_CHECKING:
    Preset = Experiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    experiment: Preset = PRESETS["manual"],
    data: Path | None = None,
    out: Path | None = None,
    tensorboard: bool = False,
) -> None:
    """Train a model, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: a folder with train.txt, valid.txt and perhaps test.txt, or one file, which is split;
        by default Python's own reference manual.
      out: the run's folder: configuration, vocabulary, metrics, checkpoints, plot and sample;
        by default under runs/.
      tensorboard: write TensorBoard events as well.
    """
    corpus = reference_manual() if data is None else read_corpus(data, experiment.split)
    vocabulary = make_vocabulary(experiment, corpus)
    out = out or Path("runs") / ("manual" if data is None else data.resolve().stem)
    tokens = Tokens(*map(vocabulary.encode, corpus))
    start = untrained(experiment, vocabulary, tokens)
    if experiment.dtype == "float32" and host.has_fast_bfloat16():
        print(
            "this CPU multiplies bfloat16 in hardware: --dtype bfloat16 trains wide models faster"
        )
    # Only now, when nothing can be wrong with data and settings any more.
    claim(out, experiment, digest("\0".join(corpus)))
    vocabulary.save(out / "vocabulary.json")
    trained = fit_tokens(start, tokens, out, tensorboard=tensorboard)
    _report(out, trained, corpus, tokens)


def evaluate(run: Path, data: Path | None = None) -> None:
    """Print what a trained model makes of a text: cross-entropy, perplexity, bits.

    Args:
      run: the run's folder.
      data: a UTF-8 file, all of which is read; by default the test text of Python's reference
        manual.
    """
    trained = load_trained(run)
    text = reference_manual().test if data is None else read_text(data)
    tokens = trained.vocabulary.encode(text)
    nats = nats_of(trained, trained.variables["params"], tokens)
    unit = trained.vocabulary.unit
    rows = [
        ("tokens", f"{len(tokens):,}"),
        (f"nats a {unit}", f"{nats:.4f}"),
        (f"bits a {unit}", f"{bits_per_character(nats):.4f}"),
        (f"perplexity a {unit}", f"{perplexity(nats):.2f}"),
    ]
    print_table(f"{run} on {data or 'the reference manual'}", ("", ""), rows)


def generate(
    run: Path,
    prompt: tuple[str, ...] = ("",),
    num_tokens: int = 500,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: str | None = None,
    seed: int = 0,
) -> None:
    """Print continuations of prompts.

    Args:
      run: the run's folder.
      prompt: one or several texts to continue; empty starts at a line's beginning.
      num_tokens: how many tokens to add at most.
      temperature: below 1 sharpens, above 1 flattens, 0 always takes the likeliest token.
      top_k: draw among the k likeliest tokens only.
      top_p: draw among the likeliest tokens that sum to probability p only.
      stop: end at this token, given as text: one word, or one character.
      seed: the same seed gives the same text.
    """
    trained = load_trained(run)
    stop_token = None if stop is None else _single_token(trained.vocabulary, stop)
    texts = _continue(trained, prompt, num_tokens, seed, temperature, top_k, top_p, stop_token)
    for start, text in zip(prompt, texts, strict=True):
        between = " " if start and trained.vocabulary.kind == "word" else ""
        print(start + between + text)
        if len(prompt) > 1:
            print("-" * 40)


def score(run: Path, data: Path | None = None) -> None:
    """Print each sentence's log-probability and perplexity, likeliest first.

    Args:
      run: the run's folder.
      data: a file with a sentence a line; by default standard input.
    """
    trained = load_trained(run)
    text = sys.stdin.read() if data is None else read_text(data)
    sentences = [line for line in text.splitlines() if line.strip()]
    if not sentences:
        raise ValueError(f"{data or 'standard input'} holds no sentence to score")
    rows = [_start(trained.vocabulary, line, end=True) for line in sentences]
    tokens, lengths = _pad(rows)
    logs = np.asarray(log_probability(trained.model, trained.variables, tokens, lengths))
    unit = trained.vocabulary.unit
    unknown = _count_unknown(trained.vocabulary, sentences)
    if unknown:
        print(f"{unknown} words are not in the vocabulary and are read as <unk>", file=sys.stderr)
    print(f"{'log-probability':>15}  {'perplexity a ' + unit:>24}  sentence")
    for index in np.argsort(-logs, kind="stable"):
        each = perplexity(-logs[index] / (lengths[index] - 1))
        print(f"{logs[index]:15.3f}  {each:24.3f}  {sentences[index]}")


def _report(out: Path, trained: Trained, corpus: Corpus, tokens: Tokens) -> None:
    """Print the table, draw the curves, write a sample."""
    split = "test" if corpus.test else "valid"
    ids, text = getattr(tokens, split), getattr(corpus, split)
    nats = nats_of(trained, trained.variables["params"], ids)
    rows = _baselines(trained.vocabulary, corpus.train, text, tokens.train, ids)
    rows.append(("this model", nats))
    unit = trained.vocabulary.unit
    print_table(
        f"held-out text ({split}, {len(ids):,} {unit}s): cost of one {unit}",
        ("", "nats", "bits", "perplexity"),
        [(n, f"{v:.4f}", f"{bits_per_character(v):.4f}", f"{perplexity(v):.2f}") for n, v in rows],
    )
    word = trained.vocabulary.kind == "word"
    plot_curves(
        out / "metrics.jsonl",
        out / "curves.png",
        unit=f"{'nats' if word else 'bits'} a {unit}",
        scale=1.0 if word else bits_per_character(1.0),
    )
    (text,) = _continue(trained, ("",), 1000 if not word else 200, 0, 0.8)
    (out / "sample.txt").write_text(text + "\n")
    print(f"\n{text[:600]}\n")
    print(f"curves: {out / 'curves.png'}\nsample: {out / 'sample.txt'}\nmodel:  {out}")


def _baselines(
    vocabulary: Vocabulary, train: str, held_out: str, train_ids: np.ndarray, ids: np.ndarray
) -> list[tuple[str, float]]:
    """Return what simpler models, and compressors, spend on the held-out text, in nats a token."""
    order = 3 if vocabulary.kind == "word" else 6
    rows = [("uniform", float(np.log(len(vocabulary))))]
    for name, n in (("unigram", 1), (f"{order}-gram (Kneser-Ney)", order)):
        model = NGram.fit(train_ids, n, len(vocabulary))
        rows.append((name, -float(model.log_probabilities(ids, train_ids[-order:]).mean())))
    if vocabulary.kind != "word":
        ratio = len(held_out) / len(ids)
        bits = compression_bits(train, held_out)
        rows += [(name, each * ratio * float(np.log(2))) for name, each in bits.items()]
    return rows


def _continue(
    trained: Trained, prompts: tuple[str, ...], num_tokens: int, seed: int, *options: Any
) -> list[str]:
    tokens, lengths = _pad([_start(trained.vocabulary, text) for text in prompts])
    names = ("temperature", "top_k", "top_p", "stop_token")
    drawn, counts = sample(
        trained.model,
        trained.variables,
        tokens,
        lengths,
        jax.random.key(seed),
        num_tokens=num_tokens,
        **dict(zip(names, options, strict=False)),
    )
    rows = zip(np.asarray(drawn), np.asarray(counts), strict=True)
    return [trained.vocabulary.decode(row[:count]) for row, count in rows]


def _start(vocabulary: Vocabulary, text: str, *, end: bool = False) -> np.ndarray:
    """Return the ids of `text` after the token that a line is read after."""
    ids = vocabulary.encode(text + "\n" if end and vocabulary.kind != "word" else text)
    if not end and vocabulary.kind == "word":
        ids = ids[:-1] if len(ids) else ids  # a prompt is an unfinished line
    return np.concatenate([[vocabulary.start], ids]).astype(np.int32)


def _single_token(vocabulary: Vocabulary, text: str) -> int:
    ids = _start(vocabulary, text)[1:]
    if len(ids) != 1:
        raise ValueError(f"stop must be one {vocabulary.unit}, got {text!r}")
    return int(ids[0])


def _count_unknown(vocabulary: Vocabulary, sentences: list[str]) -> int:
    if vocabulary.kind != "word":
        return 0
    known = set(vocabulary.symbols)
    return sum(word not in known for line in sentences for word in line.split())


def _pad(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(row) for row in rows], np.int32)
    tokens = np.zeros((len(rows), lengths.max()), np.int32)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = row
    return tokens, lengths


if __name__ == "__main__":
    main(
        {"train": train, "evaluate": evaluate, "generate": generate, "score": score},
        description=__doc__ or "",
    )
