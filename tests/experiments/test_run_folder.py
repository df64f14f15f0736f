"""What a run's folder says of its run, and that damage to it is noticed."""

from dataclasses import dataclass

import pytest

from rnnjax_experiments.shared.run_folder import claim, is_run_of, read_digest, read_experiment


@dataclass(frozen=True)
class Experiment:
    width: int = 12
    rate: float = 0.1


@dataclass(frozen=True)
class Other:
    height: int = 3


def test_what_was_claimed_is_read_again(tmp_path):
    claim(tmp_path, Experiment(rate=0.2), "abc")
    claim(tmp_path, Experiment(rate=0.2), "abc")
    assert read_experiment(tmp_path, Experiment) == Experiment(rate=0.2)
    assert read_digest(tmp_path, Experiment) == "abc"
    assert is_run_of(tmp_path, Experiment)
    assert not is_run_of(tmp_path, Other)
    assert not is_run_of(tmp_path / "nothing", Experiment)


def test_any_damage_is_named_and_is_not_another_run(tmp_path):
    claim(tmp_path, Experiment(), "abc")
    path = tmp_path / "config.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        for call in (read_experiment, read_digest, is_run_of):
            with pytest.raises(ValueError, match=r"config\.json is damaged"):
                call(tmp_path, Experiment)
        with pytest.raises(ValueError, match=r"config\.json is damaged"):
            claim(tmp_path, Experiment(), "abc")
