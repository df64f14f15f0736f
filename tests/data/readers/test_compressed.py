"""Files that are compressed, and files that can be read only once."""

import gzip
from pathlib import Path

import pytest

from rnnjax.data import (
    TextFile,
    is_conllu,
    read_columns,
    read_corpus,
    read_labelled,
    read_pairs,
    read_parallel,
    read_text,
    read_vectors,
)
from rnnjax.data.readers.files import uncompressed

TEXT = "he sits\the rests\tyes\n"
READERS = [
    read_text,
    read_labelled,
    read_pairs,
    read_columns,
    is_conllu,
    lambda path: read_parallel(path, path),
    lambda path: read_corpus(path, (0.5, 0.5, 0)),
    lambda path: {w: v.tolist() for w, v in read_vectors(path, ["the"]).items()},
]


@pytest.mark.parametrize("read", READERS)
def test_what_gzip_has_compressed_is_read_as_it_was(read, tmp_path):
    text = "the 1 2\nof 3 4\n" if read is READERS[-1] else TEXT
    plain, compressed = tmp_path / "a.txt", tmp_path / "b.txt"  # whatever its name
    plain.write_text(text)
    compressed.write_bytes(gzip.compress(text[:9].encode()) + gzip.compress(text[9:].encode()))
    assert read(compressed) == read(plain)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("change", ["cut", "flipped", "torn", "only begun"])
def test_a_damaged_file_is_named(read, change, tmp_path):
    path = tmp_path / "a.txt.gz"
    whole = gzip.compress("".join(f"w{i} {i} 2\n" for i in range(5_000)).encode())
    damaged = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:],  # the check sum
        "torn": whole[:10] + b"\xff" + whole[11:],  # no kind of block
        "only begun": whole[:5],
    }
    path.write_bytes(damaged[change])
    with pytest.raises(ValueError, match=r"a.txt.gz must be a whole gzip file, got a damaged one"):
        read(path)


def test_the_files_of_a_folder_may_be_compressed(tmp_path):
    (tmp_path / "train.txt.gz").write_bytes(gzip.compress(b"abc"))
    (tmp_path / "valid.txt").write_text("d")
    (tmp_path / "valid.txt.gz").write_bytes(gzip.compress(b"another"))
    assert read_corpus(tmp_path) == ("abc", "d", "")
    (tmp_path / "test.txt.gz").write_bytes(gzip.compress(b"e"))
    assert read_corpus(tmp_path).test == "e"


def test_a_pipe_is_read_once_and_used_twice(pipe_of):
    file = TextFile.read(pipe_of(gzip.compress(b"\xef\xbb\xbfAda B-PER\n")))
    assert not is_conllu(file)
    assert read_columns(file) == read_columns(file) == [(("Ada",), ("B-PER",))]
    with pytest.raises(ValueError, match=r"pipe1, line 1: a line must be a sentence, a tab"):
        read_labelled(TextFile.read(pipe_of(b"Ada\n")))


def test_a_name_is_that_of_the_decompressed_file():
    names = {"a.conllu.gz": "a.conllu", "a.GZ": "a", "a.txt": "a.txt", "gz": "gz"}
    assert {name: str(uncompressed(Path(name))) for name in names} == names


def test_an_empty_file_is_no_gzip(tmp_path):
    for start in (b"\x1f", b"\x1fa"):
        Path(tmp_path / "a").write_bytes(start)
        assert read_text(tmp_path / "a") == start.decode()
