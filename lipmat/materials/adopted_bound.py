r"""The certified bound of an adopted network's tangent over its domain.

*Small strain.* With a reference stiffness S and ``T = S^(-1/2)`` the eigenvalues of ``T d2W T``
over the domain are enclosed, in [l, u], and ``l S <= d2W <= u S``: C0 = u S.

*Logarithmic strain.* The eigenvalues of ``d2W`` and the principal stresses are enclosed, and the
bound in F follows as in ``log_bound``.

*Stretches.* Of the nine eigenvalues of ``A`` (see ``stretches``) the quotients of differences are
means of quadratic forms of the Hessian along segments between two orders of the stretches, so they
are below its largest eigenvalue over the domain; those of sums are enclosed box by box.

Of a symmetric function of principal values the ordered states are enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lipmat.materials.adopted_domain import AdoptedDomain
from lipmat.materials.law import Bound, Rung
from lipmat.materials.log_bound import in_gradients, largest_in_logarithms
from lipmat.materials.mandel import as_matrix, isotropic_stiffness
from lipmat.materials.stretches import PAIRS, largest_eigenvalue
from lipmat.spectral.graph import Graph
from lipmat.spectral.tangent_search import (
    Ranges,
    Search,
    Searcher,
    TangentRange,
    Values,
    checked,
    leaves_of,
)

if TYPE_CHECKING:
    from lipmat.materials.adopted import Adopted

RULE = "Taylor models of the Hessian on the leaves of a branch and bound over the domain"
TOLERANCE = 0.02  # relative gap between bound and sample at which a search ends
LEAVES = 10_000  # of a proof, at most: they are evaluated again whenever the file is read
Progress = Callable[[float, float, float], None]
_STATES = 600
_RATIOS = np.geomspace(0.2, 200.0, 61)  # of 3K to 2G
_SMALLEST = 1e-3  # eigenvalue of the reference over its largest one
_ROUNDING = 1.0 + 1e-11


@dataclass(frozen=True)
class TangentBounds:
    """Certified over the whole domain.

    Attributes:
        upper: Above the eigenvalues of the tangent: over the reference [-] at small strain, else
            of the Hessian, or of A for a law in stretches [Pa].
        lower: Below those of the Hessian, in the same unit.
        stress: Above all principal stresses [Pa].
    """

    upper: float
    lower: float
    stress: float


def frame_of(domain: AdoptedDomain, reference: Tensor) -> Tensor:
    """Return T with ``T S T = 1`` for the reference in the numbers of the measure; else 1."""
    if not domain.small:
        return torch.eye(domain.size, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(reference[: domain.size, : domain.size])
    return (vectors * values.rsqrt()) @ vectors.T


def ranges_of(graph: Graph, domain: AdoptedDomain, reference: Tensor) -> TangentRange:
    """Return what encloses the Hessian over boxes."""
    return TangentRange(graph, frame_of(domain, reference), *domain.box(), domain.outside)


def values_of(domain: AdoptedDomain) -> Values:
    """Return the rule for the upper bound of the tangent over boxes."""
    return _of_stretches if domain.measure == "stretches" else lambda lo, hi, found: found.upper


def _of_stretches(lo: Tensor, hi: Tensor, found: Ranges) -> Tensor:
    middle, width = found.gradient
    bounds = [found.upper]
    for i, j in PAIRS:
        force = (middle[:, i] + middle[:, j] + width[:, i] + width[:, j]) * _ROUNDING
        sides = torch.where(force > 0, lo[:, i] + lo[:, j], hi[:, i] + hi[:, j])
        bounds.append(force / sides + 1e-12 * force.abs())
    return torch.stack(bounds).amax(0)


def search(
    graph: Graph,
    domain: AdoptedDomain,
    reference: Tensor,
    seconds: float,
    convexity: bool,
    tight_below: bool = False,
    progress: Progress | None = None,
    tolerance: float = TOLERANCE,
) -> Search:
    """Search the domain for the bounds of the tangent; see :class:`Searcher`."""
    ranges = ranges_of(graph, domain, reference)
    sample = sampler(ranges, domain)
    searcher = Searcher(ranges, values_of(domain), sample, domain.nearest, convexity, tight_below)
    return searcher.run(seconds, tolerance, LEAVES, domain.random(_STATES), progress)


def sampler(
    ranges: TangentRange, domain: AdoptedDomain
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Return what gives the value to be bounded, and the smallest eigenvalue, at states."""

    def sample(points: Tensor) -> tuple[Tensor, Tensor]:
        gradient, hessian = ranges.at(points)
        values = torch.linalg.eigvalsh(hessian)
        if domain.measure == "stretches":
            return largest_eigenvalue(points, gradient, hessian), values[:, 0]
        return values[:, -1], values[:, 0]

    return sample


