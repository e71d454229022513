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
void gram(int64_t rows, int shift, const int32_t *nodes, const int32_t *starts,
          const int32_t *places, const int32_t *row_starts, const int32_t *columns,
          int32_t *entry, const double *r, double *out);
void multiply(int64_t rows, const int32_t *row_starts, const int32_t *columns,
              const double *values, const double *x, double *y);
"""
_CODE = """
#include <stdint.h>
void gram(int64_t rows, int shift, const int32_t *nodes, const int32_t *starts,
          const int32_t *places, const int32_t *row_starts, const int32_t *columns,
          int32_t *restrict entry, const double *r, double *restrict out)
{
  for (int64_t row = 0; row < rows; ++row)
  {
    for (int32_t k = row_starts[row]; k < row_starts[row + 1]; ++k)
    {
      entry[columns[k]] = k;
      out[k] = 0.0;
    }
    for (int64_t i = row << shift; i < (row + 1) << shift; ++i)
      for (int32_t k = starts[nodes[i]]; k < starts[nodes[i] + 1]; ++k)
      {
        const double *a = r + 3 * i, *b = r + 3 * (int64_t)places[k];
        out[entry[places[k] >> shift]] += a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
      }
  }
}
void multiply(int64_t rows, const int32_t *row_starts, const int32_t *columns,
              const double *values, const double *x, double *restrict y)
{
  for (int64_t i = 0; i < rows; ++i)
  {
    double sum = 0.0;
    for (int32_t k = row_starts[i]; k < row_starts[i + 1]; ++k)
      sum += values[k] * x[columns[k]];
    y[i] = sum;
  }
}
"""


class Gram:
    """``R R^T`` of rows with three numbers at each of their nodes.

    Args:
        nodes: Of each row, shape (rows, width), the width a power of 2.
        values: Numbers of the rows, (rows * width, 3): the array stays, its numbers may change.

    Attributes:
        matrix: The matrix of the last :meth:`update`.
    """

    def __init__(self, nodes: NDArray[np.int32], values: Array) -> None:
        rows, width = nodes.shape
        flat = nodes.ravel()
        places = np.argsort(flat, kind="stable").astype(np.int32)
        starts = np.searchsorted(flat[places], np.arange(flat.max(initial=-1) + 2))
        ends = width * np.arange(rows + 1)
        incidence = csr_matrix((np.ones(flat.size, np.int8), flat, ends))
        pattern = incidence @ incidence.T
        self.matrix = csr_matrix(
            (np.zeros(pattern.nnz), pattern.indices, pattern.indptr), (rows, rows)
        )
        self._ffi, found = library("gram", _CODE, _DECLARATION, lambda: _CODE)
        self._gram, self._multiply = found.gram, found.multiply
        shape = (self.matrix.indptr, self.matrix.indices)
        at_nodes = (flat, starts, places, *shape, np.zeros(rows))
        self._size = rows, width.bit_length() - 1
        assert width == 1 << self._size[1]
        self._places = (
            *map(self._integers, at_nodes),
            self._doubles(values),
            self._doubles(self.matrix.data),
        )
        self._rows = (*map(self._integers, shape), self._doubles(self.matrix.data))

    def _integers(self, array: NDArray[Any]) -> Any:
        """Return a pointer that keeps what it points to."""
        return self._ffi.from_buffer("int32_t[]", np.ascontiguousarray(array, dtype=np.int32))

    def _doubles(self, array: Array) -> Any:
        return self._ffi.from_buffer("double[]", array)

    def update(self) -> None:
        """Take over the present values."""
        self._gram(*self._size, *self._places)

    def __matmul__(self, x: Array) -> Array:
        """Return the product with a vector (rows,) of contiguous numbers."""
        y = np.empty(self._size[0])
        self._multiply(self._size[0], *self._rows, self._doubles(x), self._doubles(y))
        return y
