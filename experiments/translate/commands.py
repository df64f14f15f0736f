"""Translation: train, evaluate, translate.

$ python -m experiments.translate train                     # written dates to ISO 8601
$ python -m experiments.translate train sentences --source train.de val.de --target train.en val.en
$ echo "on Friday the 3rd of May '24" | python -m experiments.translate translate --run runs/dates
"""

import unicodedata
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.corpora.dates import written_dates
from experiments.sentences.data import typed_lines
from experiments.sentences.training import batches_in_order
from experiments.shared.command_line import Commands, presets, print_table
from experiments.shared.run_folder import claim, digest, read_digest, read_experiment
from experiments.translate.presets import DESCRIPTIONS, PRESETS, TranslationExperiment
from rnnjax.data import (
    ParallelBatches,
    Subwords,
    Translation,
    encode_source,
    read_parallel,
    reversible_tokenizer,
)
from rnnjax.data.vocabularies.subwords import END, MASK, PAD, START, UNKNOWN
from rnnjax.decoding import translate as search
from rnnjax.metrics import bleu, exact_matches, perplexity
from rnnjax.models import EncoderDecoder
from rnnjax.train import (
    Schedule,
    evaluate_translation,
    fit,
    init_state,
    load_best,
    make_train_step,
    plot_attention,
    plot_curves,
    translation_loss,
)

if TYPE_CHECKING:
    Preset = TranslationExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)

# What no translation holds.
NEVER = (PAD, UNKNOWN, START, MASK)
Splits = Sequence[list[Translation]]  # to train, develop and perhaps test on


class Trained(NamedTuple):
    """A model with its parameters, and the tokenisers of its two sides."""

    experiment: TranslationExperiment
    tokenizers: tuple[Subwords, Subwords]
    model: EncoderDecoder
    params: Any

    def translate(self, texts: Sequence[str], beam: int, length_penalty: float) -> list[str]:
        """Return the best translation of each text."""
        encoded = encode_source([_plain(text) for text in texts], self.tokenizers[0])
        written = [""] * len(texts)
        for rows, batch in batches_in_order(self.experiment, encoded):
            found = search(
                self.model,
                {"params": self.params},
                batch["source"],
                batch["lengths"],
                start_token=START,
                stop_token=END,
                num_tokens=2 * batch["source"].shape[1] + 20,
                beam=beam,
                length_penalty=length_penalty,
                never=NEVER,
            )
            best = zip(rows, np.asarray(found.tokens[:, 0]), strict=True)
            for row, tokens in best:
                if row >= 0 and encoded.lengths[row]:  # nothing is the translation of nothing
                    written[row] = self.tokenizers[1].decode(tokens)
        return written


def train(
    experiment: Preset = PRESETS["dates"],
    source: tuple[Path, ...] = (),
    target: tuple[Path, ...] = (),
    out: Path | None = None,
    tensorboard: bool = False,
) -> None:
    """Train a model, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      source: two or three files with a text a line, to train, develop and perhaps test on; by
        default written dates, made up.
      target: as many files with their translations, line by line.
      out: the run's folder: configuration, tokenisers, metrics, checkpoints, plots; by default
        under runs/.
      tensorboard: write TensorBoard events as well.
    """
    experiment.check()
    if not source and not target and experiment.unit != PRESETS["dates"].unit:
        raise ValueError(
            f"source and target must be given for {experiment.unit}s: the dates that are there by "
            "default are for characters"
        )
    splits = _read_splits(source, target) if source or target else tuple(written_dates())
    out = out or Path("runs") / (_name(source, target) if source else "dates")
    start = _untrained(experiment, splits)
    batches = _to_train_on(start, splits[0])
    claim(out, start.experiment, _digest(splits))
    for side, tokenizer in zip(("source", "target"), start.tokenizers, strict=True):
        tokenizer.save(out / f"{side}.json")
    trained = _fit(start, batches, splits[1], out, tensorboard)
    _report(out, trained, splits)


def evaluate(
    run: tuple[Path, ...],
    source: Path | None = None,
    target: Path | None = None,
    beam: int | None = None,
    length_penalty: float | None = None,
) -> None:
    """Print BLEU and the share of exact translations; of several runs, each.

    Args:
      run: the runs' folders.
      source: a file with a text a line; by default the test dates.
      target: a file with their translations.
      beam: hypotheses that go on; by default the run's own, and 1 beside it.
      length_penalty: by default the run's own.
    """
    if (source is None) != (target is None):
        raise ValueError("source and target must be given both, or neither")
    known = ""  # of dates, where they are what is read
    if source is None or target is None:
        dates = written_dates()
        pairs, known = dates.test, _digest(tuple(dates))
    else:
        pairs = _read(source, target)
    for each in run:
        trained = load_trained(each)
        if known and read_digest(each, TranslationExperiment) != known:
            raise ValueError(f"source and target must be given: {each} has not learnt dates")
        beams = dict.fromkeys((1, trained.experiment.beam) if beam is None else (beam,))
        _print_quality(str(each), trained, pairs, tuple(beams), length_penalty)


