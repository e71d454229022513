"""What the learned small-strain laws share: parts, kinematics, arrays, the frame of the bound.

Each law is a network of bounded slope, the gradient of a potential, beside an optional linear
volumetric part. At small strain its bound is a reference stiffness C0 that holds everywhere. With
``kinematics = "log"`` the same law acts on the logarithmic strain ln U, so that it serves at large
rotation; its bound then holds over a ladder of stretch domains, see ``log_bound``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import LOG_STRAIN, Bound, Measure, Part, Provenance, Rung
from lipmat.materials.log_bound import certify
from lipmat.materials.mandel import VOLUMETRIC, as_matrix
from lipmat.materials.stretches import forces_and_hessian

Array = NDArray[np.float64]
Kinematics = Literal["small", "log"]
DEFAULT_DOMAIN = StretchDomain(0.8, 1.25, 0.8, 1.25)
"""Where a law of the logarithmic strain is certified if nothing else is asked for."""
RULE = "Gram matrix of the units, exact for one hidden layer"


def register_arrays(law: nn.Module, names: Sequence[str], arrays: Mapping[str, Any]) -> None:
    """Make copies in float64 of the named arrays buffers of a law.

    Raises:
        ValueError: An array has values that are not finite.
    """
    for key in names:
        array = torch.as_tensor(arrays[key], dtype=torch.float64).detach().clone()
        if not bool(torch.isfinite(array).all()):
            raise ValueError(f"{key}: found values that are not finite, expected numbers")
        law.register_buffer(key, array)


class NetworkLaw(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Base of the small-strain networks; the energy is that of the network plus kappa/2 tr^2.

    Args:
        arrays: The float64 arrays of the law by name; ``bulk_modulus`` [Pa] is not negative, and 0
            leaves the volumetric part out.
        kinematics: ``small`` or ``log``.
        domain: Stretch domain on which a ``log`` law is certified; None: stretches and volume
            ratio within 0.8…1.25.
        provenance: Where the law comes from.

    Raises:
        ValueError: An array or a setting is not admissible.
    """

    name: ClassVar[str]
    array_names: ClassVar[tuple[str, ...]]
    measures: ClassVar[Mapping[str, Measure]] = {
        "small": "principal_strains",
        "log": "principal_log_strains",
    }
    isotropic: ClassVar[bool] = True

    def __init__(
        self,
        arrays: Mapping[str, Any],
        kinematics: Kinematics,
        domain: StretchDomain | None,
        provenance: Provenance | None,
    ) -> None:
        super().__init__()
        register_arrays(self, self.array_names, arrays)
        if self.bulk_modulus.ndim != 0 or float(self.bulk_modulus) < 0:
            found = self.bulk_modulus.tolist()
            raise ValueError(f"bulk_modulus: found {found}, expected one number that is >= 0")
        if kinematics not in get_args(Kinematics):
            raise ValueError(f"kinematics: found {kinematics!r}, expected 'small' or 'log'")
        if kinematics == "small" and domain is not None:
            raise ValueError("domain: a small-strain bound holds everywhere; leave the domain out")
        self.kinematics: Kinematics = kinematics
        self.domain = domain or (DEFAULT_DOMAIN if kinematics == "log" else None)
        self.provenance = provenance or Provenance()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The network and, unless its modulus is 0, the volumetric part."""
        dilatation: Measure = "dilatation"
        if self.kinematics == "log":
            dilatation = LOG_STRAIN[dilatation]
        network = Part("network", self.measures[self.kinematics])
        if float(self.bulk_modulus) == 0.0:
            return (network,)
        return network, Part("volumetric", dilatation, reduced=True)

    @property
    def convex(self) -> bool:
        """Whether no unit softens and the strain is small: a log law is not convex in F."""
        return self.kinematics == "small" and self.smallest_curvature() >= 0.0

    @abstractmethod
    def network(self, strain: Tensor) -> Tensor:
        """Return the energy density of the network at one state [J/m^3]."""

    @abstractmethod
    def network_stress(self, strain: Tensor) -> Tensor:
        """Return the stress of the network at Mandel strains (n, 6), shape (n, 6) [Pa]."""

    @abstractmethod
    def smallest_curvature(self) -> float:
        """Return the smallest curvature of any unit; negative where the law softens."""

    @abstractmethod
    def reference(self) -> Array:
        """Return C0 of the network, above its tangent at every strain, shape (6, 6) [Pa]."""

    @abstractmethod
    def lower_reference(self) -> Array:
        """Return a stiffness below the tangent of the network at every strain, (6, 6) [Pa]."""

    @abstractmethod
    def rest_stiffness(self) -> Array:
        """Return the tangent of the network at zero strain, shape (6, 6) [Pa]."""

    @abstractmethod
    def largest_sampled_ratio(self) -> float:
        """Return the largest eigenvalue of the tangent against C0 that sampling finds [-]."""

    def principal_response(self, strain: Tensor) -> tuple[Tensor, Tensor]:
        """Return the network's principal stresses and their derivative, for isotropic laws.

        Args:
            strain: Principal strains, shape (n, 3) [-].

        Returns:
            Stresses (n, 3) and the Hessian (n, 3, 3), both in [Pa].
        """
        return forces_and_hessian(self.network, strain)

    @abstractmethod
    def stress_limit(self, low: float, high: float) -> float:
        """Return a bound of all principal stresses where principal strains are in [low, high]."""

    def volumetric(self, dilatation: Tensor) -> Tensor:
        """Return the volumetric energy density of the trace of strain (1,) [J/m^3]."""
        return 0.5 * self.bulk_modulus * dilatation[0] * dilatation[0]

    def stress(self, strain: Tensor) -> Tensor:
        """Return the stress of the whole law.

        Args:
            strain: Mandel strains in material axes, shape (n, 6) [-]; logarithmic ones for
                ``log`` kinematics.

        Returns:
            Mandel stresses (n, 6) [Pa], work-conjugate to the strain.
        """
        pressure = self.bulk_modulus * strain[:, :3].sum(1, keepdim=True)
        normal = pressure.expand(-1, 3)
        return self.network_stress(strain) + torch.cat([normal, torch.zeros_like(normal)], 1)

    def bound(self) -> Bound:
        """Return the certified bound, computed from the stored arrays."""
        return self._bound

    @cached_property
    def _bound(self) -> Bound:
        if self.kinematics == "log":
            return certify(self)
        tangent: dict[str, Any] = {"network": as_matrix(self.reference())}
        sampled = {"network": self.largest_sampled_ratio()}
        if len(self.parts) > 1:
            bulk = 3.0 * float(self.bulk_modulus)
            tangent["volumetric"], sampled["volumetric"] = bulk * (1.0 + 1e-15), bulk
        return Bound(RULE, (Rung(None, tangent, sampled),))

    def lower_bound(self) -> Array:
        """Return a stiffness below the tangent ``ds/de`` of the whole law everywhere, (6, 6) [Pa].

        Its eigenvalues are negative where a softening law has lost its convexity.
        """
        return self.lower_reference() + 3.0 * float(self.bulk_modulus) * VOLUMETRIC

    def rest_moduli(self) -> tuple[float, float]:
        """Return bulk and shear modulus at rest [Pa], for anisotropic laws Voigt's averages."""
        c = self.rest_stiffness()
        bulk = float(c[:3, :3].sum()) / 9.0
        shear = (float(np.trace(c)) - 3.0 * bulk) / 10.0
        return bulk + float(self.bulk_modulus), shear

    def arrays(self) -> dict[str, Tensor]:
        """Return the arrays that define the law."""
        return {key: getattr(self, key) for key in self.array_names}

    def settings(self) -> dict[str, Any]:
        """Return the kinematics and, for ``log``, the domain."""
        if self.domain is None:
            return {"kinematics": self.kinematics}
        return {"kinematics": self.kinematics, "domain": self.domain.as_dict()}

    @classmethod
    def restore(
        cls, arrays: Mapping[str, Tensor], settings: Mapping[str, Any], provenance: Provenance
    ) -> Self:
        """Build the law from what :meth:`arrays` and :meth:`settings` return.

        Raises:
            ValueError: An array or a setting is not admissible.
        """
        chosen: dict[str, Any] = dict(settings)
        if "domain" in chosen:
            chosen["domain"] = StretchDomain(**chosen["domain"])
        return cls(**arrays, **chosen, provenance=provenance)
