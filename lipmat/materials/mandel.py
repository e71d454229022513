"""Mandel vectors of symmetric tensors: (11, 22, 33, sqrt2 23, sqrt2 13, sqrt2 12).

The Euclidean norm of the vector is the Frobenius norm of the tensor, so tangents are symmetric
6 x 6 matrices and bounds carry over (Mandel, Q. Appl. Math. 23 (1965)).
"""

from __future__ import annotations

import torch
from torch import Tensor

INDICES = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
ROOT2 = 2.0**0.5


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
