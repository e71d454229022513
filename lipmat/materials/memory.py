r"""What laws with memory share: branches that flow beside an elastic part.

The stress is that of an elastic part and of B branches in parallel, each a spring of shear modulus
G in series with an element that flows: a generalised standard material (Halphen & Nguyen, J. Méc.
14 (1975) 39) with the internal strains ``alpha_b`` (deviators) and the energy

    psi(e, alpha) = W(e) + sum_b G_b |dev e - alpha_b|^2.

A branch flows along its stress ``s = 2G (dev e - alpha)``, at the rate ``|d alpha/dt| = r(q)`` of
its size ``q = |s|``, where r does not decrease and may depend on the flow ``kappa`` that the branch
has seen before the step. Backward Euler then needs one number: with the *trial*
``eps = dev e_n - alpha_{n-1}`` the new elastic strain is ``theta eps`` with theta in [0, 1] from

    theta |eps| + h r(2G theta |eps|; kappa_{n-1}) = |eps|.

A law is this scalar map, :meth:`MemoryLaw.remainder`. The update is the proximal map of a convex
dissipation potential: dissipation ``s : d alpha >= 0``, the tangent in e stays below that of
``psi`` at frozen alpha, and without kappa two histories never drift apart (docs/theory/memory.md).

With ``kinematics = "log"`` the same map acts on logarithmic elastic strains of ``F_e = F F_v^-1``
with the exponential map (Simo, Comput. Meth. Appl. Mech. Engng 99 (1992) 61; Reese & Govindjee,
Int. J. Solids Struct. 35 (1998) 3455), so that flow keeps the volume exactly. Its springs may
stiffen with the elastic stretch (:mod:`lipmat.materials.springs`); what flows is the same.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lipmat.materials.domain import StretchDomain, ladder
from lipmat.materials.law import Bound, Law, Matrix, Part, Provenance, Rung, is_small_strain
from lipmat.materials.log_bound import volumetric_bound, volumetric_sampled
from lipmat.materials.mandel import DEVIATORIC, as_matrix
from lipmat.materials.network import DEFAULT_DOMAIN, Kinematics, register_arrays
from lipmat.materials.springs import (
    Spring,
    principal_energy,
    principal_stress,
    tangent_bound,
    tensor_energy,
    tensor_stress,
)

Array = NDArray[np.float64]
Remainder = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps sizes of trials, flows and steps to shares, see :meth:`MemoryLaw.remainder`."""
ELASTIC_LIMIT = 1.05
"""Largest elastic stretch of a branch where nothing else is asked for [-]."""
TINY = 1e-20
"""Size of an elastic strain below which it counts as zero [-]."""
RULE = "springs of the branches at frozen flow, exact; the elastic part by its own rule"
PREFIX = "equilibrium."


