"""Piecewise linear curves over time: factors on the loads of a case file."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from lipmat.schema import Number, Time

Pairs = tuple[tuple[float, float], ...]


def _increasing(curve: Pairs) -> Pairs:
    for (earlier, _), (later, _) in pairwise(curve):
        if later <= earlier:
            raise ValueError(f"expected increasing times, but {later!r} s follows {earlier!r} s")
    return curve


Curve = Annotated[tuple[tuple[Time, Number], ...], Field(min_length=2), AfterValidator(_increasing)]


def curve_factor(curve: Pairs | None, time: float) -> float:
    """Return the factor of a piecewise linear curve at a time [s].

    It is constant outside the times of the curve, and 1 without a curve.
    """
    if curve is None:
        return 1.0
    times, factors = zip(*curve, strict=True)
    return float(np.interp(time, times, factors))


def curve_integral(curve: Pairs | None, time: float) -> float:
    """Return the integral of :func:`curve_factor` from time zero to a time [s]."""
    if curve is None:
        return time
    between = [t for t, _ in curve if min(0.0, time) < t < max(0.0, time)]
    corners = np.array(sorted([0.0, *between, time], reverse=time < 0.0))
    factors = [curve_factor(curve, t) for t in corners]
    return float(np.trapezoid(factors, corners))
