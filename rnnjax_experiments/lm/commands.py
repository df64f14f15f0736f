"""Language models: train and measure them, write, score and compare.

$ rnnjax lm train                        # Python's reference manual
$ rnnjax lm train char --data input.txt  # a preset, on your own text
$ rnnjax lm generate --run runs/manual --prompt "The import statement"
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnjax import host
from rnnjax.data import TokenArray, is_shards, open_shards, read_text, whole_sentences
from rnnjax.data.readers.files import uncompressed
from rnnjax.files import write_whole
from rnnjax.metrics import bits_per_character, perplexity
from rnnjax.train import plot_curves
from rnnjax.trained import TrainedLanguageModel
from rnnjax_experiments.corpora.manual import reference_manual
from rnnjax_experiments.lm.baselines import baseline_costs, ngram_texts
from rnnjax_experiments.lm.cells import cells
from rnnjax_experiments.lm.compare import compare
from rnnjax_experiments.lm.context import context
from rnnjax_experiments.lm.data import LanguageData, Tokens, load_data
from rnnjax_experiments.lm.pairs import pairs
from rnnjax_experiments.lm.prepare import prepare
from rnnjax_experiments.lm.presets import DESCRIPTIONS, PRESETS, LanguageModelExperiment
from rnnjax_experiments.lm.ranking import rescore, score
from rnnjax_experiments.lm.text import Suggester, load, single_token
from rnnjax_experiments.lm.training import train_tokens, untrained
from rnnjax_experiments.lm.truncation import truncation
from rnnjax_experiments.shared.command_line import Commands, presets, print_table
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From
from rnnjax_experiments.shared.run_folder import read_digest
from rnnjax_experiments.shared.typed_input import input_lines
from rnnjax_experiments.shared.unknown_words import say_unknown, unknown_in_lines

if TYPE_CHECKING:
    Preset = LanguageModelExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    experiment: Preset = PRESETS["manual"],
    data: Path | None = None,
    out: Path | None = None,
    from_: From = None,
    beside: tuple[Path, ...] = (),
    baselines: bool = True,
    tensorboard: bool = False,
) -> None:
    """Train a model, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: a folder with train.txt, valid.txt and perhaps test.txt, or one file, which is split;
        or a folder of `prepare`; by default Python's own reference manual.
      out: the run's folder: configuration, vocabulary, metrics, checkpoints, plot and sample;
        by default under runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      beside: runs on the same data, to show next to this one in its table.
      baselines: compare with n-grams and compressors, which read at most the last five million
        tokens of the training text.
      tensorboard: write TensorBoard events as well.
    """
    corpus = load_data(experiment, data, from_)
    out = out or Path("runs") / ("manual" if data is None else uncompressed(data.resolve()).stem)
    others = [(each, _load_beside(each, corpus)) for each in beside]
    start = untrained(experiment, corpus)
    wide = experiment.hidden_size >= 512
    if wide and experiment.dtype == "float32" and host.has_fast_bfloat16():
        print(
            "this CPU multiplies bfloat16 in hardware: --dtype bfloat16 trains wide models faster"
        )
    trained = train_tokens(
        experiment, start, corpus.tokens, corpus.digest, out, source=from_, tensorboard=tensorboard
    )
    _report(out, trained, others, corpus.tokens, baselines=baselines)


def evaluate(run: Path, data: Path | None = None) -> None:
    """Print what a trained model makes of a text: cross-entropy, perplexity, bits.

    Args:
      run: the run's folder.
      data: a UTF-8 file, all of which is read; or a folder of `prepare`, of which the test text is,
        or else the validation text; by default the test text of Python's reference manual.
    """
    trained = load(run)
    tokens = _tokens_to_evaluate(trained, data)
    nats = trained.nats(tokens)
    unit = trained.vocabulary.unit
    rows = [
        ("tokens", f"{len(tokens):,}"),
        (f"nats a {unit}", f"{nats:.4f}"),
        (f"bits a {unit}", f"{bits_per_character(nats):.4f}"),
        (f"perplexity a {unit}", f"{perplexity(nats):.2f}"),
    ]
    if trained.vocabulary.kind in ("piece", "byte"):
        # These tell nothing of how long a token is, so they cannot be compared with others.
        characters = len(trained.vocabulary.decode(tokens[:]))
        bits = bits_per_character(nats) * len(tokens) / characters
        rows.append(("bits a character", f"{bits:.4f}"))
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
    ngram: int | None = None,
    data: Path | None = None,
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
      ngram: print next to each text one of an n-gram model of this order, of the same training text
        and temperature; top_k and top_p do not apply to it.
      data: what the run was trained on, for the n-gram; by default Python's own reference manual.
    """
    trained = load(run)
    say_unknown(unknown_in_lines(trained.vocabulary, prompt))
    stop_token = None if stop is None else single_token(trained.vocabulary, stop)
    options: dict[str, Any] = {"temperature": temperature, "stop_token": stop_token}
    others: Sequence[str | None] = [None] * len(prompt)
    if ngram is not None:
        others = ngram_texts(run, trained, data, ngram, prompt, num_tokens, seed, **options)
    texts = trained.generate(prompt, num_tokens, seed=seed, top_k=top_k, top_p=top_p, **options)
    for start, text, other in zip(prompt, texts, others, strict=True):
        start += " " if start and trained.vocabulary.kind == "word" else ""
        print(start + text if other is None else f"{run}:\n{start}{text}")
        if other is not None:
            print(f"\n{ngram}-gram:\n{start}{other}")
        if len(prompt) > 1:
            print("-" * 40)


