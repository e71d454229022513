"""Mandel vectors of symmetric tensors: (11, 22, 33, sqrt2 23, sqrt2 13, sqrt2 12).

The Euclidean norm of the vector is the Frobenius norm of the tensor, so tangents are symmetric
6 x 6 matrices and bounds carry over (Mandel, Q. Appl. Math. 23 (1965)).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lipmat.materials.law import Matrix

INDICES = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
ROOT2 = 2.0**0.5
VOLUMETRIC: NDArray[np.float64] = np.pad(np.full((3, 3), 1.0 / 3.0), (0, 3))
"""Projector P_vol on volume changes."""
DEVIATORIC: NDArray[np.float64] = np.eye(6) - VOLUMETRIC
"""Projector P_dev on changes of shape."""


def to_vector(tensor: Tensor) -> Tensor:
    """Return the Mandel vector (..., 6) of the symmetric part of a tensor (..., 3, 3)."""
    symmetric = 0.5 * (tensor + tensor.transpose(-1, -2))
    scale = [1.0, 1.0, 1.0, ROOT2, ROOT2, ROOT2]
    parts = [s * symmetric[..., i, j] for s, (i, j) in zip(scale, INDICES, strict=True)]
    return torch.stack(parts, -1)


def to_tensor(vector: Tensor) -> Tensor:
    """Return the symmetric tensor (..., 3, 3) of a Mandel vector (..., 6)."""
    a, b, c = vector[..., 0], vector[..., 1], vector[..., 2]
    d, e, f = (vector[..., i] / ROOT2 for i in (3, 4, 5))
    rows = [torch.stack(r, -1) for r in ((a, f, e), (f, b, d), (e, d, c))]
    return torch.stack(rows, -2)


def isotropic_stiffness(three_bulk: float, two_shear: float) -> NDArray[np.float64]:
    """Return ``3K P_vol + 2G P_dev``, shape (6, 6) [Pa]."""
    return three_bulk * VOLUMETRIC + two_shear * DEVIATORIC


def as_matrix(values: ArrayLike) -> Matrix:
    """Return a matrix as nested tuples, which compare and hash by value."""
    return tuple(tuple(float(x) for x in row) for row in np.asarray(values))
