"""What a code must offer to be compared, and which codes are."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.peers.problem import Problem

Array = NDArray[np.float64]
State = tuple[Array, Array]


class Peer(Protocol):
    """A code with the problem in it; displacements and forces are (n, 3) in the problem's order.

    Attributes:
        name: Of the code.
        law: ``learned`` or ``elastic``.
        way: How it is used, in a line.
        rule: The step rule that it offers, in a line; empty: none.
    """

    name: ClassVar[str]
    law: str
    way: str
    rule: ClassVar[str]

    def version(self) -> str:
        """Return the code's version."""
        ...

    def force(self, u: Array) -> Array:
        """Return the internal force [N]."""
        ...

    def repeated(self, u: Array) -> Callable[[], object]:
        """Return a call that computes the internal force once more and waits for it."""
        ...

    def march(self, start: State, step: float, count: int) -> State:
        """Return displacement and velocity (half a step back) after steps of central difference."""
        ...

    def own_step(self) -> float | None:
        """Return the step that the code recommends [s]; None: it has no rule."""
        ...


Maker = Callable[[Problem], Peer]
LIPMAT = {"lipmat": "of_lipmat:Learned", "lipmat, elastic": "of_lipmat:Elastic"}
FORMULATIONS = {
    "lipmat, default": "of_lipmat:Selective",
    "lipmat, reduced": "of_lipmat:Reduced",
}
"""lipmat with formulations that the others do not have."""
PEERS = {
    "feax": "of_feax:Feax",
    "jax-fem": "of_jax_fem:JaxFem",
    "torch-fem": "of_torch_fem:TorchFem",
    "external operator": "of_external_operator:ExternalOperator",
    "akantu": "of_akantu:Akantu",
}
"""Name of each code to file and class among the adapters."""


def central_difference(
    force: Callable[[Array], Array], problem: Problem, start: State, step: float, count: int
) -> State:
    """Return displacement and velocity after steps with a force that speaks numpy."""
    u, v = (array.copy() for array in start)
    factor = np.repeat((step / problem.mass)[:, None], 3, axis=1)
    factor[problem.fixed] = 0.0
    for _ in range(count):
        v -= factor * force(u)
        u += step * v
    return u, v


def seconds(call: Callable[[], object], times: int) -> list[float]:
    """Return the processor's time that each of several calls took, over all threads [s].

    With one thread on one core it is the time by the clock on the wall, unless others use that core
    too: then the one is a measure still and the other is not.
    """
    found = []
    for _ in range(times):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return found
