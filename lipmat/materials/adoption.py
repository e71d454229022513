"""Adopts a torch network that was trained elsewhere: traces, tests, corrects and certifies it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lipmat.errors import InputError
from lipmat.materials.adopted import Adopted, Proof
from lipmat.materials.adopted_bound import (
    TOLERANCE,
    Progress,
    ranges_of,
    reference_of,
    search,
)
from lipmat.materials.adopted_domain import AdoptedDomain
from lipmat.materials.law import Provenance
from lipmat.materials.mandel import ROOT2
from lipmat.spectral.curvature import is_convex
from lipmat.spectral.graph import Graph, UnsupportedNetwork, traced
from lipmat.spectral.jets import variables
from lipmat.spectral.passing import passed
from lipmat.spectral.tangent_search import Search, TangentRange, values_and_gradients

Output = Literal["energy", "stress"]
Components = Literal["mandel", "voigt"]
RAY_POINTS = 8
"""Of Gauss's rule for the work along a ray from rest."""
AGREEMENT = 1e-9
"""Relative: a potential that differs less under a change of order is symmetric, and so on."""
_STATES = 200


@dataclass(frozen=True)
class Request:
    """How a network is to be understood.

    Attributes:
        domain: The measure that it takes and the range to certify.
        output: Whether it gives the energy density or the stress.
        components: Of strain tensors: Mandel's, or Voigt's with engineering shear strains (and of
            the stress plain shear stresses); the order is 11, 22, 33, 23, 13, 12.
        unit: What its output of 1 is [Pa].
        correct: Change the network where it is not admissible, as little as that needs.
    """

    domain: AdoptedDomain
    output: Output = "energy"
    components: Components = "mandel"
    unit: float = 1.0
    correct: bool = False


@dataclass(frozen=True)
class Finding:
    """A test of the network.

    Attributes:
        name: What was tested.
        verdict: ``proved``, ``tested`` (at random states), ``corrected``, ``refuted`` or ``open``.
        text: What was found, in words.
        state: Where it is worst, numbers of the measure; None if it does not matter.
        size: How large it is there; the text says in which unit.
    """

    name: str
    verdict: str
    text: str
    state: list[float] | None = None
    size: float | None = None


@dataclass(frozen=True)
class Adoption:
    """An adopted law and what its tests found."""

    law: Adopted
    findings: tuple[Finding, ...]
    boxes: int


def adopt(
    network: nn.Module,
    request: Request,
    seconds: float = 60.0,
    provenance: Provenance | None = None,
    progress: Progress | None = None,
    tolerance: float = TOLERANCE,
) -> Adoption:
    """Make a law of a network.

    Args:
        network: Maps a batch (n, d) of states to their energies (n,) or (n, 1), or to their
            stresses (n, d). It is changed to float64 and evaluation mode.
        request: How it is to be understood.
        seconds: Time for the bound; it is valid whenever the search ends.
        provenance: Where the network comes from.
        progress: Called with the share of the time, the certified and the sampled bound.
        tolerance: Relative gap between them at which the search ends.

    Raises:
        InputError: The network cannot be traced or evaluated, or it is not admissible and no
            correction was asked for; the message says where, by how much, and what to do.
    """
    torch.manual_seed(0)
    network = network.to(torch.float64).eval().requires_grad_(False)
    findings: list[Finding] = []
    potential = _potential(network, request, findings)
    if request.domain.size == 3:
        potential = _symmetric(potential, request, findings)
    potential = _free_of_stress(potential, request, findings)
    graph = _traced(potential, request.domain)
    _check_again(graph, potential, request.domain)
    graph, searched, reference = _bounded(
        graph,
        request,
        findings,
        partial(search, seconds=seconds, progress=progress, tolerance=tolerance),
    )
    extremes = torch.stack([searched.sampled[1], searched.smallest[1]])
    law = Adopted(graph, request.domain, Proof(reference, searched.tree, extremes), provenance)
    findings.append(_convexity(law))
    return Adoption(law, tuple(findings), searched.boxes)


Potential = Callable[[Tensor], Tensor]


