"""The same network for the same steel, fitted without spectral normalisation.

The architecture is that of the law ``pq``: units in p and q with splines on fixed knots. Here Adam
and L-BFGS move directions and curvatures freely from a random start, as one trains any network, on
the tension test alone. It reproduces its curve; what it lacks is any hold on its tangent where the
curve does not pass: in compression, in shear, under other ratios of p to q.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import lipmat
from lipmat.materials import pq
from lipmat.materials.law import Bound, Rung
from lipmat.materials.mandel import as_matrix, isotropic_stiffness

UNITS, KNOTS = 8, 15
STEPS = 3_000


class Unnormalised(pq.PQ):
    """The network with the step in mind that its own data suggest."""

    def bound(self) -> Bound:
        """Return the elastic stiffness of the data, which bounds nothing."""
        stiffness = as_matrix(isotropic_stiffness(*self.stiffness.numpy()))
        rung = Rung(None, {"network": stiffness}, {"network": self.sampled})
        return Bound("NOT a certificate: the elastic stiffness of the data", (rung,))

    @property
    def sampled(self) -> float:
        """The largest tangent found by sampling strains up to 0.1 %, against C0 of the data [-]."""
        rng = np.random.default_rng(0)
        strain = rng.standard_normal((2_000, 6))
        strain *= rng.uniform(0, 1e-3, (2_000, 1)) / np.linalg.norm(strain, axis=1, keepdims=True)
        hessian = torch.func.vmap(torch.func.hessian(self.network))(torch.from_numpy(strain))
        three_bulk, two_shear = self.stiffness.numpy()
        root = isotropic_stiffness(three_bulk**-0.5, two_shear**-0.5)
        return float(np.linalg.eigvalsh(root @ hessian.numpy() @ root).max())

    def proved(self) -> Bound:
        """Return the exact bound, which lipmat can compute for this network too."""
        return super().bound()


def tension(dataset: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Return strains and stresses (n, 6) of the test, and ``(3K, 2G)`` [Pa].

    No lateral strain was measured; it is taken from elasticity.
    """
    data = lipmat.read_dataset(dataset)
    (test,) = data.tests
    assert data.young is not None
    assert data.poisson is not None
    axial = torch.from_numpy(test.columns["stretch"] - 1.0)
    lateral = axial.new_tensor([1.0, -data.poisson, -data.poisson, 0.0, 0.0, 0.0])
    along = axial.new_tensor([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    stress = torch.from_numpy(test.columns["nominal_stress"].copy())
    moduli = (data.young / (1 - 2 * data.poisson), data.young / (1 + data.poisson))
    return (
        axial[:, None] * lateral,
        stress[:, None] * along,
        torch.tensor(moduli, dtype=torch.float64),
    )


def fit(dataset: Path, seed: int = 0) -> tuple[Unnormalised, float]:
    """Return the network and its coefficient of determination on the test."""
    torch.manual_seed(seed)
    strain, stress, stiffness = tension(dataset)
    p, q, _ = pq.invariants(strain, stiffness)
    zero = KNOTS // 2
    even = torch.linspace(-1, 1, KNOTS, dtype=torch.float64)
    even[zero] = 0.0
    knots = (float((p * p + q * q).max().sqrt()) * even.abs() * even).repeat(UNITS, 1)
    directions = torch.randn(UNITS, 2, dtype=torch.float64) / 2**0.5
    curvature = torch.randn(UNITS, KNOTS, dtype=torch.float64) / UNITS**0.5
    weights = [directions.requires_grad_(), curvature.requires_grad_()]

    def loss() -> Tensor:
        found = pq.stress_of(strain, directions, knots, curvature, stiffness, zero)
        return ((found - stress) / stress.max()).square().mean()

    _train(weights, loss)
    law = Unnormalised(directions.detach(), knots, curvature.detach(), 0.0, stiffness)
    error = law.stress(strain)[:, 0] - stress[:, 0]
    spread = stress[:, 0] - stress[:, 0].mean()
    return law, 1.0 - float(error.square().sum() / spread.square().sum())


def _train(weights: list[Tensor], loss) -> None:  # type: ignore[no-untyped-def]
    adam = torch.optim.Adam(weights, 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    for _ in range(STEPS):
        adam.zero_grad()
        loss().backward()
        adam.step()
        schedule.step()
    lbfgs = torch.optim.LBFGS(
        weights,
        max_iter=2_000,
        history_size=50,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
    )

    def closure() -> Tensor:
        lbfgs.zero_grad()
        value = loss()
        value.backward()
        return value

    lbfgs.step(closure)
