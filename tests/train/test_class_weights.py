"""Weights of classes in the loss, beside PyTorch's and scikit-learn's."""

import jax
import numpy as np
import pytest
from means import mean_of

import rnnjax as rx
from rnnjax.data import Labelled, Tagged, balanced_weights, fit_indexer
from rnnjax.losses import cross_entropy
from rnnjax.models import Classifier, Tagger, TokenEmbedder
from rnnjax.train import model_loss
from rnnjax.trained import TrainedSentenceModel

WEIGHTS = np.array([0.2, 1.0, 3.0], np.float32)
SENTENCES = {
    Classifier: [Labelled(("a", "b"), label) for label in ("x", "y", "z", "_", "x")],
    Tagger: [Tagged(("a", "b", "c"), ("x", "y", "z")), Tagged(("b", "c", "a"), ("x", "_", "y"))],
}


@pytest.mark.full  # imports PyTorch; a model's loss is weighted by hand below
def test_a_weighted_mean_and_its_gradient_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    logits = random.normal(size=(4, 5, 3)).astype(np.float32)
    targets, mask = random.integers(3, size=(4, 5)), random.random((4, 5)) < 0.6

    def mean(logits):
        total, number = cross_entropy(logits, targets, mask, weights=WEIGHTS[targets])
        return total / number

    found, slope = jax.jit(jax.value_and_grad(mean))(logits)
    theirs = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.CrossEntropyLoss(weight=torch.tensor(WEIGHTS), ignore_index=-100)(
        theirs.reshape(-1, 3), torch.tensor(np.where(mask, targets, -100)).reshape(-1)
    )
    loss.backward()
    np.testing.assert_allclose(found, loss.item(), rtol=1e-6)
    np.testing.assert_allclose(slope, theirs.grad.numpy(), rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match=r"weights must have shape \(4, 5\), got \(3,\)"):
        cross_entropy(logits, targets, mask, weights=WEIGHTS)


def test_balanced_weights_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    targets = np.random.default_rng(0).choice(4, 60, p=[0.6, 0.2, 0.15, 0.05])
    wanted = sklearn.compute_class_weight("balanced", classes=np.arange(4), y=targets)
    np.testing.assert_allclose(balanced_weights(targets, 4), wanted, rtol=1e-6)
    for classes in (2, 5):
        with pytest.raises(ValueError, match="targets must have each of"):
            balanced_weights(targets, classes)


@pytest.mark.parametrize("kind", [Classifier, Tagger])
def test_a_models_loss_divides_by_the_weights_of_what_is_known(kind):
    indexer = fit_indexer(SENTENCES[kind], characters=False)
    model = kind(indexer.targets, TokenEmbedder(len(indexer.words), 3), rx.GRU(2))
    trained = TrainedSentenceModel(model, None, indexer).initialized(0)
    [(_, batch)] = trained.batches(SENTENCES[kind])
    key = jax.random.key(0)
    loss_fn = jax.jit(mean_of(model_loss(model, class_weights=WEIGHTS)))
    loss, _ = loss_fn(trained.params, None, batch, key)
    logits = np.asarray(model.apply(trained.variables, batch, method="batch_logits"), np.float64)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    known, targets = batch["targets_known"], batch["targets"]
    nats = -np.take_along_axis(logs, targets[..., None], -1)[..., 0][known]
    weights = WEIGHTS[targets[known]]
    np.testing.assert_allclose(loss, (weights * nats).sum() / weights.sum(), rtol=1e-5)
    # The loss of an evaluation has none, and nothing that is known costs nothing.
    _, plain = model.apply(trained.variables, batch, method="batch_answers")
    np.testing.assert_allclose(plain.total / plain.number, nats.mean(), rtol=1e-5)
    nothing = {**batch, "targets_known": np.zeros_like(known)}
    assert loss_fn(trained.params, None, nothing, key)[0] == 0


def test_a_random_field_has_no_weights():
    indexer = fit_indexer(SENTENCES[Tagger], characters=False)
    model = Tagger(indexer.targets, TokenEmbedder(len(indexer.words), 3), rx.GRU(2), crf=True)
    emissions, tags = np.zeros((1, 2, 3), np.float32), np.zeros((1, 2), int)
    params = {"start": np.zeros(3), "between": np.zeros((3, 3)), "end": np.zeros(3)}
    with pytest.raises(ValueError, match="class_weights must be None with crf"):
        model.apply({"params": params}, emissions, tags, method="loss", class_weights=WEIGHTS)
