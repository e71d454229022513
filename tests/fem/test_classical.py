"""Classical laws and their corrections: what is compiled is what torch says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from scipy.spatial.transform import Rotation

from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.guard import Guard
from lipmat.fem.lift import stress_of
from lipmat.fem.mpi import MPI
from lipmat.fem.sharp import SharpBound
from lipmat.fem.step import StepControl
from lipmat.fem.trace import gradient_in_ufl
from lipmat.materials.stretch_law import StretchLaw
from lipmat.materials.stretches import first_piola
from tests.fem.bodies import Force
from tests.fem.laws import carroll, extended_tube
from tests.fem.pointwise import compiled

# isort: split
import ufl

Array = np.ndarray
MAKE = {"carroll": carroll, "extended-tube": extended_tube}
GAPS = (0.0, 1e-10, 1e-7, 1e-4)


@pytest.fixture(params=MAKE, scope="module")
def law(request: pytest.FixtureRequest) -> StretchLaw:
    made: StretchLaw = MAKE[request.param](corrected=True)
    return made


def compiled_stress(law: StretchLaw, f: Array) -> Array:
    def stress(field: Any, constant: Any) -> Any:
        def forces(x: Any) -> Any:
            return gradient_in_ufl(law, "distortional", x, constant)

        return stress_of("stretches", field - ufl.Identity(3), forces, None)

    return compiled(stress, f)


def turned(stretches: Array, rng: np.random.Generator) -> Array:
    left, right = (Rotation.random(len(stretches), rng=rng).as_matrix() for _ in range(2))
    return left @ (stretches[:, :, None] * right)


def test_compiled_stress_is_that_of_torch(law: StretchLaw) -> None:
    """At random states, some of them with two stretches that coincide or nearly do."""
    rng = np.random.default_rng(0)
    stretches = np.exp(rng.uniform(np.log(0.4), np.log(2.5), (1_000, 3)))
    for k, gap in enumerate(GAPS):
        stretches[100 * k : 100 * (k + 1), 1] = stretches[100 * k : 100 * (k + 1), 0] * (1 + gap)
    f = turned(stretches, rng)
    expected = first_piola(law.distortional, torch.from_numpy(f)).numpy()
    error = np.linalg.norm(compiled_stress(law, f) - expected, axis=(1, 2))
    assert float((error / np.linalg.norm(expected, axis=(1, 2))).max()) <= 1e-9
    rest = compiled_stress(law, turned(np.ones((50, 3)), rng))
    assert np.abs(rest).max() <= 1e-13 * law.rest_moduli()[1]


def test_the_frequency_is_below_the_bounds_of_ladder_and_sharp_step(law: StretchLaw) -> None:
    """By differences of the assembled force, at a state within the third domain of the ladder."""
    body = Body(box((1, 1, 1), (2, 2, 2), "hexahedron", MPI.COMM_SELF), [Material(law, 930.0)])
    force, rng = Force(body), np.random.default_rng(1)
    force.u.x.array[:] = 0.03 * rng.uniform(-1, 1, force.u.x.array.size)
    rung = 2
    control = StepControl(body, "linearised", 1.0, 0)
    assert Guard(body, force.u, control).check((rung,), 0.0, 1.0).outcome is None
    scale = 1.0 / np.sqrt(body.mass)
    tangent = scale[:, None] * force.tangent(force.u.x.array.copy()) * scale
    exact = float(np.sqrt(eigh(tangent, eigvals_only=True)[-1]))
    sharp = SharpBound(body).refresh(force.u, (rung,)).omega
    assert 0.5 * sharp < exact <= sharp
    assert exact <= control.at((rung,)).frequency.omega
