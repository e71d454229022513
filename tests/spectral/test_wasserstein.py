from __future__ import annotations

from functools import partial

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from lipmat.spectral.wasserstein import critic, train_critic, wasserstein_bound


def shell(n: int, d: int, g: torch.Generator) -> Tensor:
    x = torch.randn(n, d, generator=g, dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True)


def distance_to_shell(network: nn.Module, d: int, steps: int, g: torch.Generator) -> float:
    """Return the estimate of the distance of the unit shell and its centre, which is 1."""
    centre = torch.zeros(1, d, dtype=torch.float64)
    train_critic(network, partial(shell, 128, d, g), lambda: centre, steps)
    return wasserstein_bound(network, shell(5000, d, g), centre)


@pytest.mark.parametrize(
    ("d", "width", "hidden", "steps", "least"),
    [(1, 16, 2, 150, 0.99), (2, 32, 4, 300, 0.97), (16, 64, 3, 300, 0.92)],
)
def test_the_distance_of_a_point_and_the_unit_shell(
    d: int, width: int, hidden: int, steps: int, least: float
) -> None:
    g = torch.Generator().manual_seed(0)
    network = critic(d, width, hidden, generator=g)
    assert least <= distance_to_shell(network, d, steps, g) <= 1.0


def test_the_norm_alone_with_relu_stalls() -> None:
    g = torch.Generator().manual_seed(0)
    network = critic(2, 32, 4, cap="hard", activation=nn.ReLU, generator=g)
    assert 0.3 < distance_to_shell(network, 2, 300, g) < 0.6


def test_the_estimate_is_below_the_exact_distance_of_the_two_sets() -> None:
    """Also of an untrained critic, and of one whose layers exceed their targets."""
    g = torch.Generator().manual_seed(1)
    for seed in range(10):
        first = torch.randn(40, 3, generator=g, dtype=torch.float64)
        second = 0.5 * torch.randn(40, 3, generator=g, dtype=torch.float64) + 0.1 * seed
        costs = torch.cdist(first, second)
        exact = float(costs[linear_sum_assignment(costs.numpy())].mean())
        network = critic(3, 16, 2, cap="hard", generator=g)
        with torch.no_grad():
            for p in network.parameters():
                p.mul_(1.0 + torch.rand(p.shape, generator=g))
        assert abs(wasserstein_bound(network, first, second)) <= exact
        train_critic(network, lambda f=first: f, lambda s=second: s, 20)
        assert 0.1 * exact < wasserstein_bound(network, first, second) <= exact
