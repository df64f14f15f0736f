"""Translation: train, evaluate, translate, lengths.

$ rnnjax translate train                     # written dates to ISO 8601
$ rnnjax translate train sentences --source train.de val.de --target train.en val.en
$ echo "on Friday the 3rd of May '24" | rnnjax translate translate --run runs/dates
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np

from rnnjax.data import Translation
from rnnjax.metrics import perplexity
from rnnjax.train import plot_curves
from rnnjax.trained import TrainedTranslator
from rnnjax_experiments.corpora.dates import written_dates
from rnnjax_experiments.shared.command_line import Commands, presets, print_table
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From
from rnnjax_experiments.shared.parallel import (
    NO_PAIRS,
    NO_SPLITS,
    OWN,
    PairFiles,
    Search,
    SplitFiles,
)
from rnnjax_experiments.shared.typed_input import typed_lines
from rnnjax_experiments.shared.unknown_words import say_unknown
from rnnjax_experiments.translate.data import open_runs, open_with_pairs, unknown_words
from rnnjax_experiments.translate.lengths import lengths
from rnnjax_experiments.translate.plots import plot_attention
from rnnjax_experiments.translate.presets import DESCRIPTIONS, PRESETS, TranslationExperiment
from rnnjax_experiments.translate.training import (
    Splits,
    nats_of,
    parallel_batches,
    quality,
    train_translator,
)

if TYPE_CHECKING:
    Preset = TranslationExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    experiment: Preset = PRESETS["dates"],
    files: SplitFiles = NO_SPLITS,
    out: Path | None = None,
    from_: From = None,
    tensorboard: bool = False,
) -> None:
    """Train a model, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      files: texts and their translations; by default written dates, made up.
      out: the run's folder: configuration, tokenisers, metrics, checkpoints, plots; by default
        under runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      tensorboard: write TensorBoard events as well.
    """
    experiment.check()
    if not files and experiment.unit != PRESETS["dates"].unit:
        raise ValueError(
            f"source and target must be given for {experiment.unit}s: the dates that are there by "
            "default are for characters"
        )
    splits = files.read() if files else tuple(written_dates())
    out = out or Path("runs") / (files.name if files else "dates")
    trained = train_translator(experiment, splits, out, from_, tensorboard)
    _report(out, trained, splits)


def evaluate(run: tuple[Path, ...], files: PairFiles = NO_PAIRS, search: Search = OWN) -> None:
    """Print BLEU and the share of exact translations; of several runs, each.

    Args:
      run: the runs' folders.
      files: the texts and their translations; by default the test dates.
      search: how translations are searched; without a beam, with 1 and with the run's own.
    """
    opened, pairs = open_with_pairs(run, files)
    for each, (experiment, trained) in opened.items():
        say_unknown(unknown_words(experiment, trained, [pair.source for pair in pairs]))
        beams = dict.fromkeys((1, trained.beam) if search.beam is None else (search.beam,))
        _print_quality(str(each), trained, pairs, tuple(beams), search.length_penalty)


def translate(run: tuple[Path, ...], data: Path | None = None, search: Search = OWN) -> None:
    """Translate text, a line at a time.

    Args:
      run: the run's folder; several runs with the same tokenisers translate together, by the mean
        of their probabilities.
      data: a file with a text a line; by default standard input, answered line by line.
      search: how translations are searched.
    """
    opened = open_runs(run)
    (first, (experiment, trained)), *others = opened.items()
    for each, (_, other) in others:
        if other.tokenizers != trained.tokenizers:
            raise ValueError(f"{each} must have the tokenisers of {first} to translate with it")
    beside, unknown = [other for _, (_, other) in others], []
    for lines in typed_lines(data):
        unknown.append(unknown_words(experiment, trained, lines))
        for line in trained.translate(lines, **search.options, beside=beside):
            print(line, flush=True)
    say_unknown(*unknown)


def _report(out: Path, trained: TrainedTranslator, splits: Splits) -> None:
    """Print the table, show some translations, draw the curves and where the decoder looks."""
    split, pairs = ("test", splits[2]) if len(splits) > 2 else ("dev", splits[1])
    beams = tuple(dict.fromkeys((1, trained.beam)))
    written = _print_quality(split, trained, pairs, beams, None)
    for pair, text in list(zip(pairs, written, strict=True))[:5]:
        print(f"  {pair.source}\n    -> {text}\n       {pair.target} (reference)")
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats a token")
    print(f"curves: {out / 'curves.png'}")
    if trained.model.attention is not None:
        pairs = [Translation(p.source, text) for p, text in zip(pairs, written, strict=True)]
        _draw_attention(out / "attention.png", trained, pairs)
        print(f"attention: {out / 'attention.png'}")
    print(f"model:  {out}")


def _print_quality(
    title: str,
    trained: TrainedTranslator,
    pairs: list[Translation],
    beams: tuple[int, ...],
    length_penalty: float | None,
) -> list[str]:
    """Print a row for each beam; return the translations of the last."""
    nats = nats_of(trained, parallel_batches(trained, pairs))
    penalty = trained.length_penalty if length_penalty is None else length_penalty
    rows, signature = [], ""
    written: list[str] = []
    for beam in beams:
        values, signature, written = quality(trained, pairs, beam, penalty)
        name = "greedy" if beam == 1 else f"beam {beam}, length penalty {penalty:g}"
        rows.append((name, f"{values['bleu']:.2f}", f"{values['exact']:.2f} %"))
    print_table(f"{title}: {len(pairs):,} texts", ("", "BLEU", "exact"), rows)
    print(f"sacrebleu {signature}")
    print(f"{nats:.4f} nats a token, perplexity {perplexity(nats):.3f}")
    return written


def _draw_attention(picture: Path, trained: TrainedTranslator, pairs: list[Translation]) -> None:
    """Draw where the decoder looks in the first few translations of middling length."""
    middling = sorted(pairs, key=lambda pair: len(pair.source))[len(pairs) // 2 :][:3]
    look, looks = jax.jit(partial(trained.model.apply, method="weights")), []
    for pair in middling:
        batch = parallel_batches(trained, [pair]).at(0)
        lengths = batch["source_lengths"]
        weights = look(trained.variables, batch["source"], lengths, batch["tokens"])
        names = [tokenizer.tokenizer.id_to_token for tokenizer in trained.tokenizers]
        read = [names[0](int(i)) for i in batch["source"][0, : lengths[0]]]
        written = [names[1](int(i)) for i in batch["targets"][0, batch["targets_known"][0]]]
        looks.append((read, written, np.asarray(weights[0, : len(written), : len(read)])))
    plot_attention(looks, picture)


COMMANDS: Commands = {
    "train": train,
    "evaluate": evaluate,
    "translate": translate,
    "lengths": lengths,
    "export": export,
}
