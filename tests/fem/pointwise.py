"""UFL expressions of a field of numbers, compiled as a run compiles its forms and evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.fem.forms import JIT
from lipmat.fem.mpi import MPI

# isort: split
import ufl
from dolfinx import fem, mesh

Array = NDArray[np.float64]


def compiled(make: Callable[[Any, Callable[[Array], Any]], Any], values: Array) -> Array:
    """Return what ``make(field, constant)`` is at each row of ``values`` (n, ...)."""
    count, shape = len(values), values.shape[1:]
    line = mesh.create_interval(MPI.COMM_SELF, count, [0.0, 1.0])
    field = fem.Function(fem.functionspace(line, ("DG", 0, shape)))
    field.x.array[:] = values.reshape(-1)
    expression = make(field, lambda a: fem.Constant(line, a))
    middle = np.array([[0.5]])
    cells = np.arange(count, dtype=np.int32)
    found: Array = fem.Expression(expression, middle, jit_options=JIT).eval(line, cells)
    return found.reshape(count, *ufl.as_ufl(expression).ufl_shape)
