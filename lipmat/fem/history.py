"""What the points of a body remember: history at quadrature points, in dolfinx functions.

The internal force advances it, in the same pass over the cells: at every point of a cell the
compiled step gives the stress and the new history, see :mod:`lipmat.fem.flow`. So there is one
advance for each assembled force, by the time that has gone since the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import basix
import basix.ufl
import numpy as np
import ufl
from numpy.typing import NDArray

from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
from dolfinx import fem, mesh

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Advancing:
    """What a coefficient stands for that is computed at the quadrature points of each cell.

    Attributes:
        expression: UFL vector of the coefficient's values at a point.
        points: In the reference cell, shape (p, 3).
        history: Function that remembers the last of them, one block for each point.
    """

    expression: Any
    points: Array
    history: fem.Function


class History:
    """What the points of one material's cells remember.

    Args:
        domain: The mesh.
        degree: Of the quadrature whose points remember; None: one point for each cell.
        size: Numbers that a point remembers.

    Attributes:
        function: Their values, at first zero.
        step: Time since the last advance, a UFL constant [s].
    """

    def __init__(self, domain: mesh.Mesh, degree: int | None, size: int) -> None:
        self._mesh, self._degree, self._size = domain, degree, size
        self.function = fem.Function(fem.functionspace(domain, self._element(size)))
        self.step = fem.Constant(domain, np.array(0.0))

    def _element(self, size: int) -> Any:
        cell = str(self._mesh.topology.cell_name())
        if self._degree is None:
            return basix.ufl.element("DG", cell, 0, shape=(size,))
        return basix.ufl.quadrature_element(cell, value_shape=(size,), degree=self._degree)

    @property
    def values(self) -> list[Any]:
        """What a point remembers, UFL scalars."""
        return [self.function[i] for i in range(self._size)]

    def advancing(self, stress: Sequence[Any], after: Sequence[Any]) -> Any:
        """Return the stress of a step as a UFL coefficient, whose evaluation takes the step.

        Args:
            stress: UFL scalars, its components.
            after: UFL scalars, what the point remembers then.
        """
        expression = ufl.as_vector([*stress, *after])
        element = self._element(len(stress) + len(after))
        found = ufl.Coefficient(ufl.FunctionSpace(self._mesh.ufl_domain(), element))
        kind = getattr(basix.CellType, str(self._mesh.topology.cell_name()))
        points = basix.make_quadrature(kind, self._degree or 1)[0]
        found.advance = Advancing(expression, points, self.function)
        return ufl.as_vector([found[i] for i in range(len(stress))])

    @property
    def cells(self) -> Array:
        """Values of the owned cells, a copy of shape (cells, points * size)."""
        found: Array = self._blocks[self._dofs]
        return found.reshape(len(found), -1)

    @cells.setter
    def cells(self, values: Array) -> None:
        self._blocks[self._dofs] = values.reshape(*self._dofs.shape, self._size)

    @property
    def _blocks(self) -> Array:
        blocks: Array = self.function.x.array.reshape(-1, self._size)
        return blocks

    @property
    def _dofs(self) -> NDArray[np.int32]:
        owned = self._mesh.topology.index_map(3).size_local
        dofs: NDArray[np.int32] = self.function.function_space.dofmap.list[:owned]
        return dofs


class Memory:
    """What a body remembers over a run.

    Args:
        histories: Of each material; None where the law is elastic.
    """

    def __init__(self, histories: Sequence[History | None]) -> None:
        self.histories = tuple(histories)
        self._present = [h for h in self.histories if h is not None]
        self._step = 0.0

    def __bool__(self) -> bool:
        return bool(self._present)

    def set_step(self, step: float) -> bool:
        """Set the time since the last advance [s]; return whether it is another than before."""
        changed = step != self._step
        self._step = step
        if changed:
            for history in self._present:
                history.step.value = step
        return changed and bool(self)

    def state(self) -> dict[str, Array]:
        """Return what a restart needs, one row for each owned cell and array."""
        return {f"history_{i}": h.cells for i, h in enumerate(self.histories) if h is not None}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Return to what :meth:`state` gave."""
        for i, history in enumerate(self.histories):
            if history is not None:
                history.cells = state[f"history_{i}"]
