"""What a small-strain law predicts for a test; free lateral strains are solved with the law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.experiments.dataset import Test
from lipmat.experiments.modes import solve_lateral, with_lateral
from lipmat.experiments.strain_tests import (
    Kinematics,
    loaded_axes,
    measures,
    prescribed,
    shear_strain,
    strain_of,
    stretch_of,
    tensor_columns,
)
from lipmat.materials.network import NetworkLaw
from lipmat.materials.stretches import principal_forces

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PrincipalResponse:
    """An isotropic law in principal strains.

    Attributes:
        stress: Maps principal strains (n, 3) to principal stresses (n, 3) [Pa].
        kinematics: ``small`` or ``log``.
    """

    stress: Callable[[Tensor], Tensor]
    kinematics: Kinematics

    def nominal(self, stretches: Tensor) -> Tensor:
        """Return nominal principal stresses (n, 3) at stretches (n, 3) [Pa]."""
        if self.kinematics == "log":
            return self.stress(torch.log(stretches)) / stretches
        return self.stress(stretches - 1.0)


def predicted_values(law: NetworkLaw, test: Test) -> Array:
    """Return what a law predicts for what a test measured [Pa].

    Returns:
        Shape (n,); biaxial stresses put end to end; for mode ``tensor`` the Mandel components of
        all points, shape (6 n,).
    """
    with torch.no_grad():
        if test.mode == "tensor":
            strain = torch.from_numpy(tensor_columns(test, "strain"))
            return np.asarray(law.stress(strain).numpy().ravel())
        return _lab_values(_response(law), test)


def _response(law: NetworkLaw) -> PrincipalResponse:
    def stress(strain: Tensor) -> Tensor:
        pressure = law.bulk_modulus * strain.sum(1, keepdim=True)
        return principal_forces(law.network, strain) + pressure

    return PrincipalResponse(stress, law.kinematics)


def _lab_values(law: PrincipalResponse, test: Test) -> Array:
    if test.mode == "simple_shear":
        half, rate = shear_strain(test, law.kinematics)
        stress = law.stress(torch.from_numpy(np.outer(half, [1.0, -1.0, 0.0]))).numpy()
        return np.asarray(rate * (stress[:, 0] - stress[:, 1]))
    if test.mode == "volumetric":
        ratio = test.columns["volume_ratio"]
        strain = np.repeat(strain_of(np.cbrt(ratio), law.kinematics)[:, None], 3, axis=1)
        mean = law.stress(torch.from_numpy(strain)).numpy().mean(1)
        return np.asarray(-mean / (ratio if law.kinematics == "log" else 1.0))
    return _tension_values(law, test)


def _tension_values(law: PrincipalResponse, test: Test) -> Array:
    strain, lateral = prescribed(test, law.kinematics)
    if test.lateral == "free":
        stretches = torch.from_numpy(stretch_of(strain, law.kinematics))
        lateral_strain = solve_lateral(test.mode, stretches, law)
        stretches = with_lateral(test.mode, stretches, lateral_strain)
        strain = strain_of(stretches.numpy(), law.kinematics)
    stress = law.stress(torch.from_numpy(strain)).numpy()
    if test.lateral == "incompressible":
        stress = stress - stress[:, lateral].mean(1, keepdims=True)
    axes = loaded_axes(test)
    axes = axes if test.mode == "biaxial" else axes[:1]
    values = [stress[:, a] * measures(strain, a, name, law.kinematics) for a, name in axes]
    return np.concatenate(values)
