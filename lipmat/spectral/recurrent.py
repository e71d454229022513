"""The recurrent cell: one capped map, applied at every step of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lipmat.spectral.cap import CapKind
from lipmat.spectral.composition import joint_bound, lipschitz_bound
from lipmat.spectral.layers import SpectralLinear, weight_of

_UP = 1.0 + 1e-14


class RecurrentCell(nn.Module):  # type: ignore[misc]  # torch is not followed
    """The same map at every step: ``h' = phi(W h + U x + b)`` with ``|W|`` and ``|U|`` capped.

    What was put in k steps ago has left at most ``|W|^k`` of itself: below 1 the cell forgets, at
    an orthogonal W with an activation that keeps the norm it need not (Arjovsky, Shah & Bengio,
    ICML 2016).

    Args:
        inputs: Width of x.
        width: Width of h.
        activation: phi, 1-Lipschitz or with a bound of its own.
        cap: Of W.
        target: Norm of W.
        input_target: Most that the norm of U may be.
        bias: Whether there is a b.
        generator: Source of the random weights.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        activation: nn.Module,
        *,
        cap: CapKind = "soft",
        target: float = 1.0,
        input_target: float = 1.0,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.width, self.activation = width, activation
        self.state = SpectralLinear(
            width, width, cap=cap, target=target, bias=bias, generator=generator
        )
        self.input = SpectralLinear(
            inputs, width, cap="soft", target=input_target, bias=False, generator=generator
        )

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the next state (n, width) of inputs (n, inputs) and states (n, width)."""
        return self.activation(self.state(h) + self.input(x))

    def run(self, sequence: Tensor) -> Tensor:
        """Return the states (n, steps, width) along sequences (n, steps, inputs), from h = 0.

        The capped weights are formed once.
        """
        state, inputs = _formed(self.state), _formed(self.input)
        h = sequence.new_zeros(len(sequence), self.width)
        driven = nn.functional.linear(sequence, inputs)
        states = []
        for drive in driven.unbind(1):
            h = self.activation(nn.functional.linear(h, state, self.state.bias) + drive)
            states.append(h)
        return torch.stack(states, 1)

    def state_bound(self) -> float:
        """Return the bound of the map ``h -> h'``: what is left of a difference after a step."""
        return lipschitz_bound(self.activation) * lipschitz_bound(self.state) * _UP

    def input_bound(self) -> float:
        """Return the bound of the map ``x -> h'``."""
        return lipschitz_bound(self.activation) * lipschitz_bound(self.input) * _UP

    def bound(self) -> float:
        """Return the bound of one step in the joint norm of x and h."""
        return joint_bound([self.state_bound(), self.input_bound()])


def _formed(layer: nn.Module) -> Tensor:
    """Return the weight; in training the power iteration moves by a step, as in a forward pass."""
    if isinstance(layer, SpectralLinear):
        layer.follow()
    return weight_of(layer)
