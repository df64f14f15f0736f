"""Training an encoder and a decoder on translations, and how well they translate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.data import ParallelBatches, Translation, reversible_tokenizer
from rnnjax.inference import evaluate as evaluate_loss
from rnnjax.metrics import bleu, exact_matches
from rnnjax.train import model_loss, scheduled_sampling_loss
from rnnjax.trained import TrainedTranslator
from rnnjax_experiments.shared.going_on import load_source
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.recipe import train
from rnnjax_experiments.shared.run_folder import digest
from rnnjax_experiments.translate.presets import TranslationExperiment

Splits = Sequence[list[Translation]]  # to train, develop and perhaps test on


def train_translator(
    experiment: TranslationExperiment,
    splits: Splits,
    out: Path,
    source: Path | None,
    tensorboard: bool,
) -> TrainedTranslator:
    """Train in the folder `out`, or go on with the run that stopped there."""
    start = _untrained(experiment, splits, source)
    batches = _to_train_on(experiment, start, splits[0])
    held_out = parallel_batches(start, splits[1])
    per_epoch = batches.buckets.steps_per_epoch
    shapes = ", ".join(f"{rows} x {length}" for rows, length in batches.buckets.shapes)
    print(f"{per_epoch:,} steps an epoch; batches of shapes {shapes}")
    schedule = experiment.schedule(per_epoch)
    loss_of = scheduled_sampling_loss if experiment.mix else model_loss

    def batch_at(step: int) -> dict[str, Any]:
        batch: dict[str, Any] = batches.at(step)
        if experiment.mix:
            batch["mix"] = np.float32(experiment.mix * step / schedule.total_steps)
        return batch

    def evaluate(trained: TrainedTranslator) -> dict[str, float]:
        values = quality(trained, splits[1], 1, 0.0)[0]
        loss = nats_of(trained, held_out)
        return {"loss": loss, **values, "error": 1 - values[experiment.monitor] / 100}

    return train(
        out,
        experiment,
        start,
        digest(repr(splits)),
        batch_at=batch_at,
        evaluate=evaluate,
        schedule=schedule,
        steps_per_epoch=per_epoch,
        tokens_per_step=round(batches.target.starts[-1] / per_epoch),
        loss_fn=loss_of(start.model, label_smoothing=experiment.label_smoothing),
        monitor="error",
        source=source,
        tensorboard=tensorboard,
    )


def nats_of(trained: TrainedTranslator, batches: ParallelBatches) -> float:
    """Return the mean cross-entropy of all translations in nats a token."""
    once = (batches.batch(*each) for each in batches.buckets.in_order())
    return evaluate_loss(trained.model, trained.params, once)[0]


def quality(
    trained: TrainedTranslator, pairs: list[Translation], beam: int, length_penalty: float
) -> tuple[dict[str, float], str, list[str]]:
    """Return BLEU and the share of exact translations, both of 100, BLEU's signature, and them."""
    written = trained.translate([pair.source for pair in pairs], beam, length_penalty)
    references = [pair.target for pair in pairs]
    score, signature = bleu(written, references)
    exact = 100 * exact_matches(written, references)
    return {"bleu": score, "exact": exact}, signature, written


def parallel_batches(
    trained: TrainedTranslator,
    pairs: list[Translation],
    max_length: int | None = None,
    seed: int = 0,
    share: tuple[int, int] = (0, 1),
) -> ParallelBatches:
    """Return translations in batches; see `ParallelBatches.of`."""
    return ParallelBatches.of(
        pairs,
        trained.tokenizers,
        shapes=trained.shapes,
        batch_size=trained.batch_size,
        seed=seed,
        max_length=max_length,
        share=share,
    )


def _untrained(
    experiment: TranslationExperiment, splits: Splits, source: Path | None
) -> TrainedTranslator:
    """Return the model before its training, and say how large all is."""
    sides = [[pair.source for pair in splits[0]], [pair.target for pair in splits[0]]]
    if source is not None and experiment.unit == "piece":
        # Other pieces would cut the same words elsewhere.
        tokenizers = load_source(source, TrainedTranslator).tokenizers
    elif experiment.shared:
        both = sides[0] + sides[1]
        tokenizer = reversible_tokenizer(both, experiment.unit, experiment.vocab_size)
        tokenizers = (tokenizer, tokenizer)
    else:
        ours, theirs = (
            reversible_tokenizer(side, experiment.unit, experiment.vocab_size) for side in sides
        )
        tokenizers = (ours, theirs)
    start = TrainedTranslator(
        experiment.model(*map(len, tokenizers)),
        None,
        tokenizers,
        experiment.beam,
        experiment.length_penalty,
        experiment.batch_size,
        experiment.shapes,
    ).initialized(experiment.seed)
    sizes = " / ".join(f"{len(part):,}" for part in splits)
    print(
        f"{start.size:,} parameters; {len(tokenizers[0]):,} and {len(tokenizers[1]):,} "
        f"{experiment.unit}s; {sizes} translations to train, develop and test on"
    )
    return start


def _to_train_on(
    experiment: TranslationExperiment, start: TrainedTranslator, pairs: list[Translation]
) -> ParallelBatches:
    """Return the batches of translations that are short enough, and say how many are not."""
    sizes = experiment.max_length, experiment.seed
    batches = parallel_batches(start, pairs, *sizes, placement().share)
    left_out = len(pairs) - len(batches.source.lengths)
    if left_out:
        print(f"{left_out:,} texts of over {experiment.max_length} tokens are not trained on")
    return batches
