"""Arrays of bounded-slope units: their checks and the extremes of their curvature."""

from __future__ import annotations

import torch
from torch import Tensor

from lipmat.spectral.two_sided import zero_column

LARGEST_ROUNDING = 1e-6  # of the curvature


def checked_zero(
    prefix: str, directions: Tensor, size: int, knots: Tensor, curvature: Tensor
) -> int:
    """Check the arrays of a set of units and return the column of the knots that is 0.

    Args:
        prefix: What the names of the knots and curvatures begin with, ``""`` or ``"group_"``.
        directions: One vector for each unit, shape (n, size).
        size: Components of a vector.
        knots: Knots, shape (n, k).
        curvature: Curvatures at the knots, shape (n, k).

    Raises:
        ValueError: A shape is wrong, knots do not increase or are too close, no column of them is
            0, or all directions are.
    """
    if directions.ndim != 2 or directions.shape[1] != size:
        raise ValueError(f"directions: found shape {_shape(directions)}, expected (n, {size})")
    units = len(directions)
    if knots.ndim != 2 or knots.shape != curvature.shape or len(knots) != units:
        raise ValueError(
            f"{prefix}knots and {prefix}curvature: found shapes {_shape(knots)} and "
            f"{_shape(curvature)}, expected ({units}, k) for both"
        )
    if knots.shape[1] < 2:
        raise ValueError(f"{prefix}knots: found {knots.shape[1]} in a unit, expected 2 or more")
    if not bool((torch.diff(knots, dim=1) > 0).all()):
        raise ValueError(
            f"{prefix}knots: found some that do not increase, expected increasing ones"
        )
    try:
        zero = zero_column(knots)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from None
    if units and not bool(directions.any()):
        name = "group_matrices" if prefix else "directions"
        raise ValueError(f"{name}: found only zeros, expected a unit that resists")
    _check_rounding(prefix, knots, curvature)
    return zero


def _check_rounding(prefix: str, knots: Tensor, curvature: Tensor) -> None:
    """Check that truncated powers of these knots are exact enough for a bound to mean anything."""
    share = _rounding(knots, curvature) / curvature.abs().amax(1).clamp_min(1e-300)
    if not bool((share <= LARGEST_ROUNDING).all()):
        closest = float((torch.diff(knots, dim=1).amin(1) / knots.abs().amax(1)).min())
        raise ValueError(
            f"{prefix}knots: found some only {closest:.1g} of the outermost one apart, where "
            "rounding spoils the slope; expected 1e-6 or more"
        )


def check_positive(*curvatures: Tensor) -> None:
    """Check that some unit resists.

    Raises:
        ValueError: No curvature is positive, so that the law would have no stiffness anywhere.
    """
    if not any(bool((c > 0).any()) for c in curvatures):
        raise ValueError("curvature: found no positive value, expected at least one")


def _shape(array: Tensor) -> tuple[int, ...]:
    return tuple(array.shape)


def steepest(curvature: Tensor) -> Tensor:
    """Return the largest curvature of each unit, at least 0, shape (n,): M of the theory."""
    return curvature.amax(1).clamp_min(0.0)


def certified_steepest(knots: Tensor, curvature: Tensor) -> Tensor:
    """Return M with what the rounding of the splines can add to it, shape (n,)."""
    return steepest(curvature) + _rounding(knots, curvature)


def certified_flattest(knots: Tensor, curvature: Tensor) -> Tensor:
    """Return the smallest curvature of each unit less what rounding can take, shape (n,)."""
    return curvature.amin(1) - _rounding(knots, curvature)


def _rounding(knots: Tensor, curvature: Tensor) -> Tensor:
    """Return how far truncated powers are off the curvature, up to ten times the outer knots.

    Their terms are the changes of rate times the distance from the knots; each carries a few units
    of rounding. It is 1e-12 of the curvature for even knots and more where knots are close.
    """
    rates = torch.diff(curvature, dim=1) / torch.diff(knots, dim=1)
    reach = 11.0 * knots.abs().amax(1)
    eps = torch.finfo(torch.float64).eps
    return 8.0 * eps * (2.0 * rates.abs().sum(1) * reach + curvature.abs().amax(1))
