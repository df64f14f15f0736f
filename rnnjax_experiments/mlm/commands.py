"""Masked-language-model pre-training: train, prepare, evaluate, fill, retrieve.

$ rnnjax mlm train                              # what Python says of itself
$ rnnjax mlm train text --text wiki.txt reviews.txt
$ rnnjax mlm train pairs --text en=a.en nl=a.nl --pairs en=a.en nl=a.nl
$ rnnjax mlm prepare --data "news-*.gz" --out pieces/   # text that does not fit into memory
$ rnnjax mlm train --data pieces/
$ echo "The [MASK] statement" | rnnjax mlm fill --run runs/mlm
$ rnnjax mlm retrieve --run runs/mlm --pairs en=test.en nl=test.nl
"""

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rnnjax.checks import check_positive
from rnnjax.data import Subwords
from rnnjax.inference import evaluate as evaluate_loss
from rnnjax.metrics import bits_per_character, perplexity
from rnnjax.models import MaskedLanguageModel
from rnnjax.train import plot_curves
from rnnjax.trained import TrainedMaskedModel
from rnnjax.trained.masked import language_id
from rnnjax_experiments.mlm.data import (
    Text,
    make_rows,
    python_texts,
    read_pair_files,
    read_texts,
)
from rnnjax_experiments.mlm.prepare import open_rows, open_subwords, prepare
from rnnjax_experiments.mlm.presets import DESCRIPTIONS, PRESETS, PretrainingExperiment
from rnnjax_experiments.mlm.pretrained import load_pretrained, tokenizer_digest
from rnnjax_experiments.mlm.retrieval import retrieve
from rnnjax_experiments.mlm.training import encode_texts, masked_batches, train_masked
from rnnjax_experiments.shared.command_line import Commands, presets, print_table
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From, load_source
from rnnjax_experiments.shared.typed_input import typed_lines

if TYPE_CHECKING:
    Preset = PretrainingExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    experiment: Preset = PRESETS["library"],
    text: tuple[str, ...] = (),
    pairs: tuple[str, ...] = (),
    data: Path | None = None,
    out: Path | None = None,
    from_: From = None,
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
      data: a folder that `prepare` wrote, instead of `text` and `pairs`; it may be larger than
        memory.
      out: the run's folder: configuration, tokeniser, metrics, checkpoints, curves; by default
        under runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      tensorboard: write TensorBoard events as well.
    """
    experiment.check()
    out = out or Path("runs/mlm")
    texts: list[Text] = []
    known = None if from_ is None else load_source(from_, TrainedMaskedModel).subwords
    if data is None:
        texts = read_texts(text) + read_pair_files(pairs) if text or pairs else python_texts()
        subwords = known or _learn(experiment, texts)
    else:
        _check_data(experiment, text or pairs)
        subwords = open_subwords(data, experiment)
        if known is not None and known != subwords:
            raise ValueError(
                f"data must have the pieces of {from_}, and {data} has others: prepare it with "
                f"--from {from_}"
            )
    experiment = replace(
        experiment,
        vocab_size=len(subwords),
        languages=tuple(sorted({name for each in texts for name in each.languages})),
        tokenizer=tokenizer_digest(subwords),
    )
    model = MaskedLanguageModel(experiment.config())
    start = TrainedMaskedModel(model, None, subwords, experiment.languages)
    start = start.initialized(experiment.seed)
    rows = encode_texts(experiment, subwords, texts) if data is None else open_rows(data)
    trained = train_masked(experiment, start, rows, out, source=from_, tensorboard=tensorboard)
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats a hidden token")
    valid = masked_batches(experiment, rows.held_out).once()
    _print_loss("held-out texts", evaluate_loss(model, trained.params, valid)[0])
    print(f"curves: {out / 'curves.png'}\nmodel:  {out}")


def evaluate(run: Path, text: tuple[str, ...]) -> None:
    """Print how well a trained model tells the hidden tokens of texts.

    Args:
      run: the run's folder.
      text: files, each line a text, with languages as in training.
    """
    experiment, trained = load_pretrained(run)
    limits = experiment.max_length, experiment.languages
    batches = masked_batches(experiment, make_rows(trained.subwords, read_texts(text), *limits))
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


def _learn(experiment: PretrainingExperiment, texts: list[Text]) -> Subwords:
    # Each once, so that translations of texts that are there change no count.
    distinct = dict.fromkeys(line for each in texts for line in each.parts)
    return Subwords.train(distinct, experiment.vocab_size, lowercase=experiment.lowercase)


def _check_data(experiment: PretrainingExperiment, others: tuple[str, ...]) -> None:
    """Raise `ValueError` for what a prepared folder cannot be trained with."""
    if others:
        raise ValueError(f"data must be given without text and pairs, got {', '.join(others)} too")
    if experiment.vectors != "drawn" or experiment.switched:
        raise ValueError(
            "data must be trained on with drawn vectors and without switched copies, which take "
            f"all texts at once, got {experiment.vectors} and {experiment.switched}"
        )


def _print_loss(title: str, nats: float) -> None:
    header = ("", "nats a hidden token", "bits", "perplexity")
    row = (title, f"{nats:.4f}", f"{bits_per_character(nats):.4f}", f"{perplexity(nats):.2f}")
    print_table("", header, [row])


COMMANDS: Commands = {
    "train": train,
    "prepare": prepare,
    "evaluate": evaluate,
    "fill": fill,
    "retrieve": retrieve,
    "export": export,
}
