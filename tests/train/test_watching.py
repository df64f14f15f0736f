"""What a run says of its speed: rates, time for data, share of the peak, traces."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from loop_runs import STEP, STEPS, batch_at, run, start

import rnnjax as rx
from rnnjax.train import Placement, Schedule, fit, peak, read_metrics
from rnnjax.train.progress import ProgressReport


def test_products_are_counted_as_often_as_they_run():
    core, width, time, batch = rx.LSTM(8), 8, 5, 3
    params = core.init(jax.random.key(0), width)

    def loss(params, xs):
        return rx.unroll(core, params, xs)[1].sum()

    xs = jnp.ones((time, batch, width))
    forward = jax.make_jaxpr(loss)(params, xs)
    # Four gates of the input's product and the recurrent one: 2 operations a weight and token.
    whole = 2 * (2 * 4 * width * width) * time * batch
    assert peak.operations(forward) == whole
    both = jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(params, xs)
    assert peak.operations(both) == 3 * whole  # the gradients of weights and of inputs besides


def test_of_a_choice_the_larger_branch_is_counted():
    def choose(flag, x):
        return jax.lax.cond(flag, lambda x: x @ x @ x, lambda x: x @ x, x)

    assert peak.operations(jax.make_jaxpr(choose)(True, jnp.ones((4, 4)))) == 2 * 2 * 4**3


def test_the_peak_of_a_device_by_its_kind():
    assert peak.peak_of(SimpleNamespace(device_kind="NVIDIA H200")) == 989e12
    assert peak.peak_of(SimpleNamespace(device_kind="TPU v5 lite")) == 197e12
    assert peak.peak_of(jax.devices()[0]) is None


def test_rates_are_of_all_devices_and_of_each(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("rnnjax.train.progress.time.monotonic", lambda: now[0])
    progress = ProgressReport(10, 2, tokens_per_step=8, devices=4, shown=False)
    with progress.reading():
        now[0] += 1.0
    now[0] += 4.0
    progress.pause(1.0)
    progress.least = 0.5
    assert progress.rates(4) == {
        "tokens_per_second": 4.0,
        "tokens_per_second_per_device": 1.0,
        "reading": 0.25,
        "share_of_peak": 0.25,
    }


@pytest.mark.parametrize("devices", [1, 2])
def test_records_have_the_rates(devices, tmp_path):
    fit(
        tmp_path,
        start(),
        STEP,
        batch_at,
        lambda params: {"loss": 0.0},
        Schedule(4, 1, log_every=2),
        tokens_per_step=8,
        placement=Placement.of(devices),
    )
    record = next(each for each in read_metrics(tmp_path / "metrics.jsonl"))
    assert 0 < record["reading"] < 1
    assert ("tokens_per_second_per_device" in record) == (devices > 1)


def test_the_share_of_the_peak_is_recorded_where_it_is_known(tmp_path, monkeypatch):
    monkeypatch.setitem(peak.PEAKS, jax.devices()[0].device_kind, 1e9)
    run(tmp_path)
    record = next(each for each in read_metrics(tmp_path / "metrics.jsonl"))
    assert 0 < record["share_of_peak"] < 1


@pytest.mark.parametrize("steps", [1, STEPS])  # of twelve, one after the first ten; or to the end
def test_a_trace_of_some_steps(steps, tmp_path):
    fit(
        tmp_path,
        start(),
        STEP,
        batch_at,
        lambda params: {"loss": 0.0},
        Schedule(STEPS, 1),
        tokens_per_step=8,
        profile=steps,
    )
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
