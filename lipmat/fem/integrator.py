"""Central difference with lumped mass, viscosity, contact, and a step that may change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipmat.fem.body import Array, Body
from lipmat.fem.contact import BoundWall
from lipmat.fem.history import Memory
from lipmat.fem.loads import ExternalForce, Load, PrescribedMotion
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.fem.stopwatch import Stopwatch

# isort: split
from dolfinx import fem, la

State = dict[str, Array | float | int]


class CentralDifference:
    """Displacement at the steps, velocity halfway between them (leapfrog).

        v_{n+1/2} = v_{n-1/2} + (h_- + h_+)/2 M^{-1} (f_ext - f_int(u_n) - beta K0 (u_n - u_{n-1})),
        u_{n+1} = u_n + h_+ v_{n+1/2}.

    Internal and viscous force are two results of one pass over the cells, so that the energy
    account can book the work of each in every step. A body with memory advances in that pass, by
    the step that led to the present state. The work of outside forces, of prescribed motion and of
    viscosity is summed by the trapezoidal rule.

    Args:
        body: The body.
        loads: Boundary conditions and loads.
        velocity: Initial velocity of the owned components [m/s].
        viscosity: Factor beta [-].
        walls: Rigid walls, bound to the body.
        watch: Books the time of forces, contact, loads, update and exchange between ranks.
    """

    def __init__(
        self,
        body: Body,
        loads: Sequence[Load],
        velocity: Array,
        viscosity: float = 0.0,
        walls: Sequence[BoundWall] = (),
        watch: Stopwatch | None = None,
    ) -> None:
        self.body, self.owned = body, body.owned
        self.watch = watch or Stopwatch()
        self.displacement = fem.Function(body.space)
        self.time, self.steps = 0.0, 0
        self.walls, self._viscosity = tuple(walls), viscosity
        self.memory = body.new_memory()
        """What the points of the body remember of the run."""
        self._resistance = _Resistance(body, self.displacement, viscosity, self.memory)
        self._external = ExternalForce(body, self.displacement, loads)
        self._motion = PrescribedMotion(body, loads)
        self._mass = body.mass[: self.owned]
        self._mobility, self._span = np.zeros(self.owned), 0.0
        """Time between the velocities over the mass [s/kg], and that time [s]."""
        self.velocity = np.array(velocity, dtype=np.float64)
        """Velocity half a step back, or at the start the initial one [m/s]."""
        self._next = self.velocity.copy()
        self.outside = np.zeros(self.owned)
        """Force of loads and prescribed motion at the present time, after begin_step [N]."""
        self._contact, self._ahead = np.zeros(self.owned), np.zeros(self.owned)
        self._last_step, self._work, self._viscous = 0.0, 0.0, 0.0
        self._u[self._motion.dofs] = self._motion.start()
        self.displacement.x.scatter_forward()

    @property
    def _u(self) -> Array:
        out: Array = self.displacement.x.array[: self.owned]
        return out

    @property
    def next_velocity(self) -> Array:
        """Velocity half a step ahead, after :meth:`begin_step` [m/s]."""
        return self._next

    @property
    def increment(self) -> Array:
        """Change of the owned displacements over the last step [m]."""
        return self._resistance.increment

    @property
    def prescribed(self) -> NDArray[np.intp]:
        """Owned components whose motion is prescribed."""
        return self._motion.dofs

    def begin_step(self, step: float) -> None:
        """Compute the velocity half a step ahead; afterwards energies belong to the present."""
        self._resistance.assemble(self._last_step)
        self.watch.lap("force")
        self._external(self.time, self.outside)
        self.watch.lap("loads")
        a = self._next
        np.subtract(self.outside, self._resistance.total, out=a)
        if self.walls:
            self._add_contact(a)
            self.watch.lap("contact")
        span = 0.5 * (self._last_step + step)
        if span != self._span:
            np.divide(span, self._mass, out=self._mobility)
            self._span = span
        a *= self._mobility
        a += self.velocity
        if self._motion.present:
            dofs = self._motion.dofs
            if self.steps == 0:  # no jump of velocity at the start
                self.velocity[dofs] = self._motion.velocity(self.time, step, self._u[dofs])
            a[dofs] = self._motion.velocity(self.time, step, self._u[dofs])
            self._add_reactions(dofs)
        self._add_work(self.time - self._last_step, self.time)
        self.watch.lap("update")

    def _add_contact(self, out: Array) -> None:
        """Add the forces of the walls.

        With viscosity they are taken where the body will be if it goes on as in the last step; what
        that changes is booked as viscous. A convex penalty then cannot add energy: the proof is in
        docs/theory/levels.md.
        """
        if self._viscosity:
            place = self._u + self.increment
            self._ahead[:] = 0.0
            for wall in self.walls:
                wall.force(place, self.time + self._last_step, self._ahead)
            out += self._ahead
        self._contact[:] = 0.0
        for wall in self.walls:
            wall.force(self._u, self.time, self._contact)
        if self._viscosity:
            self._resistance.add_drag(self._contact - self._ahead)
        else:
            out += self._contact

    def _add_reactions(self, dofs: NDArray[np.intp]) -> None:
        """Make the outside force of prescribed components what their motion takes."""
        rate = (self._next[dofs] - self.velocity[dofs]) / self._span
        resisting = self._resistance.total[dofs] - self._contact[dofs]
        self.outside[dofs] = self._mass[dofs] * rate + resisting

    def _add_work(self, start: float, end: float) -> None:
        """Add half the work of the present forces over the step between two times."""
        increment = self._resistance.increment
        self._work += 0.5 * float(self.outside @ increment)
        for wall in self.walls:
            self._work += wall.half_work(start, end)
        self._viscous += 0.5 * self._resistance.viscous_work()

    def finish_step(self, step: float, time: float) -> None:
        """Move the body to ``time``."""
        increment = self._resistance.increment
        np.multiply(self._next, step, out=increment)
        u = self._u
        u += increment
        self._add_work(self.time, time)
        self.watch.lap("update")
        self.displacement.x.scatter_forward()
        self._resistance.share_increment()
        self.watch.lap("exchange")
        self.velocity, self._next = self._next, self.velocity
        self._last_step, self.time = step, time
        self.steps += 1

    def velocity_now(self, step: float) -> Array:
        """Return the velocity at the present time, after :meth:`begin_step` [m/s]."""
        share = self._last_step / (self._last_step + step)
        out: Array = (1.0 - share) * self.velocity + share * self._next
        return out

    def energies(self, step: float) -> Account:
        """Return the energies that the motion knows, after :meth:`begin_step`."""
        now = self.velocity_now(step)
        kinetic = 0.5 * float(now @ (self._mass * now))
        jump = self._next - self.velocity
        share = self._last_step * step / (self._last_step + step) ** 2 if self.steps else 1.0
        leapfrog = kinetic - 0.5 * share * float(jump @ (self._mass * jump))
        contact = sum(wall.energy(self._u, self.time) for wall in self.walls)
        found = np.array([kinetic, leapfrog, self._work, self._viscous, contact])
        return Account(*map(float, self.body.comm.allreduce(found)))

    def state(self) -> State:
        """Return what a restart needs, before ``begin_step``: owned arrays, and numbers."""
        return {
            "displacement": self._u.copy(),
            "velocity": self.velocity.copy(),
            "increment": self._resistance.increment.copy(),
            "time": self.time,
            "steps": self.steps,
            "last_step": self._last_step,
            "work": self.body.comm.allreduce(self._work),
            "viscous": self.body.comm.allreduce(self._viscous),
        }

    def restore(self, state: State) -> None:
        """Return to a state that :meth:`state` gave; on the first rank the sums go on."""
        self._u[:] = state["displacement"]
        self.displacement.x.scatter_forward()
        self.velocity[:] = state["velocity"]
        self._resistance.increment[:] = state["increment"]
        self._resistance.share_increment()
        self.time, self.steps = float(state["time"]), int(state["steps"])
        self._last_step = float(state["last_step"])
        first = self.body.comm.rank == 0
        self._work = float(state["work"]) if first else 0.0
        self._viscous = float(state["viscous"]) if first else 0.0


@dataclass(frozen=True)
class Account:
    """Energies that the motion knows, over all ranks [J].

    The leapfrog form ``1/2 v . M v - h_- h_+ / 8 a . M a``, with equal steps ``1/2 v_- . M v_+``,
    is what the scheme conserves together with the stored energy of a linear body. At the start
    ``h_- = h_+``, as if the body had come from before.
    """

    kinetic: float
    leapfrog: float
    external: float
    viscous: float
    contact: float


class _Resistance:
    """Internal and viscous force on the owned components [N].

    Args:
        body: The body.
        u: Its displacement.
        viscosity: Factor beta of the viscous force ``beta K0 (u_n - u_{n-1})``.
        memory: What the points of the body remember.
    """

    def __init__(self, body: Body, u: fem.Function, viscosity: float, memory: Memory) -> None:
        index_map, owned = body.space.dofmap.index_map, body.owned
        self._increment = fem.Function(body.space)
        self.increment: Array = self._increment.x.array[:owned]
        """Change of the owned displacements over the last step [m]."""
        self._is_viscous = viscosity > 0.0
        self._vectors = [la.vector(index_map, 3) for _ in range(1 + self._is_viscous)]
        if self._is_viscous:
            self._assemble = body.resistance(u, self._increment, viscosity, memory)
        else:
            self._assemble = body.internal_force(u, memory)
        self._memory = memory
        self.total: Array = self._vectors[0].array[:owned]
        self._drag: Array = self._vectors[-1].array[:owned]
        """The viscous force, where there is one."""

    def assemble(self, step: float) -> None:
        """Compute :attr:`total` at the present state, a step [s] after the last."""
        if self._memory.set_step(step):
            self._assemble.pack_constants()
        self._assemble(*self._vectors)
        if self._is_viscous:
            self.total += self._drag

    def add_drag(self, drag: Array) -> None:
        """Add forces on the owned components to the viscous ones [N]."""
        self._drag += drag
        self.total += drag

    def viscous_work(self) -> float:
        """Return the work against the viscous force over the increment, on this rank [J]."""
        return float(self._drag @ self.increment) if self._is_viscous else 0.0

    def share_increment(self) -> None:
        """Send the increment to the ranks that need it."""
        if self._is_viscous:
            self._increment.x.scatter_forward()
