import itertools
from functools import cache, partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import some_full

import rnnjax as rx
from rnnjax.decoding import conditional_log_probabilities, log_probability, posterior, sample
from rnnjax.models import ConditionalLanguageModel

VOCAB, CLASSES = 3, 4
# All texts of two tokens, after the token that they are read after.
TEXTS = np.array([[0, *rest] for rest in itertools.product(range(VOCAB), repeat=2)])
PRIORS = np.array([0.4, 0.1, 0.3, 0.2], np.float32)


@cache
def small(entry):
    model = ConditionalLanguageModel(
        VOCAB, rx.GRU(5), embed_size=3, reader=nn.Embed(CLASSES, 3), condition_size=3, entry=entry
    )
    variables = jax.jit(model.init)(
        jax.random.key(1), np.zeros((1, 1), np.int32), condition=np.array([0])
    )
    return model, jax.tree.map(lambda x: 3 * np.asarray(x), variables)


def start(entry, classes):
    model, variables = small(entry)
    begin = jax.jit(partial(model.apply, method="start"))
    return begin(variables, np.asarray(classes))


@pytest.mark.parametrize("entry", some_full(["state", "input"], ["state"]))
def test_posteriors_are_those_of_enumerating_all_texts(entry):
    """p(class, text) of every text of two tokens and every class, as one table of probabilities."""
    model, variables = small(entry)
    table = np.zeros((len(TEXTS), CLASSES))
    apply = jax.jit(model.apply)
    for each in range(CLASSES):
        state = start(entry, [each] * len(TEXTS))
        _, logits = apply(variables, TEXTS, state)
        odds = np.exp(np.asarray(logits, np.float64))
        shares = odds / odds.sum(axis=-1, keepdims=True)
        for row, (_, first, second) in enumerate(TEXTS):
            table[row, each] = PRIORS[each] * shares[row, 0, first] * shares[row, 1, second]
    np.testing.assert_allclose(table.sum(), 1, rtol=1e-5)
    logs = conditional_log_probabilities(
        model, variables, jnp.arange(CLASSES), TEXTS, np.full(len(TEXTS), 3)
    )
    assert logs.shape == (len(TEXTS), CLASSES)
    conditions, marginals = posterior(logs, jnp.log(PRIORS))
    np.testing.assert_allclose(np.exp(marginals), table.sum(axis=1), rtol=1e-4)
    want = table / table.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(conditions), want, rtol=1e-4)
    assert np.ptp(want, axis=1).max() > 0.3  # the text does say something of the class


def test_padding_says_nothing_and_no_text_leaves_the_priors():
    model, variables = small("input")
    tokens = np.array([[0, 1, 2, 2], [0, 1, 99, 99], [0, 99, 99, 99]])
    logs = conditional_log_probabilities(
        model, variables, jnp.arange(CLASSES), tokens, np.array([4, 2, 1])
    )
    alone = conditional_log_probabilities(
        model, variables, jnp.arange(CLASSES), tokens[1:2, :2], np.array([2])
    )
    np.testing.assert_allclose(logs[1], alone[0], atol=1e-6)
    conditions, texts = posterior(logs, jnp.log(PRIORS))
    np.testing.assert_allclose(np.exp(conditions[2]), PRIORS, rtol=1e-6)
    np.testing.assert_allclose(texts[2], 0, atol=1e-6)


@pytest.mark.parametrize("entry", some_full(["state", "input"], ["input"]))
def test_samples_given_a_condition_follow_its_probabilities(entry):
    model, variables = small(entry)
    rows = 3000
    prompts = np.zeros((rows, 1), np.int32)
    for each in (0, 3):
        state = start(entry, [each] * rows)
        drawn, _ = sample(
            model,
            variables,
            prompts,
            np.ones(rows, np.int32),
            jax.random.key(each),
            num_tokens=2,
            initial_state=state,
        )
        one = start(entry, [each] * len(TEXTS))
        logs = log_probability(model, variables, TEXTS, np.full(len(TEXTS), 3), initial_state=one)
        counts = np.bincount(np.asarray(drawn) @ [VOCAB, 1], minlength=len(TEXTS))
        want = np.exp(logs)
        # Five standard deviations of a share of 3,000 draws, and seeds are fixed.
        assert (np.abs(counts / rows - want) < 5 * np.sqrt(want / rows) + 1e-3).all()


def test_bad_arguments_are_named():
    model, variables = small("state")
    with pytest.raises(ValueError, match="lengths must lie between 0 and 2, got 3"):
        conditional_log_probabilities(
            model, variables, jnp.arange(CLASSES), np.zeros((1, 2), np.int32), np.array([3])
        )
    tokens, lengths = np.zeros((1, 2), np.int32), np.array([2])
    with pytest.raises(ValueError, match=r"condition must lie in \[0, 4\), got values from 0 to 4"):
        conditional_log_probabilities(model, variables, jnp.arange(5), tokens, lengths)
    for likelihoods, priors in (((3, 4), (3,)), ((4,), (4,)), ((3, 4), (3, 4))):
        with pytest.raises(ValueError, match=r"log_likelihoods must be \(batch, conditions\)"):
            posterior(np.zeros(likelihoods), np.zeros(priors))


def test_posteriors_of_lists_are_those_of_arrays():
    conditions, texts = posterior([[-1.0, -2.0]], [-0.5, -1.5])
    np.testing.assert_allclose(texts, [np.logaddexp(-1.5, -3.5)], rtol=1e-6)
    np.testing.assert_allclose(np.exp(conditions).sum(axis=1), 1, rtol=1e-6)
