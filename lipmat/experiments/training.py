"""Training of an orbit network under a certificate.

The stress is linear in the curvature of the splines, and so are the bounds 0 <= m <= M of each
unit; with its Gram matrices F the certificate is ``sum_i M_i F_i ⪯ 1``, a linear matrix inequality.
So for given directions the best law is the solution of a convex program, and Gauss-Newton has only
the directions to move (variable projection: Golub & Pereyra, SIAM J. Numer. Anal. 10 (1973) 413).
Stiffness is part of the cost: of all laws that fit, the least stiff is found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import null_space
from scipy.sparse import block_array, csr_array, eye_array
from torch import Tensor

from lipmat.experiments.cone_program import ConeProgram, solve
from lipmat.experiments.knots import one_sided_knots, two_sided_knots
from lipmat.experiments.orbit_network import OrbitNetwork
from lipmat.experiments.starts import invariant_space, stabiliser

Array = NDArray[np.float64]
Progress = Callable[[int, int, float], None]

STIFFNESS = 1e-5  # weight of the certificate's trace; the squared relative stress error has 1
ROUGHNESS = 1e-6  # weight of the squared differences of neighbouring curvatures
STEPS, ROUNDS = 12, 3  # Gauss-Newton steps between two placings of the knots
LARGEST_TURN = 0.3  # of a direction in one step [rad]
STAGNATION = 1e-3  # relative decrease of the cost at which a round ends


@dataclass(frozen=True, eq=False)
class Samples:
    """What the network is to meet: ``seen @ gradient(x) = measured``.

    Attributes:
        x: Whitened strains, shape (b, d).
        seen: From the gradient of w to what was measured, weighted, shape (b, r, d).
        measured: Weighted stresses, shape (b, r); their squares sum to one.
    """

    x: Tensor
    seen: Tensor
    measured: Tensor


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with its curvature.

    Attributes:
        network: Directions and knots.
        curvature: Of all splines, a vector.
        largest: Largest curvature M of each unit that the certificate counts, shape (n + m,).
        cost: Squared relative stress error, plus stiffness and roughness.
    """

    network: OrbitNetwork
    curvature: Tensor
    largest: Tensor
    cost: float


@dataclass(frozen=True)
class Rules:
    """What a law has to keep.

    Attributes:
        bounded: Whether ``sum M F <= 1`` is a constraint; else the certificate is a result.
        convex: Whether curvatures are not negative; else not below -M.
    """

    bounded: bool
    convex: bool


def train(
    samples: Samples,
    network: OrbitNetwork,
    span: Tensor,
    rules: Rules,
    progress: Progress | None = None,
) -> Trained:
    """Return the least stiff network that fits, with directions and knots moved to the data.

    Args:
        samples: The data.
        network: Directions to start from; its knots only say how many there are.
        span: Orthonormal columns, the space that the directions stay in, shape (d, s).
        rules: What the law has to keep.
        progress: Called with step, steps and cost.
    """
    task = _Task(samples, span, rules)
    best = task.best(with_knots(network, samples.x))
    for number in range(ROUNDS):
        if number:
            again = task.best(with_knots(best.network, samples.x, best.curvature))
            best = min(best, again, key=lambda t: t.cost)
        for step in range(STEPS):
            moved = task.moved(best)
            if progress:
                progress(number * STEPS + step + 1, ROUNDS * STEPS, moved.cost)
            gain, best = best.cost - moved.cost, moved
            if gain <= STAGNATION * best.cost:
                break
    return best


