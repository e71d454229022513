from __future__ import annotations

import numpy as np

from tests.benchmarks.sharp_ratio import ratios
from tests.fem.laws import polyconvex


def test_a_small_column_runs_near_its_limit_and_never_beyond() -> None:
    found, record = ratios(polyconvex(bulk_modulus=2e7), (3, 3, 18))
    assert record.outcome == "completed"
    assert len(found) >= 10
    assert found.max() <= 1.0
    assert np.median(found) >= 0.92
    assert found.min() >= 0.8
