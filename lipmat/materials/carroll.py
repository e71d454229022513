r"""Carroll's law of rubber, alone or with a correction.

    W(F) = a I1 + b I1^4 + c sqrt(I2) - t ln J + correction + kappa/2 (J - 1)^2,
    t = 2 a + 216 b + 2 c / sqrt 3

with the invariants ``I1 = sum l_i^2`` and ``I2 = sum_{i<j} l_i^2 l_j^2`` (Carroll, J. Elasticity
103 (2011) 173). The logarithm frees the reference state of stress and is a pressure, so that an
incompressible body has Carroll's law to the letter. Without a correction the law is polyconvex:
``I1`` and its fourth power are convex in F, ``sqrt(I2)`` is the norm of its cofactor, and t >= 0.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lipmat.materials.classical import ClassicalLaw
from lipmat.materials.stretches import PAIRS
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


class Carroll(ClassicalLaw):
    """Carroll's three terms, and what a correction adds.

    Args:
        coefficients: a, b and c, not negative and not all 0, shape (3,) [Pa].
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

    name: ClassVar[str] = "carroll"
    coefficient_names: ClassVar[tuple[str, ...]] = ("a [Pa]", "b [Pa]", "c [Pa]")

    def _check(self) -> None:
        abc = self.coefficients
        if abc.shape != (3,) or not bool((abc >= 0).all()) or not bool(abc.any()):
            raise ValueError(f"coefficients: found {abc.tolist()}, expected a, b, c >= 0, one > 0")

    def classical(self, stretches: Tensor) -> Tensor:
        """Return the same without the correction."""
        a, b, c = self.coefficients
        squares = stretches * stretches
        x, y, z = squares[0], squares[1], squares[2]
        first, second = x + y + z, x * y + y * z + z * x
        square = first * first
        energy = a * first + b * (square * square) + c * torch.sqrt(second)
        return energy - (2.0 * a + 216.0 * b + 2.0 * c / 3.0**0.5) * torch.log(stretches).sum()

    def tangent_range(self) -> TangentRange:
        """Return the ranges of the tangent of the distortional part over boxes of stretches."""
        a, b, c = (Interval.point(float(x)) for x in self.coefficients)
        root = Interval.point(3.0**0.5).widened()
        t = a * 2.0 + b * 216.0 + c * 2.0 / root
        f, g = self.correction.of_stretch(), self.correction.of_area()
        separable = Separable(Total((Logarithm(t), *f)), Total(g))

        def ranges(state: State) -> Tangent:
            first = first_invariant(state)
            square = first * first
            slope, curvature = a + b * square * first * 4.0, b * square * 12.0
            return (
                separable(state)
                + of_first_invariant(state, slope, curvature)
                + _norm_of_the_cofactor(state, c)
            )

        return ranges


def _norm_of_the_cofactor(state: State, c: Interval) -> Tangent:
    """Return the ranges of ``c sqrt(I2)``.

    With the areas m and ``n = sqrt(I2)``: ``H_ii = c (l_j^2 + l_k^2) (m_i / n)^2 / n``,
    ``H_ij = c l_i l_j (1 - (l_k^2 / n)^2) / n``, the quotients ``c (l_k^2 -+ l_i l_j) / n``.
    """
    square = [s * s for s in state.stretch]
    second = [m * m for m in state.area]
    total = second[0] + second[1] + second[2]
    norm = Interval(np.sqrt(total.lo), np.sqrt(total.hi)).widened()
    scale = c / norm
    entries: dict[tuple[int, int], Interval] = {}
    for i in range(3):
        j, k = (n for n in range(3) if n != i)
        entries[i, i] = scale * (square[j] + square[k]) * second[i] / total
    differences, sums = [], []
    for i, j in PAIRS:
        k = 3 - i - j
        area, fourth = state.area[k], square[k] * square[k]
        entries[i, j] = scale * area * (1.0 + -(fourth / total))
        differences.append(scale * (square[k] - area))
        sums.append(scale * (square[k] + area))
    return Tangent(entries, tuple(differences), tuple(sums))
