"""Random small networks of random layers, vectors of 4 to vectors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lipmat.spectral.activations import GroupSort, Householder, MaxMin
from lipmat.spectral.blocks import Gate, Residual
from lipmat.spectral.layers import SpectralConv, SpectralLinear
from lipmat.spectral.recurrent import RecurrentCell

WIDTH = 4


class Steps(nn.Module):
    """Three steps of a recurrent cell with the same input and the bound of their chain."""

    def __init__(self, cell: RecurrentCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        return self.cell.run(x[:, None].expand(-1, 3, -1))[:, -1]

    def bound(self) -> float:
        state = self.cell.state_bound()
        return (1.0 + state + state * state) * self.cell.input_bound() * (1.0 + 1e-14)


def random_network(seed: int) -> nn.Sequential:
    g = torch.Generator().manual_seed(seed)

    def pick(*choices: object) -> object:
        return choices[int(torch.randint(len(choices), (1,), generator=g))]

    def target() -> float:
        return 0.3 + 1.5 * float(torch.rand(1, generator=g))

    def dense(width: int = WIDTH) -> nn.Module:
        cap = pick("hard", "soft", "orthogonal", "plain")
        if cap == "plain":
            layer = nn.Linear(WIDTH, width, dtype=torch.float64)
            layer.weight = nn.Parameter(torch.randn(width, WIDTH, generator=g).double())
            return layer
        return SpectralLinear(WIDTH, width, cap=cap, target=target(), generator=g)

    def activation() -> nn.Module:
        kinds: tuple[Callable[[], nn.Module], ...] = (
            nn.ReLU,
            nn.Tanh,
            nn.Softplus,
            nn.SiLU,
            nn.GELU,
            nn.LeakyReLU,
            nn.Sigmoid,
            lambda: nn.ELU(1.7),
            MaxMin,
            lambda: GroupSort(4),
            lambda: Householder(WIDTH),
        )
        return pick(*kinds)()

    def convolution() -> nn.Module:
        settings = {"padding": pick("circular", "zeros"), "cap": pick("hard", "soft")}
        conv = SpectralConv(1, 2, 3, (WIDTH,), target=target(), generator=g, **settings)
        back = nn.Conv1d(2, 1, 3, padding=1, dtype=torch.float64)
        return nn.Sequential(nn.Unflatten(1, (1, WIDTH)), conv, nn.ReLU(), back, nn.Flatten())

    def residual() -> nn.Module:
        return Residual(nn.Sequential(dense(), activation(), dense()), target())

    def gate() -> nn.Module:
        return Gate([-1.0, -2.0, 0.0, -0.5], [1.0, 0.5, 3.0, 0.5], 3, target=3.0, generator=g)

    def recurrent() -> nn.Module:
        settings = {"cap": pick("hard", "soft", "orthogonal"), "target": target()}
        return Steps(RecurrentCell(WIDTH, WIDTH, activation(), generator=g, **settings))

    kinds = (dense, activation, convolution, residual, gate, recurrent)
    count = int(torch.randint(1, 5, (1,), generator=g))
    return nn.Sequential(*(pick(*kinds)() for _ in range(count)), dense(3)).eval()
