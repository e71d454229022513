r"""How far the stress of a law can move when the strain is not quite what was read.

Between two states the mean tangent ``A = int ds/de`` carries the error over, ``ds = A de``. It is
symmetric and within the bounds that the law is certified for.

*Small strain*, ``L <= A <= U`` in Loewner order at every state, where U is the sum of the parts'
reference stiffnesses and L is 0 for a convex law. With ``M = (U + L)/2`` and ``D = (U - L)/2`` it
is ``A = M + D^(1/2) B D^(1/2)`` with ``|B| <= 1``, so for ``|de| <= error``

    |ds|     <= max(l_max(U), -l_min(L)) error,
    |n . ds| <= (|M n| + sqrt(l_max(D) n.Dn)) error            for any direction n of stress,

and if L is 0, the stress of a pull along axis 1 with free sides moves by ``error / (U^-1)_11`` at
most: with the other stresses unchanged, ``ds_1/de_1`` is a Schur complement of A, which grows
with A in Loewner order.

*Finite strain*, ``|A| <= a`` on a domain: ``|dP| <= a |dF|`` along a segment inside it. Domains are
not convex, but a ball around F is: the stretches move by ``|dF|`` at most (Weyl), and J by
``sqrt 3 l_max^2 |dF|``. So the statement holds for every F that is that far inside, which is the
domain that is given back. The certificate of the step needs ``A <= a`` alone; here
``-A <= a`` is proved too (docs/theory/laws.md).

*Memory*: an update of the branches is non-expansive, so the small-strain bound holds for an error
of one reading, the history before it being what it was. Of errors at all readings see
:attr:`StressTolerance.all_readings`. In logarithmic strain the bound is that at frozen flow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.materials.adopted import Adopted
from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Law, is_small_strain
from lipmat.materials.log_bound import vertices
from lipmat.materials.mandel import VOLUMETRIC, to_tensor
from lipmat.materials.memory import MemoryLaw
from lipmat.materials.network import NetworkLaw
from lipmat.materials.tangent_norms import UP, largest_of, no_lower_bound, tangent_norms
from lipmat.materials.worst_error import (
    finite_response,
    largest_change,
    search,
    small_response,
)

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
STRAIN_ERROR = 1e-4
"""Error where nothing else is said: 3 µm on 30 mm, of a class 1 extensometer (ISO 9513) [-]."""
SMALLEST, LARGEST = 1e-9, 0.5
COMPONENTS = ("11", "22", "33", "23", "13", "12")
_REACH = np.geomspace(1e-5, 0.3, 12)  # sizes of the strains that a search starts from
_RAYS = 24
_REST = 1e-6 * np.array([[1.0, 0.0, -1.0]])


@dataclass(frozen=True)
class Reach:
    """The largest change of the stress within one domain.

    Attributes:
        domain: Where the state may be before the error; None: everywhere.
        certified: Upper bound of ``|ds|``, or ``|dP|``, in Frobenius norm [Pa].
        found: The largest one that an adversarial search found, a lower bound [Pa].
        parts: What the parts contribute to the upper bound at most [Pa]; finite strain only.
    """

    domain: StretchDomain | None
    certified: float
    found: float
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StressTolerance:
    """How far the stress can move for an error of the strain of a given size.

    Attributes:
        strain_error: Size of the error in Frobenius norm: of the small strain tensor, or of the
            deformation gradient [-].
        measure: ``small strain`` or ``deformation gradient``.
        reaches: One at small strain, else one for each domain of the law's ladder.
        components: Upper bounds of the changes of single stress components, small strain [Pa].
        pull: Axis to the upper bound for a pull along it with free sides, whose strain
            has the error; convex laws of small strain [Pa].
        all_readings: Upper bound of ``|ds|`` if every reading of a history has an error of that
            size, for laws with memory at small strain that do not harden, along straight histories:
            those whose deviators keep one direction [Pa].
    """

    strain_error: float
    measure: str
    reaches: tuple[Reach, ...]
    components: Mapping[str, float] = field(default_factory=dict)
    pull: Mapping[str, float] = field(default_factory=dict)
    all_readings: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values, in Pa."""
        return asdict(self) | {"unit": "Pa"}


