"""Caps on the norm of a linear map: scaled by a warm-started power iteration, or orthogonal.

The power iteration estimates the norm from below, so a scaled map can exceed its target while it
is trained. The certificate is not the target: it is the exact norm of the map as it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lipmat.spectral.loewner import inverse_root

CapKind = Literal["hard", "soft", "orthogonal"]
LinearMap = Callable[[Tensor], Tensor]
FIRST = 10
"""Steps of the power iteration of a fresh convolution."""
_SETTLED = 1e-14
_MOST = 20_000


class NormCap(nn.Module):  # type: ignore[misc]  # torch is not followed
    """The factor that brings the norm of a linear map to a target.

    ``hard`` scales to the target always, ``soft`` only from above (Miyato et al., ICLR 2018; Gouk
    et al., Machine Learning 110 (2021) 393). The vector of the power iteration is a buffer: it is
    saved and copied with the layer, and only :meth:`follow` moves it.

    Args:
        kind: ``hard`` or ``soft``.
        target: The norm, positive.
        shape: Of the vectors that the map takes.
        generator: Source of the random start.
    """

    def __init__(
        self,
        kind: Literal["hard", "soft"],
        target: float,
        shape: tuple[int, ...],
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        self.kind, self.target = kind, target
        start = torch.randn(shape, generator=generator, dtype=torch.float64)
        self.register_buffer("vector", start / start.norm())

    def follow(self, operator: LinearMap, steps: int = 1) -> None:
        """Move the vector towards the leading singular vector of ``operator``."""
        for _ in range(steps):
            moved = self._moved(operator)
            norm = moved.norm()
            if norm > 0:
                self.vector = moved / norm

    def converge(self, operator: LinearMap) -> None:
        """Follow until the estimate stands still, so that the target is met to rounding."""
        self.follow(operator, FIRST)
        for _ in range(_MOST):
            before = self.vector
            self.follow(operator)
            if float((self.vector - before).square().sum()) < _SETTLED:
                return

    def factor(self, operator: LinearMap) -> Tensor:
        """Return the factor of the map, a 0-dimensional tensor, differentiable in its weights."""
        norm = operator(self.vector).norm().clamp_min(1e-300)
        return self.target / (norm.clamp_min(self.target) if self.kind == "soft" else norm)

    def _moved(self, operator: LinearMap) -> Tensor:
        """Return ``A^T A v``: the gradient of ``|A v|^2 / 2``."""
        with torch.enable_grad():
            v = self.vector.detach().requires_grad_()
            out: Tensor = torch.autograd.grad(0.5 * operator(v).square().sum(), v)[0]
        return out


def polar(matrix: Tensor) -> Tensor:
    """Return the nearest matrix (m, n) with orthonormal columns, or rows if it is wide.

    It is ``A (A^T A)^(-1/2)``, and a step of Newton and Schulz against the squared condition
    (Björck & Bowie, SIAM J. Numer. Anal. 8 (1971) 358). A has full rank.
    """
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    q = tall @ inverse_root(tall.T @ tall)
    q = 1.5 * q - 0.5 * q @ (q.T @ q)
    return q if matrix.shape[0] >= matrix.shape[1] else q.T


def check_cap(kind: str, target: float, allowed: tuple[str, ...] = get_args(CapKind)) -> None:
    """Check the settings of a layer.

    Raises:
        ValueError: The kind is not allowed, or the target is not positive.
    """
    if kind not in allowed:
        raise ValueError(f"cap: found {kind!r}, expected one of {', '.join(allowed)}")
    if not 0.0 < target < float("inf"):
        raise ValueError(f"target norm: found {target}, expected a positive number")
