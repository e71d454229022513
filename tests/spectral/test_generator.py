from __future__ import annotations

import math

import torch
from torch import Tensor

from lipmat.spectral.generator import BLOCKS, SHARE, Generator, energy_distance, train_generator
from lipmat.spectral.wasserstein import critic


def skewed(n: int, g: torch.Generator) -> Tensor:
    """Points that are far from normal: log-normal, and a sum with a square."""
    x = torch.randn(n, 2, generator=g, dtype=torch.float64)
    return torch.stack([torch.exp(0.8 * x[:, 0]), 0.5 * x[:, 0] ** 2 + 0.5 * x[:, 1]], 1)


def test_energy_distance_of_known_sets() -> None:
    zero, one = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    assert energy_distance(zero, one) == 2.0
    both = torch.cat([zero, one])
    assert energy_distance(both, zero) == 0.5  # 2 * 1/2 - 1/2 - 0
    assert energy_distance(both, torch.cat([both, both])) == 0.0
    g = torch.Generator().manual_seed(0)
    first, second = (torch.randn(4000, 1, generator=g, dtype=torch.float64) for _ in range(2))
    shifted = energy_distance(first, second + 10.0)
    assert math.isclose(shifted, 20.0 - 4.0 / math.sqrt(math.pi), rel_tol=0.01)


def test_it_begins_with_mean_and_covariance_of_the_given() -> None:
    g = torch.Generator().manual_seed(0)
    given = skewed(30, g) @ torch.tensor([[3.0, 1.0], [0.0, 0.2]], dtype=torch.float64)
    with torch.no_grad():
        drawn = Generator(given, g).draw(20000, g)
    assert (drawn.mean(0) - given.mean(0)).abs().max() < 0.1
    assert torch.allclose(torch.cov(drawn.T), torch.cov(given.T), rtol=0.1)


def test_it_learns_and_keeps_its_slopes() -> None:
    """Its slopes stay within the two proved limits, so that it neither tears nor collapses."""
    g = torch.Generator().manual_seed(0)
    given = skewed(100, g)
    network, told = Generator(given, g), []
    with torch.no_grad():
        before = energy_distance(network.draw(1000, g), given)
    opponent = critic(2, 16, 2, generator=g)
    seen = torch.nn.Identity()
    train_generator(
        network, opponent, seen, given, 100, g, progress=lambda *args: told.append(args[:2])
    )
    assert told == [(i, 100) for i in range(1, 101)]
    with torch.no_grad():
        after = energy_distance(network.draw(1000, g), given)
    assert after < 0.85 * before
    z = 2.0 * torch.randn(200, 2, generator=g, dtype=torch.float64)
    slopes = torch.stack([torch.autograd.functional.jacobian(network, row) for row in z])
    singular = torch.linalg.svdvals(slopes)
    spread = torch.linalg.svdvals(network.spread)
    limit = float(spread[0]) * (1.0 + SHARE) ** BLOCKS
    assert float(singular.max()) <= network.bound() <= limit * (1.0 + 1e-9)
    assert float(singular.min()) >= float(spread[-1]) * (1.0 - SHARE) ** BLOCKS
    assert float(singular[:, 0].max() / singular[:, 0].min()) > 1.05  # it is not linear
