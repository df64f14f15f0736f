"""Windows compared with a recurrent core, in the classification script."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from encoder_runs import labelled
from lm_runs import assert_fails
from sentence_runs import SMALL, table, write

import rnnjax as rx
from rnnjax_experiments.classify import commands as classify
from rnnjax_experiments.classify.presets import ClassificationExperiment
from rnnjax_experiments.classify.windows import words_seen

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(classify.COMMANDS)


def test_windows_are_layers_of_classifiers():
    core = ClassificationExperiment(cell="window", window=3, bidirectional=False).core()
    assert [layer.width for layer in core.layers] == [3]
    with pytest.raises(ValueError, match=r"window must be .* got 1"):
        ClassificationExperiment(window=1).check()


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, False), (3, True)])
def test_what_an_output_depends_on_is_counted(layers, bidirectional):
    sizes = {"window": 3, "layers": layers, "hidden_size": 2}
    experiment = ClassificationExperiment(cell="window", bidirectional=bidirectional, **sizes)
    core = experiment.core()
    params = core.init(jax.random.key(0), 1)
    # As many outputs change with one input in the middle as an output sees inputs.
    middle = jnp.zeros((21, 1)).at[10].set(1.0)
    outputs = partial(rx.unroll, core, params)
    _, (_, slope) = jax.jvp(outputs, (jnp.ones((21, 1)),), (middle,))
    assert words_seen(experiment) == int((slope != 0).any(axis=1).sum())


def test_a_recurrent_core_sees_all():
    assert words_seen(ClassificationExperiment()) is None


@pytest.mark.full
def test_windows_are_compared_by_size_and_by_what_they_see(cli, tmp_path):
    data = [write(tmp_path / f"{n}.tsv", labelled(k, seed=n)) for n, k in (("a", 60), ("b", 20))]
    call = ("windows", "--data", *data, *SMALL, "--epochs", "4", "--shapes", "1")
    code, out, err = cli(*call, "--widths", "5", "2", "5", "--out", tmp_path / "run")
    assert code == 0, err
    rows = table(out, "dev: size against length")
    # The word that tells is the last but one.
    assert list(rows) == ["", "window-2", "window-5", "lstm"]
    assert [cells[0] for cells in rows.values()][1:] == ["2", "5", "all"]
    assert all(float(rows[name][2]) > 90 for name in ("window-2", "window-5", "lstm"))
    sizes = {name: int(cells[1].replace(",", "")) for name, cells in rows.items() if name}
    # Of 8 inputs and 8 outputs.
    assert sizes == {"window-2": 2 * 64 + 8, "window-5": 5 * 64 + 8, "lstm": 4 * (64 + 64 + 8)}
    assert (tmp_path / "run" / "windows.png").read_bytes()[:4] == b"\x89PNG"
    model = rx.load_run(tmp_path / "run" / "window-5").model
    assert model.core.layers[0].width == 5


def test_bad_windows_are_one_line(cli, tmp_path):
    out = ("--out", tmp_path / "run")
    assert_fails(cli("windows", *out, "--widths", "4", "1"), "widths must be", "(4, 1)")
    assert_fails(cli("windows", *out, "--cell", "window"), "cell a recurrent one")
    assert_fails(cli("windows", *out, "--pairs"), "pairs must be False")
