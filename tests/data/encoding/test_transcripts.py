from itertools import groupby, product

import numpy as np

from rnnjax.data import encode_frames, frames_needed


def test_frames_needed_are_the_shortest_path():
    """By enumeration of all paths of up to six frames over two symbols and the blank."""
    shortest = {}
    for steps in range(6):
        for path in product(range(3), repeat=steps):
            read = tuple(symbol for symbol, _ in groupby(path) if symbol)
            shortest.setdefault(read, steps)
    for read, steps in shortest.items():
        assert frames_needed(np.array(read, int)) == steps


def test_frames_and_transcripts_are_padded():
    frames = [np.full((n, 2), n) for n in (3, 0, 1)]
    encoded = encode_frames(frames, [np.array([1, 2, 1]), np.array([]), np.array([5])], features=2)
    batch = encoded.batch(np.array([2, 0, -1, 1]), length=4)
    assert batch["frames"].dtype == np.float32
    assert batch["frames"][..., 1].tolist() == [[1, 0, 0, 0], [3, 3, 3, 0], [0] * 4, [0] * 4]
    assert batch["lengths"].tolist() == [1, 3, 0, 0]
    assert batch["targets"].tolist() == [[5, 0, 0, 0], [1, 2, 1, 0], [0] * 4, [0] * 4]
    assert batch["target_lengths"].tolist() == [1, 3, 0, 0]
    assert encode_frames([], [], features=2).lengths.tolist() == []
