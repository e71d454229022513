"""The stress that FFCx compiles against torch's gradient of the same law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lipmat.fem.lift import STRESS_OF
from lipmat.fem.trace import gradient_in_ufl
from lipmat.materials import mandel
from lipmat.materials.law import Law
from lipmat.materials.stretches import first_piola
from tests.fem.laws import polyconvex, steel_like
from tests.fem.pointwise import compiled

# isort: split
from scipy.spatial.transform import Rotation

Array = np.ndarray
RUBBER = polyconvex(knots=24, bulk_modulus=2e5)
GAPS = (0.0, *(10.0**-k for k in range(12, 2, -1)))


def compiled_stress(law: Law, parts: tuple[str, ...], f: Array) -> Array:
    """Sum of the parts' first Piola–Kirchhoff stresses at F (n, 3, 3)."""

    def stress(field: Any, constant: Any) -> Any:
        return sum(
            STRESS_OF[part.measure](
                field, lambda x, name=part.name: gradient_in_ufl(law, name, x, constant)
            )
            for part in law.parts
            if part.name in parts
        )

    return compiled(stress, f)


def torch_stress(parts: tuple[str, ...], f: Array) -> Array:
    def potential(stretches: torch.Tensor) -> torch.Tensor:
        energies = {
            "distortional": lambda: RUBBER.distortional(stretches),
            "volumetric": lambda: RUBBER.volumetric(stretches.prod().reshape(1)),
        }
        return sum(energies[name]() for name in parts)

    return first_piola(potential, torch.from_numpy(f)).numpy()


def turned(stretches: Array, rng: np.random.Generator) -> Array:
    """F with these stretches (n, 3) and random rotations on both sides."""
    left, right = (Rotation.random(len(stretches), rng=rng).as_matrix() for _ in range(2))
    return left @ (stretches[:, :, None] * right)


def random_stretches(rng: np.random.Generator, *shape: int) -> Array:
    return np.exp(rng.uniform(np.log(0.3), np.log(3.0), shape))


def error(f: Array, parts: tuple[str, ...]) -> Array:
    expected = torch_stress(parts, f)
    found = compiled_stress(RUBBER, parts, f)
    size = np.linalg.norm(expected, axis=(1, 2))
    return np.linalg.norm(found - expected, axis=(1, 2)) / size


PARTS = [("distortional",), ("volumetric",), ("distortional", "volumetric")]


@pytest.mark.parametrize("parts", PARTS, ids=" and ".join)
def test_stress_at_random_states(parts: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    f = turned(random_stretches(rng, 10_000, 3), rng)
    assert error(f, parts).max() <= 1e-9


@pytest.mark.parametrize("parts", PARTS, ids=" and ".join)
def test_stress_where_stretches_coincide_or_nearly_do(parts: tuple[str, ...]) -> None:
    """Of 1,000 states for each gap, two (first half) or three stretches differ by about it."""
    rng = np.random.default_rng(2)
    stretches = random_stretches(rng, len(GAPS), 1_000, 1)
    stretches = stretches * (1 + np.array(GAPS)[:, None, None] * rng.normal(size=(1_000, 3)))
    stretches[:, :500, 2] = random_stretches(rng, len(GAPS), 500)
    found = error(turned(stretches.reshape(-1, 3), rng), parts).reshape(len(GAPS), -1)
    assert {g: e for g, e in zip(GAPS, found.max(axis=1), strict=True) if not e <= 1e-8} == {}


def test_no_stress_at_rest() -> None:
    """At F = I and at rotations, relative to the shear modulus."""
    rng = np.random.default_rng(3)
    f = np.concatenate([np.eye(3)[None], turned(np.ones((1_000, 3)), rng)])
    for parts in PARTS:
        stress = compiled_stress(RUBBER, parts, f)
        assert np.abs(stress).max() <= 1e-13 * RUBBER.rest_moduli()[1]
    assert np.array_equal(
        compiled_stress(steel_like(), ("deviatoric", "volumetric"), f[:1]), np.zeros((1, 3, 3))
    )


def test_linear_stress() -> None:
    f = np.eye(3) + np.random.default_rng(4).uniform(-0.3, 0.3, (10_000, 3, 3))
    law = steel_like()

    def energy(strain: torch.Tensor) -> torch.Tensor:
        return law.deviatoric(strain) + law.volumetric(strain[:3].sum().reshape(1))

    strain = mandel.to_vector(torch.from_numpy(f - np.eye(3)))
    expected = mandel.to_tensor(torch.func.vmap(torch.func.grad(energy))(strain)).numpy()
    found = compiled_stress(law, ("deviatoric", "volumetric"), f)
    size = np.linalg.norm(expected, axis=(1, 2))
    assert (np.linalg.norm(found - expected, axis=(1, 2)) / size).max() <= 1e-12


@pytest.mark.parametrize("name", ["rubber", "linear"])
def test_nan_goes_through(name: str) -> None:
    """A NaN in any one component of F is a NaN in the stress, though the flags allow otherwise."""
    law = RUBBER if name == "rubber" else steel_like()
    f = np.tile(np.eye(3), (9, 1, 1))
    f[range(9), np.arange(9) // 3, np.arange(9) % 3] = np.nan
    for part in law.parts:
        if part.name == "volumetric" and name == "linear":
            f = f[[0, 4, 8]]  # which knows the trace only
        stress = compiled_stress(law, (part.name,), f)
        assert np.isnan(stress).any(axis=(1, 2)).all()
