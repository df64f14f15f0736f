"""A batch in parts has the loss, gradient, carry and metrics of the batch as a whole."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax as rx
from rnnjax.models import BatchLoss
from rnnjax.train import (
    init_state,
    make_train_step,
    model_loss,
    scheduled_sampling_loss,
    taught_language_model_loss,
)

ROWS, TIME, VOCAB = 8, 5, 11
RANDOM = np.random.default_rng(0)
TOKENS = RANDOM.integers(0, VOCAB, (ROWS, 2 * TIME + 1))
WORDS = {
    "words": TOKENS[:, :TIME],
    "lengths": np.array([5, 0, 3, 1, 5, 2, 4, 1]),
    "targets": RANDOM.integers(0, 3, (ROWS, TIME)),
    "targets_known": RANDOM.random((ROWS, TIME)) < 0.7,
}
TAGS = ("A", "B", "C")


def chunks():
    """Two chunks of texts; in the second one, most targets of some rows do not count."""
    made = []
    for start in (0, TIME):
        here = slice(start, start + TIME)
        mask = RANDOM.random((ROWS, TIME)) < np.linspace(0.1, 1, ROWS)[:, None]
        made.append(
            {
                "inputs": TOKENS[:, here],
                "targets": TOKENS[:, start + 1 : start + 1 + TIME],
                "fresh": np.asarray(start == 0),
                "resets": RANDOM.random((ROWS, TIME)) < 0.2,
                "mask": mask,
            }
        )
    return made


def updates(loss_fn, params, carry, batches, parts):
    """The state after an update for each batch, and the metrics of each."""
    # Plain steps, so that parameters differ as gradients do.
    chain, found = optax.sgd(1.0), []
    step = make_train_step(loss_fn, chain, seed=3, accumulate=parts)
    params, carry = jax.tree.map(jnp.array, (params, carry))  # the update donates its state
    state = init_state(params, chain, carry)
    for batch in batches:
        state, metrics = step(state, batch)
        found.append(metrics)
    return state, found


def assert_same(loss_fn, params, carry, batches, parts=4):
    want = updates(loss_fn, params, carry, batches, 1)
    got = updates(loss_fn, params, carry, batches, parts)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6), got, want)
    return want


def noisy(cell):
    return rx.WeightDrop(rx.Zoneout(rx.RecurrentDropout(cell, 0.3), 0.2), 0.2)


def language_model(core, **options):
    model = rx.models.LanguageModel(VOCAB, core, embed_size=6, dropout=0.4, **options)
    params = jax.jit(model.init)(jax.random.key(0), TOKENS[:, :TIME])["params"]
    return model, params, model.initial_state((ROWS,))


def test_a_language_model_with_every_mask_and_a_carried_state():
    core = rx.Stack((noisy(rx.LSTM(6)), rx.GRU(6)), dropout=0.5)
    model, params, carry = language_model(core, tie_embeddings=True)
    state, metrics = assert_same(model_loss(model), params, carry, chunks())
    # The masks do something, or this test would not see them.
    other = updates(model_loss(model.clone(dropout=0.0)), params, carry, chunks(), 1)[1]
    assert abs(metrics[0]["loss"] - other[0]["loss"]) > 1e-3
    assert np.abs(jax.tree.leaves(state.carry)[0]).max() > 0


@pytest.mark.parametrize(("crf", "characters"), [(True, None), (False, "lstm")])
def test_a_tagger_of_sentences_of_all_lengths(crf, characters):
    embedder = rx.models.TokenEmbedder(VOCAB, 4, characters, 7, 4, dropout=0.3)
    model = rx.models.Tagger(TAGS, embedder, rx.GRU(4), crf=crf, dropout=0.5)
    batch = dict(WORDS)
    if characters:
        batch["characters"] = RANDOM.integers(0, 7, (ROWS, TIME, 3))
    read = {name: value for name, value in batch.items() if not name.startswith("targets")}
    params = jax.jit(model.init)(jax.random.key(0), **read)["params"]
    assert_same(model_loss(model), params, None, [batch], parts=2)


@pytest.mark.full
def test_a_transformer_that_computes_its_layers_again():
    config = rx.models.TransformerConfig(VOCAB, 4, 2, 2, 8, TIME, dropout=0.3, remat=True)
    model = rx.models.MaskedLanguageModel(config)
    tokens = TOKENS[:, :TIME]
    batch = {"tokens": tokens, "targets": tokens, "chosen": WORDS["targets_known"]}
    batch["lengths"] = WORDS["lengths"]
    params = jax.jit(model.init)(jax.random.key(0), tokens)["params"]
    assert_same(model_loss(model), params, None, [batch])


@pytest.mark.full
def test_a_student_and_its_teachers():
    model, params, carry = language_model(rx.GRU(6))
    teachers = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    theirs = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf], axis=1), carry)
    batches = [{**batch, "teacher": teachers} for batch in chunks()]
    loss_fn = taught_language_model_loss(model, model, alpha=0.5, temperature=2.0)
    assert_same(loss_fn, params, (carry, theirs), batches)


def head_loss(kind):
    """The loss of a large softmax: adaptive, or against a sample of the classes."""
    softmax = rx.losses.AdaptiveSoftmax(VOCAB, cutoffs=(3,))

    def loss_fn(params, carry, batch, key):
        features = jnp.tanh(batch["xs"] @ params["w"])
        if kind == "adaptive":
            found = softmax.cross_entropy(params["head"], features, batch["ys"], batch["mask"])
        else:
            options = {"num_sampled": 5, "mask": batch["mask"]}
            head = params["head"]["head"]
            ys = batch["ys"] % head["bias"].shape[0]
            found = rx.losses.sampled_cross_entropy(
                features, head["kernel"], head["bias"], ys, key, **options
            )
        return BatchLoss(*found, carry)

    params = {"w": jnp.eye(4), "head": softmax.init(jax.random.key(0), 4)}
    return loss_fn, params


@pytest.mark.parametrize("kind", ["adaptive", "sampled"])
def test_a_large_softmax(kind):
    loss_fn, params = head_loss(kind)
    xs = RANDOM.normal(size=(ROWS, TIME, 4)).astype(np.float32)
    ys = RANDOM.integers(0, VOCAB, (ROWS, TIME))
    batch = {"xs": xs, "ys": ys, "mask": ys % 3 > 0}
    assert_same(loss_fn, params, None, [batch])


def line(params, carry, batch, key):
    """Least squares, with metrics."""
    del key
    errors = batch["xs"] * params["w"] - batch["ys"]
    metrics = {"worst": jnp.abs(errors).mean(), "scale": batch["scale"]}
    return batch["scale"] * (errors**2).mean(), carry, metrics


LINE = {"xs": np.arange(8.0, dtype=np.float32), "ys": np.ones(8, np.float32), "scale": np.int32(2)}


@pytest.mark.fast
def test_a_loss_that_is_a_mean_of_rows_and_its_metrics():
    with jax.numpy_dtype_promotion("standard"):
        params = {"w": jnp.float32(0.5)}
        state, [metrics] = updates(line, params, None, [LINE], 4)
    errors = LINE["xs"] * 0.5 - 1
    np.testing.assert_allclose(metrics["loss"], 2 * (errors**2).mean(), rtol=1e-6)
    np.testing.assert_allclose(metrics["worst"], np.abs(errors).mean(), rtol=1e-6)
    assert metrics["scale"] == 2
    gradient = 4 * (errors * LINE["xs"]).mean()
    np.testing.assert_allclose(state.params["w"], 0.5 - gradient, rtol=1e-6)


def counted(params, carry, batch, key):
    """The same, a sum over the targets that are known; the carry holds what was read."""
    del key
    known = batch["ys"] < 10
    errors = jnp.where(known, batch["xs"] * params["w"] - batch["ys"], 0)
    return BatchLoss((errors**2).sum(), known.sum(), carry + batch["xs"])


@pytest.mark.fast
def test_parts_count_as_their_targets_and_a_part_without_any_not_at_all():
    ys = np.array([1, 20, 1, 1, 1, 20, 20, 1], np.float32)  # part 1 of 4 has rows 1 and 5
    params, carry = {"w": jnp.float32(0.5)}, jnp.arange(8.0)
    state, [metrics] = updates(counted, params, carry, [{"xs": LINE["xs"], "ys": ys}], 4)
    errors = (LINE["xs"] * 0.5 - 1)[ys < 10]
    np.testing.assert_allclose(metrics["loss"], (errors**2).mean(), rtol=1e-6)
    gradient = 2 * (errors * LINE["xs"][ys < 10]).mean()
    np.testing.assert_allclose(state.params["w"], 0.5 - gradient, rtol=1e-6)
    np.testing.assert_array_equal(state.carry, 2 * LINE["xs"])
    nothing = {"xs": LINE["xs"], "ys": np.full(8, 20, np.float32)}
    state, [metrics] = updates(counted, params, carry, [nothing], 4)
    assert (metrics["loss"], metrics["grad_norm"], state.params["w"]) == (0, 0, 0.5)


def test_an_update_is_skipped_if_one_part_is_not_finite():
    params, carry = {"w": jnp.float32(0.5)}, jnp.zeros(8)
    bad = {"xs": np.where(np.arange(8) == 6, np.nan, LINE["xs"]), "ys": LINE["ys"]}
    good = {"xs": LINE["xs"], "ys": LINE["ys"]}
    state, metrics = updates(counted, params, carry, [bad, good], 4)
    assert [int(each["skipped"]) for each in metrics] == [1, 1]
    np.testing.assert_array_equal(state.carry, LINE["xs"])
    assert np.isfinite(state.params["w"])


def translator():
    model = rx.models.EncoderDecoder(
        VOCAB, VOCAB, encoder=rx.GRU(4), decoder=rx.GRU(4), embed_size=4, dropout=0.3
    )
    tokens, lengths = TOKENS[:, :TIME], WORDS["lengths"]
    batch = {"source": tokens, "source_lengths": lengths, "tokens": tokens, "targets": tokens}
    batch |= {"targets_known": WORDS["targets_known"], "mix": np.float32(0.5)}
    return model, (tokens, lengths, tokens), batch, scheduled_sampling_loss(model)


def classifier():
    embedder = rx.models.TokenEmbedder(VOCAB, 4, dropout=0.3)
    model = rx.models.Classifier(TAGS, embedder, rx.GRU(4), dropout=0.3)
    batch = {**WORDS, "targets": WORDS["targets"][:, 0], "targets_known": np.ones(ROWS, bool)}
    return model, (WORDS["words"], None, WORDS["lengths"]), batch, model_loss(model)


def answerer():
    model = rx.models.QuestionAnswerer(
        VOCAB, 4, question_core=rx.GRU(4), story_core=rx.GRU(4), dropout=0.3
    )
    words, lengths = WORDS["words"], WORDS["lengths"]
    batch = {"words": words, "lengths": lengths, "question": words[:, :3]}
    batch |= {"question_lengths": lengths % 3, "starts": lengths * 0, "ends": lengths * 0}
    batch["starts_known"] = lengths > 0
    return model, (words, words[:, :3], lengths, lengths % 3), batch, model_loss(model)


@pytest.mark.parametrize("make", [translator, classifier, answerer])
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.full)])
def test_every_mask_knows_its_axis_of_rows(make, compiled):
    model, read, batch, loss_fn = make()
    params = jax.eval_shape(model.init, jax.random.key(0), *read)["params"]
    if compiled:
        params = jax.jit(model.init)(jax.random.key(0), *read)["params"]
        assert_same(loss_fn, params, None, [batch])
    else:  # no axis but that of rows has a multiple of two
        step = make_train_step(loss_fn, optax.sgd(1.0), seed=0, accumulate=2)
        state = jax.eval_shape(lambda p: init_state(p, optax.sgd(1.0), None), params)
        jax.eval_shape(step, state, batch)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("parts", "carry", "changed", "message"),
    [
        (3, None, {}, "accumulate must divide the 8 rows of a batch, got 3"),
        (2, None, {"ys": np.ones(4)}, r"the batch's, got xs \(8,\), ys \(4,\)"),
        (2, {"seen": jnp.zeros(())}, {}, r"got xs \(8,\), ys \(8,\), carry\['seen'\] \(\)"),
        (2, None, {"xs": 1.0, "ys": 1.0}, "the batch's, got none"),
    ],
)
def test_what_cannot_be_divided_is_refused(parts, carry, changed, message):
    step = make_train_step(line, optax.sgd(0.1), seed=0, accumulate=parts)
    state = init_state({"w": jnp.float32(0.5)}, optax.sgd(0.1), carry)
    with pytest.raises(ValueError, match=message):
        step(state, {**LINE, **changed})


@pytest.mark.fast
def test_the_number_of_parts_is_positive():
    with pytest.raises(ValueError, match="accumulate must be an integer of at least 1, got 0"):
        make_train_step(line, optax.sgd(0.1), seed=0, accumulate=0)


def test_a_cell_that_draws_by_itself_is_refused():
    class Drop(nn.RNNCellBase):
        @nn.compact
        def __call__(self, carry, x):
            carry, y = nn.GRUCell(4, name="cell")(carry, x)
            return carry, nn.Dropout(0.5, deterministic=not self.has_rng("dropout"))(y)

        def initialize_carry(self, rng, shape):
            return jnp.zeros((*shape[:-1], 4))

        num_feature_axes = 1

    model = rx.models.LanguageModel(VOCAB, rx.linen.Cell(Drop(), rngs=("dropout",)), embed_size=4)
    params = jax.eval_shape(model.init, jax.random.key(0), TOKENS[:, :TIME])["params"]
    step = make_train_step(model_loss(model), optax.sgd(1.0), seed=0, accumulate=2)
    carry = model.initial_state((ROWS,))
    state = jax.eval_shape(lambda p: init_state(p, optax.sgd(1.0), carry), params)
    with pytest.raises(ValueError, match="accumulate must be 1 for Cell"):
        jax.eval_shape(step, state, chunks()[0])
