"""Bayes' rule with a conditional language model: which condition does a text have?"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from rnnjax.decoding.padding import padded_text
from rnnjax.decoding.score import log_probability
from rnnjax.models.conditional_language_model import ConditionalLanguageModel


class Posterior(NamedTuple):
    """The result of `posterior`.

    Attributes:
      conditions: `(batch, conditions)`, log p(condition | text).
      texts: `(batch,)`, log p(text), summed over all conditions.

    Example:
      >>> found = rx.decoding.posterior(jnp.log(jnp.array([[0.1, 0.3]])), jnp.log(jnp.full(2, 0.5)))
      >>> round(float(jnp.exp(found.texts[0])), 3)
      0.2
    """

    conditions: Array
    texts: Array


def conditional_log_probabilities(
    model: ConditionalLanguageModel,
    variables: Any,
    conditions: Any,
    tokens: ArrayLike,
    lengths: ArrayLike,
) -> Array:
    """Return log p(text | condition) of each text under each condition, `(batch, conditions)`.

    Args:
      model: the model; compiled once for each model and shape.
      variables: its variables, `{"params": ...}`.
      conditions: the argument of the model's `start`, with the conditions on the leading axis.
      tokens: texts `(batch, time)`; see `log_probability`.
      lengths: `(batch,)` integers.

    Raises:
      ValueError: tokens or lengths have a wrong shape; or concrete tokens, lengths or classes are
        out of range.

    Example:
      >>> model = rx.models.ConditionalLanguageModel(
      ...     vocab_size=9, core=rx.GRU(4), embed_size=3, reader=nn.Embed(2, 3), condition_size=3
      ... )
      >>> tokens, classes = jnp.ones((2, 5), int), jnp.array([0, 1])
      >>> variables = model.init(jax.random.key(0), tokens, condition=classes)
      >>> rx.decoding.conditional_log_probabilities(
      ...     model, variables, classes, tokens, jnp.array([5, 3])
      ... ).shape
      (2, 2)
    """
    model.check_condition(conditions)
    tokens, lengths = padded_text(tokens, lengths, model.vocab_size, given=1)
    return _conditional(model, variables, conditions, tokens, lengths)


def posterior(log_likelihoods: ArrayLike, log_priors: ArrayLike) -> Posterior:
    """Return the posterior of the conditions by Bayes' rule.

        p(c | text) = p(text | c) p(c) / p(text);   p(text) = sum over c of p(text | c) p(c)

    Args:
      log_likelihoods: `(batch, conditions)`, log p(text | c).
      log_priors: `(conditions,)`, log p(c).

    Raises:
      ValueError: the shapes do not fit.

    Example:
      >>> likelihoods, priors = jnp.log(jnp.array([[0.1, 0.3]])), jnp.log(jnp.full(2, 0.5))
      >>> found = rx.decoding.posterior(likelihoods, priors)
      >>> round(float(jnp.exp(found.conditions[0, 1])), 3)
      0.75
    """
    likelihoods, priors = jnp.asarray(log_likelihoods), jnp.asarray(log_priors)
    if likelihoods.ndim != 2 or priors.shape != likelihoods.shape[1:]:
        raise ValueError(
            "log_likelihoods must be (batch, conditions) and log_priors (conditions,), "
            f"got {likelihoods.shape} and {priors.shape}"
        )
    joint = likelihoods + priors[None]
    texts = jax.nn.logsumexp(joint, axis=1)
    return Posterior(joint - texts[:, None], texts)


@partial(jax.jit, static_argnums=0)
def _conditional(
    model: ConditionalLanguageModel, variables: Any, conditions: Any, tokens: Array, lengths: Array
) -> Array:
    states = model.apply(variables, conditions, method="start")

    def given(state: Any) -> Array:
        rows = jax.tree.map(lambda leaf: leaf[None].repeat(len(tokens), axis=0), state)
        return log_probability(model, variables, tokens, lengths, initial_state=rows)

    # One condition after another: the logits of all conditions might not fit into memory.
    return jax.lax.map(given, states).T
