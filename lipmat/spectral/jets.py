r"""Enclosures of functions, their gradients and Hessians over boxes: first-order Taylor models.

Over a box ``x = c + h * t``, t in [-1, 1]^k, every number q that is computed from x is enclosed as

    q(t) = a_0 + a . t + [-r, r]

and so is its gradient. What a product or a function leaves beyond first order goes to r, as does
the rounding of each operation (affine arithmetic: Stolfi & de Figueiredo, TEMA 4 (2003) 297; Taylor
models: Makino & Berz, Int. J. Pure Appl. Math. 4 (2003) 379), so that r shrinks with the square of
the box. Over a point k = 0: it is the plain derivative.

The Hessian of a scalar needs a second pass, backwards. With ``w_k`` the derivative of the result by
the entry ``y_k = phi(z_k)``, a form like all others (Griewank & Walther, Evaluating Derivatives,
SIAM 2008, chapter 7),

    H = sum_k w_k phi''(z_k) grad z_k grad z_k^T,

where a product ``y = u v`` counts as ``((u + v)^2 - (u - v)^2) / 4``. Each term is ``s g g^T`` with
forms s and g: what is constant and linear in t is kept, the rest is bounded in Loewner order by
multiples of ``g_0 g_0^T`` and diagonal matrices, which loses less than bounds entry by entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from lipmat.spectral.entries import Entries
from lipmat.spectral.smooth import Smooth

_EPS = 2.0**-52
_NOISE = 1e-14  # of a smooth function's evaluation, over its size
_OUT = 1.0 + 1e-12  # covers the rounding of remainders, sums of positive numbers
_SUMS = 1e-13  # of the Hessian's sums, over the sum of the sizes of the terms
_TINY = 1e-300


class Form(NamedTuple):
    """Enclosures ``a_0 + a . t + [-r, r]``: coefficients (..., 1 + k) and remainders (...)."""

    a: Tensor
    r: Tensor

    @property
    def reach(self) -> Tensor:
        """The largest size."""
        return self.a.abs().sum(-1) + self.r

    @property
    def spread(self) -> Tensor:
        """The largest distance from the middle."""
        return self.a[..., 1:].abs().sum(-1) + self.r

    def plus(self, other: Form) -> Form:
        """Return the sum."""
        a = self.a + other.a
        return Form(a, (self.r + other.r + 2.0 * _EPS * a.abs().sum(-1)) * _OUT)

    def times(self, other: Form) -> Form:
        """Return the product; of ``t_i^2`` in [0, 1] the middle goes to the constant."""
        (a, r), (b, s) = self, other
        a0, b0, g, h = a[..., :1], b[..., :1], a[..., 1:], b[..., 1:]
        c0 = a0 * b0
        if g.shape[-1] == 0:
            return Form(c0, torch.zeros_like(c0[..., 0]))
        squares = g * h
        c0 = c0 + 0.5 * squares.sum(-1, keepdim=True)
        wide, wide_h = g.abs().sum(-1), h.abs().sum(-1)
        top, top_h = a0[..., 0].abs() + wide, b0[..., 0].abs() + wide_h
        rest = wide * wide_h - 0.5 * squares.abs().sum(-1) + top * s + top_h * r + r * s
        rounding = (8.0 + 2.0 * g.shape[-1]) * _EPS * (top * top_h)
        return Form(torch.cat([c0, a0 * h + b0 * g], -1), (rest + rounding) * _OUT)

    def scaled(self, factor: Tensor) -> Form:
        """Return the product with numbers of the shape of ``r``."""
        r = (self.r + 2.0 * _EPS * self.reach) * factor.abs()
        return Form(self.a * factor[..., None], r * _OUT)

    def at(self, places: Tensor) -> Form:
        """Return chosen entries of the second axis."""
        return Form(self.a[:, places], self.r[:, places])

    def added_to(self, places: Tensor, count: int) -> Form:
        """Return sums of the entries (b, n) that belong to the same of ``count`` places."""
        b, n = self.r.shape
        a = self.a.new_zeros(b, count, self.a.shape[-1]).index_add(1, places, self.a)
        reach = self.r + (n + 2.0) * _EPS * self.reach
        return Form(a, self.r.new_zeros(b, count).index_add(1, places, reach) * _OUT)


def _mapped(matrix: Tensor, x: Form, shape: tuple[int, int, int]) -> Form:
    """Return ``matrix @ x`` along the second axis seen as (before, m, after)."""
    before, m, after = shape
    b, _, *rest = x.a.shape
    n = before * len(matrix) * after
    a = matrix @ x.a.reshape(b, before, m, after * prod(rest))
    reach = x.r + (m + 4.0) * 2.0 * _EPS * x.reach
    r = (matrix.abs() @ reach.reshape(b, before, m, after * prod(rest[:-1]))) * _OUT
    return Form(a.reshape(b, n, *rest), r.reshape(b, n, *rest[:-1]))


Pull = Callable[[Form], Form]


@dataclass(frozen=True, eq=False)
class Jets(Entries):
    """Enclosures of an array of n numbers and their gradients (d) over b boxes.

    Attributes:
        shape: Of the array.
        value: Shape (b, n).
        gradient: Shape (b, n, d).
        tape: All jets of a computation in their order.
        pulls: Number on the tape of each operand, and what passes a derivative on to it.
        bends: Terms of the Hessian: weights (b, n), beside the derivative by the entry, and
            gradients.
    """

    shape: tuple[int, ...]
    value: Form
    gradient: Form
    tape: list[Jets]
    pulls: tuple[tuple[int, Pull], ...] = ()
    bends: tuple[tuple[Form, Form], ...] = ()
    number: int = field(default=-1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", len(self.tape))
        self.tape.append(self)

    def _next(self, shape: tuple[int, ...], value: Form, gradient: Form, pull: Pull) -> Jets:
        return Jets(shape, value, gradient, self.tape, ((self.number, pull),))

    def taken(self, places: Tensor) -> Jets:
        """Return the entries at flat places, of their shape."""
        flat, count = places.reshape(-1), self.value.r.shape[1]
        value, gradient = self.value.at(flat), self.gradient.at(flat)
        return self._next(tuple(places.shape), value, gradient, lambda w: w.added_to(flat, count))

    def reshaped(self, shape: tuple[int, ...]) -> Jets:
        """Return the same entries as an array of another shape."""
        return self._next(shape, self.value, self.gradient, lambda w: w)

    def constant(self, values: Tensor) -> Jets:
        """Return numbers that do not depend on the coordinates."""
        (b, _, d, k), flat = self.gradient.a.shape, values.reshape(-1)
        a = torch.nn.functional.pad(flat[:, None], (0, k - 1)).expand(b, -1, -1)
        value = Form(a, a.new_zeros(b, len(flat)))
        gradient = Form(a.new_zeros(b, len(flat), d, k), a.new_zeros(b, len(flat), d))
        return Jets(tuple(values.shape), value, gradient, self.tape)

    @classmethod
    def joined(cls, parts: list[Jets]) -> Jets:
        """Return the entries of several arrays one after the other."""

        def together(forms: list[Form]) -> Form:
            return Form(torch.cat([f.a for f in forms], 1), torch.cat([f.r for f in forms], 1))

        pulls, start = [], 0
        for part in parts:
            own = torch.arange(start, start + part.value.r.shape[1])
            pulls.append((part.number, lambda w, own=own: w.at(own)))
            start += len(own)
        value = together([p.value for p in parts])
        gradient = together([p.gradient for p in parts])
        return Jets((start,), value, gradient, parts[0].tape, tuple(pulls))

    def scaled(self, factor: Tensor) -> Jets:
        """Return each entry times its own number (n,)."""
        value, gradient = self.value.scaled(factor), self.gradient.scaled(factor[:, None])
        return self._next(self.shape, value, gradient, lambda w: w.scaled(factor))

    def shifted(self, constant: Tensor) -> Jets:
        """Return each entry plus its own number (n,)."""
        a = self.value.a.clone()
        a[..., 0] += constant
        r = self.value.r + 2.0 * _EPS * (a[..., 0].abs() + constant.abs())
        return self._next(self.shape, Form(a, r * _OUT), self.gradient, lambda w: w)

    def mapped(self, matrix: Tensor, shape: tuple[int, int, int]) -> Jets:
        """Return ``matrix @ x`` along an axis."""
        before, _, after = shape
        value, gradient = (_mapped(matrix, f, shape) for f in (self.value, self.gradient))
        back = (before, len(matrix), after)
        n = prod(back)
        return self._next((n,), value, gradient, lambda w: _mapped(matrix.T, w, back))

    def through(self, function: Smooth) -> Jets:
        """Return a smooth function of each entry."""
        value, slope, bend = _composed(function, self.value)
        gradient = _rows(slope).times(self.gradient)
        pulls = ((self.number, slope.times),)
        return Jets(self.shape, value, gradient, self.tape, pulls, ((bend, self.gradient),))

    def __add__(self, other: Jets) -> Jets:
        pulls = ((self.number, lambda w: w), (other.number, lambda w: w))
        value, gradient = self.value.plus(other.value), self.gradient.plus(other.gradient)
        return Jets(self.shape, value, gradient, self.tape, pulls)

    def __mul__(self, other: Jets) -> Jets:
        first, second = self.gradient, other.gradient
        gradient = _rows(self.value).times(second).plus(_rows(other.value).times(first))
        value = self.value.times(other.value)
        pulls = ((self.number, other.value.times), (other.number, self.value.times))
        half = torch.zeros_like(value.a)
        half[..., 0] = 0.5
        rest = torch.zeros_like(value.r)
        minus = Form(-second.a, second.r)
        bends = (Form(half, rest), first.plus(second)), (Form(-half, rest), first.plus(minus))
        return Jets(self.shape, value, gradient, self.tape, pulls, bends)


def variables(centres: Tensor, halves: Tensor | None, frame: Tensor) -> Jets:
    """Return the jets of the coordinates themselves.

    Args:
        centres: Of the boxes, shape (b, m) [-].
        halves: Half widths, shape (b, m); None: the boxes are points.
        frame: Derivatives are taken in y, ``x = frame @ y``, shape (m, d).
    """
    b, m = centres.shape
    a, r = centres[..., None], torch.zeros_like(centres)
    if halves is not None:
        a = torch.cat([a, torch.diag_embed(halves)], -1)
        r = 4.0 * _EPS * (centres.abs() + halves)
    slopes = torch.nn.functional.pad(frame[..., None], (0, a.shape[-1] - 1)).expand(b, -1, -1, -1)
    gradient = Form(slopes, slopes.new_zeros(b, *frame.shape))
    return Jets((m,), Form(a, r), gradient, [])


class Hessians(NamedTuple):
    """Enclosures ``middle + sum_i t_i linear_i + E`` with ``-below <= E <= above`` in order.

    Attributes:
        middle: Shape (b, d, d).
        linear: Shape (b, k, d, d).
        above: Positive semidefinite, shape (b, d, d).
        below: Positive semidefinite.
    """

    middle: Tensor
    linear: Tensor
    above: Tensor
    below: Tensor


def hessians(result: Jets) -> Hessians:
    """Return the Hessians of a scalar, by a pass backwards over its tape."""
    b, _, d, k = result.gradient.a.shape
    one = torch.nn.functional.pad(torch.ones(b, 1, 1, dtype=result.value.a.dtype), (0, k - 1))
    weights: dict[int, Form] = {result.number: Form(one, one.new_zeros(b, 1))}
    terms: list[tuple[Form, Form]] = []
    for jets in reversed(result.tape[: result.number + 1]):
        weight = weights.pop(jets.number, None)
        if weight is None:
            continue
        terms += [(weight.times(bend), gradient) for bend, gradient in jets.bends]
        for operand, pull in jets.pulls:
            passed = pull(weight)
            known = weights.get(operand)
            weights[operand] = passed if known is None else known.plus(passed)
    if not terms:
        zero = one.new_zeros(b, d, d)
        return Hessians(zero, one.new_zeros(b, k - 1, d, d), zero, zero)
    s = Form(*(torch.cat(x, 1) for x in zip(*(t[0] for t in terms), strict=True)))
    g = Form(*(torch.cat(x, 1) for x in zip(*(t[1] for t in terms), strict=True)))
    return _assembled(s, g)


def _assembled(s: Form, g: Form) -> Hessians:
    """Return ``sum s g g^T`` of forms s (b, n) and g (b, n, d)."""
    s0, s1, g0, g1 = s.a[..., 0], s.a[..., 1:], g.a[..., 0], g.a[..., 1:]
    weighted = s0[..., None] * g0
    middle = g0.mT @ weighted
    half = torch.einsum("bnd,bnei->bide", weighted, g1)
    linear = torch.einsum("bni,bnd,bne->bide", s1, g0, g0) + half + half.mT
    length, size = g0.norm(dim=-1), s0.abs()
    wide = g.spread
    total, rest = wide.sum(-1), g.r.sum(-1)
    # s0 (g0 rho^T + rho g0^T) and the like: e g0 g0^T + rho rho^T / e, rho rho^T <= |rho|_1 diag
    share = rest / length.clamp_min(_TINY)
    share_wide = total / length.clamp_min(_TINY)
    spread = s.spread
    along = s.r + size * share + spread * share_wide
    across = (size * length)[..., None] * g.r + (spread * length)[..., None] * wide
    common = _diagonal_and(along, across, g0)
    high, low = ((sign * s0 + spread).clamp_min(0.0) for sign in (1.0, -1.0))
    squares = total[..., None] * wide
    above, below = (
        common + torch.diag_embed((part[..., None] * squares).sum(1)) for part in (high, low)
    )
    sums = _SUMS * ((size + spread) * (length + total) ** 2).sum(1)
    noise = sums[:, None, None] * torch.eye(g0.shape[-1], dtype=g0.dtype)
    return Hessians(middle, linear, above * _OUT + noise, below * _OUT + noise)


def _diagonal_and(along: Tensor, across: Tensor, g0: Tensor) -> Tensor:
    """Return ``sum along g0 g0^T + diag(across)``."""
    return g0.mT @ (along[..., None] * g0) + torch.diag_embed(across.sum(1))


def _rows(x: Form) -> Form:
    return Form(x.a[:, :, None], x.r[:, :, None])


def _composed(function: Smooth, z: Form) -> list[Form]:
    """Return value, slope and curvature of a function of a form."""
    middle = z.a[..., 0]
    f = [function.derivative(k, middle) for k in range(4)]
    if z.a.shape[-1] == 1:
        return [Form(f[k][..., None], torch.zeros_like(middle)) for k in range(3)]
    reach = z.spread * _OUT
    lo, hi = middle - reach - _EPS * middle.abs(), middle + reach + _EPS * middle.abs()
    ranges = [function.extremes(k, lo, hi) for k in range(5)]
    out = []
    for k in range(3):
        form = _linearised(f[k], f[k + 1], z, reach, ranges[k : k + 3])
        noise = _NOISE * (function.size(k) + function.size(k + 1) * reach)
        out.append(Form(form.a, (form.r + noise) * _OUT))
    return out


def _linearised(
    value: Tensor,
    slope: Tensor,
    z: Form,
    reach: Tensor,
    ranges: list[tuple[Tensor, Tensor]],
) -> Form:
    """Enclose ``f(z)`` by the best of tangent, mean slope and constant.

    Args:
        value: f at the middle of z.
        slope: f' there.
        z: The argument.
        reach: Its largest distance from its middle.
        ranges: Of f, f' and f'' where z is.
    """
    (f_lo, f_hi), (s_lo, s_hi), (c_lo, c_hi) = ranges
    least, most = 0.5 * c_lo.clamp(max=0.0), 0.5 * c_hi.clamp(min=0.0)
    square = reach * reach
    tangent = 0.5 * (most - least) * square
    mean, spread = 0.5 * (s_lo + s_hi), 0.5 * (s_hi - s_lo) * reach
    flat = 0.5 * (f_hi - f_lo)
    by_mean = (spread < tangent) | ~torch.isfinite(tangent)
    by_flat = flat < torch.where(by_mean, spread, tangent)
    rate = torch.where(by_flat, 0.0, torch.where(by_mean, mean, slope))
    centre = torch.where(by_mean, value, value + 0.5 * (most + least) * square)
    centre = torch.where(by_flat, 0.5 * (f_lo + f_hi), centre)
    rest = torch.where(by_mean, spread, tangent) + rate.abs() * z.r
    rest = torch.where(by_flat, flat, rest)
    size = value.abs() + centre.abs() + rate.abs() * reach
    a = torch.cat([centre[..., None], rate[..., None] * z.a[..., 1:]], -1)
    return Form(a, rest + 64.0 * _EPS * size)
