"""Fixed points of contractions: plain steps, or steps mixed from the last few (Anderson)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def fixed_point(
    function: Callable[[Tensor], Tensor], start: Tensor, steps: int, memory: int = 0
) -> Tensor:
    """Return ``x = function(x)`` of a batch of contractions after a number of evaluations.

    Without memory these are the plain steps, whose error falls by the contraction q in each. With
    memory the next point is mixed from the last ones such that their residuals, as far as they are
    linear, cancel (Anderson, J. ACM 12 (1965) 547; Walker & Ni, SIAM J. Numer. Anal. 49 (2011)
    1715). It is not proved that each of these is better, so a point with a larger residual than
    the best one is dropped for the plain step from that: two evaluations reduce the residual by q
    at least, and in practice by far more.

    Args:
        function: Maps (n, ...) to the same shape, each row by itself.
        start: First point, shape (n, ...).
        steps: Evaluations, 1 or more.
        memory: Earlier points to mix from.
    """
    x = start
    images: list[Tensor] = []
    residuals: list[Tensor] = []
    best, smallest = start, torch.full_like(start.flatten(1)[:, :1], torch.inf)
    for _ in range(steps):
        image = function(x)
        residual = (image - x).flatten(1)
        size = residual.norm(dim=1, keepdim=True)
        better = size <= smallest
        best = torch.where(_as(better, best), image, best)
        smallest = torch.where(better, size, smallest)
        images, residuals = [*images, image.flatten(1)], [*residuals, residual]
        images, residuals = images[-memory - 1 :], residuals[-memory - 1 :]
        mixed = _mixed(images, residuals).reshape(best.shape)
        x = torch.where(_as(better, best), mixed, best)
    return best


def _mixed(images: list[Tensor], residuals: list[Tensor]) -> Tensor:
    """Return the last image less its share of the differences that cancels the residual."""
    if len(images) == 1:
        return images[-1]
    change = torch.stack(residuals, -1).diff(dim=-1)
    shares = torch.linalg.lstsq(change, residuals[-1].unsqueeze(-1), driver="gelsd").solution
    return images[-1] - (torch.stack(images, -1).diff(dim=-1) @ shares).squeeze(-1)


def _as(rows: Tensor, like: Tensor) -> Tensor:
    return rows.reshape(-1, *(1,) * (like.ndim - 1))
