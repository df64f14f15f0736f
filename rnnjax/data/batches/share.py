"""The rows of a batch that one of several processes reads."""

from rnnjax.checks.values import check_positive

Share = tuple[int, int]  # which part, counted from 0, and the number of parts
WHOLE: Share = (0, 1)


def check_share(share: Share, **rows: int) -> None:
    """Raise `ValueError` unless `share` is a part, and the parts divide each number of `rows`."""
    part, count = share
    check_positive(count=count)
    if not 0 <= part < count:
        raise ValueError(
            f"share must be a part from 0 to {count - 1} and their number, got {share}"
        )
    for name, number in rows.items():
        if number % count:
            raise ValueError(f"{name} must be a multiple of the {count} parts, got {number}")


def own_rows(share: Share, rows: int) -> slice:
    """Return which rows of a batch are those of a part; parts are contiguous and equally large."""
    part, count = share
    return slice(part * rows // count, (part + 1) * rows // count)
