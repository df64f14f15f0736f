"""Masked-language-model pre-training: train, evaluate, fill, retrieve.

$ rnnjax mlm train                              # what Python says of itself
$ rnnjax mlm train text --text wiki.txt reviews.txt
$ rnnjax mlm train pairs --text en=a.en nl=a.nl --pairs en=a.en nl=a.nl
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
from rnnjax_experiments.mlm.data import python_texts, read_pair_files, read_texts, split
from rnnjax_experiments.mlm.presets import DESCRIPTIONS, PRESETS, PretrainingExperiment
from rnnjax_experiments.mlm.pretrained import load_pretrained, tokenizer_digest
from rnnjax_experiments.mlm.retrieval import retrieve
from rnnjax_experiments.mlm.training import masked_batches, train_masked
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
      out: the run's folder: configuration, tokeniser, metrics, checkpoints, curves; by default
        under runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      tensorboard: write TensorBoard events as well.
    """
    experiment.check()
    texts = read_texts(text) + read_pair_files(pairs) if text or pairs else python_texts()
    out = out or Path("runs/mlm")
    # Each once, so that translations of texts that are there change no count.
    distinct = dict.fromkeys(line for each in texts for line in each.parts)
    subwords = (
        Subwords.train(distinct, experiment.vocab_size, lowercase=experiment.lowercase)
        if from_ is None
        else load_source(from_, TrainedMaskedModel).subwords
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
    trained = train_masked(experiment, start, texts, out, source=from_, tensorboard=tensorboard)
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats a hidden token")
    valid = masked_batches(experiment, subwords, split(texts)[1]).once()
    _print_loss("held-out texts", evaluate_loss(model, trained.params, valid)[0])
    print(f"curves: {out / 'curves.png'}\nmodel:  {out}")


def evaluate(run: Path, text: tuple[str, ...]) -> None:
    """Print how well a trained model tells the hidden tokens of texts.

    Args:
      run: the run's folder.
      text: files, each line a text, with languages as in training.
    """
    experiment, trained = load_pretrained(run)
    batches = masked_batches(experiment, trained.subwords, read_texts(text))
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


def _print_loss(title: str, nats: float) -> None:
    header = ("", "nats a hidden token", "bits", "perplexity")
    row = (title, f"{nats:.4f}", f"{bits_per_character(nats):.4f}", f"{perplexity(nats):.2f}")
    print_table("", header, [row])


COMMANDS: Commands = {
    "train": train,
    "evaluate": evaluate,
    "fill": fill,
    "retrieve": retrieve,
    "export": export,
}
