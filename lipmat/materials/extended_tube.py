r"""The extended tube law of rubber, alone or with a correction.

    W(F) = G_c/2 [(1 - d^2) x / (1 - d^2 x) + ln(1 - d^2 x)] + 2 G_e / beta^2 sum_i (l_i^-beta - 1)
           - t ln J + correction + kappa/2 (J - 1)^2,
    x = I1 - 3,      t = G_c (1 - 2 d^2) - 2 G_e / beta

with ``I1 = sum l_i^2`` (Kaliske & Heinrich, Rubber Chem. Technol. 72 (1999) 602). The logarithm
frees the reference state of stress and is a pressure, so that an incompressible body has the law
to the letter. The term of the chains has a pole at ``x = 1 / d^2``, where no bound could hold:
beyond a limit of I1 before the pole it goes on as its parabola. Polyconvexity is not claimed: the
tube term falls with the stretches.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lipmat.materials.classical import ClassicalLaw
from lipmat.materials.tangent_ranges import (
    Logarithm,
    Separable,
    State,
    Tangent,
    TangentRange,
    Total,
    first_invariant,
    of_first_invariant,
)
from lipmat.spectral.interval import Interval

LARGEST_INEXTENSIBILITY = 0.5  # of d, up to which the term of the chains is convex in I1
_POWER_ROUNDING = 1e-14  # relative: of the machine's power function


class ExtendedTube(ClassicalLaw):
    """Chains of finite length in tubes, and what a correction adds.

    Args:
        coefficients: G_c and G_e [Pa], positive; beta [-] in (0, 1]; the inextensibility d [-] in
            [0, 0.5]; the limit of I1 [-], at least 3 and before the pole; shape (5,).
        bulk_modulus: kappa, positive [Pa].
        domain: Stretch domain on which the law is certified.
        stretch_knots: Of the correction, see :class:`~lipmat.materials.correction.Correction`.
        stretch_curvature: Of the correction.
        area_knots: Of the correction.
        area_curvature: Of the correction.
        provenance: Where the law comes from.

    Raises:
        ValueError: An array is not admissible.
    """

    name: ClassVar[str] = "extended-tube"
    coefficient_names: ClassVar[tuple[str, ...]] = (
        "G_c [Pa]",
        "G_e [Pa]",
        "beta",
        "delta",
        "limit of I1",
    )

    def _check(self) -> None:
        found = self.coefficients.tolist()
        if self.coefficients.shape != (5,):
            raise ValueError(f"coefficients: found {found}, expected five numbers")
        chains, tubes, beta, d, limit = found
        if not (chains > 0 and tubes > 0 and 0 < beta <= 1 and 0 <= d <= LARGEST_INEXTENSIBILITY):
            raise ValueError(
                f"coefficients: found {found}, expected G_c, G_e > 0, 0 < beta <= 1, "
                f"0 <= d <= {LARGEST_INEXTENSIBILITY}"
            )
        if not (limit >= 3.0 and d * d * (limit - 3.0) < 1.0):
            raise ValueError(
                f"coefficients: found a limit of I1 of {limit:g}, expected 3 or more and less than "
                f"{3.0 + 1.0 / d**2 if d else float('inf'):g}, the pole"
            )

    def classical(self, stretches: Tensor) -> Tensor:
        """Return the same without the correction."""
        chains, tubes, beta, d, _ = self.coefficients
        logs = torch.log(stretches)
        energy = _Chains.apply((stretches * stretches).sum(), self.coefficients)
        powers = torch.exp(-beta * logs).sum()
        t = chains * (1.0 - 2.0 * d * d) - 2.0 * tubes / beta
        return energy + 2.0 * tubes / (beta * beta) * powers - t * logs.sum()

    def tangent_range(self) -> TangentRange:
        """Return the ranges of the tangent of the distortional part over boxes of stretches."""
        chains, tubes, beta, d = (Interval.point(float(x)) for x in self.coefficients[:4])
        t = chains * (1.0 + -(d * d * 2.0))
        tube = _Tube(tubes * 2.0 / beta, float(beta.lo))
        f, g = self.correction.of_stretch(), self.correction.of_area()
        separable = Separable(Total((Logarithm(t), tube, *f)), Total(g))
        chain = _ChainRange(*self.coefficients.tolist())

        def ranges(state: State) -> Tangent:
            first = first_invariant(state)
            of_chains = of_first_invariant(state, chain.slope(first), chain.curvature(first))
            return separable(state) + of_chains

        return ranges


class _Tube:
    """``p / beta z^-beta + p ln z``, which is flat at rest.

    Its slope ``p / z (1 - z^-beta)`` rises up to ``z^beta = 1 + beta`` and then falls; its
    curvature ``p / z^2 ((1 + beta) z^-beta - 1)`` falls up to ``z^beta = (1 + beta)(1 + beta/2)``
    and then rises.
    """

    def __init__(self, p: Interval, beta: float) -> None:
        self._p, self._beta = p, beta
        self._summit = (1.0 + beta) ** (1.0 / beta)
        self._trough = ((1.0 + beta) * (1.0 + 0.5 * beta)) ** (1.0 / beta)

    def slope(self, z: Interval) -> Interval:
        ends = self._slope(Interval.point(z.lo)).hull(self._slope(Interval.point(z.hi)))
        return ends.hull(self._slope(_nearest(self._summit, z)))

    def curvature(self, z: Interval) -> Interval:
        ends = self._curvature(Interval.point(z.lo)).hull(self._curvature(Interval.point(z.hi)))
        return ends.hull(self._curvature(_nearest(self._trough, z)))

    def _slope(self, z: Interval) -> Interval:
        return self._p / z * (1.0 + -self._power(z))

    def _curvature(self, z: Interval) -> Interval:
        bracket = self._power(z) * (1.0 + Interval.point(self._beta)) - 1.0
        return self._p / (z * z) * bracket

    def _power(self, z: Interval) -> Interval:
        lo, hi = z.hi**-self._beta, z.lo**-self._beta
        return Interval(lo * (1.0 - _POWER_ROUNDING), hi * (1.0 + _POWER_ROUNDING))


def _nearest(place: float, z: Interval) -> Interval:
    """Return an interval around a place that is not exact, or the end of z that is nearest."""
    margin = _POWER_ROUNDING * place
    return Interval(np.clip(place - margin, z.lo, z.hi), np.clip(place + margin, z.lo, z.hi))


class _ChainRange:
    """Ranges of the derivatives in I1 of the term of the chains, which both do not fall with I1.

    With ``s = 1 - d^2 x``: ``u' = G_c/2 [(1 - d^2)/s^2 - d^2/s]`` and
    ``u'' = G_c/2 d^2 [2 (1 - d^2)/s^3 - d^2/s^2]``, where ``s <= 1 + 3 d^2`` and d is at most 0.5.
    """

    def __init__(self, chains: float, tubes: float, beta: float, d: float, limit: float) -> None:
        self._chains, self._limit = Interval.point(0.5 * chains), limit
        self._square = Interval.point(d) * d
        self._rest = 1.0 + -self._square

    def slope(self, first: Interval) -> Interval:
        lo, hi = (self._slope(Interval.point(end)) for end in (first.lo, first.hi))
        return Interval(lo.lo, hi.hi)

    def curvature(self, first: Interval) -> Interval:
        lo, hi = (self._curvature(Interval.point(end)) for end in (first.lo, first.hi))
        return Interval(lo.lo, hi.hi)

    def _slope(self, first: Interval) -> Interval:
        s = self._left(first)
        inside = self._chains * (self._rest / (s * s) - self._square / s)
        over = Interval.point(np.maximum(first.lo - self._limit, 0.0)).widened()
        return inside + self._curvature(first) * over

    def _curvature(self, first: Interval) -> Interval:
        s = self._left(first)
        bracket = self._rest * 2.0 / (s * s * s) - self._square / (s * s)
        return self._chains * self._square * bracket

    def _left(self, first: Interval) -> Interval:
        """Return s, below the limit of I1."""
        x = Interval.point(np.minimum(first.lo, self._limit)) - 3.0
        return 1.0 + -(self._square * x)


def _parts(first: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return half G_c, d^2, I1 - 3 up to its limit, and how far I1 is beyond it."""
    half, square = 0.5 * coefficients[0], coefficients[3] * coefficients[3]
    over = torch.relu(first - coefficients[4])
    return half, square, first - over - 3.0, over


