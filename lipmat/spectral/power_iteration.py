"""Spectral norms: power iteration for training, exact values for certificates."""

from __future__ import annotations

import torch
from torch import Tensor


class PowerIteration:
    """Largest eigenvalue of a batch of symmetric positive semidefinite matrices, warm-started.

    A few steps follow the matrices while they change slowly in training. The result is a lower
    bound of the true value: it serves as a regulariser, never as a certificate.

    Args:
        batch: Number of matrices.
        size: Rows of each.
        steps: Iterations per call.
        generator: Source of the random start.
    """

    def __init__(self, batch: int, size: int, steps: int, generator: torch.Generator) -> None:
        start = torch.randn(batch, size, generator=generator, dtype=torch.float64)
        self.vectors = torch.nn.functional.normalize(start, dim=-1)
        self.steps = steps

    def update(self, matrices: Tensor) -> None:
        """Move the vectors towards the leading eigenvectors of ``matrices`` (batch, n, n)."""
        with torch.no_grad():
            for _ in range(self.steps):
                moved = torch.einsum("bij,bj->bi", matrices, self.vectors)
                norm = moved.norm(dim=-1, keepdim=True)
                self.vectors = torch.where(norm > 0, moved / norm.clamp_min(1e-300), self.vectors)

    def estimate(self, matrices: Tensor) -> Tensor:
        """Return the Rayleigh quotients (batch,), differentiable in the matrices."""
        return torch.einsum("bi,bij,bj->b", self.vectors, matrices, self.vectors)
