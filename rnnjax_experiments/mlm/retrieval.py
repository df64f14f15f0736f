"""Whether two languages share a space: `mlm retrieve`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.checks import check_positive
from rnnjax.data import Buckets
from rnnjax.data.vocabularies.subwords import END, START
from rnnjax.models import TransformerEncoder
from rnnjax.models.transformer_encoder import EncoderLayer
from rnnjax.sequence.masks import within
from rnnjax.trained import TrainedMaskedModel
from rnnjax.trained.language_model import pad
from rnnjax.trained.masked import language_id
from rnnjax_experiments.mlm.data import read_pair_files
from rnnjax_experiments.mlm.pretrained import load_pretrained
from rnnjax_experiments.shared.command_line import print_table
from rnnjax_experiments.shared.pictures import panels


def retrieve(
    run: tuple[Path, ...],
    pairs: tuple[str, ...],
    number: int = 1000,
    out: Path = Path("runs/retrieval.png"),
) -> None:
    """Print how often the nearest sentence in the other language is the translation, by layer.

    A sentence is the mean of the vectors of its pieces; the nearest has the largest cosine. Once
    the vectors are as they are, and once without the mean of all sentences of their language. The
    first layer, 0, is the embedding of the pieces. If an encoder has one space for both languages,
    most translations are found in some layer.

    Args:
      run: the folders of one or several runs.
      pairs: two files, translations of each other line by line, with languages as in training;
        sentences that the runs have not seen.
      number: how many pairs are read.
      out: file for the picture.
    """
    check_positive(number=number)
    if not run:
        raise ValueError("run must be at least one run's folder")
    if len(pairs) != 2:
        raise ValueError(f"pairs must be two files, got {len(pairs)}")
    texts = read_pair_files(pairs)[:number]
    if len(texts) < 2:
        raise ValueError(f"{pairs[0]} and {pairs[1]} must have at least two pairs")
    rows, curves = [], {}
    for each in run:
        _, trained = load_pretrained(each)
        spoken = texts[0].languages or (None, None)
        sides = [_means(trained, [text.parts[i] for text in texts], spoken[i]) for i in range(2)]
        found = [
            [_found(first, second), _found(*map(_centred, (first, second)))]
            for first, second in zip(*sides, strict=True)
        ]
        rows += [(str(each), i, *(f"{100 * f:.1f}" for f in line)) for i, line in enumerate(found)]
        curves[str(each)] = [100 * centred for _, centred in found]
    print_table(
        f"translations found among {len(texts):,} sentences, per cent",
        ("", "layer", "as they are", "without the language's mean"),
        rows,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with panels(out) as (axes,):
        for name, curve in curves.items():
            axes.plot(range(len(curve)), curve, marker="o", label=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("layer")
        axes.set_ylabel("translations found, per cent")
        axes.legend()
    print(f"picture: {out}")


def _means(
    trained: TrainedMaskedModel, texts: Sequence[str], language: str | None
) -> list[np.ndarray]:
    """Return the mean vector of each text after each layer, `(texts, hidden)`."""
    spoken = language_id(trained.languages, language)
    longest = trained.model.config.max_length
    ids = [np.array([START, *trained.subwords.encode(text).ids, END], np.int32) for text in texts]
    for text, row in zip(texts, ids, strict=True):
        if len(row) > longest:
            raise ValueError(
                f"a sentence makes {len(row)} tokens, there are positions for {longest}: {text!r}"
            )
    layers = trained.model.config.layers + 1
    sums = np.zeros((layers, len(texts), trained.model.config.hidden_size), np.float32)
    lengths = np.array([len(row) for row in ids])
    for members, length in Buckets(lengths, (longest,), 64).in_order():
        none = np.zeros(0, np.int32)
        tokens, counts = pad([ids[m] if m >= 0 else none for m in members], length)
        languages = None if spoken is None else np.full_like(tokens, spoken)
        found = _sums(trained.model.config, trained.params["encoder"], tokens, counts, languages)
        sums[:, members[members >= 0]] = np.asarray(found)[:, members >= 0]
    return list(sums / lengths[:, None])


@partial(jax.jit, static_argnums=0)
def _sums(config: Any, params: Any, tokens: Any, lengths: Any, languages: Any) -> jax.Array:
    """Return the sum over each row's tokens after each layer, `(layers + 1, rows, hidden)`."""
    _, kept = TransformerEncoder(config).apply(
        {"params": params},
        tokens,
        lengths,
        languages=languages,
        capture_intermediates=lambda module, _: (
            isinstance(module, EncoderLayer) or module.name == "token_embedding"
        ),
        mutable=["intermediates"],
    )
    inside = within(tokens.shape, lengths)[..., None]
    names = ["token_embedding", *(f"layers_{i}" for i in range(config.layers))]
    features = [kept["intermediates"][name]["__call__"][0] for name in names]
    rows = [each.reshape(*tokens.shape, -1) * inside for each in features]
    return jnp.stack([row.sum(axis=1) for row in rows])


def _centred(vectors: np.ndarray) -> np.ndarray:
    return vectors - vectors.mean(axis=0)


def _found(first: np.ndarray, second: np.ndarray) -> float:
    """Return the share of rows whose nearest is the same row of the other, of both directions."""
    lengths = (np.linalg.norm(side, axis=1).clip(1e-9) for side in (first, second))
    cosines = first @ second.T / np.multiply.outer(*lengths)
    right = np.arange(len(cosines))
    return float(np.mean([(cosines.argmax(axis) == right).mean() for axis in (0, 1)]))