def _slope(first: Tensor, coefficients: Tensor) -> Tensor:
    half, square, x, over = _parts(first, coefficients)
    s = 1.0 - square * x
    inverse = 1.0 / s
    end = 1.0 - square * (coefficients[4] - 3.0)
    bend = half * square * (2.0 * (1.0 - square) / end - square) / (end * end)
    return half * inverse * ((1.0 - square) * inverse - square) + bend * over


class _Chains(torch.autograd.Function):  # type: ignore[misc]  # torch is not followed
    """The term of the chains as a function of I1, whose derivative is written out.

    The derivative of a ramp would be a condition, which compiled kernels do not know.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(first: Tensor, coefficients: Tensor) -> Tensor:
        half, square, x, over = _parts(first, coefficients)
        s = 1.0 - square * x
        energy = half * ((1.0 - square) * x / s + torch.log(s))
        limit = coefficients[4]
        end = 1.0 - square * (limit - 3.0)
        bend = half * square * (2.0 * (1.0 - square) / end - square) / (end * end)
        return (
            energy
            + _slope(torch.minimum(first, limit), coefficients) * over
            + (0.5 * bend * over * over)
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * _slope(*ctx.saved_tensors), None

    @staticmethod
    def jvp(ctx: Any, move: Tensor, _: Tensor | None) -> Tensor:
        return move * _slope(*ctx.saved_tensors)
