"""Branches that flow: the compiled step is torch's, and what the mechanics asks of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import ufl
from scipy.linalg import logm
from scipy.spatial.transform import Rotation

from lipmat.fem.flow import flow, spring_energy
from lipmat.materials import mandel
from lipmat.materials.memory import MemoryLaw
from tests.fem.laws import copper, maxwell, stiffening, viscoplastic
from tests.fem.pointwise import compiled

Array = np.ndarray
MAKE = {"maxwell": maxwell, "viscoplastic": viscoplastic, "johnson-cook": copper}
LARGE = MAKE | {"stiffening": stiffening}
STEPS = (1e-5, 1e-2, 10.0)


def stepped(law: MemoryLaw, f: Array, history: Array, step: float) -> tuple[Array, Array]:
    """Return the compiled stress (n, 3, 3) and history (n, size) after a step to F (n, 3, 3)."""

    def make(field: Any, constant: Callable[[Array], Any]) -> Any:
        h = ufl.as_matrix([[field[3 * i + j] for j in range(3)] for i in range(3)])
        found = flow(
            law,
            h - ufl.Identity(3),
            [field[9 + i] for i in range(law.history_size)],
            constant(np.array(step)),
            constant,
        )
        stress = [found.stress[i, j] for i in range(3) for j in range(3)]
        return ufl.as_vector([*stress, *found.history])

    values = np.concatenate([f.reshape(len(f), 9), history], axis=1)
    found = compiled(make, values)
    return found[:, :9].reshape(-1, 3, 3), found[:, 9:]


def energies(law: MemoryLaw, f: Array, history: Array) -> Array:
    """Return the compiled energy density of the springs (n,)."""

    def make(field: Any, constant: Callable[[Array], Any]) -> Any:
        h = ufl.as_matrix([[field[3 * i + j] for j in range(3)] for i in range(3)])
        values = [field[9 + i] for i in range(law.history_size)]
        return spring_energy(law, h - ufl.Identity(3), values, constant)

    return compiled(make, np.concatenate([f.reshape(len(f), 9), history], axis=1))


def gradients(size: float, n: int = 500, seed: int = 0) -> Array:
    """Return random deformation gradients (n, 3, 3), the first some with equal stretches."""
    rng = np.random.default_rng(seed)
    stretches = np.exp(size * rng.standard_normal((n, 3)))
    stretches[:20] = stretches[:20, :1]
    stretches[20:60, 1] = stretches[20:60, 0]
    one, other = (Rotation.random(n, rng=rng).as_matrix() for _ in range(2))
    return np.asarray(one @ (stretches[:, :, None] * other))


@pytest.mark.parametrize("name", MAKE)
def test_the_compiled_step_is_torchs_at_small_strain(name: str) -> None:
    law: MemoryLaw = MAKE[name]()
    rng = np.random.default_rng(0)
    history = np.zeros((500, law.history_size))
    for step in STEPS:
        h = 0.02 * rng.standard_normal((500, 3, 3))
        stress, after = stepped(law, np.eye(3) + h, history, step)
        strain = mandel.to_vector(torch.from_numpy(h))
        expected, remembered = law.advance(strain, torch.from_numpy(history), step)
        size = float(expected.abs().max())
        found = mandel.to_vector(torch.from_numpy(stress))
        assert float((found - expected).abs().max()) <= 1e-9 * size
        scale = remembered.abs().max(0).values.numpy() + 1e-12
        assert np.abs((after - remembered.numpy()) / scale).max() <= 1e-9
        history = after


@pytest.mark.parametrize("name", LARGE)
def test_the_compiled_step_at_large_strain_is_that_of_the_exponential_map(name: str) -> None:
    """By eigenvectors and matrix logarithms in numpy, over three steps."""
    law: MemoryLaw = LARGE[name]("log")
    history = np.zeros((200, law.history_size))
    for i, step in enumerate(STEPS):
        f = gradients(0.05, 200, seed=i)
        stress, after = stepped(law, f, history, step)
        expected, remembered = by_eigenvectors(law, f, history, step)
        assert np.abs(stress - expected).max() <= 1e-9 * np.abs(expected).max()
        scale = np.abs(remembered).max(axis=0) + 1e-12
        assert np.abs((after - remembered) / scale).max() <= 1e-9
        history = after


def by_eigenvectors(law: MemoryLaw, f: Array, history: Array, step: float) -> tuple[Array, Array]:
    """Return stress and history as the textbooks write them."""
    b = law.branches
    shear = law.shear_moduli.numpy()
    stress, after = np.zeros_like(f), history.copy()
    trial_size, pieces = np.zeros((len(f), b)), {}
    for i in range(b):
        inverse = (
            np.eye(3) + mandel.to_tensor(torch.from_numpy(history[:, 6 * i : 6 * i + 6])).numpy()
        )
        trial = f @ inverse @ f.swapaxes(1, 2)
        values, vectors = np.linalg.eigh(0.5 * (trial + trial.swapaxes(1, 2)))
        strain = 0.5 * np.log(values)
        strain -= strain.mean(axis=1, keepdims=True)
        trial_size[:, i] = np.sqrt((strain**2).sum(axis=1) + 1e-40)
        pieces[i] = values, vectors, strain
    seen = history[:, 6 * b + 6 : -2] if law.hardens else np.zeros((len(f), b))
    share = law.remainder(
        *map(torch.from_numpy, (trial_size, seen)), torch.tensor(step, dtype=torch.float64)
    ).numpy()
    back = np.linalg.inv(f)
    for i, (values, vectors, strain) in pieces.items():
        left = share[:, i, None] * strain
        kirchhoff = 2 * shear[i] * law.spring_stress(torch.from_numpy(left)).numpy()
        spread = vectors.swapaxes(1, 2)
        stress += vectors @ (kirchhoff[:, :, None] * spread) @ back.swapaxes(1, 2)
        slipped = values * np.exp(2 * (left - strain))
        inverse = back @ vectors @ (slipped[:, :, None] * spread) @ back.swapaxes(1, 2)
        change = mandel.to_vector(torch.from_numpy(inverse - np.eye(3))).numpy()
        after[:, 6 * i : 6 * i + 6] = change
    if law.hardens:
        after[:, 6 * b + 6 : -2] += (1 - share) * trial_size
    c = f.swapaxes(1, 2) @ f - np.eye(3)
    move = c - mandel.to_tensor(torch.from_numpy(history[:, 6 * b : 6 * b + 6])).numpy()
    after[:, 6 * b : 6 * b + 6] = mandel.to_vector(torch.from_numpy(c)).numpy()
    stretching = 0.5 * back.swapaxes(1, 2) @ move @ back
    for i, (_, vectors, strain) in pieces.items():
        left = share[:, i, None] * strain
        last, first = (law.spring_stress(torch.from_numpy(x)).numpy() for x in (left, strain))
        fallen = vectors @ ((first - last)[:, :, None] * vectors.swapaxes(1, 2))
        work = ((first + last) * (strain - left)).sum(axis=1)
        after[:, -2] += 2 * shear[i] * (last * (strain - left)).sum(axis=1)
        after[:, -1] += shear[i] * (work - (fallen * stretching).sum(axis=(1, 2)))
    return stress, after


@pytest.mark.parametrize("name", LARGE)
def test_flow_at_large_strain_keeps_the_volume_and_dissipates(name: str) -> None:
    law: MemoryLaw = LARGE[name]("log")
    history = np.zeros((300, law.history_size))
    for i, step in enumerate(STEPS * 3):
        _, after = stepped(law, gradients(0.3, 300, seed=i), history, step)
        assert (after[:, -2] >= history[:, -2]).all()
        history = after
    for i in range(law.branches):
        inverse = (
            np.eye(3) + mandel.to_tensor(torch.from_numpy(history[:, 6 * i : 6 * i + 6])).numpy()
        )
        assert np.abs(np.linalg.det(inverse) - 1).max() <= 1e-11
        assert np.linalg.eigvalsh(inverse).min() > 0


@pytest.mark.parametrize("name", LARGE)
def test_it_is_objective_at_large_strain(name: str) -> None:
    law: MemoryLaw = LARGE[name]("log")
    rng = np.random.default_rng(3)
    turn = Rotation.random(300, rng=rng).as_matrix()
    f, zero = gradients(0.1, 300), np.zeros((300, law.history_size))
    one, other = stepped(law, f, zero, 1e-2), stepped(law, turn @ f, zero, 1e-2)
    assert np.abs(other[0] - turn @ one[0]).max() <= 1e-9 * np.abs(one[0]).max()
    assert np.abs(other[1] - one[1]).max() <= 1e-9 * np.abs(one[1]).max()


@pytest.mark.parametrize(
    ("name", "kinematics"),
    [*((name, k) for name in MAKE for k in ("small", "log")), ("stiffening", "log")],
)
def test_without_time_the_stress_is_the_gradient_of_the_springs(name: str, kinematics: Any) -> None:
    """By differences of the compiled energy at frozen flow; and nothing flows."""
    law: MemoryLaw = LARGE[name](kinematics)
    f = (
        gradients(0.01, 100)[60:]
        if kinematics == "log"
        else np.eye(3) + 0.01 * np.random.default_rng(0).standard_normal((40, 3, 3))
    )
    _, history = stepped(law, f, np.zeros((len(f), law.history_size)), 1e-3)
    f = f + 0.005 * np.random.default_rng(1).standard_normal(f.shape)
    stress, after = stepped(law, f, history, 0.0)
    kept = [*range(6 * law.branches), -2, -1]
    assert np.abs(after - history)[:, kept].max() <= 1e-9 * np.abs(history).max()
    small = 1e-6
    for i in range(3):
        for j in range(3):
            moved = [f.copy(), f.copy()]
            moved[0][:, i, j] -= small
            moved[1][:, i, j] += small
            low, high = (energies(law, x, history) for x in moved)
            slope = (high - low) / (2 * small)
            assert np.abs(slope - stress[:, i, j]).max() <= 1e-6 * np.abs(stress).max()


def test_the_logarithm_is_that_of_the_left_stretch() -> None:
    """Without flow the Kirchhoff stress is 2G dev ln V."""
    law = copper("log")
    f = gradients(0.2, 80, seed=5)[70:75]
    stress, _ = stepped(law, f, np.zeros((5, law.history_size)), 0.0)
    for one, p in zip(f, stress, strict=True):
        log = 0.5 * logm(one @ one.T)
        log -= np.trace(log) / 3 * np.eye(3)
        expected = 2 * float(law.shear_moduli[0]) * log @ np.linalg.inv(one).T
        assert np.abs(p - expected).max() <= 1e-6 * np.abs(expected).max()
