import os
import re
import tempfile
from pathlib import Path

import pytest

from rnnjax.folders import make_folder


def test_a_folder_is_made_and_stays_empty(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
        assert os.listdir(tmp_path / "a" / "b") == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file", "file must be a folder, got something else"),
        ("link", "link must be a folder, got something else"),
        ("file/run", "cannot write to the folder .*run: Not a directory"),
        ("/proc/run", "cannot write to the folder /proc/run: "),
        ("/proc", "cannot write to the folder /proc: "),
        (os.fsdecode(b"caf\xe9"), r"must be UTF-8, got b'.*/caf\\xe9'"),
        (os.fsdecode(b"caf\xe9/run"), r"must be UTF-8, got b'.*/caf\\xe9/run'"),
    ],
)
def test_a_folder_that_cannot_hold_files_is_refused(tmp_path, name, message):
    if name.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("there is no /proc")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    with pytest.raises(ValueError, match=message):
        make_folder(tmp_path / name)


def test_a_folder_on_a_full_or_read_only_disk_is_refused(tmp_path, monkeypatch):
    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path))}: Read-only file system"):
        make_folder(Path(tmp_path))