def _traced(function: Potential, domain: AdoptedDomain) -> Graph:
    """Return the graph of a scalar function of one state.

    Raises:
        InputError: It cannot be traced, evaluated, or differentiated.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        graph = traced(function, domain.at_rest() + 0.1 * (domain.high - domain.rest))
        frame = torch.eye(domain.size, dtype=torch.float64)
        passed(graph, variables(domain.at_rest()[None], None, frame))
    except (UnsupportedNetwork, ValueError) as error:
        raise InputError(f"network: {error}") from None
    except (RuntimeError, TypeError, IndexError, AttributeError, KeyError) as error:
        (line, *_) = str(error).splitlines() or [type(error).__name__]
        raise InputError(
            f"network: it cannot be evaluated on a batch of {domain.size} numbers: {line}"
        ) from None
    finally:
        torch.set_default_dtype(before)
    return graph


def _potential(network: nn.Module, request: Request, findings: list[Finding]) -> Potential:
    """Return the energy density [J/m^3] of the numbers of the measure."""
    domain, d = request.domain, request.domain.size
    into = _scale(d, ROOT2, request.components)
    if request.output == "energy":

        def energy(x: Tensor) -> Tensor:
            out = network((x * into).reshape(1, d))
            _check_shape(out, (1, (1,), (1, 1)), "an energy")
            return out.reshape(()) * request.unit

        return energy

    def stresses(x: Tensor) -> Tensor:
        out = network(x * into)
        _check_shape(out, (len(x), (len(x), d)), f"{d} components of stress")
        return out * into * request.unit

    points, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(RAY_POINTS))
    shares, weights = 0.5 * (1.0 + points)[:, None], 0.5 * weights

    def work(x: Tensor) -> Tensor:
        ray = (x - domain.rest).reshape(1, d)
        return torch.dot((stresses(domain.rest + shares * ray) * ray).sum(1), weights)

    findings.append(_test_of_work(stresses, work, request))
    return work


def _scale(d: int, root: float, components: str) -> Tensor:
    """Return the factors from Mandel's components of strain to the network's."""
    out = torch.ones(d, dtype=torch.float64)
    if components == "voigt" and d == 6:
        out[3:] = root
    return out


def _check_shape(out: Any, expected: tuple[Any, ...], what: str) -> None:
    count, *shapes = expected
    if not isinstance(out, Tensor) or tuple(out.shape) not in shapes:
        found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise UnsupportedNetwork(
            f"found an output of {found} for {count} states, expected {what} for each: "
            + " or ".join(map(str, shapes))
        )


def _test_of_work(stresses: Potential, work: Potential, request: Request) -> Finding:
    """Compare the network's stress with the gradient of its work along rays.

    Raises:
        InputError: They differ, so there is no potential, and no correction was asked for.
    """
    domain, states = request.domain, request.domain.random(_STATES)
    given = _traced(lambda x: stresses(x.reshape(1, -1)).reshape(-1), domain)
    stress, tangent = values_and_gradients(given, states)
    gradient = values_and_gradients(_traced(work, domain), states)[1][:, 0]
    skew = 0.5 * torch.linalg.matrix_norm(tangent - tangent.mT, 2)
    share = skew / torch.linalg.matrix_norm(tangent, 2).clamp_min(1e-300)
    i, apart = int(share.argmax()), (gradient - stress).norm(dim=1)
    largest = stress.norm(dim=1).max()
    error = float(apart.max() / largest)
    text = (
        f"the tangent is symmetric at {_STATES} states to {float(share[i]):.1e}; the law is the "
        f"gradient of the work along rays, {error:.1e} of the largest stress apart at most"
    )
    if float(share[i]) <= AGREEMENT and error <= 1e-3:
        return Finding("potential", "tested", text, _listed(states[i]), float(share[i]))
    found = (
        f"its tangent is {100 * float(share[i]):.3g} % skew at {_shown(states[i])}, so its stress "
        f"has no potential; the gradient of its work along rays differs by {100 * error:.3g} % of "
        "the largest stress"
    )
    if not request.correct:
        raise InputError(
            f"network: {found}; without a potential no energy is certified: train one with "
            "output energy, or take that gradient by --correct"
        )
    return Finding("potential", "corrected", found, _listed(states[i]), float(share[i]))


def _symmetric(potential: Potential, request: Request, findings: list[Finding]) -> Potential:
    """Return a potential that does not depend on the order of the principal values.

    Raises:
        InputError: It does, and no correction was asked for.
    """
    domain = request.domain
    orders = [torch.tensor(p) for p in permutations(range(3))]
    graph = _traced(potential, domain)
    states = domain.random(_STATES)
    energies = torch.stack([values_and_gradients(graph, states[:, p])[0][:, 0] for p in orders])
    spread = (energies.amax(0) - energies.amin(0)) / (energies.amax() - energies.amin())
    i, size = int(spread.argmax()), float(spread.max())
    if size <= AGREEMENT:
        text = f"the same in every order of the principal values at {_STATES} states"
        findings.append(Finding("isotropy", "tested", text, _listed(states[i]), size))
        return potential
    found = (
        f"the energy at {_shown(states[i])} depends on the order of the principal values by "
        f"{100 * size:.3g} % of its range"
    )
    if not request.correct:
        raise InputError(
            f"network: {found}; an isotropic law must not: take the mean over the six orders by "
            "--correct, or train on such inputs as sums and products"
        )
    findings.append(Finding("isotropy", "corrected", found, _listed(states[i]), size))
    turns = torch.cat([torch.eye(3, dtype=torch.float64)[p] for p in orders])

    def mean(x: Tensor) -> Tensor:
        turned = torch.mv(turns, x).reshape(6, 3)
        return torch.stack([potential(turned[k]) for k in range(6)]).sum() / 6.0

    return mean


def _free_of_stress(potential: Potential, request: Request, findings: list[Finding]) -> Potential:
    """Return the potential without its value and gradient at rest, a linear term."""
    domain, rest = request.domain, request.domain.at_rest()
    graph = _traced(potential, domain)
    offset = values_and_gradients(graph, rest[None])[0][0, 0].clone()
    frame = torch.eye(domain.size, dtype=torch.float64)
    gradient, hessian = TangentRange(graph, frame, *domain.box(), domain.outside).at(rest[None])
    stress = gradient[0].clone()
    if not bool(torch.isfinite(hessian).all()):
        raise InputError("network: its energy, stress or tangent at rest is not finite")
    size = float(stress.norm())
    stiffness = float(torch.linalg.matrix_norm(hessian[0], 2))
    text = (
        f"residual stress of {size:.3g} Pa at rest (a strain of {size / max(stiffness, 1e-300):.2g}"
        "): taken off as a linear term, which leaves the tangent as it is"
    )
    findings.append(Finding("rest", "corrected" if size else "proved", text, None, size))
    return lambda x: potential(x) - offset - torch.dot(stress, x - rest)


def _check_again(graph: Graph, potential: Potential, domain: AdoptedDomain) -> None:
    """Check that the operations give what the network gives.

    Raises:
        InputError: They do not: the network is random or keeps a state.
    """
    states = domain.random(20, seed=1)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        ours = torch.stack([graph(x) for x in states])
        theirs = torch.stack([potential(x) for x in states])
    finally:
        torch.set_default_dtype(before)
    size = float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-300))
    if not size <= 1e-12:
        raise InputError(
            f"network: evaluated twice it differs by {size:.1e}: it is random or keeps a state, "
            "expected a function of its input"
        )


def _bounded(
    graph: Graph, request: Request, findings: list[Finding], searching: Callable[..., Search]
) -> tuple[Graph, Search, Tensor]:
    """Return the graph, made convex if that was asked for, the search and the reference.

    The added stiffness raises all eigenvalues by its factor, box by box, so the proof stays.

    Raises:
        InputError: There is no finite bound.
    """
    domain = request.domain
    try:
        small = domain.small
        reference = reference_of(graph, domain) if small else torch.eye(6, dtype=torch.float64)
    except ValueError as error:
        raise InputError(f"network: {error}") from None
    wanted = domain.small and not is_convex(graph, domain.size)
    correct = request.correct and wanted
    found = searching(graph, domain, reference, convexity=wanted, tight_below=correct)
    if not np.isfinite(found.upper):
        raise InputError(
            f"network: no finite bound of the tangent over {domain.low:g} to {domain.high:g} in "
            "time; expected a network that is smooth there, a smaller domain or more --seconds"
        )
    if not (correct and found.smallest[0] < 0.0):
        return graph, found, reference
    added = -found.lower * (1.0 + 1e-9)
    stiffness = added * reference[: domain.size, : domain.size]
    text = (
        f"the tangent has the eigenvalue {found.smallest[0]:.3g} of the reference at "
        f"{_shown(found.smallest[1])}; {added:.3g} of the reference was added"
    )
    findings.append(Finding("stiffness", "corrected", text, _listed(found.smallest[1]), added))
    stiff = _traced(lambda x: graph(x) + 0.5 * torch.dot(torch.mv(stiffness, x), x), domain)
    return stiff, found, reference


def _convexity(law: Adopted) -> Finding:
    """Say what is known of the convexity of a law."""
    if not law.domain.small:
        return Finding("convexity", "open", "not asked for at large deformation")
    if law.convex_by_rules:
        return Finding("convexity", "proved", "by rules of composition, everywhere")
    least = law.range.lower
    if least >= 0.0:
        text = f"the smallest eigenvalue of the tangent is at least {least:.3g} of the reference"
        return Finding("convexity", "proved", text, None, least)
    state = law.extremes[1]
    smallest = _smallest(law, state)
    if smallest < 0.0:
        text = (
            f"the tangent has the eigenvalue {smallest:.3g} of the reference at {_shown(state)}; "
            f"{-least:.3g} of the reference, added by --correct, makes the law convex, none below "
            f"{-smallest:.3g} does"
        )
        return Finding("convexity", "refuted", text, _listed(state), smallest)
    text = (
        f"no state with a negative eigenvalue was found (smallest {smallest:.3g} of the reference)"
        f", and none below {least:.3g} exists; more --seconds or a smaller domain may decide it"
    )
    return Finding("convexity", "open", text, _listed(state), least)


def _smallest(law: Adopted, state: Tensor) -> float:
    _, hessian = ranges_of(law.graph, law.domain, law.reference).at(state[None])
    return float(torch.linalg.eigvalsh(hessian[0])[0])


def _listed(state: Tensor) -> list[float]:
    return [float(x) for x in state]


def _shown(state: Tensor) -> str:
    return "(" + ", ".join(f"{x:.4g}" for x in state.tolist()) + ")"
