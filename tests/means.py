"""Loss functions as `jax.value_and_grad` wants them."""


def mean_of(loss_fn):
    """The function that returns the mean and the carry of the `BatchLoss` of another."""

    def mean(*arguments):
        loss = loss_fn(*arguments)
        return loss.mean, loss.carry

    return mean
