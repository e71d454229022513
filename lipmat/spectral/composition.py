"""Bounds of whole networks, layer by layer; a layer without a rule is an error.

A layer states its own bound by a method ``bound()``. Torch's layers have the rules below. The bound
of a chain is the product of its layers'; runs of dense layers with activations between them can be
bounded together, which is sharper (see ``semidefinite``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import prod, sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from lipmat.spectral.layers import SpectralLinear, weight_of
from lipmat.spectral.norms import every_size_norm, matrix_norm
from lipmat.spectral.semidefinite import semidefinite_bound

Rule = Literal["product", "semidefinite"]

_MONOTONE: dict[type[nn.Module], Callable[[nn.Module], float]] = {
    nn.ReLU: lambda _: 1.0,
    nn.Tanh: lambda _: 1.0,
    nn.Softplus: lambda m: _softplus(m),
    nn.Hardtanh: lambda _: 1.0,
    nn.Sigmoid: lambda _: 0.25,
    nn.Softsign: lambda _: 1.0,
}
"""Activations whose slopes are in [0, the bound]."""

_SIMPLE: dict[type[nn.Module], Callable[[nn.Module], float]] = {
    **_MONOTONE,
    nn.Identity: lambda _: 1.0,
    nn.Flatten: lambda _: 1.0,
    nn.Unflatten: lambda _: 1.0,
    nn.ELU: lambda m: max(1.0, abs(m.alpha)),
    nn.LeakyReLU: lambda m: max(1.0, abs(m.negative_slope)),
    nn.SiLU: lambda _: 1.1,
    nn.GELU: lambda _: 1.13,
    nn.Linear: lambda m: matrix_norm(m.weight),
}


def lipschitz_bound(network: nn.Module, rule: Rule = "product") -> float:
    """Return a bound of ``|f(x) - f(y)| / |x - y|``, in Euclidean norms, over all x and y.

    It is a bound of the map that the weights define, in exact arithmetic.

    Args:
        network: A layer with a ``bound()``, one of torch's with a rule, or an ``nn.Sequential``.
        rule: ``product``, or ``semidefinite`` to bound runs of dense layers together.

    Raises:
        ValueError: A layer has no rule; it is named.
    """
    return _bound(network, "the network", rule)


def _bound(module: nn.Module, path: str, rule: Rule) -> float:
    if module._forward_hooks or module._forward_pre_hooks:
        raise ValueError(f"bound: {path} has hooks that may change what it computes; remove them")
    if type(module) is nn.Sequential:
        return _chain(module, path, rule)
    if hasattr(module, "bound"):
        return float(module.bound())
    if type(module) in (nn.Conv1d, nn.Conv2d):
        return _convolution(module, path)
    if type(module) not in _SIMPLE:
        kind = type(module).__name__
        raise ValueError(f"bound: {path} is a {kind}, which has no rule; give it a method bound()")
    return _SIMPLE[type(module)](module)


def _softplus(layer: nn.Module) -> float:
    """Return 1 unless the layer jumps where torch goes over to the identity."""
    if layer.threshold < 20:
        found = layer.threshold
        raise ValueError(f"bound: found a softplus that jumps at {found}, expected 20 or more")
    return 1.0


def _chain(chain: nn.Sequential, path: str, rule: Rule) -> float:
    layers = list(chain)
    bounds = [_bound(m, f"{path}, layer {i}", rule) for i, m in enumerate(layers)]
    value = prod(bounds) * (1.0 + 1e-15 * len(bounds))
    if rule == "product":
        return value
    together = [_run(layers[first:last]) for first, last in _runs(layers)]
    inside = {i for first, last in _runs(layers) for i in range(first, last)}
    alone = [b for i, b in enumerate(bounds) if i not in inside]
    return min(value, prod(alone) * prod(together) * (1.0 + 1e-15 * len(bounds)))


def _runs(layers: list[nn.Module]) -> list[tuple[int, int]]:
    """Return the first and the last index plus 1 of runs dense, activation, dense and so on."""
    runs, first = [], 0
    while first < len(layers):
        last = first + 1
        if _dense(layers[first]):
            while last + 1 < len(layers) and _links(layers[last], layers[last + 1]):
                last += 2
        if last > first + 1:
            runs.append((first, last))
        first = last
    return runs


def _links(activation: nn.Module, following: nn.Module) -> bool:
    return type(activation) in _MONOTONE and _dense(following)


def _dense(module: nn.Module) -> bool:
    return type(module) in (nn.Linear, SpectralLinear)


def _run(layers: list[nn.Module]) -> float:
    weights = [weight_of(m) for m in layers[::2]]
    slopes = [1.0, *(_MONOTONE[type(m)](m) for m in layers[1::2])]
    return semidefinite_bound([s * w for s, w in zip(slopes, weights, strict=True)])


def _convolution(layer: nn.Module, path: str) -> float:
    """Return a bound for signals of every size; strides only leave results out."""
    wraps = layer.padding_mode == "circular" and isinstance(layer.padding, tuple)
    fits = wraps and all(
        2 * p <= k - 1 for p, k in zip(layer.padding, layer.kernel_size, strict=True)
    )
    if layer.groups != 1 or not (layer.padding_mode == "zeros" or fits):
        raise ValueError(
            f"bound: {path} is a convolution with {layer.groups} groups, padding {layer.padding} "
            f"({layer.padding_mode}); expected one group, and zeros or a circle kept in length"
        )
    return every_size_norm(layer.weight)


def sampled_gain(network: nn.Module, points: Tensor) -> float:
    """Return the largest singular value of the Jacobian at points (n, ...): a lower bound.

    The network maps each point by itself. It is left in evaluation mode as it was found.
    """
    training = network.training
    network.eval()
    x = points.detach().requires_grad_()
    y = network(x).flatten(1)
    rows = [torch.autograd.grad(y[:, j].sum(), x, retain_graph=True)[0] for j in range(y.shape[1])]
    network.train(training)
    return float(torch.linalg.matrix_norm(torch.stack(rows, 1).flatten(2), 2).max())


def settle(network: nn.Module) -> None:
    """Bring the power iterations of all layers to rest, so that targets are met to rounding."""
    for module in network.modules():
        if hasattr(module, "settle"):
            module.settle()


def plain(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode with torch's own layers; its outputs are the same bits."""
    if hasattr(network, "plain"):
        layer: nn.Module = network.plain()
        return layer.eval()
    out = copy.copy(network)
    out._modules = {name: child and plain(child) for name, child in network._modules.items()}
    return copy.deepcopy(out).eval()


def joint_bound(bounds: list[float]) -> float:
    """Return the bound of a map of several inputs in their joint Euclidean norm."""
    return sqrt(sum(b * b for b in bounds)) * (1.0 + 1e-15 * (len(bounds) + 2))
