"""Whole fits; ``pytest tests/benchmarks --benchmark-enable`` measures them.

Where nothing is measured the tensors are few: more of them than one round trains on, no more.
"""

from __future__ import annotations

from typing import Any

import pytest

from lipmat.experiments.training import FEW
from tests.benchmarks.fit_speed import POINTS, relative_error, tensors, treloar


def test_treloar(benchmark: Any) -> None:
    law = benchmark.pedantic(treloar, rounds=3)
    assert relative_error(law) <= 0.03


@pytest.mark.parametrize(
    ("target", "law"), [("two-fibres", "ridge"), ("bimodular", "principal-values")]
)
def test_tensors(target: str, law: str, benchmark: Any) -> None:
    points = POINTS if benchmark.enabled else FEW + 1
    fitted = benchmark.pedantic(tensors, args=(target, law, points), rounds=1)
    assert relative_error(fitted) <= 0.003
