r"""Branches of a Maxwell body as a fit sees them: flow curves, size over rate, that are concave.

The elastic strain at which a branch flows at the rate R is

    y(R) = H(kappa) (y_0 + sum_k w_k min(R, R_k) / R_k + w R / R_K),      y_0, w_k, w >= 0,

at rates ``R_1 < ... < R_K`` in equal ratios that cover those of the data. These are all concave
piecewise linear curves with these knots, and their inverses are the convex flows of
:class:`lipmat.materials.maxwell.Maxwell`. With ``w`` alone the branch is a dashpot of relaxation
time ``w / R_K``, with ``y_0`` alone it yields. H is the
hardening, ``H(0) = 1``, linear between its knots.

Shear moduli do not enter: the elastic strains do not depend on them, and the stress is linear in
them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lipmat.materials.maxwell import Flows

LEAST_RISE = 1e-3
"""Rise of y over its rest at the largest rate at least: what yields does so with this viscosity."""


@dataclass(frozen=True, eq=False)
class FlowCurves:
    """The knots of the flow curves of B branches, and the sizes in which unknowns are counted.

    The unknowns of a branch are ``y_0, w_1, ..., w_(K-1), w`` over :attr:`size`, then the
    logarithms of H at the knots but the first.

    Attributes:
        rates: R, in equal ratios, (K,) [1/s].
        flows: Knots of the hardening, from 0, (M,) [-]; one knot: none.
        size: (B,) [-].
    """

    rates: Tensor
    flows: Tensor
    size: Tensor

    @property
    def unknowns(self) -> int:
        """Unknowns of a branch."""
        return len(self.rates) + len(self.flows)

    def sizes(self, unknowns: Tensor) -> Tensor:
        """Return y before hardening at the rates 0, R_1, ... R_K, (..., B, K + 1) [-]."""
        k = len(self.rates)
        rates = torch.cat([self.rates.new_zeros(1), self.rates])
        shapes = torch.minimum(rates[:, None], self.rates) / self.rates  # (K + 1, K)
        own = unknowns[..., 1 : k + 1]
        last = own[..., -1:] + LEAST_RISE * (unknowns[..., :1] + own[..., :-1].sum(-1, True))
        terms = torch.cat([own[..., :-1], last], -1)
        return self.size.unsqueeze(-1) * (unknowns[..., :1] + terms @ shapes.T)

    def hardening(self, unknowns: Tensor) -> Tensor:
        """Return H at its knots, (..., B, M) [-]."""
        steps = unknowns[..., len(self.rates) + 1 :]
        return torch.exp(torch.cat([torch.zeros_like(unknowns[..., :1]), steps], -1))

    def _kinks(self, sizes: Tensor) -> Tensor:
        """Return the changes of dR/dy at the knots y, (..., B, K + 1) [1/s]."""
        rates = torch.cat([self.rates.new_zeros(1), self.rates])
        rise = rates.diff() / sizes.diff(dim=-1)
        slopes = torch.cat([rise, rise[..., -1:]], -1)
        return torch.diff(slopes, dim=-1, prepend=torch.zeros_like(slopes[..., :1]))

    def remainder(self, unknowns: Tensor) -> Flows:
        """Return the branches of unknowns (p, B, n), for a scan of p laws."""
        y = self.sizes(unknowns).unsqueeze(1)
        hardening = self.hardening(unknowns).unsqueeze(1)
        return Flows.of(self._kinks(y), y, torch.ones_like(y[..., 0]), hardening, self.flows)

    def arrays(self, unknowns: Tensor, shear_moduli: Tensor) -> dict[str, Tensor]:
        """Return the arrays of a Maxwell body of unknowns (B, n) and moduli (B,) [Pa].

        The strength of a branch is its stress at the slowest rate of the data.
        """
        y = self.sizes(unknowns)
        unit = y[:, 1:2]
        knots = y / unit
        kinks = self._kinks(y) * unit
        strength = 2.0 * shear_moduli[:, None] * unit * self.hardening(unknowns)
        return {
            "shear_moduli": shear_moduli,
            "flow_knots": knots,
            "flow_slopes": kinks.clamp_min(0.0),
            "strength": strength,
            "strength_knots": self.flows,
        }

    def roughness(self, unknowns: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bends of ln y over ln R (B, K - 2), and of ln H (B, M - 2) [-].

        A power law has none: neither a dashpot nor what yields at any rate alike.
        """
        curves = torch.log(self.sizes(unknowns)[:, 1:]), torch.log(self.hardening(unknowns))
        bends, hardening = (c.diff(dim=-1).diff(dim=-1) for c in curves)
        return bends, hardening
