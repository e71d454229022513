"""The branches of a law with memory along histories, many tests and many laws at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from lipmat.experiments.histories import Batch
from lipmat.materials.memory import TINY, Remainder
from lipmat.materials.springs import Spring, principal_stress


def scan(
    remainder: Remainder,
    batch: Batch,
    probes: Tensor,
    laws: int,
    branches: int,
    spring: Spring = "hencky",
) -> tuple[Tensor, Tensor]:
    """Return what branches of unit modulus do at the rows of histories.

    Args:
        remainder: Maps trial sizes and flows (p, tests, b) and steps (tests, 1) to shares
            (p, tests, b), see :meth:`lipmat.materials.memory.MemoryLaw.remainder`.
        batch: The histories.
        probes: Directions of stress that are wanted, (tests, c, d) [-].
        laws: Number p of laws side by side.
        branches: Number b of branches.
        spring: Their springs; if not ``hencky``, strains are principal ones, d = 3.

    Returns:
        Stresses of the branches over their shear moduli along the probes,
        (rows, p, tests, c, b) [-]; the largest sizes of the elastic strains (p, tests, b) [-].
    """
    steps, tests, d = batch.deviator.shape
    directions = 2.0 * probes.transpose(1, 2)  # (tests, d, c)
    deviators, times = batch.deviator.unsqueeze(2).unbind(0), batch.step.unsqueeze(2).unbind(0)
    internal = torch.zeros(laws, tests, branches, d, dtype=torch.float64)
    flow = torch.zeros(laws, tests, branches, dtype=torch.float64)
    largest = torch.zeros_like(flow)
    rows = []
    with torch.inference_mode():
        for i in range(steps):
            trial = deviators[i] - internal
            size = torch.linalg.vector_norm(trial, dim=3).clamp_(min=TINY)
            share = remainder(size, flow, times[i])
            elastic = share.unsqueeze(3) * trial
            internal = deviators[i] - elastic
            left = share * size
            flow = flow + (size - left)
            largest = torch.maximum(largest, left)
            if (i + 1) % batch.substeps == 0:
                rows.append(torch.matmul(principal_stress(spring, elastic), directions))
    return torch.stack(rows).transpose(3, 4).clone(), largest.clone()
