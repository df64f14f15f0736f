"""A trained translator."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.data import Subwords, encode_source
from rnnjax.data.vocabularies.subwords import END, MASK, PAD, START, UNKNOWN
from rnnjax.decoding import translate as search
from rnnjax.models import EncoderDecoder
from rnnjax.trained import run_files
from rnnjax.trained.base import Trained
from rnnjax.trained.batches import batches_in_order
from rnnjax.trained.carried import Names
from rnnjax.trained.export import Parts, rows_of
from rnnjax.trained.programs import COUNT, IDS, Program

# Tokens that are never written.
_NEVER = (PAD, UNKNOWN, START, MASK)


@dataclass(frozen=True)
class TrainedTranslator(Trained):
    """A trained `EncoderDecoder` with the tokenisers of its two sides.

    Attributes:
      tokenizers: the tokenisers of the source and of the target.
      beam: the default width of the beam search.
      length_penalty: the default penalty; see `rnnjax.decoding.beam_search`.
      batch_size: the largest number of texts in a training batch.
      shapes: the largest number of lengths that texts are padded to.

    Example:
      >>> tokenizer = rx.data.reversible_tokenizer(["3 May, 05-03"], "character", 30)
      >>> size = len(tokenizer)
      >>> model = rx.models.EncoderDecoder(size, size, rx.GRU(4), rx.GRU(4), embed_size=3)
      >>> trained = rx.trained.TrainedTranslator(model, None, (tokenizer, tokenizer)).initialized(0)
      >>> len(trained.translate(["3 May", ""]))
      2
    """

    model: EncoderDecoder
    tokenizers: tuple[Subwords, Subwords]
    beam: int = 1
    length_penalty: float = 0.0
    batch_size: int = 16
    shapes: int = 6

    settings: ClassVar[tuple[str, ...]] = ("beam", "length_penalty", "batch_size", "shapes")

    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""
        ids = jnp.zeros((1, 1), jnp.int32)
        return jax.jit(self.model.init)(jax.random.key(seed), ids, None, ids)["params"]

    def save_text(self, folder: Path) -> None:
        """Write the tokenisers."""
        for side, tokenizer in zip(("source", "target"), self.tokenizers, strict=True):
            tokenizer.save(folder / f"{side}.json")

    def sizes(self) -> tuple[Any, Any]:
        """Return the number of tokens, of the files and of the model."""
        return tuple(map(len, self.tokenizers)), (self.model.source_size, self.model.target_size)

    def names(self) -> Names:
        """Return the tokens of both sides; see `Trained.names`."""
        source, target = self.tokenizers
        return encoder_decoder_names(source.names, target.names)

    @classmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return the tokenisers."""
        sides = ("source", "target")
        return {"tokenizers": tuple(Subwords.load(folder / f"{side}.json") for side in sides)}

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return a program that writes the likeliest token at each step: `translate` with beam 1.

        It writes at most 20 tokens more than twice as many as the longest source is padded to.
        """
        source, target = self.tokenizers
        texts = [plain(text) for text in examples or [source.decode(source.ordinary[:8])]]
        stored = [
            {"text": text, "inputs": row}
            for text, row in zip(texts, rows_of(encode_source(texts, source)), strict=True)
        ]
        pieces = [target.tokenizer.id_to_token(i) for i in range(len(target))]
        script = run_files.script(
            "Translate the examples of export.json: python run.py.",
            run_files.ZEROS,
            run_files.EXAMPLES.format(program="translate", file="source.json"),
            run_files.TRANSLATE,
        )
        return Parts(
            {"translate": Program(self._greedy, {"source": IDS, "lengths": COUNT})},
            {"pieces": pieces, "end": END, "examples": stored},
            script,
            {"source.json": source.tokenizer.to_str(), "target.json": target.tokenizer.to_str()},
        )

    def _greedy(self, params: Any, source: Array, lengths: Array) -> dict[str, Array]:
        found = search(
            self.model,
            {"params": params},
            source,
            lengths,
            **_options(source.shape[1]),
            beam=1,
            length_penalty=0.0,
        )
        return {"tokens": found.tokens[:, 0]}

    def translate(
        self,
        texts: Sequence[str],
        beam: int | None = None,
        length_penalty: float | None = None,
        beside: Sequence[Self] = (),
    ) -> list[str]:
        """Return the best translation of each text; an empty text has an empty one.

        Args:
          texts: the texts to translate.
          beam: width of the beam search; None uses the default of the model.
          length_penalty: see `rnnjax.decoding.beam_search`; None uses the default of the model.
          beside: translators whose probabilities are averaged with this one's at each step.

        Raises:
          ValueError: a translator beside this one has other vocabularies.
        """
        models = [self, *beside]
        if any(each.tokenizers != self.tokenizers for each in beside):
            raise ValueError("translators must have the same vocabularies to write together")
        encoded = encode_source([plain(text) for text in texts], self.tokenizers[0])
        written = [""] * len(texts)
        for rows, batch in batches_in_order(encoded, self.shapes, self.batch_size):
            found = search(
                [each.model for each in models],
                [each.variables for each in models],
                batch["source"],
                batch["lengths"],
                **_options(batch["source"].shape[1]),
                beam=self.beam if beam is None else beam,
                length_penalty=self.length_penalty if length_penalty is None else length_penalty,
            )
            best = zip(rows, np.asarray(found.tokens[:, 0]), strict=True)
            for row, tokens in best:
                if row >= 0 and encoded.lengths[row]:  # an empty text has an empty translation
                    written[row] = self.tokenizers[1].decode(tokens)
        return written


def _options(places: int) -> dict[str, Any]:
    """Return the arguments of every search for translations of texts padded to `places`."""
    num_tokens = 2 * places + 20
    return {"start_token": START, "stop_token": END, "num_tokens": num_tokens, "never": _NEVER}


def encoder_decoder_names(source: tuple[Any, ...], target: tuple[Any, ...]) -> Names:
    """Return what the entries of an `EncoderDecoder`'s parameters stand for."""
    return {
        "source_embedding/embedding": (source, None),
        "target_embedding/embedding": (target, None),
        "kernel": (None, target),
        "bias": (target,),
    }


def plain(text: str) -> str:
    """Return a text as tokenisers decode it: in normal form C, single spaces between words."""
    return " ".join(unicodedata.normalize("NFC", text).split())
