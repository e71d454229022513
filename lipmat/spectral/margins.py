r"""Classifiers with a certified margin: the same statement as a law's stress tolerance.

A network is ``f(x) = V g(x) + b`` with a body of certified bound ``|g|``. The lead of its class y
over class j, ``f_y - f_j``, changes by ``|v_y - v_j| |g|`` per unit of x at most, with the rows v
of the readout. So no change of x that is smaller than

    r(x) = min_j (f_y(x) - f_j(x)) / (|v_y - v_j| |g|)

can change the class (Tsuzuku, Sato & Sugiyama, NeurIPS 2018, who have ``sqrt 2 |f|`` in the
denominator, never less than this). Orthogonal layers with MaxMin let ``|g| = 1`` be reached, so
that the radius can be as large as the distance of the classes allows (Anil, Lucas & Grosse,
ICML 2019; Singla, Singla & Feizi, ICLR 2022).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from lipmat.spectral.activations import MaxMin
from lipmat.spectral.composition import lipschitz_bound, plain, settle
from lipmat.spectral.layers import SpectralLinear, weight_of

_DOWN = 1.0 - 1e-12  # covers the rounding of the radii
_ROUNDING = 1e-12  # of the largest value of the network at a point: that of the values


def classifier(
    inputs: int,
    classes: int,
    width: int,
    hidden: int,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Return a network (n, inputs) -> (n, classes): a body of norm 1, and a dense readout.

    Args:
        inputs: Dimension of the points.
        classes: Number of classes.
        width: Of the hidden layers, even.
        hidden: Number of hidden layers, orthogonal with MaxMin.
        generator: Source of the random weights.
    """
    layers: list[nn.Module] = []
    for before in [inputs, *[width] * (hidden - 1)]:
        layer = SpectralLinear(before, width, cap="orthogonal", generator=generator)
        layers += [layer, MaxMin()]
    readout = nn.Linear(width, classes, dtype=torch.float64)
    nn.init.orthogonal_(readout.weight, generator=generator)
    nn.init.zeros_(readout.bias)
    return nn.Sequential(*layers, readout)


def certified_radii(network: nn.Sequential, x: Tensor, labels: Tensor) -> Tensor:
    """Return below which Euclidean change of each point its class stays right, shape (n,).

    A point in the wrong class has a negative radius.

    Args:
        network: Its last layer is dense.
        x: Points (n, ...).
        labels: Their classes (n,).

    Raises:
        ValueError: The last layer is not dense, another one has no rule for its bound, or the
            network is not in float64.
    """
    if not isinstance(network[-1], nn.Linear | SpectralLinear):
        kind = type(network[-1]).__name__
        raise ValueError(f"margins: the last layer is a {kind}, expected a dense one")
    numbers = (x, *network.parameters(), *network.buffers())
    if any(n.is_floating_point() and n.dtype != torch.float64 for n in numbers):
        raise ValueError("margins: found numbers that are not float64, expected network.double()")
    with torch.no_grad():
        leads = _leads(network, x, labels, _ROUNDING).amin(1)
        return leads / lipschitz_bound(network[:-1]) * _DOWN


def certified_accuracy(
    network: nn.Sequential, x: Tensor, labels: Tensor, radius: float = 0.0
) -> float:
    """Return the share of points whose class is right whatever change of that size they suffer.

    Args:
        network: See :func:`certified_radii`.
        x: Points (n, ...).
        labels: Their classes (n,).
        radius: Euclidean size of the change; 0 gives the clean accuracy.
    """
    return float((certified_radii(network, x, labels) > radius).double().mean())


def attacked_accuracy(
    network: nn.Sequential,
    x: Tensor,
    labels: Tensor,
    radius: float,
    steps: int = 30,
    restarts: int = 2,
    generator: torch.Generator | None = None,
) -> float:
    """Return the share of points whose class an attack leaves right: an upper bound.

    Projected gradient descent on the smallest lead (Madry et al., ICLR 2018), from the point and
    from random changes. What it finds are points inside the ball, so the share of points
    that are robust can only be smaller.

    Args:
        network: See :func:`certified_radii`.
        x: Points (n, ...).
        labels: Their classes (n,).
        radius: Euclidean size of the change.
        steps: Of the descent, a quarter of the radius each at first, then ever shorter.
        restarts: From random changes.
        generator: Source of these.
    """
    right = certified_radii(network, x, labels) > 0.0
    network = cast(nn.Sequential, plain(network))  # weights that are not computed anew each time
    for start in range(restarts + 1):
        move = torch.zeros_like(x)
        if start:
            move = radius * _unit(torch.randn(x.shape, generator=generator, dtype=x.dtype))
        for n in range(steps):
            point = (x + move).requires_grad_()
            (slope,) = torch.autograd.grad(_leads(network, point, labels).amin(1).sum(), point)
            length = radius * 0.25 * (1.0 - n / steps)
            move = _within(move - length * _unit(slope), radius)
            with torch.no_grad():
                right &= _leads(network, x + move, labels).amin(1) > 0.0
    return float(right.double().mean())


def train_classifier(
    network: nn.Sequential,
    x: Tensor,
    labels: Tensor,
    steps: int,
    *,
    radius: float = 0.7,
    sharpness: float = 16.0,
    rate: float = 1e-2,
    batch: int = 128,
    generator: torch.Generator | None = None,
) -> None:
    """Widen the radii of points; those well beyond ``radius`` count little.

    The cost of a point is ``log(1 + sum_j exp(sharpness (radius - r_j)))`` with the radius r_j
    towards each other class, so that it is in units of x whatever the readout's size.

    Args:
        network: From :func:`classifier`; it is left in evaluation mode.
        x: Points (n, ...).
        labels: Their classes (n,).
        steps: Of Adam; the rate falls to zero along a cosine.
        radius: That is aimed at.
        sharpness: How much the nearest classes count before the others.
        rate: The first one.
        batch: Points in a step, drawn at random.
        generator: Source of the draws.
    """
    optimiser = torch.optim.Adam(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    network.train()
    for _ in range(steps):
        drawn = torch.randint(len(x), (batch,), generator=generator)
        short = sharpness * (radius - _leads(network, x[drawn], labels[drawn]))
        loss = torch.logsumexp(torch.nn.functional.pad(short, (0, 1)), 1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    settle(network.eval())


def _leads(network: nn.Sequential, x: Tensor, labels: Tensor, rounding: float = 0.0) -> Tensor:
    """Return ``(f_y - f_j) / |v_y - v_j|`` (n, classes), infinite for the class itself.

    Less the rounding, as a share of the largest value of each point.
    """
    rows = weight_of(network[-1])
    own = labels.unsqueeze(1)
    apart = (rows[labels].unsqueeze(1) - rows).square().sum(2).scatter(1, own, 1.0).sqrt()
    values = network(x)
    error = rounding * values.abs().amax(1, keepdim=True)
    leads: Tensor = (values.gather(1, own) - values - error) / apart
    return leads.scatter(1, own, torch.inf)


def _unit(x: Tensor) -> Tensor:
    flat = x.flatten(1)
    return (flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-300)).reshape(x.shape)


def _within(move: Tensor, radius: float) -> Tensor:
    """Return moves shortened to the radius, a little less for rounding."""
    size = move.flatten(1).norm(dim=1).reshape(-1, *[1] * (move.ndim - 1))
    return move * (radius * (1.0 - 1e-9) / size.clamp_min(radius))
