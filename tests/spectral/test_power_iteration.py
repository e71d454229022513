from __future__ import annotations

import torch
from torch import Tensor

from lipmat.spectral.power_iteration import PowerIteration


def matrices(batch: int, size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(batch, size, size, generator=generator, dtype=torch.float64)
    return root @ root.transpose(1, 2)


def test_it_converges_to_the_largest_eigenvalue_and_stays_below() -> None:
    a = matrices(20, 4, 0)
    largest = torch.linalg.eigvalsh(a)[:, -1]
    power = PowerIteration(20, 4, 5, torch.Generator().manual_seed(1))
    gaps = []
    for _ in range(60):
        power.update(a)
        estimate = power.estimate(a)
        assert bool((estimate <= largest * (1 + 1e-13)).all())
        gaps.append(float(((largest - estimate) / largest).max()))
    assert gaps[-1] < 1e-10
    assert gaps[-1] < 1e-3 * gaps[0]


def test_the_estimate_is_differentiable_in_the_matrices() -> None:
    a = matrices(1, 3, 2)
    power = PowerIteration(1, 3, 200, torch.Generator().manual_seed(0))
    power.update(a)
    value, vectors = torch.linalg.eigh(a)
    v = vectors[0, :, -1]
    gradient = torch.func.grad(lambda m: power.estimate(m).sum())(a)[0]
    torch.testing.assert_close(gradient, torch.outer(v, v), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(power.estimate(a), value[:, -1])


def test_a_zero_matrix_keeps_the_vectors() -> None:
    power = PowerIteration(2, 3, 4, torch.Generator().manual_seed(0))
    before = power.vectors.clone()
    power.update(torch.zeros(2, 3, 3, dtype=torch.float64))
    assert torch.equal(power.vectors, before)
