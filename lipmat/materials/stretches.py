"""Isotropic laws in the principal stretches: the lift to tensors and the tangent's eigenvalues.

With ``p_i = dW/d lambda_i`` the nine eigenvalues of ``A = d2W/dF2`` are the three of the Hessian
of W in the stretches and, per pair, ``(p_i - p_j)/(l_i - l_j)`` and ``(p_i + p_j)/(l_i + l_j)``
(Ball, Duke Math. J. 51 (1984) 699; Ogden, Non-linear Elastic Deformations, 6.1.4).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Potential = Callable[[Tensor], Tensor]
PAIRS = ((0, 1), (0, 2), (1, 2))
_COINCIDE = 1e-6


def first_piola(potential: Potential, deformation_gradient: Tensor) -> Tensor:
    """Return the first Piola–Kirchhoff stress of an isotropic law.

    Args:
        potential: Energy density [J/m^3] of the three principal stretches, shape (3,) to scalar.
        deformation_gradient: F with positive determinant, shape (..., 3, 3).

    Returns:
        P = U diag(p) V^T [Pa], shape (..., 3, 3), from the singular value decomposition of F; exact
        where principal stretches coincide.
    """
    u, stretches, vh = torch.linalg.svd(deformation_gradient)
    return u @ torch.diag_embed(principal_forces(potential, stretches)) @ vh


def principal_forces(potential: Potential, stretches: Tensor) -> Tensor:
    """Return ``dW/d lambda_i`` [Pa], shape (..., 3), differentiable in the stretches."""
    with torch.enable_grad():
        s = stretches if stretches.requires_grad else stretches.detach().requires_grad_()
        return _gradient(potential, s, stretches.requires_grad)


def forces_and_hessian(potential: Potential, stretches: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``dW/d lambda`` (n, 3) and its derivative (n, 3, 3) at states (n, 3) [Pa]."""
    with torch.enable_grad():
        s = stretches.detach().requires_grad_()
        forces = _gradient(potential, s, again=True)
        rows = [torch.autograd.grad(p.sum(), s, retain_graph=True)[0] for p in forces.unbind(1)]
    return forces.detach(), torch.stack(rows, 1)


def _gradient(potential: Potential, stretches: Tensor, again: bool) -> Tensor:
    """Return the gradient by plain autograd: ``torch.func.grad`` imports torch's compiler first."""
    energy = torch.func.vmap(potential)(stretches.reshape(-1, 3))
    (forces,) = torch.autograd.grad(energy.sum(), stretches, create_graph=again)
    return forces


def tangent_eigenvalues(potential: Potential, stretches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what makes up the nine eigenvalues of the tangent at states (n, 3).

    Returns:
        The Hessian in the stretches (n, 3, 3), whose eigenvalues are three of the nine; the
        difference quotients of the pairs (n, 3); their sum quotients (n, 3), all in [Pa].
    """
    forces, hessian = forces_and_hessian(potential, stretches)
    return hessian, *pair_quotients(stretches, forces, hessian)


def pair_quotients(stretches: Tensor, forces: Tensor, hessian: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``(p_i - p_j)/(l_i - l_j)`` and ``(p_i + p_j)/(l_i + l_j)`` of PAIRS, each (n, 3).

    Where two stretches coincide the difference quotient is its limit.
    """
    differences, sums = [], []
    for i, j in PAIRS:
        gap = stretches[:, i] - stretches[:, j]
        close = gap.abs() < _COINCIDE * stretches[:, i]
        quotient = (forces[:, i] - forces[:, j]) / torch.where(close, 1.0, gap)
        limit = 0.5 * (hessian[:, i, i] + hessian[:, j, j]) - hessian[:, i, j]
        differences.append(torch.where(close, limit, quotient))
        sums.append((forces[:, i] + forces[:, j]) / (stretches[:, i] + stretches[:, j]))
    return torch.stack(differences, 1), torch.stack(sums, 1)


def largest_tangent(potential: Potential, stretches: Tensor) -> Tensor:
    """Return the largest eigenvalue of ``A(F)`` at states (n, 3), shape (n,) [Pa]."""
    return largest_eigenvalue(stretches, *forces_and_hessian(potential, stretches))


def largest_eigenvalue(stretches: Tensor, forces: Tensor, hessian: Tensor) -> Tensor:
    """Return the same, shape (n,), from the derivatives of W in the stretches (n, 3), (n, 3, 3)."""
    differences, sums = pair_quotients(stretches, forces, hessian)
    pairs = torch.maximum(differences.amax(1), sums.amax(1))
    return torch.maximum(torch.linalg.eigvalsh(hessian)[:, -1], pairs)
