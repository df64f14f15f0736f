"""A trained masked language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import jax
import numpy as np
from jax import Array

from rnnjax.checks import check_positive
from rnnjax.data import Subwords
from rnnjax.data.vocabularies.subwords import END, MASK, SPECIAL, START
from rnnjax.decoding.padding import grown
from rnnjax.models import MaskedLanguageModel
from rnnjax.trained import run_files
from rnnjax.trained.base import Trained
from rnnjax.trained.carried import Names
from rnnjax.trained.export import Parts
from rnnjax.trained.programs import COUNT, IDS, Program
from rnnjax.trained.sentences import init_encoder


@dataclass(frozen=True)
class TrainedMaskedModel(Trained):
    """A trained `MaskedLanguageModel` with its tokeniser.

    Attributes:
      subwords: the tokeniser.
      languages: names of the languages of the model, in the order of their ids.

    Example:
      >>> subwords = rx.data.Subwords.train(["what fun what a bad film"], 40)
      >>> config = rx.models.TransformerConfig(
      ...     len(subwords), hidden_size=4, layers=1, heads=2, feedforward_size=8, max_length=16
      ... )
      >>> model = rx.models.MaskedLanguageModel(config)
      >>> trained = rx.trained.TrainedMaskedModel(model, None, subwords).initialized(seed=0)
      >>> [pieces] = trained.fill("what a [MASK] film", top=3)
      >>> len(pieces)
      3
    """

    model: MaskedLanguageModel
    subwords: Subwords
    languages: tuple[str, ...] = ()

    settings: ClassVar[tuple[str, ...]] = ("languages",)

    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""
        return init_encoder(self.model, seed)

    def save_text(self, folder: Path) -> None:
        """Write the tokeniser."""
        self.subwords.save(folder / "tokenizer.json")

    def sizes(self) -> tuple[Any, Any]:
        """Return the number of tokens, of the files and of the model."""
        return len(self.subwords), self.model.config.vocab_size

    def names(self) -> Names:
        """Return the tokens, the languages and the positions; see `Trained.names`."""
        return {
            "encoder/token_embedding/embedding": (self.subwords.names, None),
            "encoder/language_embedding/embedding": (self.languages, None),
            "encoder/position_embedding/embedding": (range(self.model.config.max_length), None),
            "bias": (self.subwords.names,),
        }

    @classmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return the tokeniser."""
        return {"subwords": Subwords.load(folder / "tokenizer.json")}

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return a program that gives the probability of each piece at each place of a text."""
        arguments = {"tokens": IDS, "lengths": COUNT}
        if self.languages:
            arguments["languages"] = IDS

        def run(params: Any, **given: Any) -> dict[str, Array]:
            logits = cast(Array, self.model.apply({"params": params}, **given))
            return {"probabilities": jax.nn.softmax(logits)}

        few = f"{self.subwords.decode(self.subwords.ordinary[:8])} {SPECIAL[MASK]}"
        stored = [
            {"text": text, "inputs": {"tokens": self._encode(text).tolist()}}
            for text in examples or [few]
        ]
        pieces = [self.subwords.tokenizer.id_to_token(i) for i in range(len(self.subwords))]
        script = run_files.script(
            "Fill the masks in the examples of export.json: python run.py.",
            run_files.ZEROS,
            run_files.EXAMPLES.format(program="fill", file="tokenizer.json"),
            run_files.FILL,
        )
        return Parts(
            {"fill": Program(run, arguments, (f"time <= {self.model.config.max_length}",))},
            {"pieces": pieces, "mask": MASK, "languages": self.languages, "examples": stored},
            script,
            {"tokenizer.json": self.subwords.tokenizer.to_str()},
        )

    def fill(
        self, text: str, top: int = 5, language: str | None = None
    ) -> list[list[tuple[str, float]]]:
        """Return the most likely pieces, with their probabilities, at each "[MASK]" of a text.

        Args:
          text: a text.
          top: number of pieces.
          language: the language of the text, if the model knows several.

        Raises:
          ValueError: the text is too long, or the model does not know the language.
        """
        check_positive(top=top)
        spoken, tokens = language_id(self.languages, language), self._encode(text)[None]
        longest = self.model.config.max_length
        if tokens.shape[1] > longest:
            raise ValueError(
                f"a text makes {tokens.shape[1]} tokens; there are positions for {longest}"
            )
        masked = np.flatnonzero(tokens[0] == MASK)
        length = tokens.shape[1]
        # Of few lengths, so that few programs are compiled.
        tokens = np.pad(tokens, ((0, 0), (0, min(grown(length), longest) - length)))
        languages = None if spoken is None else np.full_like(tokens, spoken)
        shares = _shares(self.model, self.variables, tokens, np.array([length]), languages)
        return [self._likeliest(row, top) for row in np.asarray(shares)[0, masked]]

    def _encode(self, text: str) -> np.ndarray:
        """Return the ids of a text, `(tokens,)` int32."""
        parts = [self.subwords.encode(part).ids for part in text.split(SPECIAL[MASK])]
        between = [ids for part in parts for ids in ([MASK], part)][1:]
        return np.concatenate([[START], *between, [END]]).astype(np.int32)

    def _likeliest(self, shares: np.ndarray, top: int) -> list[tuple[str, float]]:
        name = self.subwords.tokenizer.id_to_token
        best = np.argsort(-shares, kind="stable")[:top]
        return [(name(int(i)), float(shares[i])) for i in best]


@partial(jax.jit, static_argnums=0)
def _shares(
    model: MaskedLanguageModel, variables: Any, tokens: Any, lengths: Any, languages: Any
) -> jax.Array:
    logits = model.apply(variables, tokens, lengths, languages=languages)
    return jax.nn.softmax(cast(jax.Array, logits))


def language_id(languages: Sequence[str], name: str | None) -> int | None:
    """Return the id of a language; None if the encoder has no languages.

    Raises:
      ValueError: the encoder does not know the language, or `name` is None and it knows several.
    """
    if name not in (languages or (None,)):
        known = f"one of {', '.join(languages)}" if languages else "None"
        raise ValueError(f"language must be {known}, as in the pre-training, got {name}")
    return None if name is None else languages.index(name)
