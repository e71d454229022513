"""Central difference with lumped mass and a step that may change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lipmat.fem.body import Array, Body
from lipmat.fem.loads import ExternalForce, Load, PrescribedMotion
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
from collections.abc import Sequence

from dolfinx import fem, la


class CentralDifference:
    """Displacement at the steps, velocity halfway between them (leapfrog).

        v_{n+1/2} = v_{n-1/2} + (h_- + h_+)/2 M^{-1} (f_ext - f_int(u_n)),
        u_{n+1} = u_n + h_+ v_{n+1/2}.

    The work of outside forces and of prescribed motion is summed by the trapezoidal rule.

    Args:
        body: The body.
        loads: Boundary conditions and loads.
        velocity: Initial velocity of the owned components [m/s].
    """

    def __init__(self, body: Body, loads: Sequence[Load], velocity: Array) -> None:
        self.body, self.owned = body, body.owned
        self.displacement = fem.Function(body.space)
        self.time, self.steps = 0.0, 0
        self._force = body.internal_force(self.displacement)
        self._internal = la.vector(body.space.dofmap.index_map, 3)
        self._external = ExternalForce(body, self.displacement, loads)
        self._motion = PrescribedMotion(body, loads)
        self._mass = body.mass[: self.owned]
        self._inverse_mass = 1.0 / self._mass
        self.velocity = np.array(velocity, dtype=np.float64)
        """Velocity half a step back, or at the start the initial one [m/s]."""
        self._next = self.velocity.copy()
        self._outside = np.zeros(self.owned)
        self._increment = np.zeros(self.owned)
        self._last_step, self._work = 0.0, 0.0
        self._u[self._motion.dofs] = self._motion.start()
        self.displacement.x.scatter_forward()

    @property
    def _u(self) -> Array:
        out: Array = self.displacement.x.array[: self.owned]
        return out

    def begin_step(self, step: float) -> None:
        """Compute the velocity half a step ahead; afterwards energies belong to the present."""
        self._force(self._internal)
        self._external(self.time, self._outside)
        a = self._next
        np.subtract(self._outside, self._internal.array[: self.owned], out=a)
        a *= self._inverse_mass
        a *= 0.5 * (self._last_step + step)
        a += self.velocity
        if self._motion.present:
            dofs = self._motion.dofs
            if self.steps == 0:  # no jump of velocity at the start
                self.velocity[dofs] = self._motion.velocity(self.time, step, self._u[dofs])
            a[dofs] = self._motion.velocity(self.time, step, self._u[dofs])
            self._add_reactions(dofs, step)
        self._work += 0.5 * float(self._outside @ self._increment)

    def _add_reactions(self, dofs: NDArray[np.intp], step: float) -> None:
        """Make the outside force of prescribed components what their motion takes."""
        span = 0.5 * (self._last_step + step)
        rate = (self._next[dofs] - self.velocity[dofs]) / span
        self._outside[dofs] = self._mass[dofs] * rate + self._internal.array[dofs]

    def finish_step(self, step: float, time: float) -> None:
        """Move the body to ``time``."""
        np.multiply(self._next, step, out=self._increment)
        u = self._u
        u += self._increment
        self.displacement.x.scatter_forward()
        self._work += 0.5 * float(self._outside @ self._increment)
        self.velocity, self._next = self._next, self.velocity
        self._last_step, self.time = step, time
        self.steps += 1

    def velocity_now(self, step: float) -> Array:
        """Return the velocity at the present time, after :meth:`begin_step` [m/s]."""
        share = self._last_step / (self._last_step + step)
        out: Array = (1.0 - share) * self.velocity + share * self._next
        return out

    def energies(self, step: float) -> tuple[float, float, float]:
        """Return kinetic energy, its leapfrog form, and external work [J], after begin_step.

        The leapfrog form ``1/2 v . M v - h_- h_+ / 8 a . M a``, with equal steps
        ``1/2 v_- . M v_+``, is what the scheme conserves together with the stored energy of a
        linear body. At the start ``h_- = h_+``, as if the body had come from before.
        """
        now = self.velocity_now(step)
        kinetic = 0.5 * float(now @ (self._mass * now))
        jump = self._next - self.velocity
        share = self._last_step * step / (self._last_step + step) ** 2 if self.steps else 1.0
        leapfrog = kinetic - 0.5 * share * float(jump @ (self._mass * jump))
        sums = self.body.comm.allreduce(np.array([kinetic, leapfrog, self._work]))
        return float(sums[0]), float(sums[1]), float(sums[2])
