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

import jax
import jax.numpy as jnp
import numpy as np

from experiments.corpora.docstrings import library_texts
from experiments.mlm.data import Text, make_rows, read_pair_files, read_texts, split
from experiments.mlm.presets import DESCRIPTIONS, PRESETS, PretrainingExperiment
from experiments.mlm.pretrained import Pretrained, init_encoder, load_pretrained, tokenizer_digest
from experiments.sentences.data import typed_lines
from experiments.shared.command_line import Commands, presets, print_table
from experiments.shared.run_folder import claim, digest
from rnnjax.data import (
    Buckets,
    MaskedBatches,
    Subwords,
    choose_borders,
)
from rnnjax.data.vocabularies.subwords import END, MASK, START
from rnnjax.metrics import bits_per_character, perplexity
from rnnjax.models import MaskedLanguageModel
from rnnjax.train import (
    Schedule,
    evaluate_masked,
    fit,
    init_state,
    load_best,
    make_train_step,
    masked_loss,
    plot_curves,
)

if TYPE_CHECKING:
    Preset = PretrainingExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)

MASK_NAME = "[MASK]"


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
    kept, held_out = split(texts)
    batches = _batches(experiment, subwords, kept)
    valid = list(_batches(experiment, subwords, held_out).once())
    params = init_encoder(model, experiment.seed)
    per_epoch = batches.buckets.steps_per_epoch
    print(
        f"{sum(leaf.size for leaf in jax.tree.leaves(params)):,} parameters, {len(subwords):,} "
        f"pieces; {len(kept):,} / {len(held_out):,} texts, {batches.encoded.starts[-1]:,} tokens "
        f"to train on; {experiment.steps:,} steps, {per_epoch:,} an epoch"
    )
    claim(out, experiment, digest(repr([each[:2] for each in texts])))
    subwords.save(out / "tokenizer.json")
    optimizer = experiment.optimizer.make(experiment.steps, per_epoch)
    result = fit(
        out,
        init_state(params, optimizer, None),
        make_train_step(masked_loss(model), optimizer, experiment.seed),
        batches.at,
        lambda params: {"loss": evaluate_masked(model, params, valid)},
        Schedule(experiment.steps, experiment.evaluations),
        tokens_per_step=round(batches.encoded.starts[-1] / per_epoch),
        tensorboard=tensorboard,
    )
    print(f"trained in {result.seconds / 60:.1f} minutes")
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats a hidden token")
    best = load_best(out, result.state.params)
    _print_loss("held-out texts", evaluate_masked(model, best, valid))
    print(f"curves: {out / 'curves.png'}\nmodel:  {out}")


def evaluate(run: Path, text: tuple[str, ...]) -> None:
    """Print how well a trained model tells the hidden tokens of texts.

    Args:
      run: the run's folder.
      text: files, each line a text, with languages as in training.
    """
    trained = load_pretrained(run)
    batches = _batches(trained.experiment, trained.subwords, read_texts(text))
    nats = evaluate_masked(trained.model, trained.params, batches.once())
    _print_loss(" ".join(text), nats)


def fill(run: Path, data: Path | None = None, language: str | None = None, top: int = 5) -> None:
    """Tell what [MASK] hides: the likeliest pieces at each, with their probabilities.

    Args:
      run: the run's folder.
      data: a file with a text a line; by default standard input, answered line by line.
      language: the texts' language, where the model knows several.
      top: how many pieces to print.
    """
    trained = load_pretrained(run)
    if top < 1:
        raise ValueError(f"top must be at least 1, got {top}")
    spoken = trained.experiment.language_id(language)
    for line in chain.from_iterable(typed_lines(data)):
        parts = [trained.subwords.encode(part).ids for part in line.split(MASK_NAME)]
        for each in _fill(trained, parts, spoken, top):
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


def _fill(
    trained: Pretrained, parts: list[np.ndarray], language: int | None, top: int
) -> list[list[tuple[str, float]]]:
    """Return the likeliest pieces, and their probabilities, between each two of the parts."""
    between = [ids for part in parts for ids in ([MASK], part)][1:]
    tokens = np.concatenate([[START], *between, [END]]).astype(np.int32)[None]
    if tokens.shape[1] > trained.experiment.max_length:
        raise ValueError(
            f"a text makes {tokens.shape[1]} tokens; there are positions for "
            f"{trained.experiment.max_length}"
        )
    spoken = None if language is None else np.full_like(tokens, language)
    variables = {"params": trained.params}
    logits = trained.model.apply(variables, jnp.asarray(tokens), languages=spoken)
    shares, ids = jax.lax.top_k(jax.nn.softmax(logits[0, tokens[0] == MASK]), top)
    name = trained.subwords.tokenizer.id_to_token
    return [
        [(name(int(i)), float(share)) for i, share in zip(*row, strict=True)]
        for row in zip(ids, shares, strict=True)
    ]


COMMANDS: Commands = {"train": train, "evaluate": evaluate, "fill": fill}
