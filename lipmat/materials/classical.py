"""Base of the classical laws of rubber: a few coefficients, and a correction of their energy."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from lipmat.materials.correction import NAMES, Correction
from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Provenance
from lipmat.materials.stretch_law import StretchLaw


class ClassicalLaw(StretchLaw):
    """A classical law with a :class:`~lipmat.materials.correction.Correction`, empty by default."""

    coefficient_names: ClassVar[tuple[str, ...]]
    array_names: ClassVar[tuple[str, ...]] = ("coefficients", "bulk_modulus", *NAMES)

    def __init__(
        self,
        coefficients: Any,
        bulk_modulus: Any,
        domain: StretchDomain,
        stretch_knots: Any = (),
        stretch_curvature: Any = (),
        area_knots: Any = (),
        area_curvature: Any = (),
        provenance: Provenance | None = None,
    ) -> None:
        splines = (stretch_knots, stretch_curvature, area_knots, area_curvature)
        values = (coefficients, bulk_modulus, *splines)
        super().__init__(dict(zip(self.array_names, values, strict=True)), domain, provenance)
        self._check()
        self.correction = Correction(*(getattr(self, key) for key in NAMES))

    @abstractmethod
    def _check(self) -> None:
        """Raise a ValueError where the coefficients are not admissible."""

    @abstractmethod
    def classical(self, stretches: Tensor) -> Tensor:
        """Return the distortional energy density without the correction [J/m^3]."""

    def potential(self, stretches: Tensor) -> Tensor:
        """Return the distortional energy density of the stretches (3,), to a constant [J/m^3]."""
        return self.classical(stretches) + self.correction.energy(stretches)
