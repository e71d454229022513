"""Sums of powers of ramps, ``sum_k d_k (z - t_k)_+^p``, as one operation of UFL.

They are what splines are made of: slopes of squares, energies of cubes. Written out, each knot
costs four operations or more for every argument; as one operation the kernel adds the knots up in
a loop that ends at the first knot which all lanes lie below. Kernels over lanes know them
(:mod:`lipmat.fem.lanes`), plain FFCx does not.
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
_CODE = """
static inline __attribute__((always_inline)) lanes {name}(const double *restrict table, lanes z)
{{
  const int n = table[0];
  const double *t = table + 1, *d = t + n;
  double most = z[0];
  for (int l = 1; l < LANES; ++l)
    most = z[l] > most ? z[l] : most;
  lanes even = ZERO, odd = ZERO;
  for (int k = 0; k < n && t[k] < most; k += 2)
  {{
    const lanes a = lanes_fmax(z - t[k], ZERO), b = lanes_fmax(z - t[k + 1], ZERO);
    even += d[k] * ({power_of_a});
    odd += d[k + 1] * ({power_of_b});
  }}
  return even + odd;
}}
"""


class _Ramps(BesselFunction):  # type: ignore[misc]  # UFL is not followed
    """A sum of ramps, of the first entry of a table and an argument.

    A kin of UFL's Bessel functions, a function of an index and an argument too, so that all passes
    of UFL and FFCx know how to handle it. It has no derivative, and UFL says so.
    """

    __slots__ = ()

    def __init__(self, table: Any, argument: Any) -> None:
        Operator.__init__(self, (table, argument))

    def __str__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.ufl_operands))})"


@ufl_type(is_scalar=True, num_ops=2)
class SquaredRamps(_Ramps):
    """The sum of squares."""

    __slots__ = ()


@ufl_type(is_scalar=True, num_ops=2)
class CubedRamps(_Ramps):
    """The sum of cubes."""

    __slots__ = ()


RAMPS: dict[int, type[_Ramps]] = {2: SquaredRamps, 3: CubedRamps}
"""The operations by their power."""


def _code(name: str, power: int) -> str:
    of_a, of_b = (" * ".join(x * power) for x in "ab")
    return _CODE.format(name=name, power_of_a=of_a, power_of_b=of_b)


CODE = {f"ramps_{power}": _code(f"ramps_{power}", power) for power in RAMPS}
"""The C functions by name: two sums, so that an addition need not wait for the one before."""

for _name, _operation in zip(CODE, RAMPS.values(), strict=True):
    lnodes._ufl_call_lookup[_operation] = lambda _, table, z, name=_name: lnodes.MathFunction(
        name, (table, z)
    )


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
