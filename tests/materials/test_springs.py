"""Springs that stiffen: their energies, what the theory says of them, and their bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from lipmat.materials.file import load, save
from lipmat.materials.mandel import to_vector
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.springs import (
    Spring,
    principal_energy,
    principal_stress,
    stiffness,
    tangent_bound,
    tensor_energy,
    tensor_stress,
)
from tests.fem import laws as fixed

SPRINGS: tuple[Spring, ...] = ("hencky", "neo-hookean")
STATES = 2000


def deviators(rng: np.random.Generator, reach: float, number: int) -> Tensor:
    """Return principal strains of deviators, none larger than the reach, some that reach it."""
    strain = rng.standard_normal((number, 3))
    strain -= strain.mean(axis=1, keepdims=True)
    size = np.where(rng.random(number) < 0.5, 1.0, rng.random(number))
    return torch.from_numpy(
        strain / np.abs(strain).max(axis=1, keepdims=True) * reach * size[:, None]
    )


@pytest.mark.parametrize("spring", SPRINGS)
def test_tensors_and_principal_values_agree(spring: Spring) -> None:
    rng = np.random.default_rng(0)
    strain = deviators(rng, 1.0, 50)
    axes = torch.from_numpy(Rotation.random(50, rng=rng).as_matrix())

    def turned(values: Tensor) -> Tensor:
        return to_vector((axes * values.unsqueeze(1)) @ axes.transpose(1, 2))

    energy = principal_energy(spring, strain)
    assert torch.allclose(tensor_energy(spring, turned(strain)), energy, rtol=1e-12)
    stress = turned(principal_stress(spring, strain))
    assert torch.allclose(tensor_stress(spring, turned(strain)), stress, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("spring", SPRINGS)
def test_the_stress_is_the_gradient_and_the_energy_convex(spring: Spring) -> None:
    reach = 0.7
    strain = deviators(np.random.default_rng(1), reach, 2000)

    def energy(e: Tensor) -> Tensor:
        return principal_energy(spring, e - e.mean())

    stress = 2.0 * principal_stress(spring, strain)
    assert torch.allclose(torch.func.vmap(torch.func.grad(energy))(strain), stress, atol=1e-12)
    second = torch.linalg.eigvalsh(torch.func.vmap(torch.func.hessian(energy))(strain))
    most = stiffness(spring, reach)
    assert float(second.min()) >= -1e-12
    assert 0.3 * most <= float(second.max()) <= most * (1 + 1e-12)


@pytest.mark.parametrize("limit", [1.1, 1.6, 4.0])
@pytest.mark.parametrize("spring", SPRINGS)
def test_the_tangent_at_frozen_flow_is_below_its_bound(spring: Spring, limit: float) -> None:
    """Of ``F_e = F F_v^-1`` with elastic stretches at their limit, among them ``F_v = F_e^-1``."""
    rng, n = np.random.default_rng(2), 1000
    logs = np.log(limit) * rng.choice([-1.0, 1.0, 0.3], (n, 3)) * rng.uniform(0.9, 1, (n, 3))
    slip = 0.7 * np.log(limit) * rng.standard_normal((n, 3))
    slip -= slip.mean(axis=1, keepdims=True)
    slip[::2] = logs[::2].mean(axis=1, keepdims=True) - logs[::2]
    one, other, last = (Rotation.random(n, rng=rng).as_matrix() for _ in range(3))
    other[::2] = np.eye(3)
    elastic = one @ (np.exp(logs)[:, :, None] * other)
    flow = np.exp(slip)[:, :, None] * last
    f = elastic @ flow

    def energy(f: Tensor, back: Tensor) -> Tensor:
        e = f.reshape(3, 3) @ back
        log = 0.5 * torch.log(torch.linalg.eigvalsh(e.T @ e))
        return principal_energy(spring, log - log.mean())

    back = torch.from_numpy(np.linalg.inv(flow))
    found = torch.func.vmap(torch.func.hessian(energy))(torch.from_numpy(f).reshape(-1, 9), back)
    largest = torch.linalg.eigvalsh(found)[:, -1].numpy()
    smallest = np.linalg.svd(f, compute_uv=False)[:, -1]
    bounds = np.array([tangent_bound(spring, float(x), limit) for x in smallest])
    assert (largest <= bounds).all()
    if spring == "neo-hookean" or limit == 1.1:  # large stretches of hencky springs are far below
        assert (largest / bounds).max() >= 0.2


def test_dissipation_is_never_negative_and_states_do_not_drift_apart() -> None:
    """Random coaxial histories and pairs of states at large strain, as at small strain."""
    law, rng = fixed.stiffening(), np.random.default_rng(3)
    b = law.branches
    pair = [torch.zeros(STATES, law.history_size, dtype=torch.float64) for _ in range(2)]
    pair[1][:, :3] = deviators(rng, 0.3, STATES)
    moves = [deviators(rng, 0.2, STATES) for _ in range(8)]
    strain, last = torch.zeros(STATES, 6, dtype=torch.float64), 0.0
    work, before = torch.zeros(STATES, dtype=torch.float64), torch.zeros(STATES, 6).double()
    distance = np.inf
    for move, step in zip(moves, 10.0 ** rng.uniform(-4, 1, len(moves)), strict=True):
        strain[:, :3] += move
        was = pair[0][:, -2].clone()
        (stress, first), (_, second) = (law.advance(strain, h, float(step)) for h in pair)
        work += (0.5 * (stress + last) * (strain - before)).sum(1).abs()
        assert bool((first[:, -2] - was >= -1e-12 * work).all())
        gap = (first - second)[:, : 6 * b].reshape(STATES, b, 6)
        now = (law.shear_moduli * (gap * gap).sum(2)).sum(1).sqrt()
        assert bool((now <= distance + 1e-12 * float(law.shear_moduli.sum()) ** 0.5).all())
        pair, last, before, distance = [first, second], stress, strain.clone(), now
    assert float(pair[0][:, -2].median()) > 0


def test_they_are_saved_and_refused_at_small_strain(tmp_path: Path) -> None:
    law = fixed.stiffening()
    save(law, tmp_path / "law.safetensors")
    again = load(tmp_path / "law.safetensors")
    assert again.settings() == law.settings()
    assert again.settings()["spring"] == "neo-hookean"
    assert again.bound() == law.bound()
    with pytest.raises(ValueError, match="spring: found 'neo-hookean' at small strain"):
        fixed.stiffening("small")
    with pytest.raises(ValueError, match="spring: found 'steel'"):
        Maxwell.linear([1e5], [1.0], bulk_modulus=1e7, kinematics="log", spring="steel")
