"""Activations that keep the norm of gradients, for maps that use all of their bound.

ReLU lets half of the gradient through at best, so a 1-Lipschitz network of ReLU layers cannot have
gradients of norm 1 unless it is linear (Anil, Lucas & Grosse, ICML 2019). Each of these has
an orthogonal Jacobian almost everywhere, and is 1-Lipschitz.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GroupSort(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Sorts groups of the last axis in ascending order (Anil, Lucas & Grosse, ICML 2019).

    Args:
        group: Members of each group; it must divide the width.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """Return the sorted groups of x (..., n), same shape."""
        return x.unflatten(-1, (-1, self.group)).sort(-1).values.flatten(-2)

    def bound(self) -> float:
        """Return 1: a permutation almost everywhere."""
        return 1.0


class MaxMin(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Sorts pairs: ``x_i, x_(i + n/2)`` of the last axis become their maximum and minimum."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the sorted pairs of x (..., n) with n even, same shape."""
        a, b = x.chunk(2, -1)
        return torch.cat([torch.maximum(a, b), torch.minimum(a, b)], -1)

    def bound(self) -> float:
        """Return 1: a permutation almost everywhere."""
        return 1.0


class Householder(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Reflects pairs at learned lines: what lies behind a line is mirrored to the front.

    With the normal ``v = (cos a, sin a)`` of each pair, ``x - 2 min(v . x, 0) v``. MaxMin is the
    case of all a = -pi/4 (Singla, Singla & Feizi, ICLR 2022).

    Args:
        width: Number of units, even.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        angles = torch.full((width // 2,), -0.25 * torch.pi, dtype=torch.float64)
        self.angles = nn.Parameter(angles)

    def forward(self, x: Tensor) -> Tensor:
        """Return the reflected pairs of x (..., n), same shape."""
        a, b = x.chunk(2, -1)
        c, s = torch.cos(self.angles), torch.sin(self.angles)
        behind = 2.0 * torch.clamp(c * a + s * b, max=0.0)
        return torch.cat([a - behind * c, b - behind * s], -1)

    def bound(self) -> float:
        """Return 1, rounded up: a reflection or the identity."""
        return 1.0 + 1e-14
