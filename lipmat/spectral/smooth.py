r"""Smooth functions of one number: derivatives up to the fourth and their ranges over intervals.

All derivatives of softplus, the logistic function and tanh are polynomials in a base function s
with ``s' = S(s)``, so that ``P_(k+1) = P_k' S``. Those of exp and of powers are monotone between
zero and either end. Ranges are widened for the rounding of their evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Protocol

import numpy as np
import torch
from numpy.polynomial import Polynomial
from torch import Tensor

_ORDERS = 5
_WIDER = 1e-13  # relative; a base function of torch is within a few units in the last place


class Smooth(Protocol):
    """A function whose derivatives of order 0 to 4 and their ranges are known."""

    @property
    def increasing(self) -> bool:
        """Whether it does not fall anywhere."""
        ...

    @property
    def bend(self) -> int:
        """1 if it is convex, -1 if it is concave, 0 if neither, everywhere."""
        ...

    def size(self, order: int) -> float:
        """Return what the absolute rounding of a derivative is relative to; 0: its own value."""
        ...

    def derivative(self, order: int, z: Tensor) -> Tensor:
        """Return a derivative at points; nan where it is not defined."""
        ...

    def extremes(self, order: int, lo: Tensor, hi: Tensor) -> tuple[Tensor, Tensor]:
        """Return the smallest and largest value of a derivative over intervals."""
        ...


@dataclass(frozen=True)
class InBase:
    """``f(z) = g(b z) / b^m``, whose derivatives are polynomials in ``s(b z)``.

    Args:
        base: ``sigmoid`` or ``tanh``.
        first: The polynomial that is the first one of the chain.
        start: Order of the derivative that it is; those below are ``softplus``.
        steepness: b, positive.
        increasing: See :class:`Smooth`.
        bend: See :class:`Smooth`.
    """

    base: str
    start: int = 0
    steepness: float = 1.0
    increasing: bool = True
    bend: int = 0

    @cached_property
    def _polynomials(self) -> list[Polynomial]:
        flow = Polynomial([0, 1, -1]) if self.base == "sigmoid" else Polynomial([1, 0, -1])
        chain = [Polynomial([0, 1])]
        while len(chain) < _ORDERS:
            chain.append(chain[-1].deriv() * flow)
        return chain

    def _scaled(self, order: int) -> tuple[Polynomial, float]:
        return self._polynomials[order - self.start], self.steepness ** (order - self.start)

    def _base(self, z: Tensor) -> Tensor:
        out: Tensor = getattr(torch, self.base)(self.steepness * z)
        return out

    def size(self, order: int) -> float:
        """Return the sum of the sizes of the polynomial's terms."""
        if order < self.start:
            return 1.0 / self.steepness
        polynomial, scale = self._scaled(order)
        return scale * float(np.abs(polynomial.coef).sum())

    def derivative(self, order: int, z: Tensor) -> Tensor:
        """Return a derivative at points."""
        if order < self.start:
            return _softplus(z, self.steepness)
        polynomial, scale = self._scaled(order)
        return scale * _horner(polynomial, self._base(z))

    def extremes(self, order: int, lo: Tensor, hi: Tensor) -> tuple[Tensor, Tensor]:
        """Return the range over intervals: at their ends or where the next derivative is zero."""
        if order < self.start:
            ends = [_softplus(z, self.steepness) for z in (lo, hi)]
            return _widened(ends, self.size(order))
        polynomial, scale = self._scaled(order)
        low, high = self._base(lo), self._base(hi)
        roots = polynomial.deriv().roots() if polynomial.degree() > 1 else np.zeros(0)
        turns = [float(r.real) for r in roots if abs(r.imag) < 1e-9]
        places = [low, high, *(low.clamp(min=t).minimum(high) for t in turns)]
        return _widened([scale * _horner(polynomial, s) for s in places], self.size(order))


