import hashlib
import os
import subprocess
import sys

import pytest

from rnnjax.files import (
    DIGESTS,
    read_with_digest,
    replacing,
    replacing_with_digest,
    write_whole,
    write_with_digest,
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "some.json"
    path.write_text("old")
    return path


def holds(path, text):
    """Whether `path` holds `text`, and its folder nothing beside it."""
    return path.read_text(encoding="utf-8") == text and os.listdir(path.parent) == [path.name]


@pytest.mark.fast
@pytest.mark.parametrize("text", ["", "é\u2028😀\n", "x" * 100_000])
def test_what_is_written_is_all_that_is_there(text, path):
    write_whole(path, text)
    assert holds(path, text)
    path.unlink()
    write_whole(path, text)
    assert path.read_bytes() == text.encode()


def test_a_text_that_cannot_be_written_leaves_what_was_there(path):
    # It fails when some of it is written already.
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "x" * 100_000 + "\ud800")
    assert holds(path, "old")


def test_the_old_file_stands_until_all_is_well(path):
    with replacing(path) as unfinished:
        assert unfinished.parent == path.parent  # else it could not be renamed
        unfinished.write_text("new")
        assert path.read_text() == "old"
    assert holds(path, "new")


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("written", [False, True])
def test_what_is_interrupted_leaves_what_was_there(error, written, path):
    def interrupted():
        with replacing(path) as unfinished:
            if written:
                unfinished.write_text("ne")
            raise error

    with pytest.raises(error):
        interrupted()
    assert holds(path, "old")


def test_nothing_written_is_an_error_and_changes_nothing(path):
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert holds(path, "old")


def test_a_process_that_is_killed_leaves_what_was_there(path):
    program = (
        "import os, sys, pathlib\n"
        "from rnnjax.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as unfinished:\n"
        "    unfinished.write_text('ne')\n"
        "    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], timeout=60, check=False)
    assert done.returncode == 9
    assert path.read_text() == "old"
    write_whole(path, "new")  # what is left over is in nobody's way
    assert path.read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_others_may_read_what_the_umask_lets_them(path):
    before = os.umask(0o027)
    try:
        path.unlink()
        write_whole(path, "new")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def reading(path):
    """The text of a file with a digest, or what is said of it."""
    try:
        return read_with_digest(path).decode()
    except ValueError as error:
        return str(error)


def test_any_bit_that_flips_is_found(path):
    write_with_digest(path, "new é\n")
    write_with_digest(path.with_name("other.json"), "")
    listed = path.with_name(DIGESTS)
    digest = hashlib.sha256("new é\n".encode()).hexdigest()
    assert f"{digest}  some.json\n" in listed.read_text()  # what sha256sum reads
    for file in (path, listed):
        whole = file.read_bytes()
        for bit in range(8 * len(whole)):
            data = bytearray(whole)
            data[bit // 8] ^= 1 << bit % 8
            file.write_bytes(data)
            got = reading(path)
            if file == listed and got == "new é\n":
                continue  # the name there has become another
            assert got.startswith((f"{file} is damaged", f"{path} is damaged"))
        file.write_bytes(whole)
    assert read_with_digest(path) == "new é\n".encode()


def test_a_file_without_a_digest_is_read_as_it_is(path):
    assert read_with_digest(path) == b"old"
    write_with_digest(path.with_name("other.json"), "text")
    assert read_with_digest(path) == b"old"


@pytest.mark.parametrize("fails", ["before it is renamed", "after"])
def test_a_kill_while_a_file_is_replaced_is_no_damage(fails, path, monkeypatch):
    write_with_digest(path, "old")
    replace, calls = os.replace, []

    def killed(source, target):
        # The list with both digests, the file, and the list with the new one.
        calls.append(target)
        if len(calls) == (2 if fails == "before it is renamed" else 3):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_with_digest(path, "new")
    monkeypatch.undo()
    assert read_with_digest(path) == (b"old" if fails == "before it is renamed" else b"new")
    write_with_digest(path, "newer")
    assert read_with_digest(path) == b"newer"
    assert path.with_name(DIGESTS).read_text().count("\n") == 1


def test_bytes_have_digests_too(path):
    with replacing_with_digest(path) as unfinished:
        unfinished.write_bytes(b"\x00\xff")
    assert read_with_digest(path) == b"\x00\xff"
    path.write_bytes(b"\x00\xfe")
    with pytest.raises(ValueError, match=r"some.json is damaged: it is not what was written"):
        read_with_digest(path)
