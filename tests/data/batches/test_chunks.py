import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import Chunks, evaluation_chunks

# The text 1, 2, ..., n, read after 0: the token before token t is t - 1.
START = 0


def count_up(n):
    return np.arange(1, n + 1)


@st.composite
def chunks(draw):
    batch_size, length = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    least = batch_size * length if batch_size > 1 else 1
    n = least + draw(st.integers(0, 60))
    return Chunks(count_up(n), batch_size, length, START, draw(st.integers(0, 99)))


def read_epoch(chunks, epoch):
    steps = range(epoch * chunks.steps_per_epoch, (epoch + 1) * chunks.steps_per_epoch)
    return [chunks.at(step) for step in steps]


@settings(deadline=None)
@given(chunks(), st.integers(0, 20))
def test_an_epoch_reads_every_token_once_in_contiguous_streams(chunks, epoch):
    n, read = len(chunks.tokens), read_epoch(chunks, epoch)
    for chunk in read:
        mask = chunk["mask"]
        assert mask.any()
        assert mask.shape == chunk["inputs"].shape == (chunks.batch_size, chunks.length)
        assert chunk["inputs"].dtype == chunk["targets"].dtype == np.int32
        np.testing.assert_array_equal(chunk["inputs"][mask], chunk["targets"][mask] - 1)
        assert (chunk["inputs"][~mask] == START).all()
    streams = [
        np.concatenate([chunk["targets"][b][chunk["mask"][b]] for chunk in read])
        for b in range(chunks.batch_size)
    ]
    # Behind the last token comes the first.
    order = np.concatenate(streams)
    assert (np.diff(order) % n == 1 % n).all()
    np.testing.assert_array_equal(np.sort(order), chunks.tokens)
    sizes = {len(stream) for stream in streams}
    assert max(sizes) - min(sizes) <= 1
    assert len(read) == -(-max(sizes) // chunks.length)


@settings(deadline=None)
@given(chunks())
def test_only_the_first_chunk_of_an_epoch_is_fresh(chunks):
    for epoch in (0, 1):
        fresh = [chunk["fresh"] for chunk in read_epoch(chunks, epoch)]
        assert fresh == [True] + [False] * (chunks.steps_per_epoch - 1)
        assert fresh[0].dtype == np.bool_
        assert fresh[0].shape == ()


def test_a_text_that_fits_into_a_chunk_is_read_from_its_beginning():
    for epoch in range(5):
        (chunk,) = read_epoch(Chunks(count_up(7), 1, 9, START, seed=3), epoch)
        assert chunk["targets"].tolist() == [[1, 2, 3, 4, 5, 6, 7, 0, 0]]
        assert chunk["mask"].sum() == 7


def test_streams_repeat_the_text():
    text = np.random.default_rng(0).integers(50, size=1000)
    read = read_epoch(Chunks(text, 4, 9, START, seed=1), 3)
    twice = np.concatenate([text, text])
    for b in range(4):
        inputs, targets = (
            np.concatenate([chunk[name][b][chunk["mask"][b]] for chunk in read])
            for name in ("inputs", "targets")
        )
        assert len(targets) == 250
        (begins,) = np.nonzero([(twice[i : i + 250] == targets).all() for i in range(1000)])
        assert len(begins) == 1
        before = np.concatenate([[START], text[:-1]])
        where = (begins[0] + np.arange(250)) % 1000
        np.testing.assert_array_equal(inputs, before[where])


def test_a_step_is_the_same_in_another_run():
    one, other = (Chunks(count_up(500), 3, 8, START, seed=5) for _ in range(2))
    for step in range(40):
        one.at(step)
    for key, value in one.at(57).items():
        np.testing.assert_array_equal(value, other.at(57)[key])


def test_borders_move_between_epochs_and_seeds():
    def beginnings(seed):
        chunks = Chunks(count_up(500), 3, 8, START, seed)
        return [int(chunks.at(e * chunks.steps_per_epoch)["inputs"][0, 0]) for e in range(100)]

    # A border that 100 draws all miss has probability 8 (7/8)^100 < 2e-5; seeds are fixed.
    assert {begin % 8 for begin in beginnings(0)} == set(range(8))
    assert beginnings(0) != beginnings(1)


def test_a_text_that_is_too_short_is_refused():
    assert Chunks(count_up(18), 3, 6, START, seed=0).steps_per_epoch == 1
    with pytest.raises(
        ValueError,
        match=r"tokens must be at least 18 .*, got 17; use a smaller batch_size or length",
    ):
        Chunks(count_up(17), 3, 6, START, seed=0)
    with pytest.raises(ValueError, match="tokens must be at least 1 "):
        Chunks(count_up(0), 1, 6, START, seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size must be .* at least 1, got 0"),
        ({"length": 0}, "length must be .* at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        (
            {"tokens": np.ones((9, 9), int)},
            r"tokens must be integers of shape \(n,\), got int64 \(9, 9\)",
        ),
        ({"tokens": np.ones(99)}, "got float64"),
    ],
)
def test_bad_arguments_are_named(change, message):
    good = {"tokens": count_up(99), "batch_size": 2, "length": 4, "start": START, "seed": 0}
    with pytest.raises(ValueError, match=message):
        Chunks(**(good | change))


