"""The stress that FFCx compiles against torch's gradient of the same law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lipmat.fem.lift import arguments_of, stress_of
from lipmat.fem.trace import gradient_in_ufl
from lipmat.materials import mandel
from lipmat.materials.law import Law, Part
from lipmat.materials.stretches import first_piola
from tests.fem.laws import polyconvex, steel_like
from tests.fem.pointwise import compiled

# isort: split
import ufl
from scipy.spatial.transform import Rotation

Array = np.ndarray
RUBBER = polyconvex(knots=24, bulk_modulus=2e5)


class AXES:
    """Material axes as orthonormal rows."""

    rows = Rotation.from_euler("xyz", [0.3, -0.7, 1.1]).as_matrix()

    @classmethod
    def as_ufl(cls, constant: Any) -> Any:
        return constant(cls.rows)


GAPS = (0.0, *(10.0**-k for k in range(12, 2, -1)))


def compiled_stress(law: Law, parts: tuple[str, ...], f: Array) -> Array:
    """Sum of the parts' first Piola–Kirchhoff stresses at F (n, 3, 3)."""

    def stress(field: Any, constant: Any) -> Any:
        return sum(
            stress_of(
                part.measure,
                field - ufl.Identity(3),
                lambda x, name=part.name: gradient_in_ufl(law, name, x, constant),
                AXES.as_ufl(constant),
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


class Potentials(torch.nn.Module):
    """Smooth potentials without any symmetry but that of the principal values."""

    isotropic = False

    def __init__(self, measures: tuple[str, ...]) -> None:
        super().__init__()
        root = torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        self.stiffness = root @ root.T
        names = {"strain": "six", "log_strain": "six", "dilatation": "one", "log_dilatation": "one"}
        self.parts = tuple(Part(names.get(m, "three"), m) for m in measures)

    def six(self, e: torch.Tensor) -> torch.Tensor:
        return torch.exp((e * (self.stiffness @ e)).sum())

    def three(self, y: torch.Tensor) -> torch.Tensor:
        return torch.exp(y).sum() + (y * y * y * y).sum() + y[0] * y[1] * y[2]

    def one(self, d: torch.Tensor) -> torch.Tensor:
        return torch.exp(d[0]) - d[0]


def gradient(potential: Any, x: Array) -> Array:
    return torch.func.vmap(torch.func.grad(potential))(torch.from_numpy(x)).numpy()


def in_axes(tensor: Array) -> Array:
    return AXES.rows @ tensor @ AXES.rows.T


def out_of_axes(tensor: Array) -> Array:
    return AXES.rows.T @ tensor @ AXES.rows


def small_strain_reference(law: Potentials, f: Array) -> Array:
    """Sum of the small-strain parts' stresses, by eigenvectors."""
    e = 0.5 * (f + f.swapaxes(1, 2)) - np.eye(3)
    total = np.zeros_like(f)
    for part in law.parts:
        if part.measure == "strain":
            s = gradient(law.six, mandel.to_vector(torch.from_numpy(in_axes(e))).numpy())
            total += out_of_axes(mandel.to_tensor(torch.from_numpy(s)).numpy())
        elif part.measure == "principal_strains":
            values, vectors = np.linalg.eigh(e)
            p = gradient(law.three, values)
            total += vectors @ (p[:, :, None] * vectors.swapaxes(1, 2))
        else:
            d = np.trace(e, axis1=1, axis2=2)[:, None]
            total += gradient(law.one, d)[:, :, None] * np.eye(3)
    return total


def log_strain_reference(law: Potentials, f: Array) -> Array:
    """Sum of the parts' P = F S, S = 2 T : dH/dC, by Daleckii and Krein's formula."""
    c = f.swapaxes(1, 2) @ f
    values, vectors = np.linalg.eigh(c)
    logs = np.log(values)
    gap = values[:, :, None] - values[:, None, :]
    close = abs(gap) < 1e-7
    middle = 0.5 * (values[:, :, None] + values[:, None, :])
    difference = logs[:, :, None] - logs[:, None, :]
    theta = np.where(close, 1 / middle, difference / np.where(close, 1.0, gap))
    h = 0.5 * vectors @ (logs[:, :, None] * vectors.swapaxes(1, 2))
    total = np.zeros_like(f)
    for part in law.parts:
        if part.measure == "log_strain":
            t = gradient(law.six, mandel.to_vector(torch.from_numpy(in_axes(h))).numpy())
            t = out_of_axes(mandel.to_tensor(torch.from_numpy(t)).numpy())
        elif part.measure == "principal_log_strains":
            p = gradient(law.three, 0.5 * logs)
            t = vectors @ (p[:, :, None] * vectors.swapaxes(1, 2))
        else:
            t = gradient(law.one, 0.5 * logs.sum(1, keepdims=True))[:, :, None] * np.eye(3)
        inside = vectors.swapaxes(1, 2) @ t @ vectors
        total += f @ vectors @ (theta * inside) @ vectors.swapaxes(1, 2)
    return total


SMALL = [("strain",), ("principal_strains",), ("dilatation",), ("strain", "dilatation")]
LOG = [("log_strain",), ("principal_log_strains",), ("log_dilatation",)]


def relative(found: Array, expected: Array) -> Array:
    return np.linalg.norm(found - expected, axis=(1, 2)) / np.linalg.norm(expected, axis=(1, 2))


def coinciding(rng: np.random.Generator, low: float, high: float) -> Array:
    """F whose stretches differ by about each gap: two (first half) or all three."""
    stretches = rng.uniform(low, high, (len(GAPS), 100, 1))
    stretches = stretches * (1 + np.array(GAPS)[:, None, None] * rng.normal(size=(100, 3)))
    stretches[:, :50, 2] = rng.uniform(low, high, (len(GAPS), 50))
    return stretches.reshape(-1, 3)


@pytest.mark.parametrize("measures", SMALL, ids=" and ".join)
def test_small_strain_stress(measures: tuple[str, ...]) -> None:
    law, rng = Potentials(measures), np.random.default_rng(5)
    turns = Rotation.random(len(GAPS) * 100, rng=rng).as_matrix()
    near = turns @ (coinciding(rng, 0.8, 1.2)[:, :, None] * turns.swapaxes(1, 2))
    f = np.concatenate([np.eye(3) + rng.uniform(-0.2, 0.2, (5_000, 3, 3)), near])
    names = tuple(part.name for part in law.parts)
    found = relative(compiled_stress(law, names, f), small_strain_reference(law, f))
    assert found[:5_000].max() <= 1e-9
    assert found[5_000:].max() <= 1e-8


@pytest.mark.parametrize("measures", LOG, ids=" and ".join)
def test_log_strain_stress(measures: tuple[str, ...]) -> None:
    law, rng = Potentials(measures), np.random.default_rng(6)
    far = turned(rng.uniform(0.75, 1.35, (5_000, 3)), rng)
    f = np.concatenate([far, turned(coinciding(rng, 0.75, 1.35), rng)])
    names = tuple(part.name for part in law.parts)
    found = relative(compiled_stress(law, names, f), log_strain_reference(law, f))
    assert found[:5_000].max() <= 1e-9
    assert found[5_000:].max() <= 1e-8


@pytest.mark.parametrize("measure", ["strain", "log_strain"])
def test_the_logarithm_and_the_axes_of_the_strain(measure: str) -> None:
    rng = np.random.default_rng(7)
    f = turned(rng.uniform(0.7, 1.4, (1_000, 3)), rng)
    c = f.swapaxes(1, 2) @ f
    values, vectors = np.linalg.eigh(c)
    logarithm = 0.5 * vectors @ (np.log(values)[:, :, None] * vectors.swapaxes(1, 2))
    small = 0.5 * (f + f.swapaxes(1, 2)) - np.eye(3)
    tensor = in_axes(logarithm if measure == "log_strain" else small)
    expected = mandel.to_vector(torch.from_numpy(tensor)).numpy()

    def components(field: Any, constant: Any) -> Any:
        h = field - ufl.Identity(3)
        return ufl.as_vector(list(arguments_of(measure, h, AXES.as_ufl(constant))))

    assert np.abs(compiled(components, f) - expected).max() <= 1e-12


def test_zero_strain_is_exact() -> None:
    for measure in ("principal_strains", "strain"):
        law = Potentials((measure,))
        found = compiled_stress(law, (law.parts[0].name,), np.eye(3)[None])
        expected = small_strain_reference(law, np.eye(3)[None])
        assert np.abs(found - expected).max() <= 1e-14
