"""What a law with memory predicts for a test: its path in substeps, free faces solved along it.

The update of a law is of first order in the step. So the predictions with m and with 2m substeps of
each row are extrapolated to none, ``2 s_2m - s_m``, and m is doubled until that changes by less
than :data:`CHANGE` of its largest value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.errors import InputError
from lipmat.experiments.dataset import Test
from lipmat.experiments.histories import History, batch_of, history_of
from lipmat.experiments.memory_scan import scan
from lipmat.experiments.strain_tests import prescribed
from lipmat.materials.memory import MemoryLaw
from lipmat.materials.springs import stiffness

Array = NDArray[np.float64]
CHANGE = 1e-3
MOST_SUBSTEPS = 1024
_SWEEPS = 200  # of the lateral strain, which contract by less than 1/2 in ordinary materials
_SETTLED = 1e-6  # change of the lateral strain over the largest strain of the test
_PRINCIPAL = (2.0 / 3.0) ** 0.5  # largest principal value of a deviator of size 1
_NUDGE = 1e-6  # of the strain, for the slope of the elastic traction


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a law predicts for a test.

    Attributes:
        history: The test with its lateral strains.
        values: Of what is measured, (c, n) [Pa].
        elastic: Largest size of an elastic strain of each branch, (b,) [-].
        substeps: Of each row.
    """

    history: History
    values: Array
    elastic: Array
    substeps: int


def predict_history(law: MemoryLaw, test: Test) -> Prediction:
    """Return what a law predicts for a test, with as many substeps as it takes.

    Raises:
        InputError: The test is no history, or its rows lie too far apart.
    """
    coarse = _predict(law, test, history_of(test, law.kinematics), 1)
    best = coarse.values
    while coarse.substeps < MOST_SUBSTEPS:
        fine = _predict(law, test, coarse.history, 2 * coarse.substeps)
        before, best = best, 2.0 * fine.values - coarse.values
        if np.abs(best - before).max() <= CHANGE * np.abs(best).max():
            return replace(fine, values=best)
        coarse = fine
    raise InputError(
        f"{test.path}: found rows so far apart that {MOST_SUBSTEPS} substeps between each two do "
        f"not settle the stress to {CHANGE:g}, expected more rows where the strain or its rate "
        "changes"
    )


def _predict(law: MemoryLaw, test: Test, history: History, substeps: int) -> Prediction:
    free = test.lateral == "free" and test.mode in ("uniaxial", "equibiaxial", "planar", "biaxial")
    if free:
        history = _with_free_faces(law, history, substeps)
    branches, elastic = branch_stress(law, history, substeps)
    stress = branches + elastic_stress(law, history.strain)
    return Prediction(history, history.values(stress), elastic, substeps)


def branch_stress(law: MemoryLaw, history: History, substeps: int) -> tuple[Array, Array]:
    """Return the stress of all branches at the rows (n, d) [Pa], and their largest sizes (b,)."""
    batch = batch_of([history], substeps)
    probes = torch.eye(batch.deviator.shape[2], dtype=torch.float64).unsqueeze(0)
    units, largest = scan(law.prepared(), batch, probes, 1, law.branches, law.spring)
    stress = torch.einsum("ncb,b->nc", units[:, 0, 0], law.shear_moduli)
    return np.asarray(stress.numpy()), np.asarray(largest[0, 0].numpy())


def elastic_stress(law: MemoryLaw, strain: Array) -> Array:
    """Return the stress of the elastic parts, from their energies.

    Args:
        law: The law.
        strain: Principal strains (n, 3) or Mandel strains (n, 6) of the law [-].

    Returns:
        Stress of the same shape, conjugate to the strain [Pa].
    """
    with torch.enable_grad():
        e = torch.from_numpy(strain).clone().requires_grad_()
        energies = [
            torch.func.vmap(getattr(law, part.name))(_variables(e, part.measure)).sum()
            for part in law.parts
            if part.name != "springs"
        ]
        (stress,) = torch.autograd.grad(torch.stack(energies).sum(), e)
    return np.asarray(stress.numpy())


def _variables(e: Tensor, measure: str) -> Tensor:
    """Return the variables of a part at strains e, (n, 3) or (n, 6)."""
    if measure in ("dilatation", "log_dilatation"):
        return e[:, :3].sum(1, keepdim=True)
    if measure == "volume_ratio":
        return torch.exp(e[:, :3].sum(1, keepdim=True))
    if measure in ("strain", "log_strain"):
        return torch.nn.functional.pad(e, (0, 6 - e.shape[1]))
    principal = e if e.shape[1] == 3 else torch.linalg.eigvalsh(_matrix(e))
    return torch.exp(principal) if measure == "stretches" else principal


def _matrix(e: Tensor) -> Tensor:
    a, b, c, *shears = e.unbind(1)
    d, f, g = (s / 2.0**0.5 for s in shears)
    return torch.stack([torch.stack(r, 1) for r in ((a, g, f), (g, b, d), (f, d, c))], 1)


def _with_free_faces(law: MemoryLaw, history: History, substeps: int) -> History:
    """Return the history with the lateral strain at which the free faces have no traction.

    All rows are corrected at once by their traction over a stiffness that is not exceeded, with
    the branches' springs at frozen flow; so the sweeps contract.
    """
    _, lateral = prescribed(history.test, law.kinematics)
    faces = int(lateral.sum())
    share = 2.0 / 3.0 if faces == 1 else 1.0 / 3.0
    scale = float(np.abs(history.strain).max())
    for _ in range(_SWEEPS):
        strain = history.strain.copy()
        branches, elastic = branch_stress(law, history, substeps)
        traction = (branches + elastic_stress(law, strain))[:, lateral].mean(1)
        steep = [stiffness(law.spring, _PRINCIPAL * size) for size in elastic]
        springs = share * float(law.shear_moduli.numpy() @ steep)
        slope = _elastic_slope(law, strain, lateral) + springs
        strain[:, lateral] -= (traction / slope)[:, None]
        history = history_of(history.test, law.kinematics, strain)
        if float(np.abs(traction / slope).max()) <= _SETTLED * scale:
            return history
    raise InputError(
        f"{history.test.path}: the lateral strain of law {law.name!r} does not settle, expected "
        "lateral = 'measured' or 'incompressible'"
    )


def _elastic_slope(law: MemoryLaw, strain: Array, lateral: NDArray[np.bool_]) -> Array:
    """Return the derivative of the elastic lateral traction by the lateral strain, (n,) [Pa]."""
    ends = [
        elastic_stress(law, strain + sign * _NUDGE * lateral)[:, lateral].mean(1)
        for sign in (-1.0, 1.0)
    ]
    return np.asarray((ends[1] - ends[0]) / (2.0 * _NUDGE))
