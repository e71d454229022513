r"""Nonlinear generalised Maxwell body: viscoelastic, and with thresholds that harden viscoplastic.

Each branch flows at the rate ``r(q / sigma(kappa))``, where

    r(z) = sum_k d_k (z - t_k)_+,      d_k >= 0,  0 <= t_0 < t_1 < ...,

is convex and piecewise linear, and ``sigma(kappa)`` is the branch's strength, piecewise linear in
the flow that it has seen. One knot at 0 is a dashpot of relaxation time ``sigma / (2 G d)``; a
steep knot at 1 is a yield stress, and several branches of this kind in parallel are the overlay
model (Besseling, J. Appl. Mech. 25 (1958) 529), whose hardening is kinematic.

Since r is convex, the equation of a step, ``z + c r(z) = z_trial`` with ``c = 2 G h / sigma``, has
a solution that is concave in z_trial: the smallest of the solutions of its pieces,

    z = min_k (z_trial + c sum_{j<=k} d_j t_j) / (1 + c sum_{j<=k} d_j),

in closed form and exact, with z_trial itself as the piece before the first knot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Law, Provenance
from lipmat.materials.memory import ELASTIC_LIMIT, MemoryLaw
from lipmat.materials.network import Kinematics
from lipmat.materials.springs import Spring


class Maxwell(MemoryLaw):
    """Springs in series with elements that flow, beside an elastic law.

    Args:
        shear_moduli: Of the branches, (B,) [Pa].
        flow_knots: t, increasing along each row, (B, K) [-].
        flow_slopes: d, not negative, (B, K) [1/s].
        strength: sigma at the strength knots, positive, (B, M) [Pa].
        strength_knots: Flow kappa, increasing from 0, (M,) [-]; one knot: no hardening.
        bulk_modulus: Where there is no equilibrium law [Pa].
        equilibrium: See :class:`MemoryLaw`, as are the rest.

    Raises:
        ValueError: An array or a setting is not admissible.
    """

    name: ClassVar[str] = "maxwell"
    array_names: ClassVar[tuple[str, ...]] = (
        "shear_moduli",
        "flow_knots",
        "flow_slopes",
        "strength",
        "strength_knots",
        "bulk_modulus",
    )

    def __init__(
        self,
        shear_moduli: Any,
        flow_knots: Any,
        flow_slopes: Any,
        strength: Any,
        strength_knots: Any = (0.0,),
        bulk_modulus: Any = 0.0,
        *,
        equilibrium: Law | None = None,
        kinematics: Kinematics = "small",
        domain: StretchDomain | None = None,
        elastic_limit: float = ELASTIC_LIMIT,
        spring: Spring = "hencky",
        provenance: Provenance | None = None,
    ) -> None:
        given = locals()
        arrays = {key: given[key] for key in self.array_names}
        super().__init__(arrays, equilibrium, kinematics, domain, elastic_limit, spring, provenance)
        self._check_flow()

    @classmethod
    def linear(cls, shear_moduli: Any, relaxation_times: Any, **settings: Any) -> Self:
        """Return the linear body: dashpots of given relaxation times (B,) [s]."""
        shear = torch.as_tensor(shear_moduli, dtype=torch.float64)
        times = torch.as_tensor(relaxation_times, dtype=torch.float64)
        slopes = (0.5 / times)[:, None]  # at the strength G
        return cls(shear, torch.zeros_like(slopes), slopes, shear[:, None], **settings)

    def _check_flow(self) -> None:
        b = self.branches
        t, d, s, k = self.flow_knots, self.flow_slopes, self.strength, self.strength_knots
        if t.ndim != 2 or t.shape != d.shape or len(t) != b or t.shape[1] < 1:
            raise ValueError("flow_knots and flow_slopes: expected two arrays (branches, knots)")
        if bool((torch.diff(t) <= 0).any()) or bool((t < 0).any()) or bool((d < 0).any()):
            raise ValueError(
                "flow_knots, flow_slopes: found knots that do not increase from 0 or more, or "
                "negative slopes: the flow would not be convex"
            )
        if k.ndim != 1 or s.shape != (b, len(k)) or float(k[0]) != 0 or bool((k.diff() <= 0).any()):
            raise ValueError(
                "strength: expected (branches, knots) at strength_knots that increase from 0"
            )
        if bool((s <= 0).any()):
            raise ValueError("strength: found a value that is not positive")

    @property
    def hardens(self) -> bool:  # type: ignore[override]
        """Whether the strength changes with flow."""
        return len(self.strength_knots) > 1

    def prepared(self) -> Flows:
        """Return :meth:`remainder` with all that does not change computed already."""
        spring = 2.0 * self.shear_moduli  # z_trial = spring trial / strength
        return Flows.of(
            self.flow_slopes, self.flow_knots, spring, self.strength, self.strength_knots
        )

    def remainder(self, trial: Tensor, flow: Tensor, step: Tensor) -> Tensor:
        """Return the share of the trial elastic strain that a step leaves, see the base."""
        return self.prepared()(trial, flow, step)


@dataclass(frozen=True, eq=False)
class Flows:
    """The flow of branches with all that does not depend on the state computed already.

    Attributes:
        slopes: ``sum_{j<=k} d_j``, (..., K) [1/s].
        offsets: ``sum_{j<=k} d_j t_j``, (..., K) [1/s].
        spring: What makes ``z`` of a trial and of a strength, (...).
        strength: At the first knot, (...); beyond the last it stays.
        kinks: Changes of its slope at the knots, (..., M).
        knots: Flow kappa, (M,) [-].
    """

    slopes: Tensor
    offsets: Tensor
    spring: Tensor
    strength: Tensor
    kinks: Tensor
    knots: Tensor

    @classmethod
    def of(
        cls, slopes: Tensor, thresholds: Tensor, spring: Tensor, strength: Tensor, knots: Tensor
    ) -> Self:
        """Return the flow of slopes d and knots t (..., K) and of strengths at knots (..., M)."""
        rate = strength.diff() / knots.diff()
        zero = torch.zeros_like(strength[..., :1])
        kinks = torch.cat([zero, rate, zero], -1).diff()
        offsets = (slopes * thresholds).cumsum(-1)
        return cls(slopes.cumsum(-1), offsets, spring, strength[..., 0], kinks, knots)

    def __call__(self, trial: Tensor, flow: Tensor, step: Tensor) -> Tensor:
        """Return the shares ``z / z_trial`` that branches keep, at most 1."""
        strength = self.strength
        if len(self.knots) > 1:
            ramps = torch.relu(flow.unsqueeze(-1) - self.knots)
            strength = strength + (self.kinks * ramps).sum(-1)
        gain = (self.spring * step / strength).unsqueeze(-1)
        inverse = (step / trial).unsqueeze(-1)
        rests = 1.0 / (1.0 + gain * self.slopes)  # the same at all points, without hardening
        shares = rests + inverse * (self.offsets * rests)
        return torch.clamp(shares.amin(-1), max=1.0)
