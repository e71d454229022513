"""Rate of the laws' internal force; ``pytest tests/benchmarks --benchmark-enable`` measures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.benchmarks.rate import Case, rates


@pytest.fixture(scope="module", params=["hexahedron", "tetrahedron"])
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.mark.parametrize("law", ["learned", "neo_hookean"])
def test_rate(law: str, case: Case, benchmark: Any) -> None:
    """One assembly on 20³ cubes; the ratio of the laws' rates goes with the learned one."""
    assemble = getattr(case, law)()
    force = benchmark(assemble)
    benchmark.extra_info["cells"] = case.body.number_of_cells
    if law == "learned" and benchmark.enabled:
        learned, classical = rates(case, 100)
        benchmark.extra_info["ratio_to_neo_hookean"] = learned / classical
    assert np.isfinite(force).all()
    assert np.abs(force.reshape(-1, 3).sum(axis=0)).max() <= 1e-9 * np.abs(force).sum()
    assert np.abs(force).max() > 0