class MemoryLaw(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Base of the laws with memory.

    Args:
        arrays: The law's own float64 arrays by name, among them ``shear_moduli`` (B,) [Pa], and
            ``bulk_modulus`` [Pa], which is 0 exactly if there is an equilibrium law.
        equilibrium: Elastic law that acts beside the branches; None: bulk modulus alone.
        kinematics: ``small`` or ``log``; that of the equilibrium law, if there is one.
        domain: Stretch domain on which a ``log`` law without equilibrium law is certified.
        elastic_limit: Largest elastic stretch of the branches for which a ``log`` law is certified
            [-]; its inverse is the smallest.
        spring: ``hencky`` or, of ``log`` laws only, ``neo-hookean``.
        provenance: Where the law comes from.

    Raises:
        ValueError: An array or a setting is not admissible.
    """

    name: ClassVar[str]
    array_names: ClassVar[tuple[str, ...]]
    hardens: ClassVar[bool] = False
    """Whether the flow depends on the flow before, so that it belongs to the history."""
    isotropic = True

    def __init__(
        self,
        arrays: Mapping[str, Any],
        equilibrium: Law | None,
        kinematics: Kinematics,
        domain: StretchDomain | None,
        elastic_limit: float,
        spring: Spring,
        provenance: Provenance | None,
    ) -> None:
        super().__init__()
        register_arrays(self, self.array_names, arrays)
        self.equilibrium = equilibrium
        self.kinematics: Kinematics = kinematics
        self.elastic_limit = float(elastic_limit)
        self.spring: Spring = spring
        self.provenance = provenance or Provenance()
        self._check(domain)
        log = kinematics == "log" and equilibrium is None
        self.domain = domain or (DEFAULT_DOMAIN if log else None)

    def _check(self, domain: StretchDomain | None) -> None:
        shear, bulk, rest = self.shear_moduli, self.bulk_modulus, self.equilibrium
        if shear.ndim != 1 or not len(shear) or bool((shear <= 0).any()):
            raise ValueError("shear_moduli: expected a vector of positive numbers [Pa]")
        if bulk.ndim != 0 or (float(bulk) <= 0 if rest is None else float(bulk) != 0):
            raise ValueError(
                f"bulk_modulus: found {bulk.tolist()}, expected one positive number [Pa], or 0 "
                "beside an equilibrium law, which has its own"
            )
        if self.kinematics not in get_args(Kinematics):
            raise ValueError(f"kinematics: found {self.kinematics!r}, expected 'small' or 'log'")
        if not 1.0 < self.elastic_limit < np.inf:
            raise ValueError(f"elastic_limit: found {self.elastic_limit}, expected more than 1")
        if self.spring not in get_args(Spring):
            raise ValueError(f"spring: found {self.spring!r}, expected 'hencky' or 'neo-hookean'")
        if self.spring != "hencky" and self.kinematics == "small":
            raise ValueError(
                f"spring: found {self.spring!r} at small strain, expected 'hencky', or kinematics "
                "'log'"
            )
        if rest is not None:
            if not rest.isotropic or isinstance(rest, MemoryLaw):
                raise ValueError(f"equilibrium: found {rest.name!r}, expected an isotropic one")
            if is_small_strain(rest) != (self.kinematics == "small"):
                raise ValueError(
                    f"equilibrium: {rest.name!r} and the branches have different kinematics"
                )
        if domain is not None and (rest is not None or self.kinematics == "small"):
            raise ValueError("domain: leave it out, the bound has that of the equilibrium law")

    @property
    def branches(self) -> int:
        """Number of branches."""
        return len(self.shear_moduli)

    @property
    def history_size(self) -> int:
        """Numbers that a material point remembers.

        For each branch six Mandel components of its internal strain, ``log``: of
        ``C_v^-1 - 1``; six of the last deviator of strain, ``log``: of ``C - 1``; the flow kappa
        of branches that harden; what they have all dissipated, twice [J/m^3]: the sum of
        ``s : d alpha`` with the stress at the ends of the steps, which the proofs are about, and
        with the mean stress of the steps, which balances the energies. All are zero at first.
        """
        return (7 if self.hardens else 6) * self.branches + 8

    @property
    def parts(self) -> tuple[Part, ...]:
        """The elastic parts, and that of the branches."""
        small = self.kinematics == "small"
        flowing = Part("springs", "elastic_strains" if small else "log_elastic_strains")
        if self.equilibrium is not None:
            return (*self.equilibrium.parts, flowing)
        volume = Part("bulk", "dilatation" if small else "log_dilatation", reduced=True)
        return volume, flowing

    @property
    def convex(self) -> bool:
        """Whether the energy is jointly convex in strain and internal strains."""
        rest = self.equilibrium
        return self.kinematics == "small" and (rest is None or rest.convex)

    def __getattr__(self, name: str) -> Any:
        """Return a potential of the equilibrium law, whose parts are parts of this law."""
        found = self.__dict__.get("_modules", {}).get("equilibrium")
        if found is not None and name in {part.name for part in found.parts}:
            return getattr(found, name)
        return super().__getattr__(name)

    @abstractmethod
    def remainder(self, trial: Tensor, flow: Tensor, step: Tensor) -> Tensor:
        """Return theta, the share of the trial elastic strain that a step leaves.

        Args:
            trial: Sizes of the trial elastic strains, (..., B), positive [-].
            flow: Flow kappa of each branch before the step, (..., B) [-].
            step: Time step h, (...) or () [s]; 0 gives 1.

        Returns:
            Shares in [0, 1], (..., B).
        """

    def prepared(self) -> Remainder:
        """Return :meth:`remainder` for many calls."""
        return self.remainder

    def remainders(self, x: Tensor) -> Tensor:
        """Return :meth:`remainder` of one point from its trials, flows and step, (2B + 1,)."""
        b = self.branches
        return self.remainder(x[:b], x[b : 2 * b], x[2 * b])

    def springs(self, strain: Tensor) -> Tensor:
        """Return the energy density of the elastic strains of all branches, (6B,) [J/m^3]."""
        energies = tensor_energy(self.spring, strain.reshape(self.branches, 6))
        return (self.shear_moduli * energies).sum()

    def spring_stress(self, strain: Tensor) -> Tensor:
        """Return the stress of a spring over 2G from principal elastic strains, (..., 3) [-]."""
        return principal_stress(self.spring, strain)

    def spring_energy(self, strain: Tensor) -> Tensor:
        """Return the energy of a spring over G from principal elastic strains (3,), (1,) [-]."""
        return principal_energy(self.spring, strain).reshape(1)

    def bulk(self, dilatation: Tensor) -> Tensor:
        """Return the volumetric energy density of the trace of strain (1,) [J/m^3]."""
        return 0.5 * self.bulk_modulus * dilatation[0] * dilatation[0]

    def advance(
        self, strain: Tensor, history: Tensor, step: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        """Return stress of the branches and history after a step, at small strain.

        For logarithmic strains it is exact where all strains of a history are coaxial.

        Args:
            strain: Mandel strains at the end of the step, (n, 6) [-].
            history: Before the step, (n, history_size).
            step: Time step [s].

        Returns:
            Mandel stress (n, 6) [Pa], history (n, history_size).
        """
        n, b = len(strain), self.branches
        internal = history[:, : 6 * b].reshape(n, b, 6)
        before = history[:, 6 * b : 6 * b + 6]
        flow = history[:, 6 * b + 6 : -2] if self.hardens else history.new_zeros(n, b)
        deviator = strain @ torch.from_numpy(DEVIATORIC)
        trial = deviator.unsqueeze(1) - internal
        size = torch.sqrt((trial * trial).sum(2) + TINY**2)
        time = torch.as_tensor(step, dtype=torch.float64).expand(n).unsqueeze(1)
        share = self.remainder(size, flow, time)
        elastic = share.unsqueeze(2) * trial
        move = (deviator - before).unsqueeze(1)
        first, last = (tensor_stress(self.spring, x) for x in (trial, elastic))
        lost = self._lost(first, last, trial - elastic, move)
        parts = [(deviator.unsqueeze(1) - elastic).reshape(n, 6 * b), deviator]
        if self.hardens:
            parts.append(flow + (1.0 - share) * size)
        stress = (2.0 * self.shear_moduli[:, None] * last).sum(1)
        return stress, torch.cat([*parts, history[:, -2:] + lost], 1)

    def _lost(self, first: Tensor, last: Tensor, slip: Tensor, move: Tensor) -> Tensor:
        """Return what a step dissipates with its end stress and its mean stress, (n, 2).

        The mean stress does ``(s_n + s_{n-1})/2 : d alpha``,
        where ``s_{n-1} = s(trial - d e)``. To second order in the step, and exactly where s is
        linear, that is ``(s_n + s(trial))/2 : d alpha - (s(trial) - s_n)/2 : d e``.

        Args:
            first: Stresses of the trials over 2G, (n, B, 6).
            last: Stresses at the end over 2G, (n, B, 6).
            slip: ``d alpha``, (n, B, 6).
            move: ``d e``, (n, 1, 6).
        """
        at_end = 2.0 * self.shear_moduli * (last * slip).sum(2)
        mean = self.shear_moduli * ((last + first) * slip - (first - last) * move).sum(2)
        return torch.stack([at_end.sum(1), mean.sum(1)], 1)

    def bound(self) -> Bound:
        """Return the certified bound, computed from the stored arrays."""
        return self._bound

    @cached_property
    def _bound(self) -> Bound:
        shear = float(self.shear_moduli.sum()) * (1.0 + 1e-15 * self.branches)
        rungs = []
        for rung in self._elastic_rungs():
            bound: float | Matrix
            if rung.domain is None:
                bound, sampled = as_matrix(2.0 * shear * DEVIATORIC), 1.0 - 1e-12
            else:
                steep = tangent_bound(self.spring, rung.domain.stretch_min, self.elastic_limit)
                bound = shear * steep * (1.0 + 1e-12)
                sampled = 2.0 * shear
            tangent, found = dict(rung.tangent), dict(rung.sampled)
            tangent["springs"], found["springs"] = bound, sampled
            rungs.append(Rung(rung.domain, tangent, found))
        return Bound(RULE, tuple(rungs))

    def _elastic_rungs(self) -> tuple[Rung, ...]:
        if self.equilibrium is not None:
            return self.equilibrium.bound().rungs
        modulus = float(self.bulk_modulus)
        if self.domain is None:
            three = 3.0 * modulus
            return (Rung(None, {"bulk": three * (1.0 + 1e-15)}, {"bulk": three}),)
        return tuple(
            Rung(
                domain,
                {"bulk": volumetric_bound(modulus, domain)},
                {"bulk": volumetric_sampled(modulus, domain)},
            )
            for domain in ladder(self.domain)
        )

    def rest_moduli(self) -> tuple[float, float]:
        """Return bulk and instantaneous shear modulus at rest [Pa]."""
        bulk, shear = float(self.bulk_modulus), float(self.shear_moduli.sum())
        if self.equilibrium is None:
            return bulk, shear
        rest = self.equilibrium.rest_moduli()
        return rest[0], rest[1] + shear

    def arrays(self) -> dict[str, Tensor]:
        """Return the arrays that define the law; those of the equilibrium law with a prefix."""
        own = {key: getattr(self, key) for key in self.array_names}
        rest = {} if self.equilibrium is None else self.equilibrium.arrays()
        return own | {PREFIX + key: array for key, array in rest.items()}

    def settings(self) -> dict[str, Any]:
        """Return kinematics, elastic limit, springs, and domain or equilibrium law."""
        found: dict[str, Any] = {"kinematics": self.kinematics, "elastic_limit": self.elastic_limit}
        if self.spring != "hencky":
            found["spring"] = self.spring
        if self.domain is not None:
            found["domain"] = self.domain.as_dict()
        if self.equilibrium is not None:
            rest = self.equilibrium
            found["equilibrium"] = {"law": rest.name, "settings": rest.settings()}
        return found

    @classmethod
    def restore(
        cls, arrays: Mapping[str, Tensor], settings: Mapping[str, Any], provenance: Provenance
    ) -> Self:
        """Build the law from what :meth:`arrays` and :meth:`settings` return.

        Raises:
            ValueError: An array or a setting is not admissible.
        """
        from lipmat.materials.registry import law_named  # it names this class too

        chosen: dict[str, Any] = dict(settings)
        if "domain" in chosen:
            chosen["domain"] = StretchDomain(**chosen["domain"])
        if "equilibrium" in chosen:
            about = chosen["equilibrium"]
            rest = law_named(about["law"])
            own = {name: arrays[PREFIX + name] for name in rest.array_names}
            chosen["equilibrium"] = rest.restore(own, about["settings"], provenance)
        return cls(**{k: arrays[k] for k in cls.array_names}, **chosen, provenance=provenance)
