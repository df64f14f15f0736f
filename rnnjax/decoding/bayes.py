"""What a model of text given a condition says of the condition, given a text."""

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
    """What is known of texts once they are read."""

    conditions: Array  # (batch, conditions), log p(condition | text)
    texts: Array  # (batch,), log p(text), whatever the condition


def conditional_log_probabilities(
    model: ConditionalLanguageModel,
    variables: Any,
    conditions: Any,
    tokens: ArrayLike,
    lengths: ArrayLike,
) -> Array:
    """Return log p(text | condition) of each text under each condition, `(batch, conditions)`.

    Args:
      model: the model; jitted once for each model and shape.
      variables: its variables, `{"params": ...}`.
      conditions: what the model's `start` takes, the conditions on the leading axis.
      tokens: texts `(batch, time)`, as `log_probability` takes them.
      lengths: `(batch,)` integers.

    Raises:
      ValueError: tokens or lengths of a wrong shape; they, or classes, out of range where concrete.
    """
    model.check_condition(conditions)
    tokens, lengths = padded_text(model, tokens, lengths, least=0)
    return _conditional(model, variables, conditions, tokens, lengths)


def posterior(log_likelihoods: ArrayLike, log_priors: ArrayLike) -> Posterior:
    """Return what Bayes' rule makes of likelihoods and priors.

        p(c | text) = p(text | c) p(c) / p(text);   p(text) = sum over c of p(text | c) p(c)

    Args:
      log_likelihoods: `(batch, conditions)`, log p(text | c).
      log_priors: `(conditions,)`, log p(c).

    Raises:
      ValueError: shapes that are not these.
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

    # One condition after another: the logits of all at once could be too many to hold.
    return jax.lax.map(given, states).T
