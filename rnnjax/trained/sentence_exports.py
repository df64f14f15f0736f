"""What models of sentences export."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import jax
import numpy as np
from jax import Array

from rnnjax.data import Encoded, PieceIndexer, WordIndexer, split_words
from rnnjax.models import Classifier, Tagger
from rnnjax.trained import run_files
from rnnjax.trained.export import Parts, rows_of
from rnnjax.trained.programs import COUNT, IDS, Argument, Program, step_program


def word_exports(model: Any, indexer: WordIndexer, examples: Sequence[str]) -> Parts:
    """Return what a model that reads words exports."""
    arguments, word = {"words": IDS, "lengths": COUNT}, {"word": COUNT}
    if indexer.characters is not None:
        most = indexer.max_word_length
        arguments["characters"] = Argument(f"batch, time, {most}", "int32")
        word["characters"] = Argument(f"batch, {most}", "int32")
    if indexer.paired:
        arguments["first_lengths"] = COUNT
    programs = {"predict": _whole(model, arguments)}
    if isinstance(model, Tagger | Classifier):
        programs["step"] = step_program(model, model.core, word, "logits")
    few = "\t".join([" ".join(indexer.words.symbols[:5])] * (1 + indexer.paired))
    script = run_files.script(
        'Answer texts of words with white space between them: python run.py ["A TEXT" ...].',
        run_files.ZEROS,
        run_files.look_up(indexer.words),
        *([run_files.SPELL] if indexer.characters else []),
        run_files.batches(indexer),
        run_files.PREDICT.format(result=_result(model)),
        run_files.TAGS if model.per_token else run_files.LABELS,
    )
    return Parts(
        programs,
        {**asdict(indexer), "examples": [spaced(text) for text in examples or [few]]},
        script,
    )


def piece_exports(
    model: Any, indexer: PieceIndexer, texts: Sequence[str], encoded: Encoded
) -> Parts:
    """Return what a model that reads pieces of words exports, with the pieces of some texts."""
    arguments = {**dict.fromkeys(encoded.inputs, IDS), "lengths": COUNT}
    programs = {"predict": _whole(model, arguments, (f"time <= {indexer.max_length}",))}
    stored = [
        {"text": text, "inputs": row, "firsts": np.flatnonzero(marks).tolist()}
        for text, row, marks in zip(texts, rows_of(encoded), _marks(encoded), strict=True)
    ]
    text = {"targets": indexer.targets, "max_length": indexer.max_length, "examples": stored}
    script = run_files.script(
        "Answer the examples of export.json: python run.py.",
        run_files.ZEROS,
        run_files.EXAMPLES.format(program="predict", file="tokenizer.json"),
        run_files.PREDICT.format(result=_result(model)),
        run_files.PIECE_TAGS if model.per_token else run_files.PIECE_LABELS,
    )
    files = {"tokenizer.json": indexer.subwords.tokenizer.to_str()}
    return Parts(programs, text, script, files)


def spaced(text: str) -> str:
    """Return a text, or two with a tab between them, with a space between its words."""
    return "\t".join(" ".join(split_words(part)) for part in text.split("\t"))


def _whole(model: Any, arguments: Mapping[str, Argument], limits: tuple[str, ...] = ()) -> Program:
    def run(params: Any, **batch: Array) -> dict[str, Any]:
        # Not `batch_answers`, whose loss would be part of the program.
        variables = {"params": params}
        if isinstance(model, Tagger):
            lengths = batch["lengths"]
            read = batch["words"], batch.get("characters"), lengths
            emissions = model.apply(variables, *read)
            answers = model.apply(variables, emissions, lengths, method="predict")
        else:
            logits = model.apply(variables, batch, method="batch_logits")
            answers = logits.argmax(axis=-1) if model.per_token else jax.nn.softmax(logits)
        return {_result(model): answers}

    return Program(run, arguments, limits)


def _result(model: Any) -> str:
    return "tags" if model.per_token else "probabilities"


def _marks(encoded: Encoded) -> list[np.ndarray]:
    """Return where words start in each row; nowhere, if the text has one answer."""
    firsts = encoded.marks.get("firsts", np.zeros(encoded.starts[-1], bool))
    return np.split(firsts, encoded.starts[1:-1])
