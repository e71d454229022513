"""Every learned law: its compiled stress is torch's, its compiled energy the potential of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import ufl
from scipy.spatial.transform import Rotation

from lipmat.fem.lift import arguments_of, stress_of
from lipmat.fem.trace import energy_in_ufl, gradient_in_ufl
from lipmat.materials import mandel
from tests.fem.laws import pq, principal, ridge
from tests.fem.pointwise import compiled

Array = np.ndarray
AXES = Rotation.from_euler("xyz", [0.4, -0.2, 0.9]).as_matrix()
MAKE = {"principal-values": principal, "pq": pq, "ridge": ridge}
KINEMATICS = ("small", "log")


def at_points(law: Any, f: Array, energy: bool = False) -> Array:
    """Return the compiled stress (n, 3, 3), or energy (n,), at deformation gradients."""

    def expression(field: Any, constant: Any) -> Any:
        h = field - ufl.Identity(3)
        axes = None if law.isotropic else constant(AXES)
        total = 0
        for part in law.parts:
            if energy:
                x = arguments_of(part.measure, h, axes)
                total += energy_in_ufl(law, part.name, x, constant)
            else:

                def forces(x: Any, name: str = part.name) -> Any:
                    return gradient_in_ufl(law, name, x, constant)

                total += stress_of(part.measure, h, forces, axes)
        return total

    return compiled(expression, f)


def reference(law: Any, f: Array) -> Array:
    """Return the first Piola–Kirchhoff stress (n, 3, 3) by torch and eigenvectors."""
    axes = np.eye(3) if law.isotropic else AXES
    if law.kinematics == "small":
        return _tensor_stress(law, 0.5 * (f + f.swapaxes(1, 2)) - np.eye(3), axes)
    c = f.swapaxes(1, 2) @ f
    values, vectors = np.linalg.eigh(c)
    logs = np.log(values)
    h = 0.5 * vectors @ (logs[:, :, None] * vectors.swapaxes(1, 2))
    gap = values[:, :, None] - values[:, None, :]
    close = abs(gap) < 1e-7
    middle = 0.5 * (values[:, :, None] + values[:, None, :])
    rise = logs[:, :, None] - logs[:, None, :]
    theta = np.where(close, 1 / middle, rise / np.where(close, 1.0, gap))
    inside = vectors.swapaxes(1, 2) @ _tensor_stress(law, h, axes) @ vectors
    return f @ vectors @ (theta * inside) @ vectors.swapaxes(1, 2)


def _tensor_stress(law: Any, strain: Array, axes: Array) -> Array:
    vector = mandel.to_vector(torch.from_numpy(axes @ strain @ axes.T))
    return axes.T @ mandel.to_tensor(law.stress(vector)).numpy() @ axes


def states(seed: int = 0, n: int = 2_000) -> Array:
    """F of random strains to some per cent, and ones with two or three equal stretches."""
    rng = np.random.default_rng(seed)
    stretches = 1 + rng.uniform(-0.08, 0.08, (n, 3))
    stretches[: n // 10, 1] = stretches[: n // 10, 0]
    stretches[: n // 20] = stretches[: n // 20, :1]
    turn, more = (Rotation.random(n, rng=rng).as_matrix() for _ in range(2))
    symmetric = turn @ (stretches[:, :, None] * turn.swapaxes(1, 2))
    symmetric[n // 2 :] = more[n // 2 :] @ symmetric[n // 2 :]
    return symmetric


@pytest.mark.parametrize("kinematics", KINEMATICS)
@pytest.mark.parametrize("name", MAKE)
def test_compiled_stress_is_that_of_torch(name: str, kinematics: str) -> None:
    law = MAKE[name](kinematics=kinematics)
    f = states()
    if kinematics == "small":
        f = f[:1_000]  # no rotations
    expected, found = reference(law, f), at_points(law, f)
    size = np.linalg.norm(expected, axis=(1, 2))
    assert size.min() > 0
    assert (np.linalg.norm(found - expected, axis=(1, 2)) / size).max() <= 1e-9
    rest = at_points(law, np.eye(3)[None])
    assert np.abs(rest).max() <= 1e-13 * law.rest_moduli()[0]


@pytest.mark.parametrize("kinematics", KINEMATICS)
@pytest.mark.parametrize("name", MAKE)
def test_compiled_energy_is_the_potential_of_the_compiled_stress(
    name: str, kinematics: str
) -> None:
    law, rng = MAKE[name](kinematics=kinematics), np.random.default_rng(1)
    f = states(n=200)[:100]
    way = rng.standard_normal(f.shape)
    step = 1e-6
    rise = at_points(law, f + step * way, True) - at_points(law, f - step * way, True)
    work = np.einsum("nij,nij->n", at_points(law, f), way)
    size = np.linalg.norm(at_points(law, f), axis=(1, 2)) * np.linalg.norm(way, axis=(1, 2))
    assert (abs(rise / (2 * step) - work) / size).max() <= 1e-6


@pytest.mark.parametrize("name", MAKE)
def test_log_strain_is_objective(name: str) -> None:
    law = MAKE[name](kinematics="log")
    f, turn = states(n=100), Rotation.from_euler("zyx", [1.0, 2.0, 3.0]).as_matrix()
    found, turned = at_points(law, f), at_points(law, turn @ f)
    assert np.abs(turned - turn @ found).max() <= 1e-10 * np.abs(found).max()
