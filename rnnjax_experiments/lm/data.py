"""What language models are trained on: a text in memory, or shards of any size."""

from pathlib import Path
from typing import NamedTuple

from rnnjax.baselines import Spelling
from rnnjax.data import (
    Corpus,
    TokenArray,
    Vocabulary,
    is_shards,
    open_shards,
    read_corpus,
    whole_sentences,
)
from rnnjax.trained import TrainedLanguageModel
from rnnjax_experiments.corpora.manual import reference_manual
from rnnjax_experiments.lm.presets import MOST_PIECES, LanguageModelExperiment
from rnnjax_experiments.shared.going_on import load_source
from rnnjax_experiments.shared.run_folder import digest, read_digest, read_experiment

SPELLING = "spelling.json"  # beside shards of words


class Tokens(NamedTuple):
    """A corpus as token ids; `test` is empty where there is no such split."""

    train: TokenArray
    valid: TokenArray
    test: TokenArray

    @property
    def held_out(self) -> TokenArray:
        """The test text; where there is none, the validation text."""
        return self.test if len(self.test) else self.valid


class LanguageData(NamedTuple):
    """A corpus to train on.

    Attributes:
      vocabulary: its tokens.
      tokens: the corpus.
      spelling: of words that the vocabulary lacks; None for other tokens.
      digest: a digest of the corpus.
    """

    vocabulary: Vocabulary
    tokens: Tokens
    spelling: Spelling | None
    digest: str


def load_data(
    experiment: LanguageModelExperiment, data: Path | None, source: Path | None = None
) -> LanguageData:
    """Return the corpus at `data`, a text or shards; by default Python's reference manual.

    The vocabulary is that of the corpus; pieces are those of the run `source`, if it has such.
    """
    if data is not None and is_shards(data):
        return _load_shards(experiment, data)
    corpus = _read(experiment, data)
    vocabulary = _make_vocabulary(experiment, corpus, source)
    spelling = Spelling.fit(corpus.train, vocabulary) if vocabulary.kind == "word" else None
    tokens = _encode(experiment, vocabulary, corpus)
    return LanguageData(vocabulary, tokens, spelling, digest("\0".join(corpus)))


def tokens_of(run: Path, data: Path | None, vocabulary: Vocabulary) -> Tokens:
    """Return the corpus of a run; ValueError if `data` is another one than it was trained on."""
    experiment = read_experiment(run, LanguageModelExperiment)
    if data is not None and is_shards(data):
        *_, tokens, _, found = _load_shards(experiment, data)
    else:
        corpus = _read(experiment, data)
        tokens, found = _encode(experiment, vocabulary, corpus), digest("\0".join(corpus))
    if found != read_digest(run, LanguageModelExperiment):
        raise ValueError(
            f"data must be what {run} was trained on, and {data or 'the reference manual'} is not"
        )
    return tokens


def _read(experiment: LanguageModelExperiment, data: Path | None) -> Corpus:
    return reference_manual() if data is None else read_corpus(data, experiment.split)


def _load_shards(experiment: LanguageModelExperiment, data: Path) -> LanguageData:
    corpus = open_shards(data)
    vocabulary, most = corpus.vocabulary, experiment.vocab_max
    if vocabulary.kind != experiment.vocabulary:
        raise ValueError(
            f"data must be shards of vocabulary {experiment.vocabulary!r}, and {data} has "
            f"{vocabulary.kind!r}: choose a preset, or --vocabulary {vocabulary.kind}"
        )
    if most is not None and len(vocabulary) > most:
        raise ValueError(
            f"data must be shards of at most vocab_max = {most:,} {vocabulary.unit}s, and {data} "
            f"has {len(vocabulary):,}"
        )
    if corpus.sentences != experiment.sentences:
        raise ValueError(
            f"data must be shards that were prepared with sentences = {experiment.sentences}, and "
            f"{data} is of {corpus.sentences}"
        )
    spelling = Spelling.load(data / SPELLING) if vocabulary.kind == "word" else None
    tokens = Tokens(corpus.train, corpus.valid, corpus.test)
    return LanguageData(vocabulary, tokens, spelling, corpus.digest)


def _make_vocabulary(
    experiment: LanguageModelExperiment, corpus: Corpus, source: Path | None
) -> Vocabulary:
    if experiment.vocabulary == "byte":
        return Vocabulary.bytes()
    if experiment.vocabulary == "char":
        return Vocabulary.characters("".join(corpus))
    if experiment.vocabulary == "piece" and source is not None:
        known = load_source(source, TrainedLanguageModel).vocabulary
        if known.kind == "piece":
            return known
    if experiment.vocabulary == "piece":
        most = MOST_PIECES if experiment.vocab_max is None else experiment.vocab_max
        return Vocabulary.pieces(corpus.train, most)
    return Vocabulary.words(corpus.train, experiment.vocab_max)


def _encode(experiment: LanguageModelExperiment, vocabulary: Vocabulary, corpus: Corpus) -> Tokens:
    """Return the ids of a corpus, for a model of sentences without empty lines."""
    tokens = Tokens(*map(vocabulary.encode, corpus))
    if not experiment.sentences:
        return tokens
    return Tokens(*(whole_sentences(ids, vocabulary.start) if len(ids) else ids for ids in tokens))
