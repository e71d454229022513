r"""Two-sided splines of bounded slope, a batch of units at once.

Unit i is the potential ``phi_i`` on the whole line with

    phi_i''(z) = sum_k m_ik hat_ik(z),      phi_i(0) = phi_i'(0) = 0,

where the hats are piecewise linear on the knots ``t_i0 < t_i1 < ...`` and constant beyond the
outer ones. One column of the knots is 0. So ``max_k m_ik`` is the exact and global upper bound of
the slope of ``phi_i'``, ``min_k m_ik`` the lower one, and the unit is convex if no m is negative.

The truncated powers point away from 0: all ramps vanish at ``z = 0``, where slope and energy are
zero without rounding. With ``d_k`` the change of the derivative of ``phi''`` at knot ``t_k``
towards the outside,

    phi'(z) = m_0 z + sum_{t_k >= 0} (d_k / 2) (z - t_k)_+^2
                    - sum_{t_k <= 0} (d_k / 2) (t_k - z)_+^2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lipmat.spectral.splines import refuse_nested_forward


def zero_column(knots: Tensor) -> int:
    """Return the column of the knots (n, k) that is 0 in every unit.

    Raises:
        ValueError: There is none.
    """
    columns = (knots == 0).all(0).nonzero()
    if len(columns) == 0:
        raise ValueError("knots: found no column that is 0 in every unit, expected one")
    return int(columns[0])


def two_sided_slope(z: Tensor, knots: Tensor, curvature: Tensor, zero: int) -> Tensor:
    """Return ``phi_i'(z_i)``.

    Args:
        z: Arguments of the units, shape (..., n).
        knots: Increasing knots of each unit, shape (n, k).
        curvature: ``phi''`` at the knots, shape (n, k).
        zero: Column of the knots that is 0.

    Returns:
        The slopes, shape (..., n).
    """
    slope = curvature[:, zero] * z
    for sign, ramp, kinks in _sides(z, knots, curvature, zero):
        bend = (kinks * (ramp * ramp)).sum(-1)
        slope = slope + bend if sign > 0 else slope - bend
    return slope


def two_sided_energy(z: Tensor, knots: Tensor, curvature: Tensor, zero: int) -> Tensor:
    """Return ``phi_i(z_i)``; arguments as of :func:`two_sided_slope`.

    The derivative in ``z`` is that function itself, also where it is traced.
    """
    refuse_nested_forward()
    out: Tensor = _Energy.apply(z, knots, curvature, zero)
    return out


def two_sided_curvature(z: Tensor, knots: Tensor, curvature: Tensor, zero: int) -> Tensor:
    """Return ``phi_i''(z_i)``; arguments as of :func:`two_sided_slope`.

    Far outside the knots it keeps the precision that the ramps lose there.
    """
    out = curvature[:, zero].expand_as(z)
    inside = torch.minimum(torch.maximum(z, knots[:, 0]), knots[:, -1])
    for _, ramp, kinks in _sides(inside, knots, curvature, zero):
        out = out + 2.0 * (kinks * ramp).sum(-1)
    return out


def hat_slopes(z: Tensor, knots: Tensor, zero: int) -> Tensor:
    """Return the slopes of all hats of the units, shape (..., n, k).

    Their sum, weighted with the curvature, is :func:`two_sided_slope`.

    Args:
        z: Arguments of the units, shape (..., n).
        knots: Increasing knots of each unit, shape (n, k).
        zero: Column of the knots that is 0.
    """
    n, k = knots.shape
    hats = torch.eye(k, dtype=knots.dtype).repeat(n, 1)
    every = _sides(z.new_zeros(n * k), knots.repeat_interleave(k, 0), hats, zero)
    terms = [z.unsqueeze(-1)] + [s * (r * r) for s, r, _ in _sides(z, knots, knots, zero)]
    rates = [hats[:, zero : zero + 1]] + [kinks for _, _, kinks in every]
    weights = torch.cat(rates, -1).reshape(n, k, -1)
    return torch.einsum("...nt,nkt->...nk", torch.cat(terms, -1), weights)


def _energy(z: Tensor, knots: Tensor, curvature: Tensor, zero: int) -> Tensor:
    cubes = [(c * (r * r * r)).sum(-1) / 3.0 for _, r, c in _sides(z, knots, curvature, zero)]
    energy = 0.5 * curvature[:, zero] * z * z
    for cube in cubes:
        energy = energy + cube
    return energy


def _sides(
    z: Tensor, knots: Tensor, curvature: Tensor, zero: int
) -> list[tuple[int, Tensor, Tensor]]:
    """Return sign, ramps (..., n, s) and half kinks (n, s) of the sides that have knots."""
    sides = []
    if zero < knots.shape[1] - 1:
        t, m = knots[:, zero:], curvature[:, zero:]
        sides.append((1, torch.relu(z.unsqueeze(-1) - t), _half_kinks(t, m)))
    if zero > 0:
        t, m = knots[:, : zero + 1], curvature[:, : zero + 1]
        kinks = _half_kinks(-t.flip(1), m.flip(1)).flip(1)
        sides.append((-1, torch.relu(t - z.unsqueeze(-1)), kinks))
    return sides


def _half_kinks(knots: Tensor, curvature: Tensor) -> Tensor:
    """Return half the changes of the derivative of ``phi''`` from 0 outwards, shape (n, s)."""
    rate = torch.diff(curvature, dim=1) / torch.diff(knots, dim=1)
    nothing = torch.zeros_like(rate[:, :1])
    return 0.5 * torch.diff(torch.cat([nothing, rate, nothing], dim=1), dim=1)


class _Energy(torch.autograd.Function):  # type: ignore[misc]  # torch is not followed
    """``phi``, whose derivative is :func:`two_sided_slope` itself and no detour over cubes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, knots: Tensor, curvature: Tensor, zero: int) -> Tensor:
        return _energy(z, knots, curvature, zero)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.zero = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, knots, curvature = ctx.saved_tensors
        slope = grad * two_sided_slope(z, knots, curvature, ctx.zero)
        if not any(ctx.needs_input_grad[1:]):
            return slope, None, None, None
        _, pull = torch.func.vjp(lambda t, m: _energy(z, t, m, ctx.zero), knots, curvature)
        return slope, *pull(grad), None

    @staticmethod
    def jvp(ctx: Any, *moves: Tensor | None) -> Tensor:
        inputs = ctx.saved_tensors
        tangents = tuple(
            torch.zeros_like(x) if d is None else d for x, d in zip(inputs, moves[:3], strict=True)
        )
        out: Tensor = torch.func.jvp(lambda z, t, m: _energy(z, t, m, ctx.zero), inputs, tangents)[
            1
        ]
        return out
