"""Loading modes of a laboratory: from the forces of a law to what a test measures.

A law enters through its :class:`Response`. The third direction is free of traction wherever a mode
has a free face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.errors import InputError
from lipmat.experiments.dataset import Test

NEWTON_STEPS = 60
CONVERGED = 1e-8  # last change of a lateral strain: what is left is its square


@dataclass(frozen=True)
class Response:
    """The derivatives of a law's energies.

    Attributes:
        forces: Maps stretches (n, 3) to ``dW/d lambda_i`` of the distortional energy (n, 3) [Pa].
        bulk: Maps volume ratios (n,) to ``h'(J)`` of the volumetric energy (n,) [Pa].
    """

    forces: Callable[[Tensor], Tensor]
    bulk: Callable[[Tensor], Tensor]

    def nominal(self, stretches: Tensor) -> Tensor:
        """Return nominal principal stresses (n, 3) of the compressible law [Pa]."""
        j = stretches.prod(1)
        return self.forces(stretches) + (self.bulk(j) * j).unsqueeze(1) / stretches


@dataclass(frozen=True)
class Measurement:
    """What one test measured and how a law predicts it.

    Attributes:
        test: The test.
        measured: Stress or pressure, shape (n,) [Pa]; biaxial stresses are put end to end.
        stretches: Prescribed stretches (m, 3), the free or dependent ones left to be solved.
        x: What to plot against, shape (n,).
        x_label: Its name.
    """

    test: Test
    measured: Tensor
    stretches: Tensor
    x: NDArray[np.float64]
    x_label: str

    @property
    def free(self) -> bool:
        """Whether stretches are to be solved for, because faces are free of traction."""
        return self.test.lateral == "free" and self.test.mode not in ("simple_shear", "volumetric")


def measurement(test: Test) -> Measurement:
    """Return what a test measured, in SI.

    Raises:
        InputError: The mode cannot be used with a law in stretches, or the stress does not vary.
    """
    if test.mode == "tensor":
        raise InputError(
            f"{test.path}: mode 'tensor' cannot be fitted by a law in stretches, expected a "
            "small-strain law such as 'principal-values' or 'ridge'"
        )
    c = {name: torch.from_numpy(np.array(values)) for name, values in test.columns.items()}
    m = _biaxial(test, c) if test.mode == "biaxial" else _single(test, c)
    if bool((m.measured == m.measured[0]).all()):
        raise InputError(
            f"{test.path}: found a stress of {float(m.measured[0]):g} Pa at every point, "
            "expected one that varies"
        )
    return m


def _single(test: Test, c: dict[str, Tensor]) -> Measurement:
    x_name = {"simple_shear": "shear", "volumetric": "volume_ratio"}.get(test.mode, "stretch")
    measured = c[_stress_column(test)]
    stretches = _prescribed(test, c)
    return Measurement(test, measured, stretches, c[x_name].numpy(), f"{x_name} [-]")


def _stress_column(test: Test) -> str:
    for name in ("nominal_stress", "true_stress", "shear_stress", "pressure"):
        if name in test.columns:
            return name
    raise InputError(f"{test.path}: no stress column")


def _biaxial(test: Test, c: dict[str, Tensor]) -> Measurement:
    a, b = c["stretch_1"], c["stretch_2"]
    third = c["lateral_stretch"] if test.lateral == "measured" else 1 / (a * b)
    stretches = torch.stack([a, b, third], 1)
    present = [i for i in (1, 2) if f"nominal_stress_{i}" in c]
    measured = torch.cat([c[f"nominal_stress_{i}"] for i in present])
    x = torch.cat([c[f"stretch_{i}"] for i in present]).numpy()
    return Measurement(test, measured, stretches, x, "stretch [-]")


def _prescribed(test: Test, c: dict[str, Tensor]) -> Tensor:
    """Return stretches (n, 3) that satisfy incompressibility unless a lateral one is measured."""
    if test.mode == "simple_shear":
        half = 0.5 * c["shear"]
        long = half + torch.sqrt(1 + half * half)
        return torch.stack([long, 1 / long, torch.ones_like(long)], 1)
    if test.mode == "volumetric":
        return torch.stack([c["volume_ratio"].pow(1 / 3)] * 3, 1)
    s = c["stretch"]
    if test.lateral == "measured":
        t = c["lateral_stretch"]
        rows = {
            "uniaxial": (s, t, t),
            "equibiaxial": (s, s, t),
            "planar": (s, torch.ones_like(s), t),
        }
    else:
        rows = {
            "uniaxial": (s, s.rsqrt(), s.rsqrt()),
            "equibiaxial": (s, s, s**-2),
            "planar": (s, torch.ones_like(s), 1 / s),
        }
    return torch.stack(rows[test.mode], 1)


def predict(m: Measurement, law: Response) -> Tensor:
    """Return what the law predicts for a test, of the shape of ``m.measured`` [Pa]."""
    stretches = m.stretches
    if m.free:
        stretches = with_lateral(m.test.mode, stretches, solve_lateral(m.test.mode, stretches, law))
    return predict_at(m, stretches, law)


def predict_at(m: Measurement, stretches: Tensor, law: Response) -> Tensor:
    """Return what the law predicts for a test at stretches (m, 3) that are all known [Pa]."""
    test = m.test
    if test.mode == "simple_shear":
        return _shear_stress(stretches, law)
    if test.mode == "volumetric":
        return _pressure(stretches, law)
    incompressible = test.lateral == "incompressible"
    nominal = _incompressible(stretches, law) if incompressible else law.nominal(stretches)
    if test.mode == "biaxial":
        used = [i for i in (0, 1) if f"nominal_stress_{i + 1}" in test.columns]
        return torch.cat([nominal[:, i] for i in used])
    if "nominal_stress" in test.columns:
        return nominal[:, 0]
    return nominal[:, 0] * stretches[:, 0] / stretches.prod(1)


def _incompressible(stretches: Tensor, law: Response) -> Tensor:
    """Return nominal stresses with the pressure that frees the third face of traction."""
    p = law.forces(stretches)
    return p - (p[:, 2] * stretches[:, 2]).unsqueeze(1) / stretches


def _shear_stress(stretches: Tensor, law: Response) -> Tensor:
    """Return dW/d(shear): with l = l_1 = 1/l_2, dl/d(shear) = l^2/(1 + l^2)."""
    p, long = law.forces(stretches), stretches[:, 0]
    rate = long**2 / (1 + long**2)
    return p[:, 0] * rate - p[:, 1] * rate / long**2


def _pressure(stretches: Tensor, law: Response) -> Tensor:
    """Return -dW/dJ at equal stretches l = J^(1/3), where dl/dJ = 1/(3 l^2)."""
    long = stretches[:, 0]
    return -(law.forces(stretches).sum(1) / (3 * long**2) + law.bulk(long**3))


class Nominal(Protocol):
    """A law whose free faces can be solved for."""

    def nominal(self, stretches: Tensor) -> Tensor:
        """Return nominal principal stresses (n, 3) at stretches (n, 3) [Pa]."""
        ...


def with_lateral(mode: str, start: Tensor, strain: Tensor) -> Tensor:
    """Return stretches (n, 3) whose free faces have moved by a logarithmic strain (n,)."""
    free = torch.tensor([False, mode == "uniaxial", True])
    return torch.where(free, torch.exp(strain).unsqueeze(1), start)


def solve_lateral(mode: str, start: Tensor, law: Nominal) -> Tensor:
    """Return the logarithmic strain of the free faces at which they have no traction, shape (n,).

    Found by Newton's method, a state at a time.

    Args:
        mode: The loading mode, which says what faces are free.
        start: Stretches to start from (n, 3); the prescribed ones are kept.
        law: The law.
    """

    def traction(strain: Tensor) -> Tensor:
        return law.nominal(with_lateral(mode, start, strain))[:, 2]

    strain = torch.log(start[:, 2])
    for _ in range(NEWTON_STEPS):
        residual, rate = with_rate(traction, strain)
        change = residual / rate
        strain = strain - change.clamp(-0.2, 0.2)
        if float(change.abs().max()) < CONVERGED:
            break
    return strain


def with_rate(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return values and derivatives of functions of each number of x alone.

    Args:
        function: Maps x (n,) to the values of k functions put end to end, shape (k n,).
        x: Shape (n,).

    Returns:
        Both of shape (k n,).
    """
    with torch.enable_grad():
        moved = x.detach().requires_grad_()
        value = function(moved)
        each = value.split(len(x))
        rates = [torch.autograd.grad(v.sum(), moved, retain_graph=True)[0] for v in each]
    return value.detach(), torch.cat(rates)
