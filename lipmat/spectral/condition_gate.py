"""A gate that depends on a few numbers: bounded weights, with certified ranges and slopes."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn

from lipmat.spectral.branch_and_bound import maximise
from lipmat.spectral.interval import Interval
from lipmat.spectral.norms import matrix_norm

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
_UP = 1.0 + 1e-13
_SHIFT = 2.0  # boxes away from zero, so that branch and bound halves all their edges alike
_MOST_SEARCHED = 8  # inputs up to which ranges are searched; beyond, one box
_BOXES = 20_000


class ConditionGate(nn.Module):  # type: ignore[misc]  # torch is not followed
    """``g(c) = sigmoid(U tanh(V c + b) + d)`` in (0, 1), for c with components in [-1, 1].

    Args:
        hidden_weight: V, shape (hidden, inputs), at least one input.
        hidden_bias: b, shape (hidden,).
        output_weight: U, shape (gates, hidden).
        output_bias: d, shape (gates,).

    Raises:
        ValueError: The shapes do not fit, or a number is not finite.
    """

    array_names = ("hidden_weight", "hidden_bias", "output_weight", "output_bias")

    def __init__(
        self, hidden_weight: Tensor, hidden_bias: Tensor, output_weight: Tensor, output_bias: Tensor
    ) -> None:
        super().__init__()
        arrays = (hidden_weight, hidden_bias, output_weight, output_bias)
        for name, array in zip(self.array_names, arrays, strict=True):
            value = torch.as_tensor(array, dtype=torch.float64).detach().clone()
            if not bool(torch.isfinite(value).all()):
                raise ValueError(f"{name} is not finite")
            self.register_buffer(name, value)
        v, u = self.hidden_weight, self.output_weight
        if v.ndim != 2 or u.ndim != 2 or 0 in (*v.shape, *u.shape) or len(v) != u.shape[1]:
            raise ValueError(f"gate: found weights {tuple(v.shape)} and {tuple(u.shape)}")
        if self.hidden_bias.shape != v.shape[:1] or self.output_bias.shape != u.shape[:1]:
            raise ValueError("gate: found biases that do not fit the weights")

    def forward(self, c: Tensor) -> Tensor:
        """Return g (..., gates) of c (..., inputs); inputs are clipped to their range."""
        inside = torch.clamp(c, -1.0, 1.0)
        hidden = torch.tanh(inside @ self.hidden_weight.T + self.hidden_bias)
        return torch.sigmoid(hidden @ self.output_weight.T + self.output_bias)

    def bound(self) -> float:
        """Return a bound of ``|g(c) - g(c')| / |c - c'|``: ``|U| |V| / 4``, rounded up."""
        return 0.25 * matrix_norm(self.output_weight) * matrix_norm(self.hidden_weight) * _UP

    def ranges(self) -> Interval:
        """Return certified ranges of the gates over all c, shape (gates,).

        Interval arithmetic; with up to eight inputs branch and bound closes the gap.
        """
        gates, inputs = len(self.output_weight), self.hidden_weight.shape[1]
        lo, hi = (np.full((2 * gates, inputs), _SHIFT + s) for s in (-1.0, 1.0))
        if inputs > _MOST_SEARCHED:
            tops = self._upper(Interval(lo, hi), np.arange(2 * gates))
        else:
            found = maximise(self._upper, self._sampled, lo, hi, max_boxes=_BOXES)
            tops = np.array([each.bound for each in found])
        lowest = 1.0 - tops[gates:] - np.finfo(np.float64).eps
        return Interval(np.maximum(lowest, 0.0), np.minimum(tops[:gates], 1.0))

    def gains(self) -> Array:
        """Return bounds of ``|dg_k / dc_j|`` over all c, shape (gates, inputs)."""
        ranges = self.ranges()
        middle = np.clip(0.5, ranges.lo, ranges.hi)
        steepest = middle * (1.0 - middle) + np.finfo(np.float64).eps
        paths = np.abs(self.output_weight.numpy()) @ np.abs(self.hidden_weight.numpy())
        out: Array = steepest[:, None] * paths * _UP
        return out

    def _upper(self, box: Interval, number: Numbers) -> Array:
        """Return upper bounds of ``g_k``, or of ``1 - g_k`` in the second half of the numbers."""
        c = [box.column(j) - _SHIFT for j in range(box.lo.shape[1])]
        v, u = self.hidden_weight.numpy(), self.output_weight.numpy()
        hidden = [
            _monotone(np.tanh, _affine(c, row, bias))
            for row, bias in zip(v, self.hidden_bias.numpy(), strict=True)
        ]
        out = np.full(len(number), -inf)
        for k, (row, bias) in enumerate(zip(u, self.output_bias.numpy(), strict=True)):
            logit = _affine(hidden, row, bias)
            for n, sign in ((k, 1.0), (k + len(u), -1.0)):
                here = number == n
                out[here] = _monotone(expit, (logit * sign)[here]).hi
        return out

    def _sampled(self, points: Array, number: Numbers) -> Array:
        g = self(torch.from_numpy(points - _SHIFT)).numpy()
        both = np.concatenate([g, 1.0 - g], axis=1)
        values: Array = both[np.arange(len(points)), number]
        return values


def _affine(x: list[Interval], weights: Array, bias: float) -> Interval:
    total = Interval.point(np.full_like(x[0].lo, bias))
    for each, weight in zip(x, weights, strict=True):
        total = total + each * float(weight)
    return total


def _monotone(function: Callable[[Array], Array], x: Interval) -> Interval:
    return Interval(function(x.lo), function(x.hi)).widened()
