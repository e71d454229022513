r"""A polyconvex law whose weights depend on recorded conditions, such as temperature or porosity.

    W(F; c) = W_0(F) + sum_k g_k(c) W_k(F),      0 < g_k < 1,

where W_0 and the modes W_k are polyconvex stretch laws on the same knots and g is a bounded gate of
the conditions in their declared ranges. At given conditions it is one plain polyconvex law, whose
certificate is that law's own. The largest tangent is a convex function of the gates, for the
tangent is linear in them; so over all conditions it is bounded by its largest value at the corners
of the gates' certified ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import product
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lipmat.errors import InputError
from lipmat.materials.channels import Channel, values_of
from lipmat.materials.domain import StretchDomain, ladder
from lipmat.materials.law import Bound, Law, Provenance, Rung
from lipmat.materials.network import register_arrays
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.stress_range import largest_stress
from lipmat.materials.stretch_bound import RULE, enclose
from lipmat.spectral.condition_gate import ConditionGate
from lipmat.spectral.interval import Interval

Array = NDArray[np.float64]
_KNOTS = ("stretch_knots", "area_knots")
_OF_ALL = ("channels", "tests")  # what the provenance says of all conditions together
_ROUNDING = 1.0 + 1e-12  # covers the rounding of the weights' sums


class ConditionedStretch(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Polyconvex law with gates that depend on conditions.

    It has no stress of its own: :meth:`at` gives the plain law of some conditions. Its bound holds
    for all conditions in the declared ranges.

    Args:
        arrays: As of :class:`PolyconvexStretch`, where all but the knots have a first row for W_0
            and one for each mode, and the arrays of the :class:`ConditionGate`.
        channels: All conditions that were recorded.
        kept: Names of those that matter, in the order of the gate's inputs.
        domain: Stretch domain on which the law is certified.
        provenance: Where the law comes from.

    Raises:
        ValueError: An array is not admissible, or a kept condition is none of the channels.
    """

    name: ClassVar[str] = "conditioned-polyconvex-stretch"
    array_names: ClassVar[tuple[str, ...]] = (
        *PolyconvexStretch.array_names,
        *ConditionGate.array_names,
    )
    parts = PolyconvexStretch.parts
    convex = False
    isotropic = True

    def __init__(
        self,
        arrays: Mapping[str, Any],
        channels: tuple[Channel, ...],
        kept: tuple[str, ...],
        domain: StretchDomain,
        provenance: Provenance | None = None,
    ) -> None:
        super().__init__()
        register_arrays(self, self.array_names, arrays)
        self.gate = ConditionGate(*(arrays[name] for name in ConditionGate.array_names))
        self.channels, self.kept, self.domain = channels, kept, domain
        self.provenance = provenance or Provenance()
        self._check()

    def _check(self) -> None:
        known = {channel.name for channel in self.channels}
        if not known.issuperset(self.kept) or len(self.kept) != self.gate.hidden_weight.shape[1]:
            raise ValueError(
                f"kept: found {', '.join(self.kept)}, expected "
                f"{self.gate.hidden_weight.shape[1]} of the conditions {', '.join(known)}"
            )
        rows = len(self.gate.output_weight) + 1
        for name in PolyconvexStretch.array_names:
            array = getattr(self, name)
            if name not in _KNOTS and (len(array) != rows or not bool((array >= 0).all())):
                raise ValueError(f"{name}: expected {rows} rows, none of them negative")
        for gates in self._corners():
            self._law(torch.from_numpy(gates))

    def at(self, conditions: Mapping[str, object]) -> PolyconvexStretch:
        """Return the plain law of some conditions.

        Args:
            conditions: By name: texts such as ``"60 degC"``, or numbers in the unit of the channel.
                Those that do not matter may be left out.

        Raises:
            InputError: A condition is unknown, missing, of another dimension or outside its range.
        """
        return self.at_values(values_of(self.channels, conditions, self.name, self.kept))

    def at_values(self, values: Mapping[str, float]) -> PolyconvexStretch:
        """Return the plain law of conditions [SI] that are known to be in their ranges."""
        channels = {c.name: c for c in self.channels}
        law = self._law(self.gate(self._inputs(values)))
        shown = {name: channels[name].text(value) for name, value in values.items()}
        entries = {k: v for k, v in self.provenance.entries.items() if k not in _OF_ALL}
        law.provenance = Provenance({**entries, "conditions": shown})
        return law

    def _inputs(self, values: Mapping[str, float]) -> Tensor:
        channels = {c.name: c for c in self.channels}
        places = [channels[name].normalised(values[name]) for name in self.kept]
        return torch.tensor(places, dtype=torch.float64)

    def _law(self, gates: Tensor) -> PolyconvexStretch:
        shares = torch.cat([gates.new_ones(1), gates])
        arrays = {
            name: array if name in _KNOTS else torch.tensordot(shares, array, 1)
            for name, array in ((n, getattr(self, n)) for n in PolyconvexStretch.array_names)
        }
        return PolyconvexStretch(**arrays, domain=self.domain)

    def mode(self, k: int) -> PolyconvexStretch:
        """Return W_k alone, with the bulk modulus of the law with all gates at their largest."""
        arrays = {
            name: array if name in _KNOTS else array[k + 1]
            for name, array in ((n, getattr(self, n)) for n in PolyconvexStretch.array_names)
        }
        return PolyconvexStretch(
            **arrays | {"bulk_modulus": self.bulk_modulus.sum()}, domain=self.domain
        )

    @cached_property
    def gate_ranges(self) -> Interval:
        """Certified ranges of the gates over all conditions, shape (gates,)."""
        return self.gate.ranges()

    def _corners(self) -> list[Array]:
        """Return the corners of the gates' ranges, first the one with all at their largest."""
        ranges = self.gate_ranges
        return [np.array(c) for c in product(*zip(ranges.hi, ranges.lo, strict=True))]

    def bound(self) -> Bound:
        """Return the certified bound over all conditions in the declared ranges."""
        return self._bound

    @cached_property
    def _bound(self) -> Bound:
        domains = ladder(self.domain)
        everywhere = tuple(domain.any_volume() for domain in domains)
        stiffest, *others = (self._law(torch.from_numpy(g)) for g in self._corners())
        volumetric = enclose(stiffest, "volumetric", domains)  # proportional to the bulk modulus
        found = enclose(stiffest, "distortional", everywhere)
        for law in others:
            least = np.array([each.sampled for each in found])
            again = enclose(law, "distortional", everywhere, least)
            found = [max(pair, key=lambda e: e.bound) for pair in zip(found, again, strict=True)]
        rungs = (
            Rung(domain, {"distortional": d.bound * _ROUNDING, "volumetric": v.bound * _ROUNDING})
            for domain, d, v in zip(domains, found, volumetric, strict=True)
        )
        return Bound(f"at the corners of the gates' certified ranges: {RULE}", tuple(rungs))

    def sensitivity(self, domain: StretchDomain) -> dict[str, float]:
        """Return a bound of how the stress changes with each kept condition over a domain.

        It is ``|dP/dc|`` of the distortional part at any fixed F of the domain and all conditions:
        the bounds of the gates' slopes times those of the modes' stresses [Pa per SI unit].
        """
        gains = self.gate.gains()
        stress = np.array([largest_stress(self.mode(k), domain) for k in range(len(gains))])
        channels = {c.name: c for c in self.channels}
        return {
            name: float(stress @ gains[:, j]) * 2.0 / (channels[name].high - channels[name].low)
            for j, name in enumerate(self.kept)
        }

    def rest_moduli(self) -> tuple[float, float]:
        """Return the largest bulk and shear modulus at rest of all conditions [Pa]."""
        return self._law(torch.from_numpy(self.gate_ranges.hi)).rest_moduli()

    def distortional(self, stretches: Tensor) -> Tensor:
        """Refuse: there is no energy without conditions.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"law {self.name!r}: found no conditions, expected {', '.join(self.kept)}; "
            "freeze it by law.at({...}) or conditions = { … }"
        )

    volumetric = distortional

    def arrays(self) -> dict[str, Tensor]:
        """Return the arrays that define the law."""
        return {key: getattr(self, key) for key in self.array_names}

    def settings(self) -> dict[str, Any]:
        """Return domain, channels and which of them are kept."""
        return {
            "domain": self.domain.as_dict(),
            "channels": [channel.as_dict() for channel in self.channels],
            "kept": list(self.kept),
        }

    @classmethod
    def restore(
        cls, arrays: Mapping[str, Tensor], settings: Mapping[str, Any], provenance: Provenance
    ) -> Self:
        """Build the law from what :meth:`arrays` and :meth:`settings` return."""
        channels = tuple(Channel(**channel) for channel in settings["channels"])
        domain = StretchDomain(**settings["domain"])
        return cls(arrays, channels, tuple(settings["kept"]), domain, provenance)


def frozen(law: Law, conditions: Mapping[str, object] | None, where: str) -> Law:
    """Return a law at conditions; one that depends on none as it is.

    Args:
        law: Any law.
        conditions: As of :meth:`ConditionedStretch.at`; None: not given.
        where: Opens the message of an error.

    Raises:
        InputError: Conditions are given for a law without, or not as the law needs them.
    """
    if isinstance(law, ConditionedStretch):
        found = values_of(law.channels, conditions or {}, where, law.kept)
        return law.at_values(found)
    if conditions:
        raise InputError(
            f"{where}: found conditions {', '.join(conditions)}, but the law {law.name!r} depends "
            "on none; remove them"
        )
    return law
