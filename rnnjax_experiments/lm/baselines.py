"""N-grams and compressors, to compare a network with."""

from collections.abc import Sequence, Sized
from pathlib import Path

import numpy as np

from rnnjax.baselines import NGram, compression_bits
from rnnjax.data import Corpus, Vocabulary, read_corpus
from rnnjax.trained import TrainedLanguageModel
from rnnjax.trained.language_model import start_ids
from rnnjax_experiments.corpora.manual import reference_manual
from rnnjax_experiments.lm.presets import LanguageModelExperiment
from rnnjax_experiments.shared.run_folder import digest, read_digest, read_experiment

# Of the training text, which takes time and memory in proportion: under a minute.
MOST_READ = 5_000_000


def corpus_of(run: Path, data: Path | None) -> Corpus:
    """Return the corpus of a run; ValueError if `data` is another one than it was trained on."""
    experiment = read_experiment(run, LanguageModelExperiment)
    corpus = reference_manual() if data is None else read_corpus(data, experiment.split)
    if digest("\0".join(corpus)) != read_digest(run, LanguageModelExperiment):
        raise ValueError(
            f"data must be what {run} was trained on, and {data or 'the reference manual'} is not"
        )
    return corpus


def count(train: np.ndarray, order: int, vocabulary: Vocabulary) -> NGram:
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
    model = count(vocabulary.encode(corpus_of(run, data).train), order, vocabulary)
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
    vocabulary: Vocabulary, train: str, held_out: str, train_ids: np.ndarray, ids: np.ndarray
) -> list[tuple[str, float]]:
    """Return what simpler models, and compressors, spend on the held-out text, in nats a token."""
    known, part = train_ids[-MOST_READ:], _part(train_ids, f"{vocabulary.unit}s")
    order = {"word": 3, "piece": 4}.get(vocabulary.kind, 6)
    rows = [("uniform", float(np.log(len(vocabulary))))]
    for name, n in (("unigram", 1), (f"{order}-gram (Kneser-Ney)", order)):
        print(f"counting for the {name}{part} ...", flush=True)
        model = NGram.fit(known, n, len(vocabulary))
        cost = -float(model.log_probabilities(ids, known[-order:]).mean())
        rows.append((name + part, cost))
    if vocabulary.kind != "word":
        part = _part(train, "characters")
        print(f"compressing{part} with gzip, bz2 and xz ...", flush=True)
        bits = compression_bits(train[-MOST_READ:], held_out)
        nats = len(held_out) / len(ids) * float(np.log(2))
        rows += [(name + part, each * nats) for name, each in bits.items()]
    return rows


def _part(train: Sized, units: str) -> str:
    """Return what baselines read of a training text, if it is not all of it."""
    return f" of the last {MOST_READ:,} {units}" if len(train) > MOST_READ else ""
