import numpy as np
import pytest

from rnnjax.checks.arrays import check_lengths, check_range


class Elsewhere:
    """An array that has parts on the devices of another process, which cannot be read."""

    is_fully_addressable = False
    dtype, shape = np.dtype(np.int32), (2,)

    def __array__(self, *_, **__):
        raise RuntimeError("spans non-addressable devices")


def test_ids_that_this_process_can_read_are_checked_and_others_are_not():
    with pytest.raises(ValueError, match=r"ids must lie in \[0, 3\), got values from 1 to 3"):
        check_range("ids", np.array([1, 3]), 3)
    check_range("ids", Elsewhere(), 3)


def test_lengths_that_this_process_can_read_are_checked():
    with pytest.raises(ValueError, match="lengths must lie between 0 and the number of steps, 2"):
        check_lengths(np.array([1, 3]), 2, (2,))
