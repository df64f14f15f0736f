"""The table of what rounding between the passes costs and saves, at a tiny size."""

import pytest

from benchmarks import residuals


@pytest.mark.usefixtures("x64")
def test_rounding_halves_what_is_kept():
    plain, rounded = residuals.rows("GRU", 24, 400)
    assert [plain[:2], rounded[:2]] == [["GRU 24", "float32"], ["GRU 24", "bfloat16"]]
    assert float(plain[2]) < 1e-5 < float(rounded[2]) < 1e-2
    assert float(plain[3]) < 1e-5 < float(rounded[3]) < 1e-2
    assert float(rounded[4]) == pytest.approx(float(plain[4]) / 2, abs=0.1)
