"""The drawing of the imports: arrows point down, and nobody imports a `__main__`."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each room may import from the rooms in the rows before its own, and from itself.
FLOORS = (
    ("checks", "closures", "extras", "files", "folders", "host", "products"),
    ("parts", "placement", "serialization", "sharding", "varying"),
    ("schemes",),
    ("cells", "data", "metrics"),
    ("initializers", "baselines", "sequence"),
    ("analysis", "crf", "linen", "losses", "nnx"),
    ("models",),
    ("decoding", "inference", "interop", "train"),
    ("trained",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
SHARED = ("shared", "corpora", "sentences")
TASKS = {path.parent.name for path in (ROOT / "rnnjax_experiments").glob("*/*.py")} - {*SHARED}


@cache
def imports(package):
    """Pairs of a file and the dotted name of each module that it imports."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} has a relative import"
                names = [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
            else:
                names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            found += [(path, name) for name in names]
    return found


def room_of(name):
    """The room of a module of rnnjax; None of the package itself and of other packages."""
    parts = name.split(".")
    return parts[1] if parts[0] == "rnnjax" and len(parts) > 1 else None


def test_every_room_has_a_floor():
    rooms = {path.stem for path in (ROOT / "rnnjax").iterdir() if path.suffix == ".py"}
    rooms |= {path.parent.name for path in (ROOT / "rnnjax").glob("*/__init__.py")}
    assert rooms - {"__init__"} == set(FLOOR)


def test_imports_of_the_library_run_downwards():
    arrows = {
        (path.relative_to(ROOT / "rnnjax").parts[0].removesuffix(".py"), room_of(name))
        for path, name in imports("rnnjax")
    }
    upward = {
        (here, there)
        for here, there in arrows
        if here != "__init__" and there in FLOOR and here != there
        if FLOOR[there] >= FLOOR[here]
    }
    assert not upward


def library_files(name):
    """The file of a module of the library, if it is one; folders that only export are none."""
    path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
    return [path] if name.startswith("rnnjax.") and path.exists() else []


@pytest.mark.parametrize("room", ["data", "baselines", "metrics"])
def test_rooms_of_text_know_no_jax(room):
    known = {}
    for path, name in imports("rnnjax"):
        known.setdefault(path, set()).add(name)
    reached = [path for path in known if room in path.relative_to(ROOT / "rnnjax").parts]
    assert reached
    for path in reached:  # grows
        files = {file for name in known.get(path, ()) for file in library_files(name)}
        reached += sorted(files - set(reached))
    assert not {
        path for path in reached for name in known.get(path, ()) if "jax" in name.split(".")
    }
    through = {name for path in reached for name in known.get(path, ())}
    assert "rnnjax.checks" not in through  # exports checks of JAX's arrays as well


@pytest.mark.parametrize("package", ["rnnjax", "rnnjax_experiments", "benchmarks", "tests"])
def test_nobody_imports_a_main(package):
    assert not {path for path, name in imports(package) if "__main__" in name.split(".")}


def test_the_library_knows_no_script():
    outside = {name.split(".")[0] for _, name in imports("rnnjax")}
    assert not outside & {"rnnjax_experiments", "benchmarks", "tests"}


@pytest.mark.parametrize("package", ["rnnjax", "rnnjax_experiments"])
def test_nothing_experimental_or_private_is_imported(package):
    parts = {(path, name, part) for path, name in imports(package) for part in name.split(".")}
    found = {(path, name) for path, name, part in parts if part in ("experimental", "_src")}
    # cuDNN's LSTM is nowhere else in JAX; its kernel imports it when it is run.
    cudnn = ROOT / "rnnjax" / "sequence" / "kernels" / "cudnn.py"
    assert {path for path, _ in found} <= {cudnn}
    assert {name for _, name in found} <= {"jax.experimental", "jax.experimental.rnn"}


def test_what_tasks_share_knows_no_task():
    found = [each for room in SHARED for each in imports(f"rnnjax_experiments/{room}")]
    assert len(found) > 50
    assert not [(path, name) for path, name in found if TASKS & {*name.split(".")[1:2]}]


def test_every_task_has_a_folder():
    assert [path.name for path in (ROOT / "rnnjax_experiments").glob("*.py")] == ["__init__.py"]
    assert len(TASKS) > 10
    for task in TASKS:
        assert (ROOT / "rnnjax_experiments" / task / "__main__.py").exists()
