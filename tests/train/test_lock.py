import os
import subprocess
import sys
import textwrap

import pytest

from rnnjax.train.lock import owned


def refuse(folder, owner):
    message = f"process {owner} trains there"
    with pytest.raises(ValueError, match=message), owned(folder):
        pass


def test_a_folder_has_one_owner_at_a_time(tmp_path):
    with owned(tmp_path):
        refuse(tmp_path, os.getpid())
    assert not list(tmp_path.iterdir())
    with owned(tmp_path):  # free again
        pass


def test_another_process_is_named_and_its_end_frees_the_folder(tmp_path):
    script = """
        import sys
        from pathlib import Path
        from rnnjax.train.lock import owned
        with owned(Path(sys.argv[1])):
            print("mine", flush=True)
            sys.stdin.read()
    """
    code = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(code, **pipes) as process:
        assert process.stdout.readline() == b"mine\n"
        refuse(tmp_path, process.pid)
        process.kill()
    with owned(tmp_path):
        pass


def test_a_folder_that_moved_is_noticed_and_the_lock_of_another_stays(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    with owned(old) as is_there:
        assert is_there()
        old.rename(new)
        assert not is_there()
        old.mkdir()
        assert not is_there()
        with owned(old) as is_other:
            assert is_other()
            assert not is_there()
        (old / ".owner").write_text("of another process")
    assert (old / ".owner").exists()
