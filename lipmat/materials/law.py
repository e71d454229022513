"""What every law offers: its parts, its bound, its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from torch import Tensor

from lipmat.materials.domain import StretchDomain

Measure = Literal[
    "stretches",
    "volume_ratio",
    "strain",
    "principal_strains",
    "dilatation",
    "log_strain",
    "principal_log_strains",
    "log_dilatation",
    "elastic_strains",
    "log_elastic_strains",
]
SMALL_STRAIN: tuple[Measure, ...] = (
    "strain",
    "principal_strains",
    "dilatation",
    "elastic_strains",
)
WITH_MEMORY: tuple[Measure, ...] = ("elastic_strains", "log_elastic_strains")
LOG_STRAIN: Mapping[Measure, Measure] = {
    "strain": "log_strain",
    "principal_strains": "principal_log_strains",
    "dilatation": "log_dilatation",
}
"""The measure at large rotation that stands for each one of small strain."""
Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Part:
    """One additive part of the energy, integrated by one quadrature.

    Attributes:
        name: Name of the law's method, a potential of a few numbers.
        measure: What the numbers are: ``stretches`` (3 principal stretches), ``volume_ratio`` (J),
            ``strain`` (6 Mandel components of the small strain, in material axes),
            ``principal_strains`` (its 3 principal values), ``dilatation`` (its trace),
            ``elastic_strains`` (6 Mandel components of the elastic strain of each branch of a law
            with memory); with ``log_`` the same of the logarithmic strain ln U.
        reduced: Takes the mean of a hexahedron, against volumetric locking.
    """

    name: str
    measure: Measure
    reduced: bool = False


ARGUMENTS: Mapping[str, int] = {
    "stretches": 3,
    "volume_ratio": 1,
    "strain": 6,
    "principal_strains": 3,
    "dilatation": 1,
    "log_strain": 6,
    "principal_log_strains": 3,
    "log_dilatation": 1,
}


@dataclass(frozen=True)
class Rung:
    """Bounds of the parts' tangents over one domain.

    Attributes:
        domain: Where they hold; None: everywhere.
        tangent: Part name to its bound [Pa]. For ``strain``, ``principal_strains`` and
            ``elastic_strains`` a symmetric 6 x 6 matrix C0 in Mandel components and material axes,
            ``∂s/∂e ⪯ C0``; for ``dilatation`` a number a, ``∂s/∂e ⪯ a P_vol``; for all other
            measures a number a, ``∂P/∂F ⪯ a I``.
        sampled: Part name to the largest value found by sampling, a lower bound: in [Pa], or for a
            matrix C0 the largest generalised eigenvalue of the tangent against C0 [-].
    """

    domain: StretchDomain | None
    tangent: Mapping[str, float | Matrix]
    sampled: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bound:
    """A certified bound of a law's tangent: nested rungs, the last one the whole domain."""

    rule: str
    rungs: tuple[Rung, ...]

    @property
    def value(self) -> float:
        """The sum of the parts' largest stiffnesses over the whole domain [Pa]."""
        return sum(map(largest_stiffness, self.rungs[-1].tangent.values()))


def largest_stiffness(tangent: float | Matrix) -> float:
    """Return the number, or the largest eigenvalue of the matrix [Pa]."""
    if isinstance(tangent, tuple):
        return float(np.linalg.eigvalsh(np.array(tangent))[-1])
    return tangent


@dataclass(frozen=True)
class Provenance:
    """Where a law comes from: dataset, its hash, tests, seed, training range, versions."""

    entries: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Law(Protocol):
    """A constitutive law: a torch module whose parts are potentials, with a certified bound."""

    name: ClassVar[str]
    array_names: ClassVar[tuple[str, ...]]
    provenance: Provenance

    @property
    def parts(self) -> tuple[Part, ...]:
        """The additive parts of the energy."""
        ...

    @property
    def convex(self) -> bool:
        """Whether every part is a convex function of its measure and that is a small strain."""
        ...

    @property
    def isotropic(self) -> bool:
        """Whether the law needs no material axes."""
        ...

    def bound(self) -> Bound:
        """Return the certified bound of the tangent, computed from the stored arrays."""
        ...

    def rest_moduli(self) -> tuple[float, float]:
        """Return bulk and shear modulus at rest [Pa]."""
        ...

    def arrays(self) -> dict[str, Tensor]:
        """Return the float64 arrays that define the law."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what else defines the law, as JSON values."""
        ...

    @classmethod
    def restore(
        cls, arrays: Mapping[str, Tensor], settings: Mapping[str, Any], provenance: Provenance
    ) -> Self:
        """Return the law that :meth:`arrays` and :meth:`settings` define.

        Raises:
            ValueError: An array is not admissible.
        """
        ...


def is_small_strain(law: Law) -> bool:
    """Tell whether all parts are in small strain."""
    return all(part.measure in SMALL_STRAIN for part in law.parts)
