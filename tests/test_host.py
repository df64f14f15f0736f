import subprocess
import sys

import pytest

from rnnjax import host


def said_by(program):
    """What a program prints in a process of its own: the settings last."""
    command = [sys.executable, "-c", f"from rnnjax import host; {program}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the settings are glibc's")
def test_tune_says_what_it_sets():
    first, second = said_by("print(host.tune()); print('after')")
    assert first.startswith("host: ")
    assert second == "after"
    if "nothing set" not in first:  # not so under musl
        assert "M_TRIM_THRESHOLD" in first


def test_tune_makes_devices():
    first, second = said_by("print(host.tune(3)); import jax; print(jax.device_count())")
    assert first.endswith("; 3 CPU devices")
    assert second == "3"


def test_elsewhere_tune_sets_nothing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(host.ctypes, "CDLL", lambda name: pytest.fail("called the C library"))
    assert "nothing set" in host.tune()


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(host.ctypes, "CDLL", lambda name: object())
    assert "no mallopt" in host.tune()


@pytest.mark.parametrize(
    ("flags", "fast"), [("fpu amx_bf16 avx", True), ("fpu avx", False), (None, False)]
)
def test_fast_bfloat16_is_read_from_the_cpu_flags(monkeypatch, tmp_path, flags, fast):
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"flags : {flags}\n")
    monkeypatch.setattr(host, "Path", lambda name: path)
    assert host.has_fast_bfloat16() is fast
