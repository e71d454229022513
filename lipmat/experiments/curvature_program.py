"""The convex program for the curvature of an orbit network whose directions are given.

The stress is linear in the curvature of the splines, and so are the bounds 0 <= m <= M of each
unit; with its Gram matrices F the certificate is ``sum_i M_i F_i ⪯ 1``, a linear matrix inequality.
Small turns of the directions may be unknowns too: all is then linearised at a solution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import block_array, csr_array, eye_array
from torch import Tensor

from lipmat.experiments.cone_program import ConeProgram
from lipmat.experiments.normal_equations import Normal, Samples, bordered, normal
from lipmat.experiments.orbit_network import OrbitNetwork

Array = NDArray[np.float64]

STIFFNESS = 1.5e-5  # weight of the certificate's trace; the squared relative stress error has 1
ROUGHNESS = 1e-6  # weight of the squared differences of neighbouring curvatures
LARGEST_TURN = 0.3  # of a direction in one step [rad]


@dataclass(frozen=True)
class Rules:
    """What a law has to keep.

    Attributes:
        bounded: Whether ``sum M F <= 1`` is a constraint; else the certificate is a result.
        convex: Whether curvatures are not negative; else not below -M.
    """

    bounded: bool
    convex: bool


@dataclass(frozen=True, eq=False)
class CurvatureProgram:
    """The program of a network; its unknowns are m, M and the turns, in this order.

    Attributes:
        network: Directions and knots.
        rules: What the law has to keep.
        dimension: Of the space of the directions.
        normal: Normal equations of m and of the turns.
        rates: Derivative of the certificate in the turns, shape (q, d, d).
    """

    network: OrbitNetwork
    rules: Rules
    dimension: int
    normal: Normal
    rates: Array

    @classmethod
    def of(cls, samples: Samples, network: OrbitNetwork, rules: Rules, dimension: int) -> Self:
        """Return the program without turns."""
        d = network.directions.shape[1]
        sums = normal(samples, network.features)
        return cls(network, rules, dimension, sums, np.zeros((0, d, d)))

    def with_turns(self, samples: Samples, x: Array, basis: list[Array]) -> CurvatureProgram:
        """Return the program linearised at a solution.

        Args:
            samples: The data.
            x: A solution of this program.
            basis: Of each direction's turns, orthonormal columns (d, q_i).
        """
        curvature = torch.from_numpy(self.curvature(x))
        columns = [torch.from_numpy(b) for b in basis]

        def turned(states: Tensor) -> Tensor:
            jacobian = self.network.direction_jacobian(states, curvature)
            return torch.cat([jacobian[:, :, i] @ b for i, b in enumerate(columns)], -1)

        both = bordered(samples, self.normal, self.network.features, turned)
        return replace(self, normal=both, rates=self._rates(self.largest(x), basis))

    def _rates(self, largest: Array, basis: list[Array]) -> Array:
        group, directions = self.network.group.numpy(), self.network.directions.numpy()
        rates = [
            most * np.einsum("gi,gjk,kq->qij", group @ a, group, b)
            for a, b, most in zip(directions, basis, largest[: len(basis)], strict=True)
        ]
        half: Array = np.concatenate(rates)
        return half + np.swapaxes(half, 1, 2)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The numbers of curvatures m, of units with their M, and of turns."""
        n, k, m, length = self.network.sizes
        return n * k + m * length, n + m, len(self.rates)

    @property
    def owner(self) -> NDArray[np.int64]:
        """The unit of each curvature."""
        n, k, m, length = self.network.sizes
        return np.repeat(np.arange(n + m), [k] * n + [length] * m)

    @property
    def traces(self) -> Array:
        """The trace of each unit's Gram matrix, over the number of dimensions."""
        grams = self.network.grams().numpy()
        out: Array = np.trace(grams, axis1=1, axis2=2) / self.dimension
        return out

    def curvature(self, x: Array) -> Array:
        """Return the curvatures of a solution, without the rounding of its bounds."""
        ceiling = self.largest(x)[self.owner]
        floor = np.zeros_like(ceiling) if self.rules.convex else -ceiling
        return np.clip(x[: len(ceiling)], floor, ceiling)

    def largest(self, x: Array) -> Array:
        """Return the largest curvature of each unit of a solution."""
        p, u, _ = self.sizes
        return np.maximum(x[p : p + u], 0.0)

    def turns(self, x: Array) -> Array:
        """Return the turns of a solution."""
        p, u, _ = self.sizes
        return x[p + u :]

    def cost(self, x: Array) -> float:
        """Return squared relative error, stiffness and roughness of a solution without turns."""
        curvature = self.curvature(x)
        rough = curvature @ self._roughness() @ curvature
        stiff = 2.0 * STIFFNESS * self.traces @ self.largest(x)
        return self.normal.squared_error(curvature) + float(rough + stiff)

    def assembled(self, damping: float = 0.0) -> ConeProgram:
        """Return the program, its turns damped."""
        p, u, q = self.sizes
        known = np.r_[:p, p + u : p + u + q]
        quadratic, linear = np.zeros((p + u + q, p + u + q)), np.zeros(p + u + q)
        quadratic[np.ix_(known, known)] = self.normal.square
        quadratic[:p, :p] += self._roughness()
        linear[known] = self.normal.right
        linear[p : p + u] = -STIFFNESS * self.traces
        turns = np.arange(p + u, p + u + q)
        quadratic[turns, turns] = quadratic[turns, turns] * (1.0 + damping) + 1e-9 * damping
        matrices = self._certificate() if self.rules.bounded else None
        return ConeProgram(quadratic, linear, *self._constraints(), matrices)

    def _roughness(self) -> Array:
        owner = self.owner
        change = np.diff(np.eye(len(owner)), axis=0)[owner[1:] == owner[:-1]]
        out: Array = ROUGHNESS * change.T @ change
        return out

    def _constraints(self) -> tuple[csr_array, Array]:
        """Return ``floor <= m <= M`` and the largest turns."""
        p, u, q = self.sizes
        one, turn = eye_array(p), eye_array(q)
        mine = csr_array((np.ones(p), (np.arange(p), self.owner)), shape=(p, u))
        floor = 0.0 * mine if self.rules.convex else mine
        rows = [[-one, -floor, None], [one, -mine, None], [None, None, turn], [None, None, -turn]]
        limits = np.concatenate([np.zeros(2 * p), np.full(2 * q, LARGEST_TURN)])
        return csr_array(block_array(rows if q else [row[:2] for row in rows[:2]])), limits

    def _certificate(self) -> Array:
        """Return the matrices of ``sum M F ⪯ 1``, linearised in the turns, shape (n, d, d)."""
        p, _, _ = self.sizes
        grams = self.network.grams().numpy()
        return np.concatenate([np.zeros((p, *grams.shape[1:])), grams, self.rates])
