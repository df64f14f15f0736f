import numpy as np
import pytest

from rnnjax.data import ParallelBatches, Translation, read_parallel, reversible_tokenizer
from rnnjax.data.vocabularies.subwords import END, START

PAIRS = [Translation("a" * n, "b" * m) for n, m in ((1, 5), (3, 1), (0, 2), (4, 4), (2, 0))]
TOKENIZERS = tuple(reversible_tokenizer([c], "character", 6) for c in "ab")
LETTER = 5  # the one that is not special


@pytest.mark.fast
def test_files_are_read_line_by_line(tmp_path):
    ours, theirs = tmp_path / "a.de", tmp_path / "a.en"
    ours.write_text("Ja.\nNein.\n")
    theirs.write_text("Yes.\r\nNo.")
    assert read_parallel(ours, theirs) == [Translation("Ja.", "Yes."), Translation("Nein.", "No.")]
    theirs.write_text("Yes.\n")
    with pytest.raises(
        ValueError, match=r"a\.de and .*a\.en must have the same number of lines, got 2 and 1"
    ):
        read_parallel(ours, theirs)


def test_every_translation_is_in_an_epoch_once_with_its_start_and_stop():
    batches = ParallelBatches.of(PAIRS, TOKENIZERS, shapes=2, batch_size=2, seed=0)
    seen = []
    for step in range(batches.buckets.steps_per_epoch):
        batch = batches.at(step)
        for row, length in enumerate(batch["source_lengths"]):
            targets = batch["targets"][row]
            count = int(batch["targets_known"][row].sum())
            if not count:  # no translation
                assert not batch["source"][row].any()
                continue
            assert targets[count - 1] == END
            assert (targets[: count - 1] == LETTER).all()
            assert batch["tokens"][row, 0] == START
            np.testing.assert_array_equal(batch["tokens"][row, 1:count], targets[: count - 1])
            assert (batch["source"][row, :length] == LETTER).all()
            assert not batch["source"][row, length:].any()
            seen.append((int(length), count - 1))
    assert sorted(seen) == sorted((len(p.source), len(p.target)) for p in PAIRS)


def test_what_is_too_long_is_left_out_by_either_side():
    # Sources have 1, 3, 0, 4 and 2 tokens; targets, with what stops or starts them, 6, 2, 3, 5, 1.
    for most, lengths in ((3, [0, 2, 3]), (5, [0, 2, 3, 4])):
        batches = ParallelBatches.of(
            PAIRS, TOKENIZERS, shapes=1, batch_size=5, seed=0, max_length=most
        )
        counted = [
            int(length)
            for step in range(batches.buckets.steps_per_epoch)
            for length, known in zip(
                batches.at(step)["source_lengths"], batches.at(step)["targets_known"], strict=True
            )
            if known.any()
        ]
        assert sorted(counted) == lengths
    with pytest.raises(
        ValueError, match="max_length must keep at least one of 5 translations, got 0"
    ):
        ParallelBatches.of(PAIRS, TOKENIZERS, shapes=1, batch_size=5, seed=0, max_length=0)