def verify(law: Adopted) -> TangentBounds:
    """Evaluate the leaves of the law's proof, which cover its domain.

    Raises:
        ValueError: The tree is none, or the bound is not finite.
    """
    ranges = ranges_of(law.graph, law.domain, law.reference)
    stress = 0.0

    def upper(lo: Tensor, hi: Tensor, found: Ranges) -> Tensor:
        nonlocal stress
        largest = (found.gradient[0].abs() + found.gradient[1]) * _ROUNDING
        size = largest.amax(1) if law.isotropic else largest.norm(dim=1)
        stress = max(stress, float(size.max()) * _ROUNDING)
        return values_of(law.domain)(lo, hi, found)

    most, least, _ = checked(ranges, upper, *leaves_of(law.tree, *law.domain.box()))
    found = TangentBounds(float(most.max()), float(least.min()), stress)
    if not np.isfinite([found.upper, found.stress]).all():
        raise ValueError("the bound of the tangent is not finite over the domain")
    return found


def certify(law: Adopted) -> Bound:
    """Return the certified bound of a law over its domain."""
    ranges = ranges_of(law.graph, law.domain, law.reference)
    sampled = float(sampler(ranges, law.domain)(law.extremes[:1])[0])
    domain = law.domain.in_stretches()
    if law.domain.small:
        factor = max(law.range.upper, 0.0) * _whitening_margin(law)
        rest = {"network": sampled / factor}
        rung = Rung(domain, {"network": as_matrix(factor * law.reference.numpy())}, rest)
    elif law.domain.measure == "stretches":
        rung = Rung(domain, {"network": law.range.upper * _ROUNDING}, {"network": sampled})
    else:
        value = in_gradients(max(law.range.upper, 0.0), law.range.stress, domain, law.isotropic)
        rung = Rung(domain, {"network": value}, {"network": _logarithmic_sample(law, ranges)})
    return Bound(RULE, (rung,))


def _whitening_margin(law: Adopted) -> float:
    """Return f with ``T^-2 <= f S`` for the computed ``T = S^(-1/2)``."""
    frame = frame_of(law.domain, law.reference)
    product = frame @ law.reference[: law.domain.size, : law.domain.size] @ frame
    return 1.0 / (float(torch.linalg.eigvalsh(product)[0]) - 1e-12)


def _logarithmic_sample(law: Adopted, ranges: TangentRange) -> float:
    """Return the largest tangent found in F [Pa]; of an anisotropic law that at rest."""
    if not law.isotropic:
        _, hessian = ranges.at(law.domain.at_rest()[None])
        return float(torch.linalg.eigvalsh(hessian[0])[-1])
    states = torch.cat([law.extremes, law.domain.random(_STATES)])
    return largest_in_logarithms(states.exp(), *ranges.at(states))


def rest_moduli(law: Adopted) -> tuple[float, float]:
    """Return bulk and shear modulus at rest [Pa]; of an anisotropic law Voigt's averages."""
    frame = torch.eye(law.domain.size, dtype=torch.float64)
    ranges = TangentRange(law.graph, frame, *law.domain.box(), law.domain.outside)
    _, hessian = ranges.at(law.domain.at_rest()[None])
    c = hessian[0].numpy()
    bulk = float(c[:3, :3].sum()) / 9.0
    if law.isotropic:
        return bulk, 0.5 * float(c[0, 0] - c[0, 1])
    return bulk, (float(np.trace(c)) - 3.0 * bulk) / 10.0


def reference_of(graph: Graph, domain: AdoptedDomain) -> Tensor:
    """Return a stiffness (6, 6) [Pa] in whose units the tangent has nearly one size.

    Of candidates above all sampled tangents the one with the least trace: isotropic ones and, for
    strain tensors, the mean tangent.

    Raises:
        ValueError: The tangent is not finite at a state of the domain, or nowhere positive.
    """
    frame = torch.eye(domain.size, dtype=torch.float64)
    hessians = (
        TangentRange(graph, frame, *domain.box(), domain.outside)
        .at(domain.random(_STATES))[1]
        .numpy()
    )
    if not np.isfinite(hessians).all():
        raise ValueError("its tangent is not finite at a state of the domain")
    if np.linalg.eigvalsh(hessians).max() <= 0.0:
        raise ValueError("its tangent is nowhere positive in the domain")
    candidates = [isotropic_stiffness(ratio, 1.0) for ratio in _RATIOS]
    if domain.size == 6:
        values, vectors = np.linalg.eigh(hessians)
        mean = np.mean((vectors * np.abs(values)[:, None]) @ vectors.mT, axis=0)
        axes = np.linalg.eigh(0.5 * (mean + mean.T))
        kept = np.maximum(axes[0], _SMALLEST * axes[0][-1])
        candidates.append((axes[1] * kept) @ axes[1].T)
    enclosing = [s * _largest_ratio(hessians, s) for s in candidates]
    best = min(enclosing, key=np.trace)
    return torch.from_numpy(0.5 * (best + best.T))


def _largest_ratio(hessians: np.ndarray, reference: np.ndarray) -> float:
    d = hessians.shape[-1]
    values, vectors = np.linalg.eigh(reference[:d, :d])
    root = vectors / np.sqrt(values)
    return float(np.linalg.eigvalsh(root.T @ hessians @ root)[:, -1].max())
