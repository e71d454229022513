"""The law in torch, each stage compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tests.benchmarks.peers.law import LearnedLaw, stress_by_stages
from tests.benchmarks.peers.problem import Problem

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def compiled_stress(problem: Problem) -> Callable[[Any], Any]:
    """Return the stress (n, 3, 3) of deformation gradients (n, 3, 3)."""
    nodes, values, piola = LearnedLaw(torch, problem.law).stages()
    stages = (
        torch.compile(lambda f: nodes(_nine(f))),
        torch.compile(values),
        torch.compile(lambda f, *rest: torch.stack(piola(_nine(f), *rest), -1)),
    )

    def stress(gradient: Any) -> Any:
        return stress_by_stages(gradient, *stages).reshape(-1, 3, 3)

    return stress


def _nine(gradient: Any) -> tuple[Any, ...]:
    return tuple(gradient.reshape(-1, 9).unbind(-1))
