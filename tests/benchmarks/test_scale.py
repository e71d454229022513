from __future__ import annotations

from tests.benchmarks.scale import cost


def test_the_costs_of_a_small_run() -> None:
    found = cost(3, steps=20)
    assert found.cells == 27
    assert found.rate > 0
    assert 0.0 < found.force < 1.0
    assert found.memory > 1e6  # the libraries, over few cells
