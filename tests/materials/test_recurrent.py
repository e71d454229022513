from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lipmat.materials.recurrent import RecurrentLaw, train
from lipmat.spectral.activations import MaxMin

MODULUS, RELAXATION = 3.0e6, 0.8
"""Of a Maxwell body [Pa], and what is left of its stress after a step [-]."""


def histories(n: int, steps: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return smooth random strain histories and the stresses of a Maxwell body."""
    g = torch.Generator().manual_seed(seed)
    time = torch.linspace(0, 1, steps, dtype=torch.float64)
    waves = torch.stack([torch.sin(torch.pi * k * time) for k in (1, 2, 3, 5)])
    strain = 0.01 * torch.einsum("nck,ks->nsc", torch.randn(n, 6, 4, generator=g).double(), waves)
    stress, s, before = [], torch.zeros(n, 6, dtype=torch.float64), torch.zeros(n, 6).double()
    for e in strain.unbind(1):
        s = RELAXATION * (s + MODULUS * (e - before))
        before = e
        stress.append(s)
    return strain, torch.stack(stress, 1)


def changed(law: RecurrentLaw, step: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return by how much a strain that is changed at one step changes the stresses (n, steps)."""
    strain, _ = histories(30, 15, seed)
    other = strain.clone()
    g = torch.Generator().manual_seed(seed + 100)
    move = 10.0 ** torch.linspace(-6, 0, 30, dtype=torch.float64)[:, None]
    other[:, step] += move * torch.randn(30, 6, generator=g, dtype=torch.float64)
    with torch.no_grad():
        return (law(other) - law(strain)).norm(dim=2), (other - strain)[:, step].norm(dim=1)


@pytest.mark.parametrize("cap", ["hard", "soft", "orthogonal"])
@pytest.mark.parametrize("memory", [0.5, 0.9, 1.0])
def test_a_change_of_the_strain_fades_as_proved(cap: str, memory: float) -> None:
    g = torch.Generator().manual_seed(0)
    law = RecurrentLaw(
        12, MODULUS, strain_scale=0.02, cap=cap, memory=memory, activation=MaxMin(), generator=g
    ).eval()
    assert law.forgetting() <= memory * (1.0 + 1e-10)
    assert law.bound() <= MODULUS * (1.0 + 1e-10)
    for step in (0, 4, 11):
        stress, strain = changed(law, step, 3)
        assert not stress[:, :step].any()
        for delay in range(15 - step):
            limit = law.bound(delay) * strain
            assert bool((stress[:, step + delay] <= limit * (1.0 + 1e-9)).all())


def test_the_bound_is_attained_by_an_orthogonal_map() -> None:
    """Without bends the law is linear; W, U and V are orthogonal, so that nothing is lost."""
    law = RecurrentLaw(6, MODULUS, cap="orthogonal", memory=0.9, activation=nn.Identity()).eval()
    with torch.no_grad():
        law.cell.input.raw.copy_(torch.eye(6))
        law.readout.raw.copy_(torch.eye(6))
    stress, strain = changed(law, 2, 5)
    for delay in range(10):
        torch.testing.assert_close(stress[:, 2 + delay], law.bound(delay) * strain)


def test_changes_of_all_strains_are_bounded_together() -> None:
    g = torch.Generator().manual_seed(1)
    law = RecurrentLaw(12, MODULUS, strain_scale=0.02, memory=0.9, generator=g).eval()
    strain, _ = histories(50, 40, 0)
    noise = torch.randn(strain.shape, generator=g, dtype=torch.float64)
    noise *= 1e-3 / noise.norm(dim=2, keepdim=True)
    with torch.no_grad():
        change = (law(strain + noise) - law(strain)).norm(dim=2).max()
    assert float(change) <= law.history_bound() * 1e-3
    with torch.no_grad():
        law.cell.state.raw.copy_(3.0 * torch.eye(12))
    assert law.forgetting() == pytest.approx(0.9)
    free = RecurrentLaw(12, MODULUS, memory=1.0, cap="orthogonal")
    assert free.history_bound() > 1e12 * MODULUS


def test_training_recovers_a_maxwell_body_on_histories_not_seen() -> None:
    g = torch.Generator().manual_seed(2)
    law = RecurrentLaw(24, 2.0 * MODULUS, strain_scale=0.2, generator=g)
    strain, stress = histories(40, 30, 1)
    assert train(law, strain, stress, 400, rate=3e-2) > 0.999
    strain, stress = histories(20, 30, 2)
    with torch.no_grad():
        missed = (law(strain) - stress).square().sum()
    assert 1.0 - float(missed / (stress - stress.mean((0, 1))).square().sum()) > 0.998
    assert law.bound() <= 2.0 * MODULUS * (1.0 + 1e-10)


def test_no_strain_gives_no_stress_and_the_tangent_is_not_symmetric() -> None:
    """It has no potential, so it is a baseline and no law for a run."""
    law = RecurrentLaw(8, MODULUS, generator=torch.Generator().manual_seed(3)).eval()
    rest = torch.zeros(1, 4, 6, dtype=torch.float64)
    assert not law(rest).any()
    jacobian = torch.autograd.functional.jacobian(lambda e: law(rest + e)[0, -1], rest[0, 0])
    assert float((jacobian - jacobian.T).norm()) > 0.1 * float(jacobian.norm())


def test_what_it_cannot_take_is_refused() -> None:
    with pytest.raises(ValueError, match=r"strain history: found the shape \(4, 6\)"):
        RecurrentLaw(4, MODULUS)(torch.zeros(4, 6).double())
    with pytest.raises(ValueError, match="stiffness and strain scale: found -1"):
        RecurrentLaw(4, -1.0)
    with pytest.raises(ValueError, match="activation: expected"):
        RecurrentLaw(4, MODULUS, activation=nn.Sigmoid())
    strain, stress = histories(2, 5, 0)
    with pytest.raises(ValueError, match="histories: found"):
        train(RecurrentLaw(4, MODULUS), strain, 0.0 * stress, 1)