def translate(
    run: Path,
    data: Path | None = None,
    beam: int | None = None,
    length_penalty: float | None = None,
) -> None:
    """Translate text, a line at a time.

    Args:
      run: the run's folder.
      data: a file with a text a line; by default standard input, answered line by line.
      beam: hypotheses that go on; by default the run's own.
      length_penalty: by default the run's own.
    """
    trained = load_trained(run)
    options = _search_options(trained.experiment, beam, length_penalty)
    for lines in typed_lines(data):
        for line in trained.translate(lines, *options):
            print(line, flush=True)


def load_trained(run: Path) -> Trained:
    """Return what was trained in the folder `run`."""
    experiment = read_experiment(run, TranslationExperiment)
    tokenizers = (Subwords.load(run / "source.json"), Subwords.load(run / "target.json"))
    model = experiment.model(*map(len, tokenizers))
    shapes = jax.eval_shape(lambda: _init(model, 0))
    return Trained(experiment, tokenizers, model, load_best(run, shapes))


def _untrained(experiment: TranslationExperiment, splits: Splits) -> Trained:
    """Return the model before its training, and say how large all is."""
    sides = [[pair.source for pair in splits[0]], [pair.target for pair in splits[0]]]
    if experiment.shared:
        both = sides[0] + sides[1]
        tokenizer = reversible_tokenizer(both, experiment.unit, experiment.vocab_size)
        tokenizers = (tokenizer, tokenizer)
    else:
        ours, theirs = (
            reversible_tokenizer(side, experiment.unit, experiment.vocab_size) for side in sides
        )
        tokenizers = (ours, theirs)
    model = experiment.model(*map(len, tokenizers))
    params = _init(model, experiment.seed)
    sizes = " / ".join(f"{len(part):,}" for part in splits)
    print(
        f"{sum(leaf.size for leaf in jax.tree.leaves(params)):,} parameters; "
        f"{len(tokenizers[0]):,} and {len(tokenizers[1]):,} {experiment.unit}s; "
        f"{sizes} translations to train, develop and test on"
    )
    return Trained(experiment, tokenizers, model, params)


def _digest(splits: Splits) -> str:
    return digest(repr(splits))


def _fit(
    start: Trained, batches: ParallelBatches, dev: list[Translation], out: Path, tensorboard: bool
) -> Trained:
    """Train in the folder `out`, which was claimed, from where a run in it stopped."""
    experiment, model = start.experiment, start.model
    held_out = _batches(start, dev)
    per_epoch = batches.buckets.steps_per_epoch
    shapes = ", ".join(f"{rows} x {length}" for rows, length in batches.buckets.shapes)
    print(f"{per_epoch:,} steps an epoch; batches of shapes {shapes}")
    steps = experiment.epochs * per_epoch

    def batch_at(step: int) -> dict[str, Any]:
        batch: dict[str, Any] = batches.at(step)
        if experiment.mix:
            batch["mix"] = np.float32(experiment.mix * step / steps)
        return batch

    def evaluate(params: Any) -> dict[str, float]:
        once = (held_out.batch(*each) for each in held_out.buckets.in_order())
        loss = evaluate_translation(model, params, once)
        values = _quality(start._replace(params=params), dev, 1, 0.0)[0]
        return {"loss": loss, **values, "error": 1 - values[experiment.monitor] / 100}

    optimizer = experiment.optimizer.make(steps, per_epoch)
    result = fit(
        out,
        init_state(start.params, optimizer, None),
        make_train_step(
            translation_loss(model, label_smoothing=experiment.label_smoothing),
            optimizer,
            experiment.seed,
        ),
        batch_at,
        evaluate,
        Schedule(steps, experiment.epochs, patience=experiment.patience),
        tokens_per_step=round(batches.target.starts[-1] / per_epoch),
        monitor="error",
        tensorboard=tensorboard,
    )
    print(f"trained in {result.seconds / 60:.1f} minutes")
    return start._replace(params=load_best(out, result.state.params))


def _to_train_on(start: Trained, pairs: list[Translation]) -> ParallelBatches:
    """Return the batches of translations that are short enough, and say how many are not."""
    most = start.experiment.max_length
    batches = _batches(start, pairs, most)
    left_out = len(pairs) - len(batches.source.lengths)
    if left_out:
        print(f"{left_out:,} texts of over {most} tokens are not trained on")
    return batches


def _report(out: Path, trained: Trained, splits: Splits) -> None:
    """Print the table, show some translations, draw the curves and where the decoder looks."""
    split, pairs = ("test", splits[2]) if len(splits) > 2 else ("dev", splits[1])
    beams = tuple(dict.fromkeys((1, trained.experiment.beam)))
    written = _print_quality(split, trained, pairs, beams, None)
    for pair, text in list(zip(pairs, written, strict=True))[:5]:
        print(f"  {pair.source}\n    -> {text}\n       {pair.target} (reference)")
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats a token")
    pairs = [Translation(p.source, text) for p, text in zip(pairs, written, strict=True)]
    _draw_attention(out / "attention.png", trained, pairs)
    print(f"curves: {out / 'curves.png'}\nattention: {out / 'attention.png'}\nmodel:  {out}")