def stress_tolerance(law: Law, strain_error: float = STRAIN_ERROR) -> StressTolerance:
    """Return how far the stress can move for a strain error: certified, and found by a search.

    Args:
        law: A law with its certified bound.
        strain_error: Size of the error in Frobenius norm [-].

    Raises:
        InputError: The error is out of range, or larger than the law's domain leaves room for, or
            the law states no lower bound of its tangent.
    """
    if not SMALLEST <= strain_error <= LARGEST:
        found = f"{strain_error:g}"
        raise InputError(f"strain error: found {found}, expected {SMALLEST:g} to {LARGEST:g}")
    return _small(law, strain_error) if is_small_strain(law) else _finite(law, strain_error)


def _small(law: Law, error: float) -> StressTolerance:
    upper, lower = _reference(law), _lower_reference(law)
    norm = max(largest_of(upper), largest_of(-lower)) * UP * error
    domain = law.bound().rungs[-1].domain
    if domain is not None:
        domain = _inside(domain, error, 3.0**0.5 * error)
        if domain is None:
            raise _no_room(law, error)
    respond = small_response(law)

    def change(points: Array, _: Numbers) -> Array:
        out, strain = np.zeros(len(points)), torch.from_numpy(points)
        good = _contained(strain, domain)
        out[good.numpy()] = largest_change(respond, strain[good], error).numpy()
        return out

    points = _rays()
    owner = np.zeros(len(points), dtype=np.int64)
    reach = Reach(domain, norm, float(search(change, points, owner, 1)[0]))
    return StressTolerance(
        error,
        "small strain",
        (reach,),
        _components(upper, lower, norm, error),
        _pulls(upper, error) if law.convex and domain is None else {},
        _all_readings(law, error),
    )


def _reference(law: Law) -> Array:
    """Return a stiffness above the tangent of the whole law everywhere, (6, 6) [Pa]."""
    total = np.zeros((6, 6))
    for value in law.bound().rungs[-1].tangent.values():
        total += np.array(value) if isinstance(value, tuple) else value * VOLUMETRIC
    return total


def _lower_reference(law: Law) -> Array:
    """Return a stiffness below it; springs and volumetric parts are convex."""
    if law.convex:
        return np.zeros((6, 6))
    elastic = law.equilibrium if isinstance(law, MemoryLaw) else law
    if isinstance(elastic, Adopted):
        lower: Array = elastic.range.lower * elastic.reference.numpy()
        return lower
    if not isinstance(elastic, NetworkLaw):
        raise no_lower_bound(law)
    return elastic.lower_bound()


def _contained(strain: torch.Tensor, domain: StretchDomain | None) -> torch.Tensor:
    """Tell which small strains (n, 6) lie in a domain of 1 + e; its volume ratio is 1 + tr e."""
    if domain is None:
        return torch.ones(len(strain), dtype=torch.bool)
    values = 1.0 + torch.linalg.eigvalsh(to_tensor(strain))
    volume = 1.0 + strain[:, :3].sum(1)
    inside = (values[:, 0] >= domain.stretch_min) & (values[:, 2] <= domain.stretch_max)
    return inside & (volume >= domain.volume_min) & (volume <= domain.volume_max)


def _components(upper: Array, lower: Array, norm: float, error: float) -> dict[str, float]:
    middle, half = 0.5 * (upper + lower), 0.5 * (upper - lower)
    widest = max(largest_of(half), 0.0)
    found = {}
    for k, name in enumerate(COMPONENTS):
        own = np.linalg.norm(middle[k]) + np.sqrt(widest * max(half[k, k], 0.0))
        share = 1.0 if k < 3 else 0.5**0.5  # a Mandel component is sqrt 2 times the shear stress
        found[name] = float(share * min(own * UP * error, norm))
    return found


def _pulls(upper: Array, error: float) -> dict[str, float]:
    """Return ``error / (U^-1)_ii``, rounded up by what the condition of U may cost."""
    margin = 1.0 + 64.0 * np.finfo(np.float64).eps * np.linalg.cond(upper)
    stiffness = margin / np.diag(np.linalg.inv(upper))[:3]
    return {str(i + 1): float(stiffness[i] * error) for i in range(3)}


