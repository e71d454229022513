from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from lipmat.spectral.activations import MaxMin
from lipmat.spectral.composition import lipschitz_bound, plain, sampled_gain, settle
from lipmat.spectral.layers import SpectralLinear
from tests.spectral.random_networks import WIDTH, random_network

NETWORKS = 1000


def points(seed: int, n: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scale = 10.0 ** torch.linspace(-2, 1, n, dtype=torch.float64)
    return scale[:, None] * torch.randn(n, WIDTH, generator=generator, dtype=torch.float64)


def test_the_gain_of_random_networks_is_below_their_bound() -> None:
    """By the Jacobian at points, and between pairs of points near and far."""
    closest = 0.0
    for seed in range(NETWORKS):
        network = random_network(seed)
        x = points(seed, 12)
        bound = lipschitz_bound(network)
        gain = sampled_gain(network, x)
        with torch.no_grad():
            far = (network(x) - network(x.flip(0))).norm(dim=1) / (x - x.flip(0)).norm(dim=1)
        gain = max(gain, float(far.max()))
        assert gain <= bound * (1.0 + 1e-9 * (gain > 0)), seed
        closest = max(closest, gain / bound)
    assert closest > 0.95


def test_plain_networks_return_the_same_bits_and_have_the_same_bound() -> None:
    for seed in range(40):
        network = random_network(seed)
        before = copy.deepcopy(network.state_dict())
        out, x = plain(network), points(seed, 8)
        kinds = {type(m).__name__ for m in out.modules()}
        assert not kinds & {"SpectralLinear", "SpectralConv", "NormCap"}
        assert torch.equal(out(x), network(x))
        after = network.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before)
        with torch.no_grad():
            for p in out.parameters():
                p.zero_()
        assert torch.equal(network(x), plain(network)(x))


def test_a_layer_without_a_rule_is_named() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.BatchNorm1d(2)))
    with pytest.raises(ValueError, match="layer 1, layer 1 is a BatchNorm1d, which has no rule"):
        lipschitz_bound(network)


def test_what_may_change_a_known_layer_is_refused() -> None:
    class Twice(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return 2.0 * super().forward(x)

    class Skewed(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 3.0 * super().forward(x)

    for layer in (Twice(nn.ReLU()), Skewed(2, 2), nn.utils.spectral_norm(nn.Linear(2, 2))):
        with pytest.raises(ValueError, match=r"bound: the network (is a|has hooks)"):
            lipschitz_bound(layer)
    grouped = nn.Conv1d(2, 2, 3, groups=2)
    reflecting = nn.Conv1d(2, 2, 3, padding=1, padding_mode="reflect")
    wrapped = nn.Conv1d(1, 1, 3, padding=2, padding_mode="circular")
    for layer in (grouped, reflecting, wrapped):
        with pytest.raises(ValueError, match="expected one group"):
            lipschitz_bound(layer)


def test_the_bound_of_orthogonal_layers_is_attained() -> None:
    g = torch.Generator().manual_seed(0)
    layers = [SpectralLinear(4, 4, cap="orthogonal", generator=g) for _ in range(3)]
    network = nn.Sequential(layers[0], MaxMin(), layers[1], MaxMin(), layers[2])
    gain = sampled_gain(network, points(0, 4))
    assert 1.0 - 1e-12 < gain <= lipschitz_bound(network) < 1.0 + 1e-11


def test_the_sampled_gain_of_a_matrix_is_its_norm_and_leaves_the_mode() -> None:
    layer = SpectralLinear(4, 3, target=2.0).train()
    settle(layer)
    assert sampled_gain(layer, points(1, 3)) == pytest.approx(2.0, rel=1e-10)
    assert layer.training


@pytest.mark.parametrize(
    "activation",
    [
        nn.ReLU(),
        nn.Tanh(),
        nn.Softplus(beta=3.0),
        nn.Hardtanh(-2.0, 0.5),
        nn.Sigmoid(),
        nn.Softsign(),
        nn.ELU(0.5),
        nn.ELU(1.7),
        nn.LeakyReLU(2.5),
        nn.SiLU(),
        nn.GELU(),
        nn.GELU("tanh"),
    ],
)
def test_the_rules_of_activations_are_their_largest_slopes(activation: nn.Module) -> None:
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64).requires_grad_()
    slope = torch.autograd.grad(activation(x).sum(), x)[0].abs().max().item()
    assert slope <= lipschitz_bound(activation) <= 1.002 * slope


def test_a_softplus_that_jumps_is_refused() -> None:
    with pytest.raises(ValueError, match="found a softplus that jumps at 1"):
        lipschitz_bound(nn.Softplus(threshold=1))
