from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lipmat.spectral.activations import MaxMin
from lipmat.spectral.blocks import Gate, Residual
from lipmat.spectral.composition import lipschitz_bound, sampled_gain, settle
from lipmat.spectral.layers import SpectralLinear

SHARE, STEPS = 0.9, 20


def moons(n: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two interleaved half circles (n, 2) and which of them each point is on."""
    angle = torch.pi * torch.rand(n, generator=g, dtype=torch.float64)
    label = torch.randint(2, (n,), generator=g)
    sign = 1.0 - 2.0 * label
    x = torch.stack([label + sign * angle.cos(), 0.5 * label + sign * angle.sin()], 1)
    return x + 0.1 * torch.randn(n, 2, generator=g, dtype=torch.float64), label


def trained(normalised: bool, activation: type[nn.Module]) -> tuple[nn.Sequential, float]:
    """Return four residual blocks that were trained to tell the moons, and their accuracy."""
    g = torch.Generator().manual_seed(0)

    def dense(inputs: int, outputs: int) -> nn.Module:
        if normalised:
            return SpectralLinear(inputs, outputs, generator=g)
        layer = nn.Linear(inputs, outputs, dtype=torch.float64)
        start = torch.randn(outputs, inputs, generator=g, dtype=torch.float64)
        layer.weight = nn.Parameter(start / inputs**0.5)
        return layer

    def branch() -> nn.Module:
        return nn.Sequential(dense(2, 32), activation(), dense(32, 32), activation(), dense(32, 2))

    network = nn.Sequential(*(Residual(branch(), SHARE) for _ in range(4)))
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(200):
        x, label = moons(128, g)
        logits = 5.0 * network(x)
        optimiser.zero_grad()
        nn.functional.cross_entropy(logits, label).backward()
        optimiser.step()
    settle(network.eval())
    x, label = moons(1000, g)
    return network, float((network(x).argmax(1) == label).double().mean())


def inverse_error(network: nn.Sequential, steps: int, memory: int) -> float:
    x, _ = moons(500, torch.Generator().manual_seed(1))
    with torch.no_grad():
        y = network(x)
        for block in reversed(network):
            y = block.inverse(y, steps, memory)
    return float((y - x).abs().max())


def test_residual_blocks_of_capped_branches_are_inverted() -> None:
    """By 20 evaluations to 1e-6 if they are mixed; plain ones, which may need 0.9^n, by 300."""
    network, accuracy = trained(normalised=True, activation=nn.ELU)
    assert accuracy > 0.85
    assert all(SHARE <= block.contraction() <= SHARE + 1e-6 for block in network)
    assert inverse_error(network, STEPS, memory=3) <= 1e-6
    assert inverse_error(network, STEPS, memory=0) <= 0.1
    assert inverse_error(network, 300, memory=0) <= 1e-12


def test_without_normalisation_the_fixed_point_diverges_and_is_refused() -> None:
    network, accuracy = trained(normalised=False, activation=nn.ELU)
    assert accuracy > 0.95
    block, x = network[0], moons(500, torch.Generator().manual_seed(1))[0]
    with torch.no_grad():
        z = y = block(x)
        for _ in range(STEPS):
            z = y - block.share * block.branch(z)
    assert float((z - x).abs().max()) > 1.0
    with pytest.raises(ValueError, match="inverse: found a contraction of"):
        block.inverse(y, STEPS)


def test_the_error_of_the_inverse_falls_by_the_contraction() -> None:
    g = torch.Generator().manual_seed(2)
    block = Residual(SpectralLinear(3, 3, cap="orthogonal", generator=g), SHARE)
    x = torch.randn(50, 3, generator=g, dtype=torch.float64)
    y = block(x).detach()
    with torch.no_grad():
        errors = [(block.inverse(y, n) - x).norm(dim=1).max().item() for n in (10, 20, 300)]
    assert errors[1] <= SHARE**10 * errors[0] * (1.0 + 1e-12)
    assert errors[1] > 0.9 * SHARE**10 * errors[0]  # an orthogonal branch is the worst case
    assert errors[2] < 1e-12


def test_a_gate_is_bounded_inside_and_outside_its_range() -> None:
    g = torch.Generator().manual_seed(0)
    gate = Gate([-1.0, 0.0, -3.0], [2.0, 0.5, 3.0], 4, target=4.0, generator=g)
    gate.squeeze.target = 4.0
    with torch.no_grad():
        gate.squeeze.raw.mul_(4.0)
        gate.excite.raw.mul_(4.0)
    settle(gate.eval())
    x = 3.0 * torch.randn(4000, 3, generator=g, dtype=torch.float64)
    gain = sampled_gain(gate, x)
    assert 1.2 < gain <= gate.bound()
    low, high = gate.low, gate.high
    assert torch.equal(gate(x), gate(torch.clamp(x, low, high)))


def test_a_gate_of_signals_has_the_same_bound() -> None:
    g = torch.Generator().manual_seed(1)
    gate = Gate([-1.0, -1.0], [1.0, 1.0], 3, target=3.0, generator=g).eval()
    x = torch.rand(200, 2, 5, generator=g, dtype=torch.float64) * 2.0 - 1.0
    assert gate(x).shape == x.shape
    assert sampled_gain(gate, x) <= gate.bound()
    still = x.mean(2, keepdim=True).expand(-1, -1, 5)
    torch.testing.assert_close(gate(still)[:, :, 0], gate(still[:, :, 0]))


def test_a_gate_needs_a_range() -> None:
    for high in ([1.0, -2.0], [1.0, float("inf")], [1.0]):
        with pytest.raises(ValueError, match="range of the gate"):
            Gate([0.0, 0.0], high, 2)


def test_a_gate_with_a_penalty_finds_the_channels_that_matter() -> None:
    """Four of sixteen, of which the others are pruned without loss."""
    g = torch.Generator().manual_seed(0)
    informative = torch.randperm(16, generator=g)[:4]

    def draw(n: int) -> tuple[Tensor, Tensor]:
        x = 2.0 * torch.rand(n, 16, generator=g, dtype=torch.float64) - 1.0
        a, b, c, d = x[:, informative].T
        return x, (torch.sin(2.0 * a) + b * b + c * d + 0.5 * d)[:, None]

    def dense(inputs: int, outputs: int) -> SpectralLinear:
        return SpectralLinear(inputs, outputs, cap="soft", target=1.5, generator=g)

    gate = Gate([-1.0] * 16, [1.0] * 16, 8, target=3.0, generator=g)
    behind = (dense(16, 32), MaxMin(), dense(32, 32), MaxMin(), dense(32, 1))
    network = nn.Sequential(gate, *behind)
    optimiser = torch.optim.Adam(network.parameters(), 2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 300)
    for _ in range(300):
        x, y = draw(128)
        loss = (network(x) - y).square().mean() + 0.01 * gate.weights(x).mean(0).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    settle(network.eval())
    x, y = draw(2000)
    with torch.no_grad():
        before = 1.0 - ((network(x) - y).square().mean() / y.var()).item()
        gate.prune(x)
        after = 1.0 - ((network(x) - y).square().mean() / y.var()).item()
    assert set(gate.kept.nonzero()[:, 0].tolist()) == set(informative.tolist())
    assert before > 0.98
    assert after > before - 1e-3
    assert sampled_gain(network, x) <= lipschitz_bound(network)
