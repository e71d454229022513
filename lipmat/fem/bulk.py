"""The bulk term of a rubber-like body at its present state: a vector for each cell or point.

Their entries are ``cof F . grad N`` at the nodes; see :mod:`lipmat.fem.sharp`, which they serve.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from lipmat.fem.body import Array, Body
from lipmat.fem.compiler import library
from lipmat.fem.forms import MaterialForms, degree_of
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
import basix

CHUNK = 2**12  # cells whose gradients at all points are held at a time
_DECLARATION = """void rows(int64_t count, int64_t width, const int32_t *nodes, const double *u,
          const double *gradient, const double *of_rows, const double *of_nodes, double *out,
          double *ratio);"""
_CODE = """
#include <stdint.h>
void rows(int64_t count, int64_t width, const int32_t *nodes, const double *u,
          const double *gradient, const double *of_rows, const double *of_nodes,
          double *restrict out, double *restrict ratio)
{
  for (int64_t r = 0; r < count; ++r)
  {
    double f[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, c[9];
    for (int64_t k = r * width; k < (r + 1) * width; ++k)
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
          f[3 * i + j] += u[3 * (int64_t)nodes[k] + i] * gradient[3 * k + j];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
      {
        const int a = 3 * ((i + 1) % 3), b = 3 * ((i + 2) % 3), m = (j + 1) % 3, n = (j + 2) % 3;
        c[3 * i + j] = f[a + m] * f[b + n] - f[a + n] * f[b + m];
      }
    ratio[r] = f[0] * c[0] + f[1] * c[1] + f[2] * c[2];
    for (int64_t k = r * width; k < (r + 1) * width; ++k)
    {
      const double *g = gradient + 3 * k, share = of_rows[r] * of_nodes[nodes[k]];
      for (int i = 0; i < 3; ++i)
        out[3 * k + i] = share * (c[3 * i] * g[0] + c[3 * i + 1] * g[1] + c[3 * i + 2] * g[2]);
    }
  }
}
"""


class BulkRows:
    """Vectors r with ``int alpha (cof F : grad u)^2 = sum (r . u)^2``, each over sqrt of the mass.

    Args:
        body: The body.
        forms: Those of a law in stretches.
        cells: Its cells.
    """

    def __init__(self, body: Body, forms: MaterialForms, cells: NDArray[np.int32]) -> None:
        self.law = forms.law
        self._gradient, weight = _chunked(body, cells, forms.meaned["volumetric"])
        self.nodes = np.repeat(body.space.dofmap.list[cells], weight.shape[1], axis=0)
        """Of each row, shape (n q, a)."""
        self._of_rows, self._of_nodes = np.sqrt(weight), 1.0 / np.sqrt(body.mass[::3])
        self._ffi, found = library("bulk", _CODE, _DECLARATION, lambda: _CODE)
        self._rows = found.rows

    def put_into(self, array: Array) -> int:
        """Keep the rows' numbers in the beginning of an array; return how many there are."""
        self._values = array[: self._gradient.size]
        return int(self._gradient.size)

    def update(self, u: Array) -> Array:
        """Take over a displacement (n_nodes, 3) [m]; return the volume ratios of the rows."""
        ratios = np.empty(len(self.nodes))
        reals = (u, self._gradient, self._of_rows, self._of_nodes, self._values, ratios)
        nodes = self._ffi.from_buffer("int32_t[]", self.nodes)
        self._rows(*self.nodes.shape, nodes, *(self._ffi.from_buffer("double[]", x) for x in reals))
        return ratios

    def scale(self, alpha: float) -> None:
        """Multiply the energy of the rows by a modulus [Pa]."""
        self._values *= sqrt(alpha)


def _chunked(body: Body, cells: NDArray[np.int32], means: bool) -> tuple[Array, Array]:
    """Return gradients and weights, or the means over the cells, without large arrays between."""
    gradient, weight = (np.empty((len(cells), *x.shape[1:])) for x in _of(body, cells[:1], means))
    for start in range(0, len(cells), CHUNK):
        part = slice(start, start + CHUNK)
        gradient[part], weight[part] = _of(body, cells[part], means)
    return gradient, weight


def _of(body: Body, cells: NDArray[np.int32], means: bool) -> tuple[Array, Array]:
    """Return gradients and weights of cells, or means and volumes."""
    pair = _gradients(body, cells)
    return _means(*pair) if means else pair


def _gradients(body: Body, cells: NDArray[np.int32]) -> tuple[Array, Array]:
    """Return the gradients of the nodes' functions (n, q, a, 3) [1/m] and the weights [m^3]."""
    geometry = body.mesh.geometry
    kind = getattr(basix.CellType, str(body.mesh.topology.cell_name()))
    points, weights = basix.make_quadrature(kind, degree_of(body.mesh))
    element = basix.create_element(basix.ElementFamily.P, kind, 1)
    slopes = np.moveaxis(element.tabulate(1, points)[1:, :, :, 0], 0, -1)
    corners = np.swapaxes(geometry.x[geometry.dofmaps[0][cells]], 1, 2)
    jacobian = corners[:, None] @ slopes
    volume = np.abs(np.linalg.det(jacobian)) * weights
    return slopes @ np.linalg.inv(jacobian), volume


def _means(gradient: Array, weight: Array) -> tuple[Array, Array]:
    """Return the mean gradients over the cells (n, 1, a, 3) and the cells' volumes (n, 1)."""
    volume = weight.sum(axis=1, keepdims=True)
    mean = (weight[:, :, None, None] * gradient).sum(axis=1, keepdims=True)
    return mean / volume[..., None, None], volume
