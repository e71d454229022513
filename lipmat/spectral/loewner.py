r"""Certificates in Loewner order: ``X <= Y`` says that ``Y - X`` is positive semidefinite.

A layer ``sum_i phi_i(a_i . x)`` with ``phi_i'' <= M_i`` has its Hessian below the Gram matrix
``H = sum_i M_i a_i a_i^T``, which is attained where all units are steepest. With ``T = H^(-1/2)``
the vectors ``T a_i`` have the Gram matrix 1. The symmetric root is used because it commutes with
every symmetry of H, which a Cholesky factor does not; its derivative exists at repeated eigenvalues
as well, which that of the eigenvectors does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
MARGIN = 1e-12
"""Relative margin of a certificate: covers the rounding of a sum of up to 128 units."""
_TERMS = 128
_OPERATIONS = 64
_NOISE = 1e-13
_SINGULAR = 1e-12  # eigenvalues below this share of the largest one count as this share


def gram(vectors: Tensor, weights: Tensor) -> Tensor:
    """Return ``sum_i w_i a_i a_i^T`` of vectors (n, d) and weights (n,), shape (d, d)."""
    return torch.einsum("n,ni,nj->ij", weights, vectors, vectors)


def inverse_root(matrix: Tensor) -> Tensor:
    """Return ``H^(-1/2)`` of a symmetric positive semidefinite matrix (d, d).

    Eigenvalues below 1e-12 of the largest one are taken as that.
    """
    out: Tensor = _InverseRoot.apply(matrix)
    return out


def shrinker(matrix: Tensor) -> Tensor:
    """Return ``T = V diag(min(1, l^(-1/2))) V^T`` of ``H = V diag(l) V^T``, shape (d, d).

    ``T H T <= 1``, and T is 1 where H is already below 1: the smallest change that normalises.
    """
    values, vectors = torch.linalg.eigh(matrix)
    shrink = values.clamp_min(1.0).rsqrt()
    return (vectors * shrink) @ vectors.T


def rounding_margin(terms: int) -> float:
    """Return the relative margin that covers the rounding of a Gram matrix of so many terms."""
    return MARGIN * max(1.0, terms / _TERMS)


def enclosed(matrix: Array, terms: int) -> Array:
    """Return a Gram matrix above the exact one, whatever the rounding of its sum.

    The rounding error E of ``sum w a a^T`` holds ``|E_ij| <= g sum w |a_i| |a_j|``, hence
    ``E <= d g diag(H)`` in Loewner order (Cauchy and Schwarz); the margin exceeds ``d g``. In the
    same way it covers that entries below 1e-13 of the diagonal, which are rounding, become 0.

    Args:
        matrix: The computed sum, symmetric, at most 6 rows.
        terms: Number of vectors in it.
    """
    size = np.sqrt(np.diag(matrix))
    clean = np.where(np.abs(matrix) <= _NOISE * np.outer(size, size), 0.0, matrix)
    return clean + rounding_margin(terms) * np.diag(np.diag(matrix))


def is_below(lower: Array, upper: Array) -> bool:
    """Tell whether ``lower <= upper`` is proved for two symmetric matrices of floats.

    If the floating-point Cholesky factorisation of ``upper - lower - c 1`` succeeds, with c above
    its backward error, the difference is positive semidefinite (Rump, BIT 46 (2006) 433, with a
    generous c that also covers the subtraction).
    """
    n = len(upper)
    scale = float(np.trace(np.abs(upper)) + np.trace(np.abs(lower)))
    shift = 4.0 * (n + 2) * np.finfo(np.float64).eps * scale + np.finfo(np.float64).tiny
    try:
        np.linalg.cholesky(upper - lower - shift * np.eye(n))
    except np.linalg.LinAlgError:
        return False
    return True


def largest_ratio(lower: Array, upper: Array) -> Array:
    """Return the largest eigenvalues of symmetric matrices (b, d, d) against one (d, d).

    They are rounded down by what floating point can add to a value of 1, which grows with the
    condition of ``upper``. Directions in which ``upper`` vanishes are left out.
    """
    values, vectors = np.linalg.eigh(upper)
    kept = values > _SINGULAR * values[-1]
    root = vectors[:, kept] / np.sqrt(values[kept])
    rounding = _OPERATIONS * np.finfo(np.float64).eps * values[-1] / values[kept][0]
    out: Array = np.linalg.eigvalsh(root.T @ lower @ root)[..., -1] - rounding
    return out


class _InverseRoot(torch.autograd.Function):  # type: ignore[misc]  # torch is not followed
    """``H^(-1/2)``; in eigenvectors of H, ``dT_ij = -dH_ij / (r_i r_j (r_i + r_j))``, r = sqrt l.

    This linear map is its own adjoint and has no small denominators at repeated eigenvalues
    (Higham, Functions of Matrices, SIAM 2008, section 3.2).
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(matrix: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        roots = values.clamp_min(_SINGULAR * values[..., -1:]).sqrt()
        return (vectors / roots) @ vectors.T

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _derivative(ctx.saved_tensors[0], grad)

    @staticmethod
    def jvp(ctx: Any, move: Tensor) -> Tensor:
        return _derivative(ctx.saved_tensors[0], move)


def _derivative(matrix: Tensor, move: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    r = values.clamp_min(_SINGULAR * values[..., -1:]).sqrt()
    move = vectors.T @ (0.5 * (move + move.T)) @ vectors
    quotient = r[:, None] * r[None, :] * (r[:, None] + r[None, :])
    return -vectors @ (move / quotient) @ vectors.T
