r"""Certified bound in F-space of laws of the logarithmic strain ``H = ln U``.

The stress is ``P = T : dH/dF`` with ``T = dW/dH``, and for a change X of F

    X : A : X = dH : d2W : dH + T : d2H[X, X],     ||dH|| <= ||X|| / l,     l = smallest stretch.

With ``c`` the largest eigenvalue of C0 and ``tau`` a bound of all principal stresses of T over the
domain, ``A <= a 1`` holds with one of two numbers.

*Isotropic laws*, where T has the axes of H. With principal stresses s_i the nine eigenvalues of A
(see ``stretches``) are those of ``D (d2W - diag s) D``, ``D = diag(1/l_i)``, and for each pair
``(s_i - s_j) / (l_i (l_i - l_j)) - s_j / (l_i l_j)`` and ``(s_i/l_i + s_j/l_j) / (l_i + l_j)``.
Since ``s_i - s_j <= c (ln l_i - ln l_j) <= c (l_i - l_j) / l``, all are at most

    a = (c + tau) / l^2.

*Any law.* ``2H = int_0^1 (1 - R)/t dt`` with ``R = (1 + t (C - 1))^-1`` gives, for
``Y = F^T X + X^T F``, ``d2H[X, X] = int_0^1 (R X^T X R - t R Y R Y R) dt``, a difference of two
positive matrices. Their traces are at most ``||R||^2 ||X||^2`` and ``t ||R||^3 ||Y||^2``, where
``||R|| <= 1/(1 - t + t l^2)``; integrated, ``||X||^2 / l^2`` and ``2 (L/l)^2 ||X||^2 / l^2`` with L
the largest stretch. Since ``t ||F R F^T|| <= 1``, the second trace is at most ``4 ||R||^2 ||X||^2``
as well, which integrates to ``4 ||X||^2 / l^2``. Hence

    a = (c + tau (1 + min(2 (L/l)^2, 4))) / l^2.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.materials.domain import StretchDomain, ladder
from lipmat.materials.law import Bound, Rung
from lipmat.materials.stretches import largest_eigenvalue

if TYPE_CHECKING:
    from lipmat.materials.network import NetworkLaw

Array = NDArray[np.float64]
RULE = "reference stiffness and stress limit of the logarithmic strain over stretch domains"
_ROUNDING = 1.0 + 1e-12
_STATES = 400


def certify(law: NetworkLaw) -> Bound:
    """Return the bound of a law of the logarithmic strain over its ladder of domains.

    Like that of every part in stretches, the network's bound holds whatever the volume ratio.
    """
    assert law.domain is not None
    rungs = []
    for domain in ladder(law.domain):
        tangent = {"network": network_bound(law, domain)}
        sampled = {"network": network_sampled(law, domain)}
        if len(law.parts) > 1:
            modulus = float(law.bulk_modulus)
            tangent["volumetric"] = volumetric_bound(modulus, domain)
            sampled["volumetric"] = volumetric_sampled(modulus, domain)
        rungs.append(Rung(domain, tangent, sampled))
    return Bound(RULE, tuple(rungs))


def network_bound(law: NetworkLaw, domain: StretchDomain) -> float:
    """Return a with ``A <= a 1`` of the network over a domain [Pa]."""
    low, high = float(np.log(domain.stretch_min)), float(np.log(domain.stretch_max))
    c = float(np.linalg.eigvalsh(law.reference())[-1])
    steepest = max(c, -float(np.linalg.eigvalsh(law.lower_reference())[0]))
    by_strain = steepest * np.sqrt(3.0) * max(-low, high)
    return in_gradients(c, min(law.stress_limit(low, high), by_strain), domain, law.isotropic)


def in_gradients(c: float, tau: float, domain: StretchDomain, isotropic: bool) -> float:
    """Return a with ``A <= a 1`` from bounds of ``d2W`` and of all principal stresses [Pa]."""
    smallest, largest = domain.stretch_min, domain.stretch_max
    bending = 1.0 if isotropic else 1.0 + min(2.0 * (largest / smallest) ** 2, 4.0)
    return float((c + tau * bending) / smallest**2 * _ROUNDING)


def volumetric_bound(modulus: float, domain: StretchDomain) -> float:
    """Return a with ``A <= a 1`` of ``kappa/2 (ln J)^2`` over a domain [Pa].

    With ``s = kappa ln J`` the eigenvalues are those of ``D (kappa 1 1^T - s) D`` and, for each
    pair, ``-s / (l_i l_j)`` and ``s / (l_i l_j)``. The first matrix is at most
    ``kappa sum 1/l_i^2 - s / l^2`` where s < 0; the sum is convex in the logarithms, so it is
    largest at a vertex of the domain.
    """
    spread = float((vertices(domain) ** -2.0).sum(axis=1).max())
    inverse = domain.stretch_min**-2.0
    low, high = (float(np.log(j)) for j in (domain.volume_min, domain.volume_max))
    return float(modulus * max(spread - low * inverse, high * inverse) * _ROUNDING)


def vertices(domain: StretchDomain) -> Array:
    """Return the vertices (n, 3) of a domain, a polytope in the logarithms of the stretches."""
    ends = (domain.stretch_min, domain.stretch_max)
    found = [*product(ends, repeat=3)]
    for a, b in product(ends, repeat=2):
        for volume in (domain.volume_min, domain.volume_max):
            c = volume / (a * b)
            found += [(a, b, c), (a, c, b), (c, a, b)]
    states, slack = np.array(found), 1e-13
    j = states.prod(axis=1)
    inside = (states >= ends[0] * (1 - slack)).all(1) & (states <= ends[1] * (1 + slack)).all(1)
    inside &= (j >= domain.volume_min * (1 - slack)) & (j <= domain.volume_max * (1 + slack))
    return states[inside]


def network_sampled(law: NetworkLaw, domain: StretchDomain) -> float:
    """Return the largest tangent eigenvalue that sampling finds [Pa]; anisotropic: at rest."""
    if not law.isotropic:
        return float(np.linalg.eigvalsh(law.rest_stiffness())[-1])
    stretches = _states(domain.any_volume())
    stress, hessian = law.principal_response(stretches.log())
    return largest_in_logarithms(stretches, stress, hessian)


def volumetric_sampled(modulus: float, domain: StretchDomain) -> float:
    """Return the largest tangent eigenvalue of the volumetric part that sampling finds [Pa]."""
    stretches = _states(domain)
    stress = (modulus * stretches.log().sum(1, keepdim=True)).expand(-1, 3)
    return largest_in_logarithms(
        stretches, stress, torch.full((3, 3), modulus).expand(len(stress), -1, -1)
    )


def _states(domain: StretchDomain) -> Tensor:
    """Return the rest state, the vertices and random states (n, 3) inside a domain."""
    rng = np.random.default_rng(0)
    low, high = np.log(domain.stretch_min), np.log(domain.stretch_max)
    random: Array = np.exp(rng.uniform(low, high, (_STATES, 3)))
    states = np.concatenate([np.ones((1, 3)), vertices(domain), random[domain.contains(random)]])
    return torch.from_numpy(-np.sort(-states, axis=1))


def largest_in_logarithms(stretches: Tensor, stress: Tensor, hessian: Tensor) -> float:
    """Return the largest eigenvalue of A of ``W(ln l)``, from the derivatives of W (n, 3[, 3])."""
    inverse = 1.0 / stretches
    bent = hessian - torch.diag_embed(stress)
    in_stretches = inverse.unsqueeze(2) * bent * inverse.unsqueeze(1)
    return float(largest_eigenvalue(stretches, stress * inverse, in_stretches).max())
