"""Spectrally normalised layers: dense maps and convolutions with a target norm, in float64.

In training, ``forward`` moves the power iteration by one step; in evaluation mode nothing changes.
``weight()`` is the weight as used, ``bound()`` its exact norm, ``plain()`` the torch layer with
that weight, whose outputs are the same bits.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lipmat.spectral.cap import FIRST, CapKind, NormCap, check_cap, polar
from lipmat.spectral.norms import circular_norm, matrix_norm, zero_padded_norm

Padding = Literal["circular", "zeros"]


class SpectralLinear(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Dense layer ``y = W x + b`` with ``|W|`` capped.

    Args:
        inputs: Width of x.
        outputs: Width of y.
        cap: ``hard`` (norm equal to the target), ``soft`` (not above it) or ``orthogonal`` (all
            singular values equal to it).
        target: The norm.
        bias: Whether there is a b.
        generator: Source of the random weights.

    Raises:
        ValueError: A setting is not admissible.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        cap: CapKind = "hard",
        target: float = 1.0,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_cap(cap, target)
        self.target = target
        start = torch.randn(outputs, inputs, generator=generator, dtype=torch.float64)
        self.raw = nn.Parameter(start / sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(outputs, dtype=torch.float64)) if bias else None
        self.cap = None if cap == "orthogonal" else NormCap(cap, target, (inputs,), generator)
        self.settle()

    def forward(self, x: Tensor) -> Tensor:
        """Return y (..., outputs) of x (..., inputs)."""
        self.follow()
        return functional.linear(x, self.weight(), self.bias)

    def follow(self) -> None:
        """In training, move the power iteration by one step."""
        if self.training and self.cap:
            self.cap.follow(self._operator)

    def weight(self) -> Tensor:
        """Return W as used, shape (outputs, inputs)."""
        if self.cap is None:
            return self.target * polar(self.raw)
        return self.raw * self.cap.factor(self._operator)

    def settle(self) -> None:
        """Put the power iteration at its end, so that the target is met to rounding."""
        if self.cap:
            leading = torch.linalg.svd(self.raw.detach(), full_matrices=False)[2][0]
            self.cap.vector = leading.clone()

    def bound(self) -> float:
        """Return the spectral norm of W as used, rounded up."""
        return matrix_norm(self.weight())

    def plain(self) -> nn.Linear:
        """Return the torch layer with W and b."""
        outputs, inputs = self.raw.shape
        layer = nn.Linear(inputs, outputs, bias=self.bias is not None, dtype=self.raw.dtype)
        return cast(nn.Linear, _filled(layer, self.weight(), self.bias))

    def _operator(self, x: Tensor) -> Tensor:
        return self.raw @ x


class SpectralConv(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Convolution of signals of one size, in one or two dimensions, that keeps the size.

    Args:
        inputs: Channels of the signal.
        outputs: Channels of the result.
        kernel: Its size, odd, the same along every axis.
        size: Of the signal, one or two numbers. The norm depends on it.
        padding: ``circular`` or ``zeros``.
        cap: ``hard`` or ``soft``.
        target: The norm of the map of whole signals.
        bias: Whether a number is added to each channel.
        generator: Source of the random weights.

    Raises:
        ValueError: A setting is not admissible.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        size: tuple[int, ...],
        *,
        padding: Padding = "circular",
        cap: Literal["hard", "soft"] = "hard",
        target: float = 1.0,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_cap(cap, target, ("hard", "soft"))
        _check_sizes(kernel, size, padding)
        self.size, self.padding = tuple(size), padding
        shape = (outputs, inputs, *(kernel for _ in size))
        start = torch.randn(shape, generator=generator, dtype=torch.float64)
        self.raw = nn.Parameter(start / sqrt(inputs * kernel ** len(size)))
        self.bias = nn.Parameter(torch.zeros(outputs, dtype=torch.float64)) if bias else None
        self.cap = NormCap(cap, target, (1, inputs, *size), generator)
        self.cap.follow(self._operator, FIRST)

    def forward(self, x: Tensor) -> Tensor:
        """Return the result (n, outputs, size ...) of signals x (n, inputs, size ...).

        Raises:
            ValueError: The signals have another size, for which the bound does not hold.
        """
        if tuple(x.shape[2:]) != self.size:
            raise ValueError(f"signal: found the size {tuple(x.shape[2:])}, expected {self.size}")
        if self.training:
            self.cap.follow(self._operator)
        return self._convolved(x, self.weight(), self.bias)

    def weight(self) -> Tensor:
        """Return the kernel as used, shape (outputs, inputs, kernel size ...)."""
        return self.raw * self.cap.factor(self._operator)

    def settle(self) -> None:
        """Bring the power iteration to rest, so that the target is met to rounding."""
        self.cap.converge(self._operator)

    def bound(self) -> float:
        """Return a bound of the norm of the map as used, exact for circular padding."""
        norm = circular_norm if self.padding == "circular" else zero_padded_norm
        return norm(self.weight(), self.size)

    def plain(self) -> nn.Module:
        """Return the torch layer with the kernel and the bias."""
        outputs, inputs, kernel = self.raw.shape[:3]
        layer = (nn.Conv1d, nn.Conv2d)[len(self.size) - 1](
            inputs,
            outputs,
            kernel,
            padding=kernel // 2,
            padding_mode=self.padding,
            bias=self.bias is not None,
            dtype=self.raw.dtype,
        )
        return _filled(layer, self.weight(), self.bias)

    def _operator(self, x: Tensor) -> Tensor:
        return self._convolved(x, self.raw, None)

    def _convolved(self, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        convolve = (functional.conv1d, functional.conv2d)[len(self.size) - 1]
        half, axes = kernel.shape[-1] // 2, len(self.size)
        if self.padding == "zeros":
            return convolve(x, kernel, bias, padding=half)
        return convolve(functional.pad(x, (half,) * (2 * axes), mode="circular"), kernel, bias)


def weight_of(layer: nn.Module) -> Tensor:
    """Return the weight as used of a dense layer, capped or torch's own."""
    weight: Tensor = layer.weight() if isinstance(layer, SpectralLinear) else layer.weight
    return weight


def _filled(layer: nn.Module, weight: Tensor, bias: Tensor | None) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _check_sizes(kernel: int, size: tuple[int, ...], padding: str) -> None:
    if padding not in ("circular", "zeros"):
        raise ValueError(f"padding: found {padding!r}, expected 'circular' or 'zeros'")
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel: found the size {kernel}, expected an odd number")
    if len(size) not in (1, 2) or min(size) < kernel or prod(size) < 1:
        raise ValueError(f"size: found {size}, expected one or two numbers >= {kernel}")
