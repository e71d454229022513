r"""Potentials that are sums of ridges over a symmetry group, linear in their splines' curvature.

All small-strain laws train as one kind of function of a whitened variable x of d numbers,

    w(x) = sum_i sum_g phi_i(a_i . g x) + sum_j psi_j(|B_j x|),

with a finite group of orthogonal matrices g: the permutations of the three principal values, the
reflection of q in (p, q), the rotations of a crystal in the six Mandel components. Its gradient is
linear in the curvature of the splines, and its Hessian is below ``sum_i M_i F_i``, with the Gram
matrices ``F_i = sum_g g^T a_i a_i^T g`` and ``B_j^T B_j`` and the largest curvature M of each unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lipmat.spectral.two_sided import (
    hat_slopes,
    two_sided_curvature,
    two_sided_slope,
    zero_column,
)


@dataclass(frozen=True, eq=False)
class OrbitNetwork:
    """The network without its curvature.

    Attributes:
        group: Orthogonal matrices, shape (g, d, d).
        directions: Unit vectors a, one for each orbit, shape (n, d).
        knots: Increasing, one column of them 0, shape (n, k).
        norms: Matrices B, shape (m, d, d); may be none.
        norm_knots: Increasing from 0, shape (m, l).
    """

    group: Tensor
    directions: Tensor
    knots: Tensor
    norms: Tensor
    norm_knots: Tensor

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """The numbers n, k, m, l of units and their knots."""
        return (*self.knots.shape, *self.norm_knots.shape)

    def split(self, curvature: Tensor) -> tuple[Tensor, Tensor]:
        """Return a vector of all curvatures as those of the ridges (n, k) and norms (m, l)."""
        n, k, m, length = self.sizes
        return curvature[: n * k].reshape(n, k), curvature[n * k :].reshape(m, length)

    def features(self, x: Tensor) -> Tensor:
        """Return the gradient of each hat's share of w at states (b, d), shape (b, d, nk + ml)."""
        ridges = self._ridge_features(x)
        return torch.cat([ridges, self._norm_features(x)], -1) if len(self.norms) else ridges

    def direction_jacobian(self, x: Tensor, curvature: Tensor) -> Tensor:
        """Return the derivative of the gradient of w in the directions, shape (b, d, n, d)."""
        ridges, _ = self.split(curvature)
        z, zero = self.arguments(x), zero_column(self.knots)
        slope = two_sided_slope(z, self.knots, ridges, zero)
        bend = two_sided_curvature(z, self.knots, ridges, zero)
        image = torch.einsum("gij,bj->bgi", self.group, x)
        copies = self.copies()
        out = torch.einsum("bgn,gni,bgj->binj", bend, copies, image)
        return out + torch.einsum("bgn,gji->binj", slope, self.group)

    def arguments(self, x: Tensor) -> Tensor:
        """Return ``a_i . g x`` at states (b, d), shape (b, g, n)."""
        return torch.einsum("gni,bi->bgn", self.copies(), x)

    def lengths(self, x: Tensor) -> Tensor:
        """Return ``|B_j x|`` at states (b, d), shape (b, m)."""
        return torch.einsum("mij,bj->bmi", self.norms, x).norm(dim=-1)

    def copies(self) -> Tensor:
        """Return ``g^T a_i``, shape (g, n, d)."""
        return torch.einsum("gij,ni->gnj", self.group, self.directions)

    def grams(self) -> Tensor:
        """Return the Gram matrices F of all units, shape (n + m, d, d)."""
        copies = self.copies()
        ridges = torch.einsum("gni,gnj->nij", copies, copies)
        return torch.cat([ridges, self.norms.transpose(1, 2) @ self.norms])

    def _ridge_features(self, x: Tensor) -> Tensor:
        slopes = hat_slopes(self.arguments(x), self.knots, zero_column(self.knots))
        out = torch.einsum("bgnk,gni->bink", slopes, self.copies())
        return out.flatten(2)

    def _norm_features(self, x: Tensor) -> Tensor:
        length = self.lengths(x)
        pull = torch.einsum("mji,mjk,bk->bmi", self.norms, self.norms, x)
        unit = pull / torch.where(length > 0, length, 1.0).unsqueeze(-1)
        slopes = hat_slopes(length, self.norm_knots, 0)
        return torch.einsum("bmk,bmi->bimk", slopes, unit).flatten(2)