def _all_readings(law: Law, error: float) -> float | None:
    if not isinstance(law, MemoryLaw) or law.hardens or not law.convex:
        return None
    springs = 2.0 * float(law.shear_moduli.sum())
    tangent = law.bound().rungs[-1].tangent
    elastic = [v for name, v in tangent.items() if name != "springs"]
    rest = sum(largest_of(np.array(v)) if isinstance(v, tuple) else v for v in elastic)
    return float((rest + 2.0 * springs) * UP * error)


def _rays() -> Array:
    """Return zero strain and strains along the axes and at random, of several sizes (n, 6)."""
    rng = np.random.default_rng(0)
    rays = np.concatenate([np.eye(6), rng.standard_normal((_RAYS, 6))])
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    sizes = np.concatenate([_REACH, -_REACH])
    return np.concatenate([np.zeros((1, 6)), (sizes[:, None, None] * rays).reshape(-1, 6)])


def _finite(law: Law, error: float) -> StressTolerance:
    norms = tangent_norms(law)
    rungs = law.bound().rungs
    inner = []
    for rung in rungs:
        assert rung.domain is not None
        swell = 3.0**0.5 * rung.domain.stretch_max**2 * error
        inner.append(_inside(rung.domain, error, swell))
    kept = [k for k, domain in enumerate(inner) if domain is not None]
    if not kept:
        raise _no_room(law, error)
    domains = [domain for domain in inner if domain is not None]
    found = _attack(law, domains, error)
    reaches = []
    for domain, most, k in zip(domains, found, kept, strict=True):
        parts = {name: a * error for name, a in norms[k].items()}
        reaches.append(Reach(domain, sum(parts.values()), float(most), parts))
    return StressTolerance(error, "deformation gradient", tuple(reaches))


def _inside(d: StretchDomain, error: float, swell: float) -> StretchDomain | None:
    """Return the states of a domain from which no error leads out of it; None: there are none.

    Args:
        d: The domain.
        error: The most that a stretch can change.
        swell: The most that the volume ratio can change.
    """
    low, high = d.stretch_min + error, d.stretch_max - error
    less, more = d.volume_min + swell, d.volume_max - swell
    if low < 1.0 < high and less < 1.0 < more:
        return StretchDomain(low, high, less, more)
    return None


def _no_room(law: Law, error: float) -> InputError:
    domain = law.bound().rungs[-1].domain
    return InputError(
        f"strain error: found {error:g}, which leaves nothing of the certified domain, {domain}, "
        "expected a smaller one"
    )


def _attack(law: Law, domains: Sequence[StretchDomain], error: float) -> Array:
    """Return the largest changes found in each domain (k,) [Pa], from logarithmic strains."""
    respond = finite_response(law)
    limits = np.array([[*domain.as_dict().values()] for domain in domains])
    if isinstance(law, MemoryLaw):  # its branches are certified for small elastic stretches alone
        room = law.elastic_limit * error / limits[:, 0]
        limits[:, 0] = np.maximum(limits[:, 0], 1.0 / law.elastic_limit + room)
        limits[:, 1] = np.minimum(limits[:, 1], law.elastic_limit - room)

    def change(points: Array, owner: Numbers) -> Array:
        values, vectors = torch.linalg.eigh(to_tensor(torch.from_numpy(points)))
        stretch, out = values.exp(), np.zeros(len(points))
        s, j = stretch.numpy(), stretch.prod(1).numpy()
        low, high, less, more = limits[owner].T
        good = (s.min(1) >= low) & (s.max(1) <= high) & (j >= less) & (j <= more)
        if good.any():
            gradient = (vectors * stretch.unsqueeze(1)) @ vectors.transpose(1, 2)
            f = gradient[torch.from_numpy(good)].reshape(-1, 9)
            out[good] = largest_change(respond, f, error).numpy()
        return out

    apart = 1.0 - 1e-4 * np.arange(1, 4)  # for derivatives of eigenvectors; and inside the domain
    starts = [np.log(vertices(domain)) * apart for domain in domains]
    points = [np.pad(np.concatenate([_REST, s]), ((0, 0), (0, 3))) for s in starts]
    owner = np.repeat(np.arange(len(domains)), [len(p) for p in points])
    found = search(change, np.concatenate(points), owner, len(domains))
    return np.maximum.accumulate(found)  # each domain holds those before it
