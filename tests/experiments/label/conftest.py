"""The labelling script, and runs of it on made-up files."""

import pytest
from label_runs import conllu, names
from sentence_runs import SMALL, write

from rnnjax_experiments.label import commands as label


@pytest.fixture(scope="session")
def cli(cli_of):
    return cli_of(label.COMMANDS)


@pytest.fixture(scope="session")
def treebank(tmp_path_factory):
    """Three files of a treebank."""
    folder = tmp_path_factory.mktemp("treebank")
    sizes = {"train": 60, "dev": 12, "test": 10}
    return [write(folder / f"{name}.conllu", conllu(size, name)) for name, size in sizes.items()]


@pytest.fixture(scope="session")
def tagged(treebank, cli):
    """A run on the treebank: its folder and what it printed. Not to be written to."""
    folder = treebank[0].parent / "run"
    code, out, err = cli("train", "pos", "--data", *treebank, "--out", folder, *SMALL)
    assert code == 0, err
    return folder, out


@pytest.fixture(scope="session")
def found(tmp_path_factory, cli):
    """A run on names in CoNLL-2003's columns, spans in IOB1: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("names")
    data = [
        write(folder / f"{name}.txt", names(size, name)) for name, size in (("a", 80), ("b", 15))
    ]
    command = ("train", "entities", "--data", *data, "--out", folder / "run", *SMALL)
    options = ("--patience", "1", "--epochs", "3", "--shapes", "1", "--bidirectional")
    code, out, err = cli(*command, *options)
    assert code == 0, err
    return folder / "run", out
