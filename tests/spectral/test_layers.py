from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lipmat.spectral.activations import GroupSort, Householder, MaxMin
from lipmat.spectral.cap import polar
from lipmat.spectral.layers import SpectralConv, SpectralLinear

Make = Callable[[], nn.Module]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(5)


LAYERS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "hard": (lambda: SpectralLinear(6, 4, target=0.7, generator=seeded()), (6,)),
    "soft": (lambda: SpectralLinear(6, 4, cap="soft", target=0.7, generator=seeded()), (6,)),
    "orthogonal": (
        lambda: SpectralLinear(4, 6, cap="orthogonal", target=0.7, generator=seeded()),
        (4,),
    ),
    "circular": (lambda: SpectralConv(2, 3, 3, (8,), target=0.7, generator=seeded()), (2, 8)),
    "zeros": (
        lambda: SpectralConv(2, 3, 3, (6, 5), padding="zeros", target=0.7, generator=seeded()),
        (2, 6, 5),
    ),
}
layers = pytest.mark.parametrize("name", list(LAYERS))


def made(name: str) -> tuple[nn.Module, Tensor]:
    make, shape = LAYERS[name]
    return make(), torch.randn(5, *shape, generator=seeded(), dtype=torch.float64)


def moved(layer: nn.Module, steps: int = 3) -> None:
    """Change the weights by a few steps of training."""
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
    for seed in range(steps):
        x = torch.randn(5, *_shape(layer), generator=torch.Generator().manual_seed(seed))
        optimiser.zero_grad()
        layer(x.double()).square().sum().neg().backward()
        optimiser.step()


def _shape(layer: nn.Module) -> tuple[int, ...]:
    return (layer.raw.shape[1], *getattr(layer, "size", ()))


@layers
def test_a_settled_layer_has_its_target_and_the_bound_is_above(name: str) -> None:
    layer, _ = made(name)
    moved(layer)
    layer.settle()
    assert 0.7 * (1.0 - 1e-9) <= layer.bound() <= 0.7 * (1.0 + 1e-9)


@layers
def test_in_training_the_bound_is_that_of_the_weight_as_used(name: str) -> None:
    """The power iteration lags behind: the bound says by how much, and it is not the target."""
    layer, x = made(name)
    moved(layer, 1)
    layer.eval()
    difference = layer(x) - layer(torch.zeros_like(x))
    gain = difference.flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
    assert gain.max().item() <= layer.bound()
    assert layer.bound() >= 0.7 * (1.0 - 1e-12)


@layers
def test_evaluation_changes_nothing_and_training_follows(name: str) -> None:
    layer, x = made(name)
    moved(layer)
    layer.eval()
    state = copy.deepcopy(layer.state_dict())
    first = layer(x)
    layer.bound()
    layer.plain()
    assert torch.equal(first, layer(x))
    assert all(torch.equal(state[k], v) for k, v in layer.state_dict().items())
    if layer.cap is not None:
        layer.train()
        layer(x)
        assert not torch.equal(state["cap.vector"], layer.state_dict()["cap.vector"])


@layers
def test_a_saved_or_copied_layer_goes_on_alike(name: str) -> None:
    layer, x = made(name)
    moved(layer)
    loaded, _ = made(name)
    loaded.load_state_dict(layer.state_dict())
    copied = copy.deepcopy(layer)
    for other in (loaded, copied):
        assert torch.equal(layer.eval()(x), other.eval()(x))
        kept = copy.deepcopy(layer).train()
        other.train()
        moved(kept)
        moved(other)
        assert torch.equal(kept.eval()(x), other.eval()(x))


@layers
def test_the_plain_layer_returns_the_same_bits(name: str) -> None:
    layer, x = made(name)
    moved(layer)
    layer.eval()
    out = layer.plain()
    assert type(out) in (nn.Linear, nn.Conv1d, nn.Conv2d)
    assert torch.equal(out(x), layer(x))


def test_two_forward_passes_can_share_one_backward_pass() -> None:
    layer, x = made("hard")
    (layer(x).sum() + layer(-x).square().sum()).backward()
    assert bool(torch.isfinite(layer.raw.grad).all())


def test_a_soft_cap_leaves_small_weights_alone() -> None:
    soft = SpectralLinear(3, 3, cap="soft", target=2.0)
    with torch.no_grad():
        soft.raw.copy_(0.5 * torch.eye(3))
    assert torch.equal(soft.weight(), soft.raw)
    hard = SpectralLinear(3, 3, target=2.0)
    hard.load_state_dict(soft.state_dict())
    assert hard.bound() == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 6)])
def test_orthogonal_weights_have_equal_singular_values(shape: tuple[int, int]) -> None:
    inputs, outputs = shape
    layer = SpectralLinear(inputs, outputs, cap="orthogonal", target=0.5, generator=seeded())
    values = torch.linalg.svdvals(layer.weight())
    torch.testing.assert_close(values, torch.full_like(values, 0.5), rtol=1e-13, atol=0)


def test_the_polar_factor_is_orthogonal_also_of_bad_condition_and_has_its_derivative() -> None:
    u, _ = torch.linalg.qr(torch.randn(4, 4, generator=seeded(), dtype=torch.float64))
    matrix = (u * torch.logspace(0, -4, 4, dtype=torch.float64)) @ u.T
    one, q = torch.eye(4, dtype=torch.float64), polar(matrix)
    torch.testing.assert_close(q.T @ q, one, rtol=0, atol=1e-14)
    torch.testing.assert_close(q, one, rtol=0, atol=1e-9)
    start = torch.randn(4, 3, generator=seeded(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(polar, (start,))


@pytest.mark.parametrize("activation", [MaxMin(), GroupSort(3), Householder(6)])
def test_the_activations_have_orthogonal_jacobians(activation: nn.Module) -> None:
    if isinstance(activation, Householder):
        with torch.no_grad():
            activation.angles.copy_(torch.tensor([0.3, -1.2, 2.0]))
    x = torch.randn(6, generator=seeded(), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(activation, x)
    one = torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(jacobian @ jacobian.T, one, rtol=0, atol=1e-14)


def test_householder_starts_as_maxmin_and_is_continuous() -> None:
    x = torch.randn(50, 6, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(Householder(6)(x), MaxMin()(x))
    y = x + 1e-9
    assert (Householder(6)(x) - Householder(6)(y)).abs().max().item() < 1e-8


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="cap: found 'firm'"):
        SpectralLinear(2, 2, cap="firm")
    with pytest.raises(ValueError, match="target norm: found -1"):
        SpectralLinear(2, 2, target=-1.0)
    with pytest.raises(ValueError, match="cap: found 'orthogonal', expected one of hard, soft"):
        SpectralConv(1, 1, 3, (8,), cap="orthogonal")
    with pytest.raises(ValueError, match="kernel: found the size 4"):
        SpectralConv(1, 1, 4, (8,))
    with pytest.raises(ValueError, match=r"size: found \(2,\)"):
        SpectralConv(1, 1, 3, (2,))
    with pytest.raises(ValueError, match="padding: found 'same'"):
        SpectralConv(1, 1, 3, (8,), padding="same")
    with pytest.raises(ValueError, match=r"signal: found the size \(9,\), expected \(8,\)"):
        SpectralConv(1, 1, 3, (8,))(torch.zeros(1, 1, 9).double())
