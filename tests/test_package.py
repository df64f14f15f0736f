"""The wheel: it holds what the scripts need, and works without the clone."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from lm_runs import SMALL, write_text

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", folder]
    subprocess.run([*pip, ROOT], check=True, capture_output=True, timeout=300)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_has_the_modules_and_nothing_else(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("rnnjax", "rnnjax_experiments")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "rnnjax/py.typed" in modules
    assert held == modules


def test_the_index_shows_no_link_that_leads_nowhere(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    text = archive.read(metadata).decode()
    assert "## Documentation" in text
    links = re.findall(r"\]\(([^)]*)\)", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    assert [link for link in links if not link.startswith("https://")] == []


def test_a_script_of_the_wheel_trains_and_its_run_loads(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    text = write_text(tmp_path / "animals.txt")

    def python(program, *arguments):
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    start = "from rnnjax_experiments.shared.start import main; main()"
    once = ("--epochs", "1", "--evaluations", "1")
    python(start, "lm", "train", "--data", text, "--out", "run", *SMALL, *once)
    written = python(
        start, "lm", "generate", "--run", "run", "--prompt", "the", "--num-tokens", "20"
    )
    loaded = """if True:
        import rnnjax as rx
        assert "site" in rx.__file__, rx.__file__
        print("the" + rx.load_run("run").generate(["the"], 20, temperature=0.8)[0])
    """
    assert python(loaded) == written
