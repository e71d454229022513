r"""The Wasserstein distance of two sets of points, from below, by a critic of bounded slope.

By the duality of Kantorovich and Rubinstein the distance is the largest difference of the means of
a function over the two sets, among all functions of slope 1:

    W(P, Q) = max_f  (mean_P f - mean_Q f) / |f|.

A network f with a certified bound ``|f|`` gives a lower bound, whatever it has learned (Arjovsky,
Chintala & Bottou, ICML 2017; Miyato et al., ICLR 2018). How close it comes depends on whether its
gradients can have the norm 1, which orthogonal layers with MaxMin allow and ReLU does not (Anil,
Lucas & Grosse, ICML 2019).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lipmat.spectral.activations import MaxMin
from lipmat.spectral.cap import CapKind
from lipmat.spectral.composition import lipschitz_bound, settle
from lipmat.spectral.layers import SpectralLinear

Draw = Callable[[], Tensor]


def critic(
    inputs: int,
    width: int,
    hidden: int,
    *,
    cap: CapKind = "orthogonal",
    activation: Callable[[], nn.Module] = MaxMin,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Return a network (n, inputs) -> (n, 1) of capped layers with norm 1.

    Args:
        inputs: Dimension of the points.
        width: Of the hidden layers, even for MaxMin.
        hidden: Number of hidden layers.
        cap: Of all layers.
        activation: Makes the activation of each hidden layer.
        generator: Source of the random weights.
    """
    layers: list[nn.Module] = []
    for before in [inputs, *[width] * (hidden - 1)]:
        layers += [SpectralLinear(before, width, cap=cap, generator=generator), activation()]
    return nn.Sequential(*layers, SpectralLinear(width, 1, cap=cap, generator=generator))


def train_critic(
    network: nn.Module, first: Draw, second: Draw, steps: int, rate: float = 1e-2
) -> None:
    """Raise the difference of the means over fresh points of two distributions.

    Args:
        network: The critic, of a norm that its layers hold.
        first: Draws points (n, d) of the one.
        second: Draws points (m, d) of the other.
        steps: Of Adam; the rate falls to zero along a cosine.
        rate: The first one.
    """
    optimiser = torch.optim.Adam(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    network.train()
    for _ in range(steps):
        gain = _difference(network, first(), second())
        optimiser.zero_grad()
        (-gain).backward()
        optimiser.step()
        schedule.step()
    settle(network.eval())


def wasserstein_bound(network: nn.Module, first: Tensor, second: Tensor) -> float:
    """Return a lower bound of the Wasserstein distance of two sets of points (n, d) and (m, d).

    It is the difference of the means over the certified bound of the critic, so that it is never
    above the distance of these very sets.
    """
    with torch.no_grad():
        return float(_difference(network, first, second)) / lipschitz_bound(network)


def _difference(network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
    values = network(torch.cat([first, second]))
    return values[: len(first)].mean() - values[len(first) :].mean()
