r"""Bounded-slope splines: scalar functions whose second derivative is at most their largest knot.

A spline is the potential ``psi`` on ``z >= 0`` with

    psi''(z) = sum_k m_k hat_k(z),      m_k >= 0,      psi'(0) = s >= 0,

where the hats are piecewise linear on the knots ``0 = t_0 < t_1 < ...`` and constant beyond the
last. So ``psi`` is convex and non-decreasing, and since hats sum to one, ``max m_k`` is the exact
and global Lipschitz constant of the slope ``psi'``; the bound on an interval is attained at its
ends or at a knot inside it. In truncated powers, with ``d_k`` the change of the derivative of
``psi''`` at knot ``t_k``,

    psi'(z) = s + m_0 z + sum_k (d_k / 2) (z - t_k)_+^2.

This form vectorises, and where all arguments lie below a knot the sum ends there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.spectral.interval import Interval

Array = NDArray[np.float64]


def half_kinks(knots: Tensor, curvature: Tensor) -> Tensor:
    """Return ``d_k / 2``, half the changes of the derivative of ``psi''`` at the knots, shape (n,).

    Args:
        knots: Increasing knots, shape (n,).
        curvature: Values ``m_k`` of ``psi''`` at the knots, shape (n,).
    """
    rate = torch.diff(curvature) / torch.diff(knots)
    zero = rate.new_zeros(1)
    return 0.5 * torch.diff(torch.cat([zero, rate, zero]))


def spline_slope(z: Tensor, knots: Tensor, tension: Tensor, curvature: Tensor) -> Tensor:
    """Return ``psi'(z)`` elementwise; ``tension`` is ``psi'(0)``, a 0-dimensional tensor."""
    ramp = torch.relu(z.unsqueeze(-1) - knots)
    bends = (half_kinks(knots, curvature) * (ramp * ramp)).sum(-1)
    return curvature[0] * z + bends + tension


def _energy(z: Tensor, knots: Tensor, tension: Tensor, curvature: Tensor) -> Tensor:
    ramp = torch.relu(z.unsqueeze(-1) - knots)
    cubes = (half_kinks(knots, curvature) * (ramp * ramp * ramp)).sum(-1) / 3.0
    return 0.5 * curvature[0] * z * z + tension * z + cubes


class _Energy(torch.autograd.Function):  # type: ignore[misc]  # torch is not followed
    """``psi``, whose derivative is :func:`spline_slope` itself and not a detour over cubes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, knots: Tensor, tension: Tensor, curvature: Tensor) -> Tensor:
        return _energy(z, knots, tension, curvature)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, *weights = ctx.saved_tensors
        slope = grad * spline_slope(z, *weights)
        if not any(ctx.needs_input_grad[1:]):
            return slope, None, None, None
        _, pull = torch.func.vjp(lambda *w: _energy(z, *w), *weights)
        return slope, *pull(grad)

    @staticmethod
    def jvp(ctx: Any, dz: Tensor | None, *dweights: Tensor | None) -> Tensor:
        inputs = ctx.saved_tensors
        moves = (dz, *dweights)
        tangents = tuple(
            torch.zeros_like(x) if d is None else d for x, d in zip(inputs, moves, strict=True)
        )
        out: Tensor = torch.func.jvp(_energy, inputs, tangents)[1]
        return out


def refuse_nested_forward() -> None:
    """Refuse forward derivatives of forward derivatives, of which torch drops the inner part.

    It does so in the ``jvp`` of every ``torch.autograd.Function``, without a word.

    Raises:
        RuntimeError: Names the nestings that are right.
    """
    stack = torch._C._functorch.get_interpreter_stack() or []
    forward = sum(level.key() == torch._C._functorch.TransformType.Jvp for level in stack)
    if forward > 1:
        raise RuntimeError(
            f"spline energy: found {forward} forward derivatives inside each other, whose result "
            "torch gets wrong, expected at most one; take jacfwd(jacrev(f)) or torch.func.hessian"
        )


def spline_energy(z: Tensor, knots: Tensor, tension: Tensor, curvature: Tensor) -> Tensor:
    """Return ``psi(z)`` elementwise, with ``psi(0) = 0``; all weights in float64, (n,) or ()."""
    refuse_nested_forward()
    out: Tensor = _Energy.apply(z, knots, tension, curvature)
    return out


class SplineRange:
    """Exact ranges of a spline's slope and curvature over intervals, in float64 numpy.

    Args:
        knots: Increasing knots, the first of them 0, shape (n,).
        tension: ``psi'(0)``.
        curvature: ``psi''`` at the knots, non-negative, shape (n,).
    """

    def __init__(self, knots: Array, tension: float, curvature: Array) -> None:
        self.knots, self.curvature_at_knots = knots, curvature
        width = np.diff(knots)
        area = 0.5 * (curvature[1:] + curvature[:-1]) * width
        self._slope_at_knots = tension + np.concatenate([[0.0], np.cumsum(area)])
        self._rate = np.diff(curvature) / width
        self._largest = range_table(curvature, np.maximum, -np.inf)
        self._smallest = range_table(curvature, np.minimum, np.inf)
        eps = np.finfo(np.float64).eps
        self._slope_rounding = eps * (len(knots) + 8)  # relative: sums of non-negative terms
        self._curvature_rounding = eps * 8 * self.bound  # absolute: an interpolation

    @property
    def bound(self) -> float:
        """The global Lipschitz constant of the slope: the largest knot value."""
        return float(self.curvature_at_knots.max())

    def curvature(self, z: Interval) -> Interval:
        """Return the range of ``psi''``: its ends, and the knots inside the interval."""
        first, last = self.inside(z)
        ends = [np.interp(e, self.knots, self.curvature_at_knots) for e in (z.lo, z.hi)]
        lo = np.minimum(np.minimum(*ends), self._smallest[first, last])
        hi = np.maximum(np.maximum(*ends), self._largest[first, last])
        margin = self._curvature_rounding
        return Interval(lo - margin, hi + margin).widened()

    def inside(self, z: Interval) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the first knot inside each interval, and the one after the last."""
        first = np.searchsorted(self.knots, z.lo)
        return first, np.searchsorted(self.knots, z.hi, side="right")

    def slope(self, z: Interval) -> Interval:
        """Return the range of ``psi'``, which does not decrease: its values at the ends."""
        margin = self._slope_rounding
        lo, hi = self._slope(z.lo), self._slope(z.hi)
        return Interval(lo * (1 - margin), hi * (1 + margin)).widened()

    def _slope(self, z: Array) -> Array:
        k = np.clip(np.searchsorted(self.knots, z, side="right") - 1, 0, len(self.knots) - 1)
        dz = z - self.knots[k]
        rate = np.append(self._rate, 0.0)[k] * (dz > 0)
        out: Array = self._slope_at_knots[k] + dz * (self.curvature_at_knots[k] + 0.5 * rate * dz)
        return out


def range_table(values: Array, reduce: np.ufunc, empty: float) -> Array:
    """Return ``table[i, j] = reduce(values[i:j])``, shape (n + 1, n + 1)."""
    n = len(values)
    table = np.full((n + 1, n + 1), empty)
    for i in range(n):
        table[i, i + 1 :] = reduce.accumulate(values[i:])
    return table
