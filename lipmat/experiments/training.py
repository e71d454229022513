"""Training of an orbit network under a certificate.

For given directions the best law is the solution of a convex program, and Gauss-Newton has only
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
from torch import Tensor

from lipmat.experiments.cone_program import solve
from lipmat.experiments.curvature_program import CurvatureProgram, Rules
from lipmat.experiments.knots import one_sided_knots, two_sided_knots
from lipmat.experiments.normal_equations import Samples
from lipmat.experiments.orbit_network import OrbitNetwork
from lipmat.experiments.starts import invariant_space, stabiliser

Array = NDArray[np.float64]
Progress = Callable[[int, int, float], None]

STEPS, ROUNDS = 12, 3  # Gauss-Newton steps between two placings of the knots
FEW = 2000  # states of which all serve in every round
TRIALS = 6  # of a step, each more damped
STAGNATION = 1e-3  # relative decrease of the cost at which a round ends


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with its curvature.

    Attributes:
        program: The program of its directions and knots.
        solution: Of the program.
        cost: Squared relative stress error, plus stiffness and roughness.
    """

    program: CurvatureProgram
    solution: Array
    cost: float

    @property
    def network(self) -> OrbitNetwork:
        """Directions and knots."""
        return self.program.network

    @property
    def curvature(self) -> Tensor:
        """Curvature of all splines, a vector."""
        return torch.from_numpy(self.program.curvature(self.solution))

    @property
    def largest(self) -> Tensor:
        """Largest curvature M of each unit that the certificate counts, shape (n + m,)."""
        return torch.from_numpy(self.program.largest(self.solution))


def train(
    samples: Samples,
    network: OrbitNetwork,
    span: Tensor,
    rules: Rules,
    progress: Progress | None = None,
) -> Trained:
    """Return the least stiff network that fits, with directions and knots moved to the data.

    Of many states only every so many-th serves in all rounds but the last.

    Args:
        samples: The data.
        network: Directions to start from; its knots only say how many there are.
        span: Orthonormal columns, the space that the directions stay in, shape (d, s).
        rules: What the law has to keep.
        progress: Called with step, steps and cost.
    """
    few = samples.thinned(FEW)
    task = _Task(few, span, rules)
    best = task.best(with_knots(network, few.x))
    for number in range(ROUNDS):
        if number == ROUNDS - 1 and few is not samples:
            task.samples = samples
            best = task.best(best.network)
        if number:
            again = task.best(with_knots(best.network, task.samples.x, best.curvature))
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
        self.damping = 1e-3

    def best(self, network: OrbitNetwork) -> Trained:
        """Return the network with the best curvature for its directions and knots."""
        program = CurvatureProgram.of(self.samples, network, self.rules, self.span.shape[1])
        x = solve(program.assembled())
        return Trained(program, x, program.cost(x))

    def moved(self, now: Trained) -> Trained:
        """Return the network after one damped Gauss-Newton step of its directions, or unchanged."""
        group = now.network.group.numpy()
        basis = [self._tangents(a, group) for a in now.network.directions.numpy()]
        if not any(b.shape[1] for b in basis):
            return now
        program = now.program.with_turns(self.samples, now.solution, basis)
        for _ in range(TRIALS):
            turns = program.turns(solve(program.assembled(self.damping)))
            there = self.best(_turned(now.network, basis, turns))
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


def _turned(network: OrbitNetwork, basis: list[Array], turns: Array) -> OrbitNetwork:
    each = np.split(turns, np.cumsum([b.shape[1] for b in basis])[:-1])
    moves = np.array([b @ t for b, t in zip(basis, each, strict=True)])
    directions = network.directions + torch.from_numpy(moves)
    return replace(network, directions=torch.nn.functional.normalize(directions, dim=1))
