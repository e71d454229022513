r"""The worst error of a strain that a search can find: a lower bound of what it does to the stress.

An adversary may choose the state and an error of a given size. At a state the steepest direction of
the tangent is the worst infinitesimal error; from it and its opposite, projected gradient ascent
climbs ``|s(e + d) - s(e)|`` on the sphere ``|d| = error``: the tangent is symmetric, so the
gradient in d is the tangent applied to the change of stress, a difference of two stresses. The
states are the starts that are given, and others ever closer to the worst of them.

The stress is the gradient of the law's parts, in small strain as Mandel vectors (6,), else as first
Piola–Kirchhoff stress (9,) of the deformation gradient; of a law with memory at frozen flow, which
is how it meets an error that is over at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.materials.isotropic import coaxial_stress
from lipmat.materials.law import SMALL_STRAIN, Law, Part
from lipmat.materials.mandel import DEVIATORIC, to_vector
from lipmat.materials.stretches import first_piola, principal_forces

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
Respond = Callable[[Tensor], Tensor]
WITHIN = 1.0 - 1e-6
"""Share of the error that the search uses: the rest is room for rounding."""
_ASCENT, _ROUNDS, _BEST, _TRIALS = 3, 5, 2, 8
_PROBE = 0.1  # of the error, between which stresses are compared


def small_response(law: Law) -> Respond:
    """Return the map of Mandel strains (n, 6) to Mandel stresses (n, 6) [Pa]."""
    terms = [_small_term(law, part) for part in law.parts]
    return lambda strain: torch.stack([term(strain) for term in terms]).sum(0)


def finite_response(law: Law) -> Respond:
    """Return the map of deformation gradients (n, 9) to first Piola–Kirchhoff stresses [Pa]."""
    energies = [_in_stretches(law, part) for part in law.parts if part.measure != "log_strain"]
    tensors = [getattr(law, part.name) for part in law.parts if part.measure == "log_strain"]

    def respond(gradient: Tensor) -> Tensor:
        f = gradient.reshape(-1, 3, 3)
        stress = torch.zeros_like(f)
        if energies:
            stress = stress + first_piola(lambda s: sum(w(s) for w in energies), f)
        for potential in tensors:
            stress = stress + _gradient(_of_log_strain(potential), f)
        return stress.reshape(-1, 9)

    return respond


def largest_change(respond: Respond, state: Tensor, error: float) -> Tensor:
    """Return the largest change of stress at each state (n, d) that the ascent finds, (n,) [Pa]."""
    size = WITHIN * error
    at_rest = respond(state)
    steepest = size * _steepest(respond, state, _PROBE * error)
    largest = torch.zeros(len(state), dtype=torch.float64)
    for step in (steepest, -steepest):
        move = step
        for _ in range(_ASCENT):
            change = respond(state + move) - at_rest
            length = change.norm(dim=1)
            largest = torch.fmax(largest, length)
            probe = _PROBE * error * _unit(change)
            slope = respond(state + move + probe) - respond(state + move - probe)
            move = size * _unit(slope)
    return largest


def search(
    change: Callable[[Array, Numbers], Array], points: Array, owner: Numbers, count: int
) -> Array:
    """Return the largest values found of some problems, shape (count,).

    Args:
        change: Maps points (n, d) and the numbers of their problems (n,) to values (n,); 0 where a
            point is not admissible.
        points: To start from, shape (n, d).
        owner: The number of the problem that each belongs to, shape (n,).
        count: Number of problems.
    """
    rng = np.random.default_rng(0)
    best, values = np.zeros(count), change(points, owner)
    for spread in 0.5 ** np.arange(1, _ROUNDS + 1):
        np.maximum.at(best, owner, values)
        order = np.lexsort((-values, owner))
        rank = np.arange(len(order)) - np.searchsorted(owner[order], owner[order])
        chosen = order[rank < _BEST]
        points, owner = points[chosen].repeat(_TRIALS, 0), owner[chosen].repeat(_TRIALS)
        length = np.linalg.norm(points, axis=1, keepdims=True)
        points = points + spread * length * rng.standard_normal(points.shape)
        values = change(points, owner)
    np.maximum.at(best, owner, values)
    return best


def _small_term(law: Law, part: Part) -> Respond:
    if part.measure not in SMALL_STRAIN:
        raise ValueError(f"part {part.name!r}: found {part.measure!r}, expected a small strain")
    potential = getattr(law, part.name)
    if part.measure == "principal_strains":
        return lambda e: coaxial_stress(e, lambda v: principal_forces(potential, v))
    if part.measure == "dilatation":
        return lambda e: _gradient(lambda x: potential(x[:3].sum().reshape(1)), e)
    if part.measure == "elastic_strains":
        deviatoric = torch.from_numpy(DEVIATORIC)
        return lambda e: _gradient(lambda x: potential((deviatoric @ x).repeat(_branches(law))), e)
    return lambda e: _gradient(potential, e)


def _in_stretches(law: Law, part: Part) -> Callable[[Tensor], Tensor]:
    """Return the energy of a part as a function of the principal stretches (3,)."""
    potential = getattr(law, part.name)
    measures: dict[str, Callable[[Tensor], Tensor]] = {
        "stretches": lambda s: s,
        "volume_ratio": lambda s: s.prod().reshape(1),
        "principal_log_strains": torch.log,
        "log_dilatation": lambda s: s.log().sum().reshape(1),
        "log_elastic_strains": lambda s: _elastic(s).repeat(_branches(law)),
    }
    if part.measure not in measures:
        raise ValueError(f"part {part.name!r}: found the measure {part.measure!r} at finite strain")
    return lambda s: potential(measures[part.measure](s))


def _branches(law: Any) -> int:
    count: int = law.branches
    return count


def _elastic(stretches: Tensor) -> Tensor:
    """Return the deviator of the logarithmic strain without flow, Mandel (6,)."""
    log = stretches.log()
    return torch.cat([log - log.mean(), torch.zeros_like(log)])


def _of_log_strain(potential: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the energy of ln U as a function of F (3, 3)."""

    def energy(f: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(f.T @ f)
        return potential(to_vector((vectors * (0.5 * values.log())) @ vectors.T))

    return energy


def _gradient(potential: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the derivative of a potential of one state at states (n, ...), same shape."""
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        energy = torch.func.vmap(potential)(at).sum()
        (out,) = torch.autograd.grad(energy, at)
    return out


def _steepest(respond: Respond, state: Tensor, probe: float) -> Tensor:
    """Return the unit directions (n, d) in which the tangents are largest."""
    n, d = state.shape
    moves = probe * torch.eye(d, dtype=torch.float64)
    ahead, behind = (
        respond((state.unsqueeze(1) + sign * moves).reshape(-1, d)).reshape(n, d, d)
        for sign in (1.0, -1.0)
    )
    tangent = torch.nan_to_num(ahead - behind)
    values, vectors = torch.linalg.eigh(tangent + tangent.transpose(1, 2))
    place = values.abs().argmax(1)
    return vectors[torch.arange(n), :, place]


def _unit(x: Tensor) -> Tensor:
    """Return unit vectors (n, d); 0 where there is no direction or no derivative."""
    return torch.nan_to_num(x / x.norm(dim=1, keepdim=True).clamp_min(1e-300))
