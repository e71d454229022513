r"""Springs of branches at large strain: energies of the logarithmic elastic strain of ``F_e``.

``hencky``: quadratic, ``G |eps|^2``, with the deviatoric stress ``2G eps``.
``neo-hookean``: ``G/2 (tr exp(2 eps) - 3)``, that is ``G/2 (|F_e|^2 - 3)`` without the change of
volume, with the stress ``G dev exp(2 eps)``; it stiffens with the stretch, as rubber does. eps is a
deviator. Both are convex in eps, smallest at 0, and have the shear modulus G there.

Bounds of the tangent ``dP/dF`` at frozen flow, ``F_e = F F_v^-1``, with l the smallest stretch of F
and elastic stretches in ``[1/l_e, l_e]``, so that ``|F_v^-1| <= l_e / l``:

*hencky*: the second derivative by eps is 2G, principal stresses are at most ``T = 8/3 G ln l_e``,
so the tangent in F_e is at most ``(2G + T) l_e^2`` by the eigenvalues of ``log_bound``, and

    a = (2G + T) l_e^4 / l^2.

*neo-hookean*: ``W = G/2 J^(-2/3) I`` with ``I = |F_e|^2`` has for a change X of F of size 1, with
``y = |X F_v^-1|``, ``b = F_e : X F_v^-1 <= sqrt(I) y`` and ``a = F^-T : X``, ``a^2 <= 3 / l^2``,

    d2W = G/2 J^(-2/3) (2 y^2 - 8/3 a b + I (4/9 a^2 + 2/3 tr (F^-1 X)^2))
       <= G/2 (2 Y^2 + 8/3 Y S + 4/9 S^2 + 2/9 S^2),
    Y = l_e / l min(1/l, l_e),   S = sqrt(3 (l_e^(8/3) + 2 l_e^(-4/3))) / l,

since ``J^(-1/3) <= min(1/l, l_e)``, and ``J^(-2/3) I`` is convex in the logarithms of the elastic
stretches, so that it is largest at a vertex of their cube: with one of l_e and two of its inverse.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lipmat.materials.mandel import to_tensor, to_vector

Spring = Literal["hencky", "neo-hookean"]


def principal_stress(spring: Spring, strain: Tensor) -> Tensor:
    """Return the stress over 2G of principal values of elastic strain, (..., 3) [-]."""
    if spring == "hencky":
        return strain
    square = 0.5 * torch.exp(2.0 * strain)
    return square - square.sum(-1, keepdim=True) / 3.0


def tensor_stress(spring: Spring, strain: Tensor) -> Tensor:
    """Return the stress over 2G of Mandel vectors of elastic strain, (..., 6) [-]."""
    if spring == "hencky":
        return strain
    square = 0.5 * to_vector(torch.matrix_exp(2.0 * to_tensor(strain)))
    mean = square[..., :3].sum(-1, keepdim=True) / 3.0
    return torch.cat([square[..., :3] - mean, square[..., 3:]], -1)


def principal_energy(spring: Spring, strain: Tensor) -> Tensor:
    """Return the energy over G of principal values of elastic strain (..., 3), (...) [-]."""
    if spring == "hencky":
        return (strain * strain).sum(-1)
    return 0.5 * (torch.exp(2.0 * strain) - 1.0).sum(-1)


def tensor_energy(spring: Spring, strain: Tensor) -> Tensor:
    """Return the energy over G of Mandel vectors of elastic strain (..., 6), (...) [-]."""
    if spring == "hencky":
        return (strain * strain).sum(-1)
    square = torch.matrix_exp(2.0 * to_tensor(strain))
    return 0.5 * (square.diagonal(dim1=-2, dim2=-1) - 1.0).sum(-1)


def stiffness(spring: Spring, reach: float) -> float:
    """Return a bound of the second derivative by eps, over G [-].

    That of ``neo-hookean`` is ``2G P diag(exp 2 eps) P`` in the principal axes, with the deviatoric
    projector P.

    Args:
        spring: Which.
        reach: Largest principal value of the elastic strain [-].
    """
    return 2.0 if spring == "hencky" else 2.0 * float(np.exp(2.0 * reach))


def tangent_bound(spring: Spring, smallest: float, elastic: float) -> float:
    """Return a with ``dP/dF <= a G`` at frozen flow, see above [-].

    Args:
        spring: Which.
        smallest: Smallest stretch l of F [-].
        elastic: Largest elastic stretch l_e, whose inverse is the smallest [-].
    """
    if spring == "hencky":
        return (2.0 + 8.0 / 3.0 * float(np.log(elastic))) * elastic**4 / smallest**2
    y = elastic / smallest * min(1.0 / smallest, elastic)
    square = 3.0 * (elastic ** (8.0 / 3.0) + 2.0 * elastic ** (-4.0 / 3.0)) / smallest**2
    return float(0.5 * (2.0 * y**2 + 8.0 / 3.0 * y * np.sqrt(square) + 2.0 / 3.0 * square))
