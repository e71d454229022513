r"""Trilinear hexahedra in closed form: the mean gradient of a cell, and what it does not see.

The modes of a function are sums and differences of its eight nodal values, ``H u`` with the
Hadamard matrix H: kernels over lanes pass them on anyway (:mod:`lipmat.fem.lanes`). With X in
[-1/2, 1/2]^3 and (i, j, k) cyclic,

    u = u_0 + sum_i p_i X_i + sum_i q_i X_j X_k + r X_1 X_2 X_3,

and x likewise with a_i, b_i, c. Integrating ``grad u = sum_i u_,i (x_,j x x_,k) / det`` gives,
exactly,

    int grad u = sum_i p_i (a_j x a_k + b_k x b_j / 12)^T + q_i (a_k x b_j + b_k x a_j)^T / 12,

the same as eight Gauss points. Beyond it are ``Q_i = q_i - mean b_i`` and ``R = r - mean c``, zero
for linear fields on cells of any shape (Flanagan & Belytschko, Int. J. Numer. Meth. Engng 17 (1981)
679). With the metric ``g_ij = K_i . K_j`` of the Jacobian's inverse K at the centre,

    |grad u - mean|^2  ->  (sum_{i != j} g_ij Q_i . Q_j + sum_i (g_jj + g_kk) |Q_i|^2) / 12
                           + (g_11 + g_22 + g_33) |R|^2 / 144

is its average over the cell: exactly on parallelepipeds, and a norm of Q and R on all cells.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import basix.ufl
import numpy as np
import ufl
from numpy.typing import NDArray

from lipmat.fem.lanes import HEXAHEDRON
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
from dolfinx import mesh

Scalars = NDArray[np.object_]
COORDINATES = "coordinates"
"""What the modes of the mesh's own coordinates are the modes of."""
_COORDINATES: WeakKeyDictionary[mesh.Mesh, Any] = WeakKeyDictionary()


def modes_space(domain: Any, block: int) -> ufl.FunctionSpace:
    """Return the space of the modes of functions of some components, mode by mode."""
    element = basix.ufl.element("DG", "hexahedron", 0, shape=(HEXAHEDRON * block,))
    return ufl.FunctionSpace(domain, element)


def modes_of(f: Any) -> Any:
    """Return a new coefficient or argument: the modes of a function or of a test function.

    It tells in ``modes_of`` which function it belongs to; an argument's space tells which space.
    """
    space = f.ufl_function_space()
    target = modes_space(space.ufl_domain(), int(np.prod(f.ufl_shape)))
    if isinstance(f, ufl.Argument):
        target.modes_of = space
        return ufl.Argument(target, f.number())
    found = ufl.Coefficient(target)
    found.modes_of = f
    return found


def coordinate_modes(domain: mesh.Mesh) -> Any:
    """Return the coefficient that is the modes of the coordinates."""
    if domain not in _COORDINATES:
        found = ufl.Coefficient(modes_space(domain.ufl_domain(), 3))
        found.modes_of = COORDINATES
        _COORDINATES[domain] = found
    return _COORDINATES[domain]


class Hexahedra:
    """Closed forms over cells, as UFL expressions that are constant in each.

    Args:
        coordinates: Modes of the coordinates.
    """

    def __init__(self, coordinates: Any) -> None:
        self._slope, self._twist, self._third = _parts(coordinates)
        a, b = self._slope, self._twist
        cyclic = [((i + 1) % 3, (i + 2) % 3) for i in range(3)]
        self._normal = [_cross(a[j], a[k]) for j, k in cyclic]
        of_slope = [
            n + _cross(b[k], b[j]) / 12 for n, (j, k) in zip(self._normal, cyclic, strict=True)
        ]
        of_twist = [(_cross(a[k], b[j]) + _cross(b[k], a[j])) / 12 for j, k in cyclic]
        self._rows = np.stack([*of_slope, *of_twist])
        self.volume = np.concatenate([a, b])[:, 0] @ self._rows[:, 0]
        """Of each cell, negative if its nodes are in the other orientation [m^3]."""
        self.centre = a[0] @ self._normal[0]
        """Determinant of the Jacobian at the centre [m^3]."""

    def mean_gradient(self, modes: Any) -> Scalars:
        """Return the mean gradient of a function of some components, shape (components, 3)."""
        p, q, _ = _parts(modes)
        mean: Scalars = np.concatenate([p, q]).T @ self._rows / self.volume
        return mean

    def beyond(self, modes: Any) -> Scalars:
        """Return Q_1, Q_2, Q_3 and R of a function, shape (4, components)."""
        _, q, r = _parts(modes)
        linear = np.stack([*self._twist, self._third]) @ self.mean_gradient(modes).T
        out: Scalars = np.stack([*q, r]) - linear
        return out

    def forces(self, beyond: Scalars) -> Scalars:
        """Return the derivatives of half the average of ``|grad u - mean|^2`` in Q and R."""
        k = np.stack(self._normal) / self.centre
        metric = k @ k.T
        trace = metric[0, 0] + metric[1, 1] + metric[2, 2]
        weight = metric / 12
        for i in range(3):
            weight[i, i] = (trace - metric[i, i]) / 12
        out: Scalars = np.concatenate([weight @ beyond[:3], trace / 144 * beyond[3:]])
        return out

    def work(self, forces: Scalars, modes: Any, stress: Any = 0) -> Any:
        """Return ``stress : mean + sum forces . (Q, R)`` of the modes of a test function.

        It is collected mode by mode, which makes far fewer operations than the mean gradient of the
        test function.

        Args:
            forces: On Q and R, shape (4, components).
            modes: Of the test function.
            stress: On its mean gradient, shape (components, 3).
        """
        p, q, r = _parts(modes)
        on_mean = stress - forces.T @ np.stack([*self._twist, self._third])
        on_modes = self._rows @ (on_mean / self.volume).T
        on_modes[3:] += forces[:3]
        return (np.concatenate([p, q]) * on_modes).sum() + forces[3] @ r


def _parts(modes: Any) -> tuple[Scalars, Scalars, Scalars]:
    """Return p (3, components), q (3, components) and r (components,) of modes.

    Mode n is odd in the directions of the bits of n.
    """
    block = modes.ufl_shape[0] // HEXAHEDRON
    m: Any = np.array([modes[n] for n in range(HEXAHEDRON * block)], dtype=object).reshape(
        HEXAHEDRON, block
    )
    return -m[[1, 2, 4]] / 4, m[[6, 5, 3]] / 2, -m[7]


def _cross(a: Scalars, b: Scalars) -> Scalars:
    return np.array([a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)], dtype=object)