def _print_quality(
    title: str,
    trained: Trained,
    pairs: list[Translation],
    beams: tuple[int, ...],
    length_penalty: float | None,
) -> list[str]:
    """Print a row for each beam; return the translations of the last."""
    batches = _batches(trained, pairs)
    once = (batches.batch(*each) for each in batches.buckets.in_order())
    nats = evaluate_translation(trained.model, trained.params, once)
    rows, signature = [], ""
    written: list[str] = []
    for beam in beams:
        beam, penalty = _search_options(trained.experiment, beam, length_penalty)
        values, signature, written = _quality(trained, pairs, beam, penalty)
        name = "greedy" if beam == 1 else f"beam {beam}, length penalty {penalty:g}"
        rows.append((name, f"{values['bleu']:.2f}", f"{values['exact']:.2f} %"))
    print_table(f"{title}: {len(pairs):,} texts", ("", "BLEU", "exact"), rows)
    print(f"sacrebleu {signature}")
    print(f"{nats:.4f} nats a token, perplexity {perplexity(nats):.3f}")
    return written


def _quality(
    trained: Trained, pairs: list[Translation], beam: int, length_penalty: float
) -> tuple[dict[str, float], str, list[str]]:
    """Return BLEU and the share of exact translations, both of 100, BLEU's signature, and them."""
    written = trained.translate([pair.source for pair in pairs], beam, length_penalty)
    references = [pair.target for pair in pairs]
    score, signature = bleu(written, references)
    exact = 100 * exact_matches(written, references)
    return {"bleu": score, "exact": exact}, signature, written


def _search_options(
    experiment: TranslationExperiment, beam: int | None, length_penalty: float | None
) -> tuple[int, float]:
    """Return what is given, and the experiment's own where nothing is."""
    return (
        experiment.beam if beam is None else beam,
        experiment.length_penalty if length_penalty is None else length_penalty,
    )


def _draw_attention(picture: Path, trained: Trained, pairs: list[Translation]) -> None:
    """Draw where the decoder looks in the first few translations of middling length."""
    middling = sorted(pairs, key=lambda pair: len(pair.source))[len(pairs) // 2 :][:3]
    look, looks = jax.jit(partial(trained.model.apply, method="weights")), []
    for pair in middling:
        batch = _batches(trained, [pair]).at(0)
        lengths = batch["source_lengths"]
        weights = look({"params": trained.params}, batch["source"], lengths, batch["tokens"])
        names = [tokenizer.tokenizer.id_to_token for tokenizer in trained.tokenizers]
        read = [names[0](int(i)) for i in batch["source"][0, : lengths[0]]]
        written = [names[1](int(i)) for i in batch["targets"][0] if i >= 0]
        looks.append((read, written, np.asarray(weights[0, : len(written), : len(read)])))
    plot_attention(looks, picture)


def _batches(
    trained: Trained, pairs: list[Translation], max_length: int | None = None
) -> ParallelBatches:
    experiment = trained.experiment
    return ParallelBatches.of(
        pairs,
        trained.tokenizers,
        shapes=experiment.shapes,
        batch_size=experiment.batch_size,
        seed=experiment.seed,
        max_length=max_length,
    )


def _init(model: EncoderDecoder, seed: int) -> Any:
    ids = jnp.zeros((1, 1), jnp.int32)
    return jax.jit(model.init)(jax.random.key(seed), ids, None, ids)["params"]


def _read_splits(source: Sequence[Path], target: Sequence[Path]) -> Splits:
    if len(source) not in (2, 3) or len(target) != len(source):
        raise ValueError(
            "source and target must be two or three files each, to train, develop and perhaps "
            f"test on; got {len(source)} and {len(target)}"
        )
    return tuple(_read(*paths) for paths in zip(source, target, strict=True))


def _read(source: Path, target: Path) -> list[Translation]:
    """Read translations; none of them may be empty."""
    pairs = [Translation(*map(_plain, pair)) for pair in read_parallel(source, target)]
    for number, pair in enumerate(pairs, 1):
        for path, text in zip((source, target), pair, strict=True):
            if not text:
                raise ValueError(f"{path}, line {number} is empty; it must hold a text")
    return pairs


def _plain(text: str) -> str:
    """Return a text as tokenisers give it back."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _name(source: Sequence[Path], target: Sequence[Path]) -> str:
    return "-".join(side[0].suffix.removeprefix(".") or side[0].stem for side in (source, target))


COMMANDS: Commands = {"train": train, "evaluate": evaluate, "translate": translate}
