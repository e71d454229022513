"""The stiffness that whitens strain before a training: that of the bound, or of a linear fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.experiments.strain_tests import DEVIATORIC, Pairs
from lipmat.experiments.volume import Volume
from lipmat.materials.mandel import VOLUMETRIC, to_tensor
from lipmat.materials.symmetry import Symmetry, average

Array = NDArray[np.float64]
SMALLEST = 1e-3  # eigenvalue of a fitted stiffness, relative to the largest
AGREE = 1e-9  # relative, of a bound with its isotropic part


def in_principal_values(pairs: Pairs) -> Pairs:
    """Return pairs in the principal axes of the strain, as an isotropic law sees them.

    Its stress has no other components there; what the data have of them no isotropic law meets.
    """
    if pairs.strain.shape[1] == 3:
        return pairs
    strain, stress = (to_tensor(torch.from_numpy(x)) for x in (pairs.strain, pairs.stress))
    values, axes = torch.linalg.eigh(strain)
    normal = torch.einsum("bji,bjk,bki->bi", axes, stress, axes)
    return replace(pairs, strain=values.numpy(), stress=normal.numpy(), seen=np.eye(3))


def without_volume(pairs: Pairs, volume: Volume) -> Pairs:
    """Return principal pairs without the stress of a separate volumetric part."""
    if not volume.separate:
        return pairs
    seen = pairs.seen
    if np.linalg.matrix_rank(seen) == 3:
        seen = DEVIATORIC
    pressure = (volume.bulk_modulus or 0.0) * pairs.strain.sum(1, keepdims=True)
    if pairs.incompressible:
        pressure = 0.0 * pressure
    return replace(pairs, stress=(pairs.stress - pressure) @ seen, seen=seen)


def isotropic_fit(blocks: Sequence[Pairs], volume: Volume) -> Array:
    """Return (3K, 2G) of the best linear law of principal pairs, shape (2,) [Pa].

    Raises:
        InputError: No test changes the shape of the material.
    """
    moduli = []
    for projector in (np.full((3, 3), 1.0 / 3.0), DEVIATORIC):
        parts = [(b.strain @ projector @ b.seen, b.stress @ b.seen) for b in blocks]
        strain, stress = (np.concatenate([p[k].ravel() for p in parts]) for k in (0, 1))
        square = float(strain @ strain)
        moduli.append(float(strain @ stress) / square if square > 0 else 0.0)
    if volume.separate:
        moduli[0] = 3.0 * (volume.bulk_modulus or moduli[1])
    if not any(np.abs(b.strain @ DEVIATORIC).max() > 0 for b in blocks):
        raise InputError(f"{blocks[0].test.path}: no test changes the shape of the material")
    return np.maximum(moduli, SMALLEST * max(moduli))


def anisotropic_fit(blocks: Sequence[Pairs], symmetry: Symmetry) -> Array:
    """Return the stiffness of the best linear law of Mandel pairs, (6, 6) [Pa].

    It has the symmetry, and is positive definite.
    """
    strain, stress = (np.concatenate([getattr(b, k) for b in blocks]) for k in ("strain", "stress"))
    found = np.linalg.lstsq(strain, stress, rcond=None)[0]
    return _admissible(0.5 * (found + found.T), symmetry)


def _admissible(stiffness: Array, symmetry: Symmetry) -> Array:
    mean = average(symmetry, torch.from_numpy(stiffness)).numpy()
    values, vectors = np.linalg.eigh(0.5 * (mean + mean.T))
    values = np.maximum(values, SMALLEST * values[-1])
    out: Array = (vectors * values) @ vectors.T
    return 0.5 * (out + out.T)


def isotropic_bound(bound: Array) -> Array:
    """Return (3K, 2G) of a bound C0 = 3K P_vol + 2G P_dev, shape (2,) [Pa].

    Raises:
        InputError: The bound is not isotropic and positive.
    """
    three_bulk = float((bound * VOLUMETRIC).sum())
    two_shear = (float(np.trace(bound)) - three_bulk) / 5.0
    rest = bound - three_bulk * VOLUMETRIC - two_shear * (np.eye(6) - VOLUMETRIC)
    if not min(three_bulk, two_shear) > 0 or np.abs(rest).max() > AGREE * np.abs(bound).max():
        raise InputError(
            f"bound: found a stiffness with 3K = {three_bulk:.4g} Pa and 2G = {two_shear:.4g} Pa "
            f"and a rest of {np.abs(rest).max():.3g} Pa, expected a positive isotropic one for "
            "this law"
        )
    return np.array([three_bulk, two_shear])


def anisotropic_bound(bound: Array, symmetry: Symmetry) -> Array:
    """Return a bound C0, checked, shape (6, 6) [Pa].

    Raises:
        InputError: It is not positive definite, or lacks the symmetry.
    """
    found = 0.5 * (bound + bound.T)
    fair = _admissible(found, symmetry)
    if np.abs(fair - bound).max() > AGREE * np.abs(bound).max():
        raise InputError(
            f"bound: found a stiffness that differs by {np.abs(fair - bound).max():.3g} Pa from a "
            f"symmetric positive definite one with symmetry {symmetry!r}, expected such a one"
        )
    return fair


def root(stiffness: Array) -> Array:
    """Return ``S^(1/2)`` of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(stiffness)
    out: Array = (vectors * np.sqrt(values)) @ vectors.T
    return out
