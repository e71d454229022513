"""Linear isotropic elasticity at small strain: the law whose bound is itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from lipmat.materials.law import Bound, Matrix, Part, Provenance, Rung
from lipmat.materials.mandel import DEVIATORIC, as_matrix


class LinearElastic(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Hooke's law ``s = 2 G dev e + K tr(e) 1``.

    Args:
        young: Young's modulus [Pa], positive.
        poisson: Poisson's ratio [-], between -1 and 0.5.

    Raises:
        ValueError: A modulus is not admissible.
    """

    name: ClassVar[str] = "linear-elastic"
    parts = (Part("deviatoric", "strain"), Part("volumetric", "dilatation", reduced=True))
    convex = isotropic = True
    array_names: ClassVar[tuple[str, ...]] = ("shear_modulus", "bulk_modulus")

    def __init__(self, young: float, poisson: float, provenance: Provenance | None = None) -> None:
        super().__init__()
        if not (0 < young < float("inf") and -1 < poisson < 0.5):
            raise ValueError(
                f"found Young's modulus {young} Pa and Poisson's ratio {poisson}, "
                "expected a positive one and one between -1 and 0.5"
            )
        shear, bulk = young / (2 * (1 + poisson)), young / (3 * (1 - 2 * poisson))
        self.register_buffer("shear_modulus", torch.tensor(shear, dtype=torch.float64))
        self.register_buffer("bulk_modulus", torch.tensor(bulk, dtype=torch.float64))
        self.provenance = provenance or Provenance()

    def deviatoric(self, strain: Tensor) -> Tensor:
        """Return the distortional energy density of a Mandel strain (6,) [J/m^3]."""
        trace = strain[0] + strain[1] + strain[2]
        return self.shear_modulus * ((strain * strain).sum() - trace * trace / 3.0)

    def volumetric(self, dilatation: Tensor) -> Tensor:
        """Return the volumetric energy density of the trace of strain (1,) [J/m^3]."""
        return 0.5 * self.bulk_modulus * dilatation[0] * dilatation[0]

    def bound(self) -> Bound:
        """Return C0 = 2 G P_dev + 3 K P_vol, which is the stiffness itself, everywhere."""
        margin = 1.0 + 1e-15
        shear = 2.0 * float(self.shear_modulus) * margin
        bulk = 3.0 * float(self.bulk_modulus) * margin
        values: dict[str, float | Matrix] = {
            "deviatoric": as_matrix(shear * DEVIATORIC),
            "volumetric": bulk,
        }
        sampled = {"deviatoric": 1.0 / margin, "volumetric": bulk / margin}
        return Bound("exact: the law is linear", (Rung(None, values, sampled),))

    def rest_moduli(self) -> tuple[float, float]:
        """Return bulk and shear modulus [Pa]."""
        return float(self.bulk_modulus), float(self.shear_modulus)

    def arrays(self) -> dict[str, Tensor]:
        """Return the two moduli."""
        return {key: getattr(self, key) for key in self.array_names}

    def settings(self) -> dict[str, Any]:
        """Return nothing: the moduli say all."""
        return {}

    @classmethod
    def restore(
        cls, arrays: Mapping[str, Tensor], settings: Mapping[str, Any], provenance: Provenance
    ) -> Self:
        """Build the law from what :meth:`arrays` returns.

        Raises:
            ValueError: A modulus is not one positive number.
        """
        law = cls(1.0, 0.25, provenance)
        for key in cls.array_names:
            modulus = arrays[key]
            if modulus.ndim != 0 or not 0 < float(modulus) < float("inf"):
                raise ValueError(f"{key}: found {modulus.tolist()}, expected one positive number")
            setattr(law, key, modulus.clone())
        return law