def test_a_negative_step_is_refused():
    with pytest.raises(ValueError, match="step must be at least 0, got -1"):
        Chunks(count_up(99), 2, 4, START, seed=0).at(-1)


def test_evaluation_by_hand():
    read = list(evaluation_chunks(count_up(7), 2, 3, START))
    assert [chunk["inputs"].tolist() for chunk in read] == [
        [[0, 1, 2], [4, 5, 6]],
        [[3, 0, 0], [0, 0, 0]],
    ]
    assert [chunk["targets"].tolist() for chunk in read] == [
        [[1, 2, 3], [5, 6, 7]],
        [[4, 0, 0], [0, 0, 0]],
    ]
    assert [chunk["mask"].tolist() for chunk in read] == [
        [[True, True, True], [True, True, True]],
        [[True, False, False], [False, False, False]],
    ]
    assert [bool(chunk["fresh"]) for chunk in read] == [True, False]


@settings(deadline=None)
@given(n=st.integers(1, 80), batch_size=st.integers(1, 9), length=st.integers(1, 9))
def test_evaluation_reads_every_token_once_and_in_order(n, batch_size, length):
    read = list(evaluation_chunks(count_up(n), batch_size, length, START))
    rows = []
    for b in range(batch_size):
        masks = np.concatenate([chunk["mask"][b] for chunk in read])
        # A stream runs from its beginning without a gap, so that the state can be carried.
        assert (np.diff(masks.astype(int)) <= 0).all()
        rows.append(np.concatenate([chunk["targets"][b] for chunk in read])[masks])
    np.testing.assert_array_equal(np.concatenate(rows), count_up(n))
    for chunk in read:
        assert all(chunk[key].shape == (batch_size, length) for key in ("inputs", "targets"))
        assert chunk["inputs"].dtype == chunk["targets"].dtype == np.int32
        mask = chunk["mask"]
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(chunk["inputs"][mask], chunk["targets"][mask] - 1)
        assert (chunk["inputs"][~mask] == START).all()
        assert (chunk["targets"][~mask] == START).all()
        assert mask.any()
    assert [bool(chunk["fresh"]) for chunk in read] == [True] + [False] * (len(read) - 1)


def test_evaluation_pads_with_the_start_token():
    (chunk,) = evaluation_chunks(np.array([5, 6]), 1, 4, start=9)
    assert chunk["inputs"].tolist() == [[9, 5, 9, 9]]
    assert chunk["targets"].tolist() == [[5, 6, 9, 9]]


@pytest.mark.parametrize(
    ("tokens", "batch_size", "length", "message"),
    [
        (np.array([], int), 2, 3, "tokens must be at least one"),
        (count_up(5), 0, 3, "batch_size must be .* at least 1, got 0"),
        (count_up(5), 2, 0, "length must be .* at least 1, got 0"),
    ],
)
def test_evaluation_refuses_before_it_is_read(tokens, batch_size, length, message):
    with pytest.raises(ValueError, match=message):
        evaluation_chunks(tokens, batch_size, length, START)


@pytest.mark.parametrize(
    ("batch", "length", "overlap"), [(1, 4, 0), (3, 4, 5), (10, 3, 2), (4, 5, 40)]
)
def test_streams_that_overlap_count_every_token_once(batch, length, overlap):
    tokens = np.arange(1, 38)
    seen, before = [], {}
    for chunk in evaluation_chunks(tokens, batch, length, 0, overlap):
        assert {chunk[name].shape for name in ("inputs", "targets", "mask")} == {(batch, length)}
        seen += chunk["targets"][chunk["mask"]].tolist()
        for row in range(batch):
            for read, target in zip(chunk["inputs"][row], chunk["targets"][row], strict=True):
                if target:
                    assert read == target - 1  # what is read is the text itself
                    before.setdefault(row, []).append(int(target))
    assert sorted(seen) == tokens.tolist()
    for row, ids in before.items():
        assert ids == list(range(ids[0], ids[-1] + 1))
        if row:  # it has read so much before its first token that counts
            assert ids[0] == before[row - 1][0] + before[1][0] - before[0][0]
