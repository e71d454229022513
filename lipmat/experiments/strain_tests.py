"""Tests as pairs of strain and stress, for laws in small or logarithmic strain.

A small-strain law takes engineering strain (stretch - 1) and nominal stress; the same law in log
kinematics takes the logarithm of the stretch and its conjugate, the Kirchhoff stress. Lab tests are
written in their principal axes, tensors in Mandel components. What a test leaves open is told by
the projector on the components that it saw. If volume changes are linear with a known bulk modulus,
``tr e = tr s / (3 K)``, the free lateral strain of a test follows from its measured stress.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.experiments.columns import COMPONENTS
from lipmat.experiments.dataset import Test

Array = NDArray[np.float64]
Kinematics = Literal["small", "log"]
PRINCIPAL = np.eye(3)
DEVIATORIC = np.eye(3) - 1.0 / 3.0
MANDEL = np.array([1.0, 1.0, 1.0, 2.0**0.5, 2.0**0.5, 2.0**0.5])
_SWEEPS = 50  # of true stress and lateral strain, which contract by the size of the strain


@dataclass(frozen=True, eq=False)
class Pairs:
    """What a test says of a law: ``seen @ law(strain) = seen @ stress``.

    Attributes:
        test: The test.
        strain: Principal strains (n, 3), or Mandel strains (n, 6) of mode ``tensor`` [-].
        stress: Stresses of the same shape [Pa]; nothing where they were not seen.
        seen: Projector on what was measured, shape (3, 3) or (6, 6).
        incompressible: Whether the stress is known up to a pressure only.
    """

    test: Test
    strain: Array
    stress: Array
    seen: Array
    incompressible: bool

    @property
    def complete(self) -> bool:
        """Whether everything was seen, but perhaps the pressure."""
        return bool(np.linalg.matrix_rank(self.seen) >= len(self.seen) - self.incompressible)


def pairs_of(test: Test, kinematics: Kinematics, bulk_modulus: float | None) -> Pairs:
    """Return the strain and stress pairs of a test.

    Args:
        test: The test; the strains and stresses of mode ``tensor`` are taken as those of the law.
        kinematics: ``small`` or ``log``.
        bulk_modulus: K of the linear volume change [Pa], or None if it is not linear.

    Raises:
        InputError: The lateral strain is free and nothing tells it.
    """
    if test.mode == "tensor":
        strain, stress = (tensor_columns(test, name) for name in ("strain", "stress"))
        return Pairs(test, strain, stress, np.eye(6), incompressible=False)
    if test.mode == "simple_shear":
        return _shear_pairs(test, kinematics)
    if test.mode == "volumetric":
        return _volumetric_pairs(test, kinematics)
    return _tension_pairs(test, kinematics, bulk_modulus)


def tensor_columns(test: Test, name: str) -> Array:
    """Return the Mandel components (n, 6) of ``strain`` or ``stress`` of a ``tensor`` test."""
    out: Array = np.stack([test.columns[f"{name}_{c}"] for c in COMPONENTS], 1) * MANDEL
    return out


def strain_of(stretch: Array, kinematics: Kinematics) -> Array:
    """Return the strain of stretches: engineering, or logarithmic."""
    out: Array = np.log(stretch) if kinematics == "log" else stretch - 1.0
    return out


def stretch_of(strain: Array, kinematics: Kinematics) -> Array:
    """Return the stretch of strains."""
    out: Array = np.exp(strain) if kinematics == "log" else 1.0 + strain
    return out


def prescribed(test: Test, kinematics: Kinematics) -> tuple[Array, NDArray[np.bool_]]:
    """Return principal strains (n, 3) of a tension test, and which of the three are lateral.

    Lateral strains are the measured ones, or those of an incompressible body.
    """
    c = test.columns
    names: tuple[str | None, ...] = {
        "uniaxial": ("stretch", "lateral", "lateral"),
        "equibiaxial": ("stretch", "stretch", "lateral"),
        "planar": ("stretch", None, "lateral"),
        "biaxial": ("stretch_1", "stretch_2", "lateral"),
    }[test.mode]
    lateral = np.array([name == "lateral" for name in names])
    axes = [
        strain_of(c[name], kinematics) if name and name != "lateral" else 0.0 * c[_first(test)]
        for name in names
    ]
    strain = np.stack(axes, 1)
    if test.lateral == "measured":
        strain[:, lateral] = strain_of(c["lateral_stretch"], kinematics)[:, None]
    else:
        strain[:, lateral] = -strain.sum(1, keepdims=True) / lateral.sum()
    return strain, lateral


def loaded_axes(test: Test) -> tuple[tuple[int, str], ...]:
    """Return the axes of a tension test whose stress is measured, each with its column."""
    if test.mode == "biaxial":
        names = ((0, "nominal_stress_1"), (1, "nominal_stress_2"))
        return tuple((axis, name) for axis, name in names if name in test.columns)
    name = "nominal_stress" if "nominal_stress" in test.columns else "true_stress"
    return tuple((axis, name) for axis in ((0, 1) if test.mode == "equibiaxial" else (0,)))


def measures(strain: Array, axis: int, column: str, kinematics: Kinematics) -> Array:
    """Return what turns the law's stress on an axis into that of the column, shape (n,).

    Args:
        strain: Principal strains (n, 3).
        axis: Which of them is loaded.
        column: ``nominal_stress…`` or ``true_stress``.
        kinematics: ``small`` or ``log``.
    """
    stretch = stretch_of(strain, kinematics)
    nominal = 1.0 / stretch[:, axis] if kinematics == "log" else np.ones(len(strain))
    if column != "true_stress":
        return nominal
    out: Array = nominal * stretch[:, axis] / stretch.prod(1)
    return out


def shear_strain(test: Test, kinematics: Kinematics) -> tuple[Array, Array]:
    """Return half the difference of the principal strains in simple shear, and its rate (n,)."""
    half = 0.5 * test.columns["shear"]
    if kinematics == "small":
        return half, np.full_like(half, 0.5)
    return np.arcsinh(half), 0.5 / np.sqrt(1.0 + half * half)


def _tension_pairs(test: Test, kinematics: Kinematics, bulk_modulus: float | None) -> Pairs:
    strain, lateral = prescribed(test, kinematics)
    known = [axis for axis, _ in loaded_axes(test)] + np.flatnonzero(lateral).tolist()
    if test.lateral == "free" and bulk_modulus is None:
        raise InputError(
            f"{test.path}: found lateral = 'free', expected something that tells the lateral "
            "strain: a bulk modulus, young and poisson in dataset.toml, or lateral = 'measured'"
        )
    if test.lateral == "free" and len(known) < 3:
        raise InputError(
            f"{test.path}: found mode {test.mode!r} with lateral = 'free' and a stress that is "
            "not measured, expected lateral = 'measured' or 'incompressible'"
        )
    stress = np.zeros_like(strain)
    for _ in range(_SWEEPS if test.lateral == "free" else 1):
        for axis, column in loaded_axes(test):
            stress[:, axis] = test.columns[column] / measures(strain, axis, column, kinematics)
        if test.lateral == "free" and bulk_modulus is not None:
            rest = stress.sum(1) / (3.0 * bulk_modulus) - strain[:, ~lateral].sum(1)
            strain[:, lateral] = rest[:, None] / lateral.sum()
    incompressible = test.lateral == "incompressible"
    seen = _projector(known, incompressible)
    return Pairs(test, strain, stress @ seen, seen, incompressible)


def _shear_pairs(test: Test, kinematics: Kinematics) -> Pairs:
    axis = np.array([1.0, -1.0, 0.0])
    half, rate = shear_strain(test, kinematics)
    stress = 0.5 * test.columns["shear_stress"] / rate
    seen = np.outer(axis, axis) / 2.0
    return Pairs(test, np.outer(half, axis), np.outer(stress, axis), seen, incompressible=False)


def _volumetric_pairs(test: Test, kinematics: Kinematics) -> Pairs:
    ratio, pressure = test.columns["volume_ratio"], test.columns["pressure"]
    strain = strain_of(np.cbrt(ratio), kinematics)
    stress = -pressure * (ratio if kinematics == "log" else 1.0)
    ones, seen = np.ones(3), np.full((3, 3), 1.0 / 3.0)
    return Pairs(test, np.outer(strain, ones), np.outer(stress, ones), seen, incompressible=False)


def _projector(known: list[int], incompressible: bool) -> Array:
    """Return the projector on known principal stresses, or on their differences."""
    rows = PRINCIPAL[known]
    if incompressible:
        rows = rows[1:] - rows[0]
    out: Array = np.linalg.pinv(rows) @ rows
    return out


def _first(test: Test) -> str:
    return "stretch_1" if test.mode == "biaxial" else "stretch"
