"""Torch networks as someone else would have trained them, with fixed weights, to be adopted."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def dense(inputs: int, outputs: int = 1, width: int = 6, seed: int = 0) -> nn.Sequential:
    """Return two hidden layers of softplus; input-convex: the later weights are positive."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(inputs, width),
        nn.Softplus(),
        nn.Linear(width, width),
        nn.Softplus(),
        nn.Linear(width, outputs),
    ).double()
    with torch.no_grad():
        network[2].weight.abs_()
        network[4].weight.abs_()
    return network


class Scaled(nn.Module):
    """A network of scaled strains."""

    def __init__(self, network: nn.Module, scale: float = 20.0) -> None:
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(self.scale * x)
        return out


class Invariants(nn.Module):
    """A network of sums of powers of three principal values about their rest."""

    def __init__(self, network: nn.Module, scale: float = 10.0, rest: float = 0.0) -> None:
        super().__init__()
        self.network, self.scale, self.rest = network, scale, rest

    def forward(self, x: Tensor) -> Tensor:
        y = self.scale * (x - self.rest)
        features = torch.stack([y.sum(1), (y * y).sum(1), (y**3).sum(1)], dim=1)
        out: Tensor = self.network(features)
        return out


class Branches(nn.Module):
    """Takes a decision by its input."""

    def forward(self, x: Tensor) -> Tensor:
        return (x * x).sum(1) if float(x.sum()) > 0 else x.sum(1)


class Ridges(nn.Module):
    """A stress ``A^T tanh(A e)``, which has a potential, and a share of one that has none."""

    def __init__(self, skew: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.a = nn.Parameter(torch.randn(8, 6, generator=generator, dtype=torch.float64))
        turn = torch.zeros(6, 6, dtype=torch.float64)
        turn[0, 1], turn[1, 0] = skew, -skew
        self.turn = nn.Buffer(turn)

    def forward(self, e: Tensor) -> Tensor:
        return torch.tanh(10.0 * e @ self.a.T) @ self.a + 10.0 * e @ self.turn