def suggest(run: Path, data: Path | None = None, count: int = 5, plain: bool = False) -> None:
    """Print the likeliest next words after each line, and their probabilities, tabs between.

    A line that ends within a word gets that word's likeliest ends, and a word that may be over
    already among them. What stands in the line before is not read again: to read a character or
    word more is one step. To look for ends of words takes some steps more. The steps of reading and
    the time of the whole answer go to the error stream, and so does a character that the model does
    not know, whose line is answered by an empty one.

    Args:
      run: the run's folder.
      data: a file with the beginning of a text a line; by default standard input, answered line by
        line.
      count: how many words.
      plain: print after each probability the one among the words that the model knows.
    """
    suggester = Suggester(load(run), count)
    for number, line in input_lines(data):
        try:
            words, steps, seconds = suggester.after(line)
            said = f"{steps} steps to read, {1000 * seconds:.2f} ms to answer"
        except ValueError as error:  # it must not end the answers to the lines after it
            words, said = [], f"{data or 'standard input'}, line {number}: {error}"
        shown = (
            f"{each.word} {each.share:.4f}" + (f" {each.plain:.4f}" if plain else "")
            for each in words
        )
        print("\t".join(shown), flush=True)
        print(said, file=sys.stderr, flush=True)


def _tokens_to_evaluate(trained: TrainedLanguageModel, data: Path | None) -> TokenArray:
    vocabulary = trained.vocabulary
    if data is not None and is_shards(data):
        corpus = open_shards(data)
        if corpus.vocabulary != vocabulary:
            raise ValueError(
                f"data must be shards of the run's vocabulary of {len(vocabulary):,} "
                f"{vocabulary.unit}s, and {data} is of another, of {len(corpus.vocabulary):,} "
                f"{corpus.vocabulary.unit}s"
            )
        return corpus.test if len(corpus.test) else corpus.valid
    text = reference_manual().test if data is None else read_text(data)
    say_unknown(unknown_in_lines(vocabulary, [text]))
    tokens = vocabulary.encode(text)
    return whole_sentences(tokens, vocabulary.start) if trained.sentences else tokens


def _load_beside(run: Path, corpus: LanguageData) -> TrainedLanguageModel:
    """Return the model of a run; ValueError unless it was trained on the same tokens."""
    trained, vocabulary = load(run), corpus.vocabulary
    if read_digest(run, LanguageModelExperiment) != corpus.digest:
        raise ValueError(f"beside must be runs on the same data, and {run} was trained on other")
    if trained.vocabulary != vocabulary:
        raise ValueError(
            f"beside must be runs with the same vocabulary: {run} has "
            f"{len(trained.vocabulary):,} {trained.vocabulary.unit}s, this one "
            f"{len(vocabulary):,} {vocabulary.unit}s"
        )
    return trained


def _report(
    out: Path,
    trained: TrainedLanguageModel,
    others: list[tuple[Path, TrainedLanguageModel]],
    tokens: Tokens,
    *,
    baselines: bool,
) -> None:
    """Print the table, draw the curves, write a sample."""
    split, ids = "test" if len(tokens.test) else "valid", tokens.held_out
    rows = baseline_costs(trained.vocabulary, tokens.train, ids) if baselines else []
    for name, each in [*((str(run), other) for run, other in others), ("this model", trained)]:
        rows.append((name, each.nats(ids)))
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
    lines = 10 if trained.sentences else 1
    texts = trained.generate(("",) * lines, 200 if word else 1000, temperature=0.8)
    text = "\n".join(texts)
    write_whole(out / "sample.txt", text + "\n")
    print(f"\n{text[:600]}\n")
    print(f"curves: {out / 'curves.png'}\nsample: {out / 'sample.txt'}\nmodel:  {out}")


COMMANDS: Commands = {
    "prepare": prepare,
    "train": train,
    "evaluate": evaluate,
    "generate": generate,
    "score": score,
    "rescore": rescore,
    "suggest": suggest,
    "compare": compare,
    "cells": cells,
    "pairs": pairs,
    "context": context,
    "truncation": truncation,
    "export": export,
}
