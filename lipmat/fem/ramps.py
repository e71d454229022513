"""A sum of squared ramps, ``sum_k d_k (z - t_k)_+^2``, as one operation of UFL.

It is what splines are made of. Written out, each knot costs four operations for every argument; as
one operation the kernel adds the knots up in a loop that ends at the first knot which all lanes lie
below. Kernels over lanes know it (:mod:`lipmat.fem.lanes`), plain FFCx does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
import ffcx.codegeneration.lnodes as lnodes
from ufl.core.operator import Operator
from ufl.core.ufl_type import ufl_type
from ufl.mathfunctions import BesselFunction

Array = NDArray[np.float64]
NAME = "ramps"
CODE = """
static inline __attribute__((always_inline)) lanes ramps(const double *restrict table, lanes z)
{
  const int n = table[0];
  const double *t = table + 1, *d = t + n;
  double most = z[0];
  for (int l = 1; l < LANES; ++l)
    most = z[l] > most ? z[l] : most;
  lanes even = ZERO, odd = ZERO;
  for (int k = 0; k < n && t[k] < most; k += 2)
  {
    const lanes a = lanes_fmax(z - t[k], ZERO), b = lanes_fmax(z - t[k + 1], ZERO);
    even += d[k] * (a * a);
    odd += d[k + 1] * (b * b);
  }
  return even + odd;
}
"""
"""The C function: two sums, so that an addition need not wait for the one before."""


@ufl_type(is_scalar=True, num_ops=2)
class Ramps(BesselFunction):  # type: ignore[misc]  # UFL is not followed
    """The sum, of the first entry of a table and an argument.

    A kin of UFL's Bessel functions, a function of an index and an argument too, so that all passes
    of UFL and FFCx know how to handle it. It has no derivative, and UFL says so.
    """

    __slots__ = ()

    def __init__(self, table: Any, argument: Any) -> None:
        Operator.__init__(self, (table, argument))

    def __str__(self) -> str:
        return "ramps({}, {})".format(*self.ufl_operands)


lnodes._ufl_call_lookup[Ramps] = lambda _, table, z: lnodes.MathFunction(NAME, (table, z))


def table_of(knots: Array, weights: Array) -> Array:
    """Return the number of knots, the knots, and their weights, shape (..., 1 + 2 n).

    Args:
        knots: Increasing, shape (..., k).
        weights: Of the ramps, shape (..., k).

    The number is even: where k is odd, the last knot is there twice, once without weight.
    """
    if knots.shape[-1] % 2:
        knots = np.concatenate([knots, knots[..., -1:]], -1)
        weights = np.concatenate([weights, np.zeros_like(weights[..., -1:])], -1)
    count = np.full((*knots.shape[:-1], 1), float(knots.shape[-1]))
    return np.concatenate([count, knots, weights], -1)
