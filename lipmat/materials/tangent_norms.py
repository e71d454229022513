r"""Norms of a finite-strain tangent over domains: its certified bound, and that of its negative.

The certificate of a step needs ``A <= a 1`` alone. That the stress cannot fall faster either,
``-A <= a 1``, holds

- for laws of the logarithmic strain, with the proof of ``log_bound``: it bounds ``d2W`` and
  ``T : d2H`` by their sizes, so that only networks that soften more than they are stiff need a
  larger number; likewise for their volumetric part and for springs at frozen flow;
- for laws in stretches by branch and bound over the ranges of their tangent. Of the bulk term
  ``kappa/2 (J - 1)^2``, whose Hessian is ``kappa cof F (x) cof F``, positive, and
  ``kappa (J - 1)`` times the second derivative of J, the latter counts: that has the eigenvalues
  ``+-l_k``, and those of the matrix with zeros on the diagonal and l_k beside it, which are
  between ``-sqrt 2 l`` and ``2 l`` for stretches up to l.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.materials.adopted import Adopted
from lipmat.materials.law import Law, Rung, largest_stiffness
from lipmat.materials.memory import MemoryLaw
from lipmat.materials.network import NetworkLaw
from lipmat.materials.stretch_law import StretchLaw
from lipmat.materials.tangent_ranges import State, Tangent
from lipmat.spectral.branch_and_bound import maximise
from lipmat.spectral.interval import Interval

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
BOXES = 100_000  # at most, where -A needs more than A: seconds
UP = 1.0 + 1e-12
"""Covers the rounding of eigenvalues of matrices that are bounds themselves."""


def tangent_norms(law: Law) -> list[dict[str, float]]:
    """Return a with ``|A| <= a`` of each part, over each domain of the law's ladder [Pa].

    Raises:
        InputError: The law states no lower bound of its tangent.
    """
    rungs = law.bound().rungs
    elastic = law.equilibrium if isinstance(law, MemoryLaw) else None
    norms = [{k: largest_stiffness(a) for k, a in rung.tangent.items()} for rung in rungs]
    base = law if elastic is None else elastic
    if isinstance(base, NetworkLaw):
        _raise_by(largest_of(-base.lower_reference()) - largest_of(base.reference()), rungs, norms)
    elif isinstance(base, Adopted) and base.parts[0].measure != "stretches":
        _raise_by(-base.range.lower - base.range.upper, rungs, norms)
    elif isinstance(base, StretchLaw):
        _raise_to_norms(base, rungs, norms)
    elif not isinstance(base, MemoryLaw):
        raise no_lower_bound(law)
    return norms


def _raise_by(excess: float, rungs: Sequence[Rung], norms: Sequence[dict[str, float]]) -> None:
    """Raise the bounds of networks of the logarithmic strain that soften more than they are stiff.

    In ``a = (c + tau ...) / l^2`` of ``log_bound`` the steepest rise c gives way to the steepest
    fall.
    """
    for rung, norm in zip(rungs, norms, strict=True):
        assert rung.domain is not None
        norm["network"] += max(0.0, excess) / rung.domain.stretch_min**2 * UP


def _raise_to_norms(
    law: StretchLaw, rungs: Sequence[Rung], norms: Sequence[dict[str, float]]
) -> None:
    """Raise the bounds of A where -A needs more: by branch and bound, and in closed form."""
    limits = np.array([[*rung.domain.as_dict().values()] for rung in rungs if rung.domain])
    ranges, kappa = law.tangent_range(), float(law.bulk_modulus)
    known = np.array([norm["distortional"] for norm in norms])
    lo, hi = (np.repeat(limits[:, k : k + 1], 3, axis=1) for k in (0, 1))

    def upper(box: Interval, number: Numbers) -> Array:
        volume = Interval(limits[number, 0] ** 3, limits[number, 1] ** 3)
        return negative(ranges(State(box, volume.widened()))).largest() * UP

    found = maximise(upper, lambda _, number: known[number], lo, hi, max_boxes=BOXES)
    for norm, enclosed, (_, high, less, more) in zip(norms, found, limits, strict=True):
        norm["distortional"] = enclosed.bound
        below = max(2.0**0.5 * (more - 1.0), 2.0 * (1.0 - less)) * kappa * high
        norm["volumetric"] = max(norm["volumetric"], float(below * UP))


def negative(tangent: Tangent) -> Tangent:
    """Return the ranges of -A."""
    return Tangent(
        {key: -entry for key, entry in tangent.hessian.items()},
        tuple(-quotient for quotient in tangent.differences),
        tuple(-quotient for quotient in tangent.sums),
    )


def no_lower_bound(law: Law) -> InputError:
    """Return the error of a law whose tangent is bounded from above alone."""
    return InputError(
        f"law {law.name!r} states no lower bound of its tangent, so none can be given for the "
        "change of its stress"
    )


def largest_of(matrix: Array) -> float:
    """Return the largest eigenvalue of a symmetric matrix."""
    return float(np.linalg.eigvalsh(matrix)[-1])
