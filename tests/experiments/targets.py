"""Laws in closed form to be recovered: hyperelastic, convex, each with its exact C0.

All are energies of the small strain e, in Mandel components, with E = 1 GPa and nu = 0.3 at their
stiffest. ``p`` is the part of the strain along the unit tensor, ``d`` its deviator, ``q = |d|``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipmat.experiments.columns import COMPONENTS
from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.strain_tests import MANDEL
from lipmat.materials.mandel import DEVIATORIC, VOLUMETRIC, isotropic_stiffness

Array = NDArray[np.float64]
THREE_K, TWO_G = 1e9 / 0.4, 1e9 / 1.3
Q0 = 0.01  # strain at which the laws bend
REACH = 0.03  # largest norm of the strains drawn


def _tensor(vector: Array) -> Array:
    a, b, c, d, e, f = (vector / MANDEL).T
    return np.stack([np.stack(r, 1) for r in ((a, f, e), (f, b, d), (e, d, c))], 1)


def _mandel(tensor: Array) -> Array:
    rows, columns = zip((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1), strict=True)
    return tensor[:, rows, columns] * MANDEL


@dataclass(frozen=True)
class Target:
    """A law: its stress (n, 6) at Mandel strains (n, 6), and its exact tangent bound [Pa]."""

    stress: Callable[[Array], Array]
    bound: Array


def _shear(strain: Array, secant: Callable[[Array], Array]) -> Array:
    """Return ``3K p + 2G secant(q) d``: W = 3K/2 p^2 + 2G int q secant(q) dq."""
    deviator = strain @ DEVIATORIC
    q = np.linalg.norm(deviator, axis=1, keepdims=True)
    return THREE_K * strain @ VOLUMETRIC + TWO_G * secant(q / Q0) * deviator


def softening(strain: Array) -> Array:
    """Mises-like: the shear stress saturates, ``s = 2G q / sqrt(1 + (q/q0)^2)``."""
    return _shear(strain, lambda y: 1.0 / np.sqrt(1.0 + y * y))


def stiffening(strain: Array) -> Array:
    """The slope of shear grows from 0.2 to 1: ``ds/dq = 2G (1 - 0.8 / (1 + (q/q0)^2))``."""
    return _shear(strain, lambda y: 1.0 - 0.8 * np.arctan(y) / np.where(y > 0, y, 1.0))


def bimodular(strain: Array) -> Array:
    """In principal strains: 2G in extension, half of it in compression, beside Lame's constant.

    W = lambda/2 tr^2 + sum_i g(e_i), g'' = 2G for e_i > 0 and G for e_i < 0.
    """
    tensor = _tensor(strain)
    values, axes = np.linalg.eigh(tensor)
    lame = (THREE_K - TWO_G) / 3.0
    normal = TWO_G * np.where(values > 0, values, 0.5 * values)
    normal += lame * values.sum(1, keepdims=True)
    return _mandel(np.einsum("bik,bk,bjk->bij", axes, normal, axes))


FIBRE_MODULUS = 2e9
_HALF = np.pi / 6  # fibres at 30 degrees on either side of axis 1, in the plane 12


def _fibres() -> Array:
    """Return the Mandel vectors of ``m m^T`` of both families, shape (2, 6)."""
    m = np.array([[np.cos(_HALF), s * np.sin(_HALF), 0.0] for s in (1.0, -1.0)])
    return _mandel(np.einsum("bi,bj->bij", m, m))


def two_fibres(strain: Array) -> Array:
    """A linear isotropic matrix and two families of fibres that stiffen in tension.

    A fibre's stress is ``E_f (y - arctan y) q0``, y = elongation / q0 > 0: its slope grows from 0
    in compression to E_f.
    """
    fibres = _fibres()
    y = np.maximum(strain @ fibres.T, 0.0) / Q0
    matrix = strain @ isotropic_stiffness(THREE_K, TWO_G)
    return matrix + FIBRE_MODULUS * Q0 * (y - np.arctan(y)) @ fibres


def along_axes(strain: Array, count: int) -> Array:
    """The same matrix with fibres along the first axis (1) or along all three (3)."""
    y = np.maximum(strain[:, :count], 0.0) / Q0
    stress = strain @ isotropic_stiffness(THREE_K, TWO_G)
    stress[:, :count] += FIBRE_MODULUS * Q0 * (y - np.arctan(y))
    return stress


def _axes_bound(count: int) -> Array:
    fibres = np.diag([FIBRE_MODULUS] * count + [0.0] * (6 - count))
    return isotropic_stiffness(THREE_K, TWO_G) + fibres


ISOTROPIC_BOUND = isotropic_stiffness(THREE_K, TWO_G)
FIBRE_BOUND = ISOTROPIC_BOUND + FIBRE_MODULUS * _fibres().T @ _fibres()
TARGETS: Mapping[str, Target] = {
    "softening": Target(softening, ISOTROPIC_BOUND),
    "stiffening": Target(stiffening, ISOTROPIC_BOUND),
    "bimodular": Target(bimodular, ISOTROPIC_BOUND),
    "two-fibres": Target(two_fibres, FIBRE_BOUND),
    "one-axis": Target(lambda e: along_axes(e, 1), _axes_bound(1)),
    "three-axes": Target(lambda e: along_axes(e, 3), _axes_bound(3)),
}


def random_strains(n: int, seed: int) -> Array:
    """Return Mandel strains (n, 6): any direction, norms spread evenly up to :data:`REACH`."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(n, 6))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return REACH * rng.uniform(size=(n, 1)) * direction


def tensor_test(strain: Array, stress: Array, name: str = "states") -> Test:
    """Return strains and stresses (n, 6), both Mandel, as a test of mode ``tensor``."""
    columns = {}
    for kind, values in (("strain", strain), ("stress", stress)):
        for component, column in zip(COMPONENTS, (values / MANDEL).T, strict=True):
            columns[f"{kind}_{component}"] = column
    return Test(name, "tensor", "free", columns, "MPa", Path(f"{name}.csv"))


def dataset(*tests: Test) -> Dataset:
    """Return tests as a dataset that was never in a folder."""
    no = {"temperature": None, "density": None, "young": None, "poisson": None}
    texts = {"title": "synthetic", "source": "", "doi": "", "licence": ""}
    return Dataset(
        **texts, **no, incompressible=False, tests=tests, folder=Path("synthetic"), hash="0"
    )
