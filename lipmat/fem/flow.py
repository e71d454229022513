"""Branches that flow, in UFL: trial, stress and history of a step, energy of the springs.

What a branch does is the law's scalar map, traced from torch; this module lifts it to tensors. At
large strain a branch remembers ``A = C_v^-1``. Its trial ``b = F A F^T`` is similar to ``T = C A``,
so with functions w and m of the eigenvalues of b

    P = F A w(T),      A_new = A m(T)

need neither eigenvectors nor inverses (``w = tau / b``, ``m = exp(-2 (eps_trial - eps))``). In
Newton's form with nodes x, ``A v(T) = v[1] A + v[1,2] B + v[1,2,3] D`` with the symmetric tensors
``B = A (T - x_1)`` and ``D = B (T - x_2)``, which serve all functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ufl

from lipmat.fem.lift import (
    deformation_gradient,
    divided_differences,
    eigenvalues,
    mandel_vector,
    symmetric_tensor,
)
from lipmat.fem.trace import Constant, values_in_ufl
from lipmat.materials.memory import TINY, MemoryLaw


@dataclass(frozen=True)
class Flow:
    """What a step gives.

    Attributes:
        stress: First Piola–Kirchhoff stress of the branches, at small strain the Cauchy stress.
        history: UFL scalars, as :attr:`MemoryLaw.history_size` says.
    """

    stress: Any
    history: list[Any]


def flow(law: MemoryLaw, h: Any, history: Sequence[Any], step: Any, constant: Constant) -> Flow:
    """Return what a step to a displacement gradient h gives.

    Args:
        law: The law.
        h: Displacement gradient at the end of the step, UFL tensor (3, 3).
        history: UFL scalars, before the step.
        step: UFL scalar, the time step [s].
        constant: Makes a UFL coefficient of an array of weights.
    """
    b = law.branches
    branch = _branch(law, h, constant)
    trials = [branch.trial(x) for x in _internal(law, history)]
    sizes = [ufl.sqrt(sum(x * x for x in t.strains) + TINY**2) for t in trials]
    flows = list(history[6 * b + 6 : -2]) if law.hardens else [ufl.as_ufl(0.0)] * b
    shares = values_in_ufl(law, "remainders", [*sizes, *flows, step], constant)
    springs = constant(law.shear_moduli.numpy())
    stress, internal, (at_end, mean) = 0, [], history[-2:]
    before = history[6 * b : 6 * b + 6]
    for i, (trial, share, size) in enumerate(zip(trials, shares, sizes, strict=True)):
        found = branch.spring(trial, share, size, before)
        at_end += springs[i] * found.at_end
        mean += springs[i] * found.mean
        stress += 2 * springs[i] * found.stress
        internal += branch.internal(trial, share)
    if law.hardens:
        flows = [f + (1 - s) * n for f, s, n in zip(flows, shares, sizes, strict=True)]
    flows = flows if law.hardens else []
    return Flow(stress, [*internal, *branch.last, *flows, at_end, mean])


def spring_energy(law: MemoryLaw, h: Any, history: Sequence[Any], constant: Constant) -> Any:
    """Return the energy density of the springs at a displacement gradient and a history."""
    branch = _branch(law, h, constant)
    moduli = constant(law.shear_moduli.numpy())
    strains = [branch.trial(x).strains for x in _internal(law, history)]
    return sum(moduli[i] * branch.energy(s) for i, s in enumerate(strains))


def elastic_stretches(law: MemoryLaw, h: Any, history: Sequence[Any]) -> tuple[Any, Any]:
    """Return the largest and the smallest elastic stretch of the branches, at large strain."""
    branch = _LogBranch(h)
    nodes = [branch.trial(x).nodes for x in _internal(law, history)]
    largest, smallest = nodes[0][0], nodes[0][2]
    for node in nodes[1:]:
        largest = ufl.max_value(largest, node[0])
        smallest = ufl.min_value(smallest, node[2])
    return ufl.sqrt(largest), ufl.sqrt(smallest)


def _internal(law: MemoryLaw, history: Sequence[Any]) -> list[Sequence[Any]]:
    return [history[6 * i : 6 * i + 6] for i in range(law.branches)]


def _branch(law: MemoryLaw, h: Any, constant: Constant) -> _SmallBranch | _LogBranch:
    if law.kinematics == "small":
        return _SmallBranch(h)
    return _LogBranch(h) if law.spring == "hencky" else _StiffeningBranch(h, law, constant)


@dataclass(frozen=True)
class _Trial:
    """A trial of a branch: the numbers that flow shrinks, and at large strain the rest of it."""

    strains: Sequence[Any]
    nodes: Sequence[Any] = ()
    powers: Sequence[Any] = ()  # A = C_v^-1, B and D

    def times(self, values: Sequence[Any]) -> Any:
        """Return ``A v(T)``, symmetric, of values of v at the nodes."""
        shares = divided_differences(self.nodes, values)
        return sum(d * x for d, x in zip(shares, self.powers, strict=True))


@dataclass(frozen=True)
class _Spring:
    """What a spring does in a step, over 2G and, its dissipation, over G.

    Attributes:
        stress: Of the step's end.
        at_end: What is lost, with that stress.
        mean: The same with the mean stress of the step.
    """

    stress: Any
    at_end: Any
    mean: Any


class _LinearSprings(ABC):
    """Springs whose stress is linear in the strain of the branch."""

    def spring(self, trial: _Trial, share: Any, size: Any, before: Sequence[Any]) -> _Spring:
        """Return what a spring does where a share of the trial of a size is left."""
        gone, square = 1 - share, size * size
        mean = gone * ((1 + share) * square - self.change(trial, before))
        return _Spring(share * self.stress(trial), 2 * gone * share * square, mean)

    def energy(self, strains: Sequence[Any]) -> Any:
        """Return the energy of a spring over G."""
        return sum(x * x for x in strains)

    @abstractmethod
    def stress(self, trial: _Trial) -> Any:
        """Return the stress of a trial, over 2G."""

    @abstractmethod
    def change(self, trial: _Trial, before: Sequence[Any]) -> Any:
        """Return ``trial : d e`` of the step from the last strain."""


class _SmallBranch(_LinearSprings):
    """Deviators of the small strain."""

    def __init__(self, h: Any) -> None:
        strain = ufl.sym(h)
        self.last = mandel_vector(strain - ufl.tr(strain) / 3 * ufl.Identity(3))
        """What the next step needs of this one, UFL scalars."""

    def trial(self, internal: Sequence[Any]) -> _Trial:
        """Return the elastic strain that a branch would have without flow."""
        return _Trial([e - a for e, a in zip(self.last, internal, strict=True)])

    def stress(self, trial: _Trial) -> Any:
        """Return the stress of a trial, over 2G."""
        return symmetric_tensor(trial.strains)

    def internal(self, trial: _Trial, share: Any) -> list[Any]:
        """Return the internal strain where a share of the trial is left."""
        return [e - share * x for e, x in zip(self.last, trial.strains, strict=True)]

    def change(self, trial: _Trial, before: Sequence[Any]) -> Any:
        """Return ``trial : d e`` of the step from the last strain."""
        moves = zip(trial.strains, self.last, before, strict=True)
        return sum(t * (e - b) for t, e, b in moves)


class _LogBranch(_LinearSprings):
    """Logarithmic strains of ``F_e``, exponential map."""

    def __init__(self, h: Any) -> None:
        self._f = deformation_gradient(h)
        self._c = self._f.T * self._f
        self.last = mandel_vector(h + h.T + h.T * h)
        """What the next step needs of this one, UFL scalars: ``C - 1``."""

    def trial(self, internal: Sequence[Any]) -> _Trial:
        """Return the elastic strains that a branch would have without flow."""
        a, one = ufl.Identity(3) + symmetric_tensor(internal), ufl.Identity(3)
        similar = self._c * a
        nodes = eigenvalues(similar)
        logs = [0.5 * ufl.ln(x) for x in nodes]
        mean = sum(logs) / 3
        first = _symmetric(a * (similar - nodes[0] * one))
        second = _symmetric(first * (similar - nodes[1] * one))
        return _Trial([x - mean for x in logs], nodes, (a, first, second))

    def _second_piola(self, trial: _Trial, kirchhoff: Sequence[Any]) -> Any:
        """Return the second Piola–Kirchhoff stress of principal Kirchhoff stresses of a trial."""
        return trial.times([t / x for t, x in zip(kirchhoff, trial.nodes, strict=True)])

    def stress(self, trial: _Trial) -> Any:
        """Return the first Piola–Kirchhoff stress of a trial, over 2G."""
        return self._f * self._second_piola(trial, trial.strains)

    def internal(self, trial: _Trial, share: Any) -> list[Any]:
        """Return ``A - 1`` where a share of the trial is left."""
        after = trial.times([ufl.exp(-2 * (1 - share) * e) for e in trial.strains])
        return mandel_vector(after - ufl.Identity(3))

    def change(self, trial: _Trial, before: Sequence[Any]) -> Any:
        """Return ``trial : d e``, which is ``S : d C / 2`` over 2G but for higher orders."""
        return self._power(self._second_piola(trial, trial.strains), before)

    def _power(self, second_piola: Any, before: Sequence[Any]) -> Any:
        moves = zip(mandel_vector(second_piola), self.last, before, strict=True)
        return sum(t * (c - b) for t, c, b in moves) / 2


def _symmetric(a: Any) -> Any:
    """Return a UFL tensor that is symmetric, by one of each two equal components."""
    return ufl.as_matrix([[a[min(i, j), max(i, j)] for j in range(3)] for i in range(3)])


class _StiffeningBranch(_LogBranch):
    """Springs whose stress is another function of the principal elastic strains."""

    def __init__(self, h: Any, law: MemoryLaw, constant: Constant) -> None:
        super().__init__(h)
        self._law, self._constant = law, constant

    def _of(self, method: str, strains: Sequence[Any]) -> list[Any]:
        return values_in_ufl(self._law, method, strains, self._constant)

    def spring(self, trial: _Trial, share: Any, size: Any, before: Sequence[Any]) -> _Spring:
        """Return what a spring does, by the rule of :meth:`MemoryLaw.advance`."""
        first = self._of("spring_stress", trial.strains)
        last = self._of("spring_stress", [share * x for x in trial.strains])
        slip = [(1 - share) * x for x in trial.strains]
        at_end = sum(2 * t * x for t, x in zip(last, slip, strict=True))
        work = sum((a + b) * x for a, b, x in zip(first, last, slip, strict=True))
        fallen = self._second_piola(trial, [a - b for a, b in zip(first, last, strict=True)])
        stress = self._f * self._second_piola(trial, last)
        return _Spring(stress, at_end, work - self._power(fallen, before))

    def energy(self, strains: Sequence[Any]) -> Any:
        """Return the energy of a spring over G."""
        return self._of("spring_energy", strains)[0]
