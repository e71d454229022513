"""Rate of laws with memory; ``pytest tests/benchmarks --benchmark-enable`` measures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.benchmarks.memory_rate import KINEMATICS, KNOTS, elastic, force, rates, viscoelastic


@pytest.mark.parametrize("kinematics", KINEMATICS)
def test_rate(kinematics: str, benchmark: Any) -> None:
    """One step of a law with a nonlinear branch on 20³ cells; the ratio of rates goes with it."""
    law = viscoelastic(kinematics, 1, KNOTS)
    found = benchmark(force(law))
    if benchmark.enabled:
        first, second = rates([elastic(kinematics), law], 40)
        benchmark.extra_info["ratio_to_elastic"] = second / first
    assert np.isfinite(found).all()
    assert np.abs(found.reshape(-1, 3).sum(axis=0)).max() <= 1e-9 * np.abs(found).sum()
    assert np.abs(found).max() > 0
