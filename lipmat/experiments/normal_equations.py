"""Normal equations of linear least squares over many states, summed a block at a time.

The matrix of a fit has a row for each stress component of each state and is never held: a block of
its rows stays in the cache while its products are added up. A squared error found from the products
is right to a few units of rounding of ``y.y``, so for data of size one to about 1e-15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
Columns = Callable[[Tensor], Tensor]
BLOCK = 256  # states


@dataclass(frozen=True, eq=False)
class Samples:
    """What a network is to meet: ``seen @ gradient(x) = measured``.

    Attributes:
        x: Whitened strains, shape (b, d).
        seen: From the gradient of w to what was measured, weighted, shape (b, r, d).
        measured: Weighted stresses, shape (b, r); their squares sum to one.
    """

    x: Tensor
    seen: Tensor
    measured: Tensor

    def thinned(self, most: int) -> Samples:
        """Return every so many-th state, at most so many, with errors that still sum to one."""
        step = -(-len(self.x) // most)
        if step == 1:
            return self
        x, seen, measured = (a[::step] for a in (self.x, self.seen, self.measured))
        size = measured.norm()
        return Samples(x, seen / size, measured / size)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield x, seen and measured of a block of states after the other."""
        arrays = (self.x, self.seen, self.measured)
        yield from zip(*(a.split(BLOCK) for a in arrays), strict=True)


@dataclass(frozen=True, eq=False)
class Normal:
    """The normal equations of columns A for data y.

    Attributes:
        square: ``A^T A``, shape (n, n).
        right: ``A^T y``, shape (n,).
        size: ``y.y``.
    """

    square: Array
    right: Array
    size: float

    def squared_error(self, x: Array) -> float:
        """Return ``|A x - y|^2``."""
        return float(x @ self.square @ x - 2.0 * self.right @ x) + self.size


def normal(samples: Samples, columns: Columns) -> Normal:
    """Return the normal equations.

    Args:
        samples: The data.
        columns: Maps states (b, d) to the gradients of n functions there, shape (b, d, n).
    """
    square = right = np.zeros(())
    for x, seen, measured in samples.blocks():
        a = _rows(seen, columns(x))
        square = square + a.T @ a
        right = right + measured.flatten().numpy() @ a
    return Normal(square, right, float((samples.measured**2).sum()))


def bordered(samples: Samples, known: Normal, columns: Columns, more: Columns) -> Normal:
    """Return the normal equations of ``columns``, which are known, and then ``more``."""
    cross = square = right = np.zeros(())
    for x, seen, measured in samples.blocks():
        a, b = _rows(seen, columns(x)), _rows(seen, more(x))
        cross, square = cross + a.T @ b, square + b.T @ b
        right = right + measured.flatten().numpy() @ b
    whole = np.block([[known.square, cross], [cross.T, square]])
    return Normal(whole, np.concatenate([known.right, right]), known.size)


def _rows(seen: Tensor, gradients: Tensor) -> Array:
    out: Array = (seen @ gradients).flatten(0, 1).numpy()
    return out
