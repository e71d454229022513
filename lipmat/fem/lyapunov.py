r"""The function that a certificate says cannot rise, evaluated on the run itself.

With the increments ``d- = u_n - u_{n-1}``, ``d = u_{n+1} - u_n``, their difference D, the potential
U of strain, contact and constant loads, and A = h^2 K0 (theory, section 4), h^2 times

    convex    V = U + [|d|_M^2 + beta (|D|_M^2 - beta |D|_A^2) - (d, D)_M + beta^2 (d, D)_A] / 2h^2
    energy    E = U + |d-|_M^2 / 2h^2

For laws with memory U is the energy of the springs at the present history plus all that was
dissipated so far by the stress at the ends of the steps: the proof holds for that sum.

The proof compares two steps under the same load, so a pair of steps counts only where the force
from outside did not change between them and neither supports nor walls moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lipmat.errors import InputError
from lipmat.fem.body import Array, Body
from lipmat.fem.eigenvalue import ReferenceOperator
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.step import Step

ROUNDING = 1e-11  # rise, relative to the size of the terms, that counts as none


class LyapunovCheck:
    """Compares the function of the certificate's level at successive steps.

    Args:
        body: The body.
        integrator: Its motion.
        step: The certificate.

    Attributes:
        pairs: Pairs of steps that were compared.
        largest_rise: Largest rise from a step to the next, relative to the size of the terms [-];
            negative if it always fell.

    Raises:
        InputError: At level ``linearised``, which names no such function.
    """

    def __init__(self, body: Body, integrator: CentralDifference, step: Step) -> None:
        if step.level not in ("convex", "energy"):
            raise InputError(
                f"verify: found level {step.level!r}, which proves nothing about the nonlinear "
                "run, expected 'convex' or 'energy'"
            )
        self._body, self._integrator, self._level = body, integrator, step.level
        self._beta = step.viscosity
        memory = integrator.memory
        self._stored = body.stored_energy(integrator.displacement, memory)
        self._dissipated = body.dissipated_energy(memory, at_end=True) if memory else None
        self._hourglass = body.hourglass_energy(integrator.displacement)
        walls = step.control.walls
        contact = np.sum([w.nodal_stiffness for w in walls], axis=0) if walls else None
        self._operator = ReferenceOperator(body, contact)
        self._operator.set_bounds([m.law.bound().rungs[-1].tangent for m in body.materials])
        self._mass = body.mass[: body.owned]
        self._at = -1
        self._before, self._size = 0.0, 0.0
        self._load = np.zeros(body.owned)
        self.pairs, self.largest_rise = 0, -np.inf

    def check(self, step: float) -> None:
        """Evaluate the function at the present step [s], after ``begin_step(step)``.

        The start does not count: it has no step before it.
        """
        integrator = self._integrator
        if not integrator.steps:
            return
        load = integrator.outside.copy()
        load[integrator.prescribed] = 0.0
        value, size = self._value(step, load)
        follows = integrator.steps == self._at + 1 and self._is_same(load)
        if follows:
            self.pairs += 1
            rise = (value - self._before) / max(size, self._size, np.finfo(float).tiny)
            self.largest_rise = max(self.largest_rise, rise)
        self._at, self._before, self._size, self._load = integrator.steps, value, size, load

    def _is_same(self, load: Array) -> bool:
        """Tell whether load, supports and walls are those of the step before."""
        integrator = self._integrator
        held = integrator.prescribed
        moving = integrator.velocity[held].any() or integrator.next_velocity[held].any()
        moving |= any(wall.wall.translation is not None for wall in integrator.walls)
        changed = bool(moving) or not np.array_equal(load, self._load)
        return not self._body.comm.allreduce(int(changed))

    def _value(self, step: float, load: Array) -> tuple[float, float]:
        """Return the function and the size of its terms [J]."""
        integrator = self._integrator
        account = integrator.energies(step)
        u = integrator.displacement.x.array[: self._body.owned]
        potential = self._stored() + account.contact
        if self._dissipated is not None:
            potential += self._dissipated()
        if self._hourglass is not None:
            potential += self._hourglass()
        work = self._sum(float(load @ u))
        motion = self._motion_energy(step)
        size = abs(potential) + abs(work) + account.kinetic
        return potential - work + motion, size

    def _motion_energy(self, step: float) -> float:
        m = self._mass
        if self._level == "energy":
            v = self._integrator.velocity
            return 0.5 * self._sum(float(v @ (m * v)))
        d = step * self._integrator.next_velocity
        jump = d - self._integrator.increment
        stiff = step**2 * self._operator.apply(jump)
        beta = self._beta
        terms = (
            d @ (m * d)
            + beta * (jump @ (m * jump) - beta * (jump @ stiff))
            - d @ (m * jump)
            + beta**2 * (d @ stiff)
        )
        return self._sum(float(terms)) / (2.0 * step**2)

    def _sum(self, value: float) -> float:
        return float(self._body.comm.allreduce(value))

    def state(self) -> dict[str, Any]:
        """Return what a restart needs: an owned array, and numbers."""
        return {
            "at": self._at,
            "before": self._before,
            "size": self._size,
            "load": self._load.copy(),
            "pairs": self.pairs,
            "largest_rise": self.largest_rise,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to what :meth:`state` gave."""
        self._at, self._before, self._size = state["at"], state["before"], state["size"]
        self._load = np.array(state["load"])
        self.pairs, self.largest_rise = state["pairs"], state["largest_rise"]

    def summary(self) -> dict[str, Any]:
        """Return what was found as JSON values."""
        return {
            "level": self._level,
            "pairs": self.pairs,
            "largest_rise": self.largest_rise if self.pairs else None,
            "holds": bool(self.largest_rise <= ROUNDING) if self.pairs else None,
        }
