"""N-grams and compressors, to compare a network with."""

from collections.abc import Sequence, Sized
from pathlib import Path

import numpy as np

from rnnjax.baselines import NGram, compression_bits
from rnnjax.data import TokenArray, Vocabulary
from rnnjax.trained import TrainedLanguageModel
from rnnjax.trained.language_model import start_ids
from rnnjax_experiments.lm.data import tokens_of

# Of the training text, and of the held-out text: time and memory are in proportion to it.
MOST_READ = 5_000_000


def count(train: TokenArray, order: int, vocabulary: Vocabulary) -> NGram:
    """Return the n-gram model of the end of a training text, and say so, as it takes a while."""
    print(f"counting for the {order}-gram{_part(train, f'{vocabulary.unit}s')} ...", flush=True)
    return NGram.fit(train[-MOST_READ:], order, len(vocabulary))


def ngram_texts(
    run: Path,
    trained: TrainedLanguageModel,
    data: Path | None,
    order: int,
    prompts: Sequence[str],
    num_tokens: int,
    seed: int,
    temperature: float,
    stop_token: int | None,
) -> list[str]:
    """Return what an n-gram model of the run's training text writes after each prompt."""
    vocabulary = trained.vocabulary
    model = count(tokens_of(run, data, vocabulary).train, order, vocabulary)
    if trained.sentences and stop_token is None:
        stop_token = vocabulary.start
    texts = []
    for number, prompt in enumerate(prompts):
        start = start_ids(vocabulary, prompt)
        drawn = model.sample(
            num_tokens, start, seed=seed + number, temperature=temperature, stop_token=stop_token
        )
        texts.append(vocabulary.decode(drawn).removesuffix("\n" if trained.sentences else ""))
    return texts


def baseline_costs(
    vocabulary: Vocabulary, train: TokenArray, held_out: TokenArray
) -> list[tuple[str, float]]:
    """Return what simpler models, and compressors, spend on the held-out text, in nats a token."""
    known, ids = train[-MOST_READ:], held_out[:MOST_READ]
    part = _part(train, f"{vocabulary.unit}s")
    order = {"word": 3, "piece": 4}.get(vocabulary.kind, 6)
    rows = [("uniform", float(np.log(len(vocabulary))))]
    for name, n in (("unigram", 1), (f"{order}-gram (Kneser-Ney)", order)):
        print(f"counting for the {name}{part} ...", flush=True)
        model = NGram.fit(known, n, len(vocabulary))
        cost = -float(model.log_probabilities(ids, known[-order:]).mean())
        rows.append((name + part, cost))
    if vocabulary.kind != "word":
        text, rest = vocabulary.decode(known), vocabulary.decode(ids)
        part = _part(max(train, text, key=len), "characters")
        print(f"compressing{part} with gzip, bz2 and xz ...", flush=True)
        bits = compression_bits(text[-MOST_READ:], rest)
        nats = len(rest) / len(ids) * float(np.log(2))
        rows += [(name + part, each * nats) for name, each in bits.items()]
    return rows


def _part(train: Sized, units: str) -> str:
    """Return what baselines read of a training text, if it is not all of it."""
    return f" of the last {MOST_READ:,} {units}" if len(train) > MOST_READ else ""