@dataclass(frozen=True)
class Exponential:
    """``exp(z)``."""

    increasing: bool = True
    bend: int = 1

    def size(self, order: int) -> float:
        """Return 0: the rounding is relative to the value."""
        return 0.0

    def derivative(self, order: int, z: Tensor) -> Tensor:
        """Return ``exp(z)``, whatever the order."""
        return torch.exp(z)

    def extremes(self, order: int, lo: Tensor, hi: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values at the ends."""
        return _widened([torch.exp(lo), torch.exp(hi)], 0.0)


@dataclass(frozen=True)
class Power:
    """``z^p``; for an exponent that is no positive integer, of positive z.

    ``p = 0`` stands for the logarithm, whose first derivative is ``z^-1``.
    """

    exponent: float

    @property
    def increasing(self) -> bool:
        """Whether it does not fall: odd powers, and roots and logarithm where they are defined."""
        p = self.exponent
        return p == 0.0 or (p > 0.0 and not (self._whole and p % 2 == 0))

    @property
    def bend(self) -> int:
        """Convex for even powers, negative ones and those above 1 of positive z only."""
        p = self.exponent
        if self._whole:
            return 1 if p % 2 == 0 or p == 1 else 0
        return 1 if p < 0.0 or p > 1.0 else -1

    @property
    def _whole(self) -> bool:
        return self.exponent > 0 and float(self.exponent).is_integer()

    def _term(self, order: int) -> tuple[float, float]:
        """Return factor and exponent of a derivative; of the logarithm from the first on."""
        factor, p = 1.0, self.exponent
        for k in range(order):
            factor *= p if self.exponent or k else 1.0
            p -= 1.0
        return factor, p

    def size(self, order: int) -> float:
        """Return 0, or 1 for the logarithm, which is small near 1."""
        return 1.0 if order == 0 and not self.exponent else 0.0

    def derivative(self, order: int, z: Tensor) -> Tensor:
        """Return a derivative at points; nan where it is not defined."""
        if not self._whole:
            z = torch.where(z > 0, z, torch.nan)
        if order == 0 and not self.exponent:
            return torch.log(z)
        factor, p = self._term(order)
        return factor * z**p if factor else torch.zeros_like(z)

    def extremes(self, order: int, lo: Tensor, hi: Tensor) -> tuple[Tensor, Tensor]:
        """Return the range over intervals; the whole line where it is not defined."""
        ends = [self.derivative(order, lo), self.derivative(order, hi)]
        if self._whole:
            ends.append(self.derivative(order, torch.zeros_like(lo).clamp(min=lo).minimum(hi)))
        low, high = _widened(ends, 0.0)
        return low.nan_to_num(nan=-inf), high.nan_to_num(nan=inf)


SOFTPLUS_LIMIT = 20.0
"""Of torch's softplus: above it, it is the identity, which is 2e-9 below at 20."""


def softplus(steepness: float, limit: float) -> InBase:
    """Return ``ln(1 + exp(b z)) / b``.

    Raises:
        ValueError: The limit, above which torch takes the identity, is below 20.
    """
    if limit < SOFTPLUS_LIMIT or steepness <= 0:
        raise ValueError(
            f"found a softplus with beta {steepness} that jumps at {limit}, expected a positive "
            f"beta and {SOFTPLUS_LIMIT:g} or more"
        )
    return InBase("sigmoid", 1, steepness, True, 1)


def _softplus(z: Tensor, steepness: float) -> Tensor:
    zero = torch.zeros((), dtype=z.dtype)
    return torch.logaddexp(steepness * z, zero) / steepness


def _horner(polynomial: Polynomial, s: Tensor) -> Tensor:
    coefficients = [float(c) for c in polynomial.coef]
    out = torch.full_like(s, coefficients[-1])
    for c in coefficients[-2::-1]:
        out = out * s + c
    return out


def _widened(values: list[Tensor], size: float) -> tuple[Tensor, Tensor]:
    lo, hi = values[0], values[0]
    for v in values[1:]:
        lo, hi = torch.minimum(lo, v), torch.maximum(hi, v)
    margin = _WIDER * (size + torch.maximum(lo.abs(), hi.abs()))
    return lo - margin, hi + margin
