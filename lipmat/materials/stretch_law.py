"""What the laws in principal stretches share: a distortional part beside a linear bulk term."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Bound, Part, Provenance
from lipmat.materials.network import register_arrays
from lipmat.materials.stretch_bound import certify
from lipmat.materials.stretches import forces_and_hessian
from lipmat.materials.tangent_ranges import TangentRange


class StretchLaw(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Base of the isotropic laws of finite strain; the bulk term is ``kappa/2 (J - 1)^2``.

    It is a part of its own because hexahedra take its mean over the cell.

    Args:
        arrays: The float64 arrays of the law by name; ``bulk_modulus`` [Pa] is positive.
        domain: Stretch domain on which the law is certified.
        provenance: Where the law comes from.

    Raises:
        ValueError: An array is not finite, or the bulk modulus no positive number.
    """

    name: ClassVar[str]
    array_names: ClassVar[tuple[str, ...]]
    parts = (
        Part("distortional", "stretches"),
        Part("volumetric", "volume_ratio", reduced=True),
    )
    convex = False
    isotropic = True

    def __init__(
        self, arrays: Mapping[str, Any], domain: StretchDomain, provenance: Provenance | None
    ) -> None:
        super().__init__()
        register_arrays(self, self.array_names, arrays)
        if self.bulk_modulus.ndim != 0 or float(self.bulk_modulus) <= 0:
            found = self.bulk_modulus.tolist()
            raise ValueError(f"bulk_modulus: found {found}, expected one positive number")
        self.domain = domain
        self.provenance = provenance or Provenance()

    @abstractmethod
    def potential(self, stretches: Tensor) -> Tensor:
        """Return the distortional energy density of the stretches (3,), to a constant [J/m^3]."""

    @abstractmethod
    def tangent_range(self) -> TangentRange:
        """Return the ranges of the tangent of the distortional part over boxes of stretches."""

    def distortional(self, stretches: Tensor) -> Tensor:
        """Return the energy density of the stretches (3,) without the bulk term [J/m^3].

        It is zero at rest.
        """
        return self.potential(stretches) - self.potential(self.bulk_modulus.new_ones(3))

    def volumetric(self, volume_ratio: Tensor) -> Tensor:
        """Return the bulk energy density of the volume ratio (1,) [J/m^3]."""
        change = volume_ratio[0] - 1.0
        return 0.5 * self.bulk_modulus * change * change

    def energy(self, stretches: Tensor) -> Tensor:
        """Return the whole energy density of the stretches (3,) [J/m^3]."""
        return self.distortional(stretches) + self.volumetric(stretches.prod().reshape(1))

    def rest_moduli(self) -> tuple[float, float]:
        """Return bulk and shear modulus at rest [Pa], from the Hessian of the energy there."""
        rest = torch.ones(1, 3, dtype=torch.float64)
        hessian = forces_and_hessian(self.energy, rest)[1][0]
        return float(hessian.sum()) / 9.0, 0.5 * float(hessian[0, 0] - hessian[0, 1])

    def bound(self) -> Bound:
        """Return the certified bound over the ladder of domains, see ``stretch_bound``."""
        return self._bound

    @cached_property
    def _bound(self) -> Bound:
        return certify(self)

    def arrays(self) -> dict[str, Tensor]:
        """Return the arrays that define the law."""
        return {key: getattr(self, key) for key in self.array_names}

    def settings(self) -> dict[str, Any]:
        """Return the domain."""
        return {"domain": self.domain.as_dict()}

    @classmethod
    def restore(
        cls, arrays: Mapping[str, Tensor], settings: Mapping[str, Any], provenance: Provenance
    ) -> Self:
        """Build the law from what :meth:`arrays` and :meth:`settings` return.

        Raises:
            ValueError: An array or a setting is not admissible.
        """
        domain = StretchDomain(**settings["domain"])
        return cls(**arrays, domain=domain, provenance=provenance)