def with_knots(network: OrbitNetwork, x: Tensor, curvature: Tensor | None = None) -> OrbitNetwork:
    """Return the network with knots where the data are, and where it bends if it has curvature."""
    n, k, m, length = network.sizes
    before: list[tuple[Array, Array] | None] = [None] * (n + m)
    if curvature is not None:
        ridges, norms = network.split(curvature)
        before = [(t.numpy(), c.numpy()) for t, c in zip(network.knots, ridges, strict=True)]
        before += [(t.numpy(), c.numpy()) for t, c in zip(network.norm_knots, norms, strict=True)]
    z, lengths = network.arguments(x).flatten(0, 1).numpy(), network.lengths(x).numpy()
    knots = [two_sided_knots(z[:, i], k // 2, before[i]) for i in range(n)]
    norm_knots = [one_sided_knots(lengths[:, j], length - 1, before[n + j]) for j in range(m)]
    return replace(
        network,
        knots=torch.from_numpy(np.array(knots).reshape(n, k)),
        norm_knots=torch.from_numpy(np.array(norm_knots).reshape(m, length)),
    )


class _Task:
    """The programs of one training."""

    def __init__(self, samples: Samples, span: Tensor, rules: Rules) -> None:
        self.samples, self.span, self.rules = samples, span.numpy(), rules
        self.right = samples.measured.flatten().numpy()
        self.damping = 1e-3

    def best(self, network: OrbitNetwork) -> Trained:
        """Return the network with the best curvature for its directions and knots."""
        return self._solved(_Program(self, network))

    def moved(self, now: Trained) -> Trained:
        """Return the network after one damped Gauss-Newton step of its directions, or unchanged."""
        group = now.network.group.numpy()
        basis = [self._tangents(a, group) for a in now.network.directions.numpy()]
        program = _Program(self, now.network, (now, basis))
        for _ in range(6):
            if program.moves == 0:
                break
            x = solve(program.assembled(self.damping))[-program.moves :]
            turns = np.split(x, np.cumsum([b.shape[1] for b in basis])[:-1])
            turned = [b @ t for b, t in zip(basis, turns, strict=True)]
            directions = now.network.directions + torch.from_numpy(np.array(turned))
            unit = torch.nn.functional.normalize(directions, dim=1)
            there = self.best(replace(now.network, directions=unit))
            if there.cost < now.cost:
                self.damping *= 0.2
                return there
            self.damping = max(10.0 * self.damping, 1e-6)
        return now

    def _tangents(self, direction: Array, group: Array) -> Array:
        """Return orthonormal columns, the turns of a direction within the span.

        It keeps what leaves it alone: no other turn has an effect, for the images cancel it.
        """
        span = self.span @ invariant_space(self.span.T @ stabiliser(group, direction) @ self.span)
        out: Array = span @ null_space((span.T @ direction)[None, :])
        return out

    def _solved(self, program: _Program) -> Trained:
        x = solve(program.assembled())
        curvature, largest = program.curvature(x), program.largest(x)
        cost = program.cost(curvature, largest)
        return Trained(
            program.network, torch.from_numpy(curvature), torch.from_numpy(largest), cost
        )


class _Program:
    """The quadratic program of a network, its unknowns m, M and, if asked for, turns.

    Args:
        task: Samples and rules.
        network: Directions and knots.
        linearised: A solution to linearise at, and the basis of each direction's turns.
    """

    def __init__(
        self,
        task: _Task,
        network: OrbitNetwork,
        linearised: tuple[Trained, list[Array]] | None = None,
    ) -> None:
        self.task, self.network = task, network
        n, k, m, length = network.sizes
        self.owner = np.concatenate(
            [np.repeat(np.arange(n), k), np.repeat(n + np.arange(m), length)]
        )
        self.knots, self.units = len(self.owner), n + m
        self.grams = network.grams().numpy()
        self.traces = np.trace(self.grams, axis1=1, axis2=2) / len(task.span)
        self.left = self._seen(network.features(task.samples.x))
        self.moves, self.basis = 0, list[Array]()
        if linearised is not None:
            now, self.basis = linearised
            self._largest_now = now.largest.numpy()
            jacobian = network.direction_jacobian(task.samples.x, now.curvature).numpy()
            columns = [jacobian[:, :, i] @ b for i, b in enumerate(self.basis)]
            self.turned = self._seen(torch.from_numpy(np.concatenate(columns, axis=-1)))
            self.moves = self.turned.shape[1]

    def _seen(self, columns: Tensor) -> Array:
        out: Array = (self.task.samples.seen @ columns).flatten(0, 1).numpy()
        return out

    def curvature(self, x: Array) -> Array:
        """Return the curvatures of a solution, without the rounding of its bounds."""
        ceiling = self.largest(x)[self.owner]
        floor = np.zeros_like(ceiling) if self.task.rules.convex else -ceiling
        return np.clip(x[: self.knots], floor, ceiling)

    def largest(self, x: Array) -> Array:
        """Return the largest curvature of each unit of a solution."""
        return np.maximum(x[self.knots : self.knots + self.units], 0.0)

    def cost(self, curvature: Array, largest: Array) -> float:
        """Return the squared relative error plus the regularising terms."""
        error = self.left @ curvature - self.task.right
        rough = curvature @ self._roughness() @ curvature
        return float(error @ error + rough + 2.0 * STIFFNESS * self.traces @ largest)

    def assembled(self, damping: float = 0.0) -> ConeProgram:
        """Return the program, its turns damped."""
        p, u = self.knots, self.units
        columns = [self.left, np.zeros((len(self.left), u))]
        if self.moves:
            columns.append(self.turned)
        left = np.concatenate(columns, axis=1)
        quadratic = left.T @ left
        quadratic[:p, :p] += self._roughness()
        linear = left.T @ self.task.right
        linear[p : p + u] -= STIFFNESS * self.traces
        diagonal = np.arange(p + u, len(linear))
        quadratic[diagonal, diagonal] *= 1.0 + damping
        quadratic[diagonal, diagonal] += 1e-9 * damping
        matrices = self._certificate() if self.task.rules.bounded else None
        return ConeProgram(quadratic, linear, *self._constraints(), matrices)

    def _roughness(self) -> Array:
        change = np.diff(np.eye(self.knots), axis=0)[self.owner[1:] == self.owner[:-1]]
        out: Array = ROUGHNESS * change.T @ change
        return out

    def _constraints(self) -> tuple[csr_array, Array]:
        """Return ``floor <= m <= M`` and the largest turns."""
        p, q = self.knots, self.moves
        one, turn = eye_array(p), eye_array(q)
        mine = csr_array((np.ones(p), (np.arange(p), self.owner)), shape=(p, self.units))
        floor = 0.0 * mine if self.task.rules.convex else mine
        rows = [[-one, -floor, None], [one, -mine, None], [None, None, turn], [None, None, -turn]]
        limits = np.concatenate([np.zeros(2 * p), np.full(2 * q, LARGEST_TURN)])
        return csr_array(block_array(rows if q else [row[:2] for row in rows[:2]])), limits

    def _certificate(self) -> Array:
        """Return the matrices of ``sum M F ⪯ 1``, linearised in the turns, shape (n, d, d)."""
        matrices = [np.zeros((self.knots, *self.grams.shape[1:])), self.grams]
        group = self.network.group.numpy()
        for i, basis in enumerate(self.basis):
            image = group @ self.network.directions.numpy()[i]
            rate = np.einsum("gi,gjk,kq->qij", image, group, basis) * self._largest_now[i]
            matrices.append(rate + np.swapaxes(rate, 1, 2))
        return np.concatenate(matrices)
