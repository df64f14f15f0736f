"""Masked-language-model pre-training: train, evaluate, fill.

$ python -m experiments.mlm train                              # what Python says of itself
$ python -m experiments.mlm train text --text wiki.txt reviews.txt
$ python -m experiments.mlm train pairs --text en=a.en nl=a.nl --pairs en=a.en nl=a.nl
$ echo "The [MASK] statement" | python -m experiments.mlm fill --run runs/mlm
"""

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.corpora.docstrings import library_texts
from experiments.mlm.data import Text, make_rows, read_pair_files, read_texts, split
from experiments.mlm.presets import DESCRIPTIONS, PRESETS, PretrainingExperiment
from experiments.mlm.pretrained import load_pretrained, tokenizer_digest
from experiments.shared.command_line import Commands, presets, print_table
from experiments.shared.recipe import train as train_run
from experiments.shared.run_folder import digest
from experiments.shared.typed_input import typed_lines
from rnnjax.checks import check_positive
from rnnjax.data import (
    Buckets,
    MaskedBatches,
    Subwords,
    choose_borders,
)
from rnnjax.inference import evaluate as evaluate_loss
from rnnjax.metrics import bits_per_character, perplexity
from rnnjax.models import MaskedLanguageModel
from rnnjax.train import Schedule, plot_curves
from rnnjax.trained import TrainedMaskedModel
from rnnjax.trained.masked import language_id

if TYPE_CHECKING:
    Preset = PretrainingExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    experiment: Preset = PRESETS["library"],
    text: tuple[str, ...] = (),
    pairs: tuple[str, ...] = (),
    out: Path | None = None,
    tensorboard: bool = False,
) -> None:
    """Train an encoder by hiding tokens, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      text: files, each line a text; with the language before an equals sign (en=wiki.txt), in all
        files or in none. By default the docstrings, comments and manual of Python.
      pairs: files in twos, line by line translations of each other, with their languages
        (en=a.en nl=a.nl): each pair is one row, tokens are hidden on both sides (translation
        language modelling; Conneau and Lample 2019). What stands in `text` is trained on as well.
      out: the run's folder: configuration, tokeniser, metrics, checkpoints, curves; by default
        under runs/.
      tensorboard: write TensorBoard events as well.
    """
    if experiment.steps < 1:
        raise ValueError(f"steps must be at least 1, got {experiment.steps}")
    texts = read_texts(text) + read_pair_files(pairs) if text or pairs else _python()
    out = out or Path("runs/mlm")
    # Each once, so that translations of texts that are there change no count.
    distinct = dict.fromkeys(line for each in texts for line in each.parts)
    subwords = Subwords.train(distinct, experiment.vocab_size)
    experiment = replace(
        experiment,
        vocab_size=len(subwords),
        languages=tuple(sorted({name for each in texts for name in each.languages})),
        tokenizer=tokenizer_digest(subwords),
    )
    model = MaskedLanguageModel(experiment.config())
    start = TrainedMaskedModel(model, None, subwords, experiment.languages)
    start = start.initialized(experiment.seed)
    kept, held_out = split(texts)
    batches = _batches(experiment, subwords, kept)
    valid = list(_batches(experiment, subwords, held_out).once())
    per_epoch = batches.buckets.steps_per_epoch
    print(
        f"{start.size:,} parameters, {len(subwords):,} pieces; "
        f"{len(kept):,} / {len(held_out):,} texts, {batches.encoded.starts[-1]:,} tokens "
        f"to train on; {experiment.steps:,} steps, {per_epoch:,} an epoch"
    )
    trained = train_run(
        out,
        experiment,
        start,
        digest(repr([each[:2] for each in texts])),
        batch_at=batches.at,
        evaluate=lambda trained: {"loss": evaluate_loss(model, trained.params, valid)[0]},
        schedule=Schedule(experiment.steps, experiment.evaluations),
        steps_per_epoch=per_epoch,
        tokens_per_step=round(batches.encoded.starts[-1] / per_epoch),
        tensorboard=tensorboard,
    )
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats a hidden token")
    _print_loss("held-out texts", evaluate_loss(model, trained.params, valid)[0])
    print(f"curves: {out / 'curves.png'}\nmodel:  {out}")


def evaluate(run: Path, text: tuple[str, ...]) -> None:
    """Print how well a trained model tells the hidden tokens of texts.

    Args:
      run: the run's folder.
      text: files, each line a text, with languages as in training.
    """
    experiment, trained = load_pretrained(run)
    batches = _batches(experiment, trained.subwords, read_texts(text))
    nats, _ = evaluate_loss(trained.model, trained.params, batches.once())
    _print_loss(" ".join(text), nats)


def fill(run: Path, data: Path | None = None, language: str | None = None, top: int = 5) -> None:
    """Tell what [MASK] hides: the likeliest pieces at each, with their probabilities.

    Args:
      run: the run's folder.
      data: a file with a text a line; by default standard input, answered line by line.
      language: the texts' language, where the model knows several.
      top: how many pieces to print.
    """
    _, trained = load_pretrained(run)
    check_positive(top=top)
    language_id(trained.languages, language)  # raises before the first line is waited for
    for line in chain.from_iterable(typed_lines(data)):
        for each in trained.fill(line, top, language):
            print("  ".join(f"{piece} {share:.3f}" for piece, share in each), flush=True)


def _python() -> list[Text]:
    return [Text((text,), ()) for text in library_texts()]


def _batches(
    experiment: PretrainingExperiment, subwords: Subwords, texts: list[Text]
) -> MaskedBatches:
    encoded = make_rows(subwords, texts, experiment.max_length, experiment.languages)
    borders = choose_borders(encoded.lengths, experiment.shapes)
    buckets = Buckets(
        encoded.lengths, borders, experiment.tokens, experiment.tokens, experiment.seed
    )
    return MaskedBatches(encoded, buckets, len(subwords), experiment.share, experiment.whole_words)


def _print_loss(title: str, nats: float) -> None:
    header = ("", "nats a hidden token", "bits", "perplexity")
    row = (title, f"{nats:.4f}", f"{bits_per_character(nats):.4f}", f"{perplexity(nats):.2f}")
    print_table("", header, [row])


COMMANDS: Commands = {"train": train, "evaluate": evaluate, "fill": fill}
