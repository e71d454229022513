"""Loading modes of a laboratory: from the forces of a law to what a test measures.

A law enters through ``forces``, the derivatives ``p_i = dW/d lambda_i`` [Pa] of its distortional
energy at stretches (n, 3), and ``bulk``, the derivative ``h'(J)`` [Pa] of its volumetric energy.
The third direction is free of traction wherever a mode has a free face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.errors import InputError
from lipmat.experiments.dataset import Test

Forces = Callable[[Tensor], Tensor]
NEWTON_STEPS = 40


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


def measurement(test: Test) -> Measurement:
    """Return what a test measured, in SI.

    Raises:
        InputError: The mode cannot be used with a law in stretches.
    """
    if test.mode == "tensor":
        raise InputError(f"{test.path}: mode 'tensor' cannot be fitted by a law in stretches yet")
    c = {name: torch.from_numpy(np.array(values)) for name, values in test.columns.items()}
    if test.mode == "biaxial":
        return _biaxial(test, c)
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
    stretches = torch.stack([a, b, 1 / (a * b)], 1)
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
        return c["volume_ratio"].pow(1 / 3).unsqueeze(1).expand(-1, 3)
    s = c["stretch"]
    if test.lateral == "measured":
        t = c["lateral_stretch"]
        rows = {"uniaxial": (s, t, t), "equibiaxial": (s, s, t), "planar": (s, torch.ones_like(s), t)}
    else:
        rows = {
            "uniaxial": (s, s.rsqrt(), s.rsqrt()),
            "equibiaxial": (s, s, s**-2),
            "planar": (s, torch.ones_like(s), 1 / s),
        }
    return torch.stack(rows[test.mode], 1)


def predict(m: Measurement, forces: Forces, bulk: Forces) -> Tensor:
    """Return what the law predicts for a test, of the shape of ``m.measured`` [Pa]."""
    test = m.test
    if test.mode == "simple_shear":
        return _shear_stress(m.stretches, forces)
    if test.mode == "volumetric":
        return _pressure(m.stretches, forces, bulk)
    if test.lateral == "incompressible":
        stretches, nominal = m.stretches, _incompressible(m.stretches, forces(m.stretches))
    else:
        stretches = m.stretches
        if test.lateral == "free":
            stretches = _solve_lateral(test.mode, stretches, forces, bulk)
        nominal = _total(stretches, forces, bulk)
    if test.mode == "biaxial":
        used = [i for i in (0, 1) if f"nominal_stress_{i + 1}" in test.columns]
        return torch.cat([nominal[:, i] for i in used])
    if "true_stress" in test.columns and "nominal_stress" not in test.columns:
        return nominal[:, 0] * stretches[:, 0] / stretches.prod(1)
    return nominal[:, 0]


def _incompressible(stretches: Tensor, p: Tensor) -> Tensor:
    """Return nominal stresses with the pressure that frees the third face of traction."""
    return p - (p[:, 2] * stretches[:, 2]).unsqueeze(1) / stretches


def _total(stretches: Tensor, forces: Forces, bulk: Forces) -> Tensor:
    """Return nominal stresses of the compressible law."""
    j = stretches.prod(1)
    return forces(stretches) + (bulk(j) * j).unsqueeze(1) / stretches


def _shear_stress(stretches: Tensor, forces: Forces) -> Tensor:
    """Return dW/d(shear): with l = l_1 = 1/l_2, dl/d(shear) = l^2/(1 + l^2)."""
    p, long = forces(stretches), stretches[:, 0]
    rate = long**2 / (1 + long**2)
    return p[:, 0] * rate - p[:, 1] * rate / long**2


def _pressure(stretches: Tensor, forces: Forces, bulk: Forces) -> Tensor:
    """Return -dW/dJ at equal stretches l = J^(1/3), where dl/dJ = 1/(3 l^2)."""
    long = stretches[:, 0]
    return -(forces(stretches).sum(1) / (3 * long**2) + bulk(long**3))


def _solve_lateral(mode: str, start: Tensor, forces: Forces, bulk: Forces) -> Tensor:
    """Solve for the stretches of the free faces, with the derivative in the weights.

    Newton's method in the logarithm of the lateral stretch finds the solution; one more step, taken
    with the derivative switched on, carries the implicit derivative.
    """
    free = torch.tensor([False, mode == "uniaxial", True])

    def with_lateral(log_lateral: Tensor) -> Tensor:
        return torch.where(free, torch.exp(log_lateral).unsqueeze(1), start)

    def traction(log_lateral: Tensor) -> Tensor:
        return _total(with_lateral(log_lateral), forces, bulk)[:, 2]

    def step(log_lateral: Tensor) -> Tensor:
        ones = torch.ones_like(log_lateral)
        residual, rate = torch.func.jvp(traction, (log_lateral,), (ones,))
        return log_lateral - (residual / rate).clamp(-0.2, 0.2)

    log_lateral = torch.log(start[:, 2])
    for _ in range(NEWTON_STEPS):
        log_lateral = step(log_lateral).detach()
    return with_lateral(step(log_lateral))
