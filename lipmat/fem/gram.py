"""The products of rows that share nodes, ``R R^T``, summed into a matrix whose places stay.

A sparse product finds its places anew each time, which takes as long as its sums. The rows of a
body change with its motion, the nodes that they share do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lipmat.fem.compiler import library

Array = NDArray[np.float64]
_DECLARATION = """
void gram(int64_t rows, int64_t width, const int32_t *nodes, const int64_t *starts,
          const int32_t *places, const int32_t *entries, const double *r, double *out);
void multiply(int64_t rows, const int32_t *starts, const int32_t *columns, const double *values,
              const double *x, double *y);
"""
_CODE = """
#include <stdint.h>
void gram(int64_t rows, int64_t width, const int32_t *nodes, const int64_t *starts,
          const int32_t *places, const int32_t *entries, const double *r, double *restrict out)
{
  for (int64_t i = 0; i < rows * width; ++i)
    for (int64_t k = starts[nodes[i]]; k < starts[nodes[i] + 1]; ++k)
    {
      const double *a = r + 3 * i, *b = r + 3 * (int64_t)places[k];
      out[*entries++] += a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    }
}
void multiply(int64_t rows, const int32_t *starts, const int32_t *columns, const double *values,
              const double *x, double *restrict y)
{
  for (int64_t i = 0; i < rows; ++i)
  {
    double sum = 0.0;
    for (int32_t k = starts[i]; k < starts[i + 1]; ++k)
      sum += values[k] * x[columns[k]];
    y[i] = sum;
  }
}
"""


class Gram:
    """``R R^T`` of rows with three numbers at each of their nodes.

    Args:
        nodes: Of each row, shape (rows, width).
        values: Numbers of the rows, (rows * width, 3): the array stays, its numbers may change.
    """

    def __init__(self, nodes: NDArray[np.int32], values: Array) -> None:
        rows, width = nodes.shape
        flat = np.ascontiguousarray(nodes, dtype=np.int32).ravel()
        places = np.argsort(flat, kind="stable").astype(np.int32)
        starts = np.searchsorted(flat[places], np.arange(flat.max(initial=-1) + 2))
        owners, partners = _pairs(flat, starts, places, width)
        keys, entries = np.unique(owners * rows + partners, return_inverse=True)
        indptr = np.searchsorted(keys, rows * np.arange(rows + 1))
        shape = (np.zeros(len(keys)), (keys % rows).astype(np.int32), indptr.astype(np.int32))
        self.matrix = csr_matrix(shape, (rows, rows))
        """The matrix of the last call."""
        self._ffi, found = library("gram", _CODE, _DECLARATION, lambda: _CODE)
        self._gram, self._multiply = found.gram, found.multiply
        self._places = (
            *(self._integers(x) for x in (flat, starts.astype(np.int64), places)),
            self._integers(entries.astype(np.int32)),
            self._doubles(values),
            self._doubles(self.matrix.data),
        )
        self._size = rows, width
        self._rows = (
            self._integers(self.matrix.indptr),
            self._integers(self.matrix.indices),
            self._doubles(self.matrix.data),
        )

    def _integers(self, array: NDArray[Any]) -> Any:
        return self._ffi.from_buffer(f"{array.dtype.name}_t[]", array)

    def _doubles(self, array: Array) -> Any:
        return self._ffi.from_buffer("double[]", array)

    def update(self) -> None:
        """Take over the present values."""
        self.matrix.data[:] = 0.0
        self._gram(*self._size, *self._places)

    def __matmul__(self, x: Array) -> Array:
        """Return the product with a vector (rows,) of contiguous numbers."""
        y = np.empty(self._size[0])
        self._multiply(self._size[0], *self._rows, self._doubles(x), self._doubles(y))
        return y


def _pairs(
    flat: NDArray[np.int32], starts: NDArray[np.intp], places: NDArray[np.int32], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of all pairs of places at one node, in the order in which they are summed."""
    counts = np.diff(starts)[flat]
    first = np.repeat(np.arange(len(flat), dtype=np.int64), counts)
    within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    second = places[starts[flat[first]] + within]
    return first // width, second.astype(np.int64) // width
