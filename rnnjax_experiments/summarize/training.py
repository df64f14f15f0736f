"""Training a model on texts and their summaries."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rnnjax.data import (
    Buckets,
    Lexicon,
    SentenceBatches,
    WordIndexer,
    choose_borders,
    split_words,
)
from rnnjax.inference import evaluate as evaluate_loss
from rnnjax.metrics import rouge_l
from rnnjax.trained import TrainedSummarizer
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.recipe import train
from rnnjax_experiments.shared.run_folder import digest
from rnnjax_experiments.summarize.presets import SummaryExperiment
from rnnjax_experiments.summarize.report import Pairs

Splits = Sequence[Pairs]  # to train, develop and perhaps test on


def train_summarizer(
    experiment: SummaryExperiment,
    splits: Splits,
    out: Path,
    source: Path | None,
    tensorboard: bool,
) -> TrainedSummarizer:
    """Train in the folder `out`, or go on with the run that stopped there."""
    start = _untrained(experiment, splits)
    learnt, dev = splits[:2]
    encoded, held_out = start.encode(learnt), [batch for _, batch in start.batches(dev)]
    borders = choose_borders(encoded.lengths, experiment.shapes)
    buckets = Buckets(
        encoded.lengths,
        borders,
        experiment.batch_size,
        seed=experiment.seed,
        share=placement().share,
    )
    shapes = ", ".join(f"{rows} x {length}" for rows, length in buckets.shapes)
    print(f"{buckets.steps_per_epoch:,} steps an epoch; batches of shapes {shapes}")
    texts, references = [pair.source for pair in dev], [pair.target for pair in dev]

    def evaluate(trained: TrainedSummarizer) -> dict[str, float]:
        loss, _ = evaluate_loss(trained.model, trained.params, held_out)
        f = rouge_l(trained.summarize(texts, beam=1), references).f
        return {"loss": loss, "rouge_l": f, "error": 1 - f}

    return train(
        out,
        experiment,
        start,
        digest(repr(splits)),
        batch_at=SentenceBatches(encoded, buckets).at,
        evaluate=evaluate,
        schedule=experiment.schedule(buckets.steps_per_epoch),
        steps_per_epoch=buckets.steps_per_epoch,
        tokens_per_step=round(encoded.starts[-1] / buckets.steps_per_epoch),
        monitor="error",
        source=source,
        tensorboard=tensorboard,
    )


def _untrained(experiment: SummaryExperiment, splits: Splits) -> TrainedSummarizer:
    """Return the model before its training, and say how large all is."""
    words = vocabulary(experiment, splits[0])
    start = TrainedSummarizer(
        experiment.model(len(words)),
        None,
        WordIndexer(words, None, ()),
        experiment.source_words,
        experiment.summary_words,
        experiment.beam,
        experiment.length_penalty,
        experiment.batch_size,
        experiment.shapes,
    ).initialized(experiment.seed)
    sizes = " / ".join(f"{len(part):,}" for part in splits)
    print(
        f"{start.size:,} parameters; {len(words):,} words; {sizes} texts to train, develop and "
        "test on"
    )
    return start


def vocabulary(experiment: SummaryExperiment, pairs: Pairs) -> Lexicon:
    """Return the most frequent words of texts and summaries, as far as they are read."""
    tokens = [
        word
        for pair in pairs
        for text, most in (
            (pair.source, experiment.source_words),
            (pair.target, experiment.summary_words),
        )
        for word in split_words(text)[:most]
    ]
    words = Lexicon.of(tokens, lowercase=experiment.lowercase)
    symbols = words.symbols[: experiment.vocab_size]
    return dataclasses.replace(words, symbols=symbols, known=min(words.known, len(symbols)))
