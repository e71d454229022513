"""What every law offers: its parts, its bound, its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from torch import Tensor

from lipmat.materials.domain import StretchDomain

Measure = Literal["stretches", "volume_ratio", "strain", "dilatation"]


@dataclass(frozen=True)
class Part:
    """One additive part of the energy, integrated by one quadrature.

    Attributes:
        name: Name of the law's method, a potential of a few numbers.
        measure: What the numbers are: ``stretches`` (3 principal stretches), ``volume_ratio`` (J),
            ``strain`` (6 Mandel components of the small strain), ``dilatation`` (its trace).
        reduced: Integrated with one point on hexahedra, against volumetric locking.
    """

    name: str
    measure: Measure
    reduced: bool = False


ARGUMENTS: Mapping[str, int] = {"stretches": 3, "volume_ratio": 1, "strain": 6, "dilatation": 1}


@dataclass(frozen=True)
class Rung:
    """Bounds of the parts' tangents over one domain.

    Attributes:
        domain: Where they hold; None: everywhere.
        tangent: Part name to its bound [Pa]: ``A ⪯ a I`` for parts in stretches or volume ratio,
            ``C ⪯ a P`` with P the projector on deviatoric or volumetric strain otherwise.
        sampled: Part name to the largest value found by sampling, a lower bound [Pa].
    """

    domain: StretchDomain | None
    tangent: Mapping[str, float]
    sampled: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bound:
    """A certified bound of a law's tangent: nested rungs, the last one the whole domain."""

    rule: str
    rungs: tuple[Rung, ...]

    @property
    def value(self) -> float:
        """The sum of the parts' bounds over the whole domain [Pa]."""
        return sum(self.rungs[-1].tangent.values())


@dataclass(frozen=True)
class Provenance:
    """Where a law comes from: dataset, its hash, tests, seed, training range, versions."""

    entries: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Law(Protocol):
    """A constitutive law: a torch module whose parts are potentials, with a certified bound."""

    name: ClassVar[str]
    parts: ClassVar[tuple[Part, ...]]
    array_names: ClassVar[tuple[str, ...]]
    provenance: Provenance

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
