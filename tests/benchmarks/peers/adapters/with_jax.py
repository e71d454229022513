"""What the codes on jax share: the law, a compiled force and a compiled loop of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.benchmarks.peers.law import LearnedLaw, stress_by_stages
from tests.benchmarks.peers.peer import Array, State
from tests.benchmarks.peers.problem import Problem

jax.config.update("jax_enable_x64", True)


def tensor_map(problem: Problem) -> Callable[[Any], Any]:
    """Return the stress (3, 3) of a displacement gradient (3, 3) of one point."""
    law = LearnedLaw(jnp, problem.law, method="compare_all")
    stages = [_apart(stage) for stage in law.stages()]

    def stress(gradient: Any) -> Any:
        nine = [(gradient + jnp.eye(3))[i, j] for i in range(3) for j in range(3)]
        return jnp.stack(stress_by_stages(nine, *stages)).reshape(3, 3)

    return stress


def _apart(stage: Callable[..., Any]) -> Callable[..., Any]:
    """Return a stage whose result the compiler computes once, and not for each that uses it."""
    return lambda *arguments: jax.lax.optimization_barrier(stage(*arguments))


class JaxCode:
    """A force ``(u, data) -> f`` of arrays (n, 3), compiled by itself and in a loop of steps.

    Args:
        problem: The problem.
        force: The force.
        data: Arrays that the force needs, handed over as an argument.
    """

    rule, law = "", "learned"

    def __init__(self, problem: Problem, force: Callable[[Any, Any], Any], data: Any) -> None:
        self._data = data
        self._force = jax.jit(force)
        mass = np.repeat(problem.mass[:, None], 3, axis=1)
        mass[problem.fixed] = np.inf
        self._inverse_mass = jnp.asarray(1.0 / mass)

        def march(start: Any, factor: Any, step: Any, count: Any, data: Any) -> Any:
            def advance(_: Any, state: Any) -> Any:
                u, v = state
                v = v - factor * force(u, data)
                return u + step * v, v

            return jax.lax.fori_loop(0, count, advance, start)

        self._march = jax.jit(march)

    def force(self, u: Array) -> Array:
        return np.asarray(self._force(jnp.asarray(u), self._data))

    def repeated(self, u: Array) -> Callable[[], object]:
        place = jnp.asarray(u)
        return lambda: self._force(place, self._data).block_until_ready()

    def march(self, start: State, step: float, count: int) -> State:
        state = tuple(jnp.asarray(array) for array in start)
        u, v = self._march(state, step * self._inverse_mass, step, count, self._data)
        return np.asarray(u), np.asarray(v)

    def own_step(self) -> float | None:
        return None
