"""Blocks of layers with a bound of their own: residual block and gate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lipmat.spectral.composition import lipschitz_bound
from lipmat.spectral.fixed_point import fixed_point
from lipmat.spectral.layers import SpectralLinear, weight_of
from lipmat.spectral.norms import matrix_norm

_UP = 1.0 + 1e-14


class Residual(nn.Module):  # type: ignore[misc]  # torch is not followed
    """``y = x + c f(x)``, which can be inverted where ``c |f| < 1``.

    Args:
        branch: f, with a bound, from a space to itself.
        share: c.
    """

    def __init__(self, branch: nn.Module, share: float = 1.0) -> None:
        super().__init__()
        self.branch, self.share = branch, share

    def forward(self, x: Tensor) -> Tensor:
        """Return y of x, same shape."""
        return x + self.share * self.branch(x)

    def contraction(self) -> float:
        """Return the bound of ``c f``; below 1 the block can be inverted."""
        return abs(self.share) * lipschitz_bound(self.branch) * _UP

    def bound(self) -> float:
        """Return ``1 + c |f|``."""
        return (1.0 + self.contraction()) * _UP

    def inverse(self, y: Tensor, steps: int, memory: int = 0) -> Tensor:
        """Return x with ``x + c f(x) = y`` by the fixed point ``x <- y - c f(x)`` from ``x = y``.

        The error of plain steps falls by the contraction q in each at least: after n steps it is at
        most ``q^n / (1 - q)`` times the first step (Banach; Behrmann et al., ICML 2019).

        Args:
            y: Values (n, ...).
            steps: Evaluations of the branch.
            memory: Earlier points to mix from, 0 for plain steps; see :func:`fixed_point`.

        Raises:
            ValueError: The contraction is not below 1.
        """
        if (rate := self.contraction()) >= 1.0:
            raise ValueError(f"inverse: found a contraction of {rate:.6g}, expected < 1")
        return fixed_point(lambda x: y - self.share * self.branch(x), y, steps, memory)


class Gate(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Squeeze and excitation: channels are multiplied by weights that depend on all of them.

    ``y_c = g_c(s) x_c`` with the means s of the channels and ``g = sigmoid(W2 relu(W1 s + b1) +
    b2)`` in (0, 1) (Hu, Shen & Sun, CVPR 2018). The product has no global bound, so inputs are
    clipped to their declared range, which is no change inside it: with ``|x_c| <= R_c``,

        |y - y'| <= (1 + |diag(R) W2| |W1| / 4) |x - x'|.

    The squeeze has the norm 1 / sqrt(N) for N places, the excitation spreads to N places.

    Args:
        low: Smallest value of each channel.
        high: Largest value of each channel.
        squeezed: Width of the hidden layer.
        target: Norm of W1 and of W2.
        generator: Source of the random weights.

    Raises:
        ValueError: A range is empty or not finite.
    """

    def __init__(
        self,
        low: Sequence[float],
        high: Sequence[float],
        squeezed: int,
        *,
        target: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        lo, hi = (torch.tensor(v, dtype=torch.float64) for v in (low, high))
        if len(lo) != len(hi) or not bool((torch.isfinite(hi - lo) & (lo < hi)).all()):
            raise ValueError(f"range of the gate: found {low} to {high}, expected low < high")
        self.register_buffer("low", lo)
        self.register_buffer("high", hi)
        self.register_buffer("kept", torch.ones_like(lo))
        self.squeeze = SpectralLinear(
            len(lo), squeezed, cap="soft", target=target, generator=generator
        )
        self.excite = SpectralLinear(
            squeezed, len(lo), cap="soft", target=target, generator=generator
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted channels of x, shape (n, channels) or (n, channels, places ...)."""
        places = (-1, *(1,) * (x.ndim - 2))
        inside = torch.clamp(x, self.low.reshape(places), self.high.reshape(places))
        return inside * self.weights(inside).reshape(len(x), *places)

    def weights(self, x: Tensor) -> Tensor:
        """Return the weights g of the channels (n, channels) of x inside its range, 0 if pruned.

        They are not negative: their sum is the L1 norm that, as a penalty in training, closes the
        gate to channels that do not matter. Layers behind the gate must be capped, or they undo it.
        """
        means = x.flatten(2).mean(2) if x.ndim > 2 else x
        return self.kept * torch.sigmoid(self.excite(torch.relu(self.squeeze(means))))

    def prune(self, x: Tensor, least: float = 0.1) -> None:
        """Close the gate for good to channels whose mean weight over x is below ``least``."""
        with torch.no_grad():
            self.kept.copy_(self.weights(x).mean(0) >= least)

    def bound(self) -> float:
        """Return the bound above."""
        reach = torch.maximum(self.low.abs(), self.high.abs())
        excitation = matrix_norm(reach[:, None] * weight_of(self.excite))
        return (1.0 + 0.25 * excitation * lipschitz_bound(self.squeeze)) * _UP
