"""Isotropic small-strain networks: whitening by two moduli, stress of three numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lipmat.materials.mandel import to_tensor, to_vector


def checked_stiffness(stiffness: Tensor) -> None:
    """Check the stiffness (3K, 2G) of a whitening.

    Raises:
        ValueError: It is not two positive numbers.
    """
    if stiffness.shape != (2,) or not bool((stiffness > 0).all()):
        raise ValueError(f"stiffness: found {stiffness.tolist()}, expected positive (3K, 2G)")


def whitened(directions: Tensor, stiffness: Tensor) -> Tensor:
    """Return ``S^(1/2) a`` of vectors (n, 3), S = 3K P_vol + 2G P_dev: the units in plain strain.

    Args:
        directions: Vectors in whitened principal strains, shape (n, 3) [-].
        stiffness: ``(3K, 2G)`` [Pa].
    """
    return rescaled(directions, stiffness.sqrt())


def rescaled(directions: Tensor, factors: Tensor) -> Tensor:
    """Return vectors (n, 3) with mean and deviation multiplied by the two factors (2,)."""
    mean = directions.mean(1, keepdim=True)
    return factors[0] * mean + factors[1] * (directions - mean)


def coaxial_stress(strain: Tensor, forces: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the Mandel stress (n, 6) at Mandel strains (n, 6) of ``forces(lambda) = df/dlambda``.

    It is exact where principal values coincide: the forces are then equal, whatever the vectors.
    """
    values, vectors = torch.linalg.eigh(to_tensor(strain))
    stress = (vectors * forces(values).unsqueeze(-2)) @ vectors.transpose(-1, -2)
    return to_vector(stress)
