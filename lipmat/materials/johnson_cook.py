r"""Johnson and Cook's viscoplastic law of metals, with the rate resolved exactly.

    sigma = (A + B eps^n) (1 + C ln(rate / rate_0))

(Johnson & Cook, 7th Int. Symp. Ballistics (1983) 541), without its thermal factor, for the von
Mises stress and the equivalent plastic strain. Solved for the rate, ``rate_0 exp((z - 1) / C)`` of
``z = sigma / (A + B eps^n)``, it is a convex flow. The equation of a step,
``z + c rate_0 exp((z - 1)/C) = z_trial``, is ``w + ln w = x``, Wright's omega function, with

    z = z_trial - C w,      x = (z_trial - 1)/C + ln(c rate_0 / C).

Newton's iterates in ``u = ln w`` fall to the root from ``min(x, ln max(x, 1))``, where
``e^u + u - x >= 0``; six leave a residual below 1e-14.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Provenance
from lipmat.materials.memory import ELASTIC_LIMIT, MemoryLaw
from lipmat.materials.network import Kinematics

NEWTON = 6
_NONE = 1e-290  # gain of a step that counts as none
_NEVER = 1e6  # x far below any that flows
_ROOT = 1.5**0.5


class JohnsonCook(MemoryLaw):
    """A metal after Johnson and Cook: one branch without equilibrium law.

    Args:
        shear_moduli: Shear modulus, (1,) [Pa].
        bulk_modulus: Bulk modulus [Pa].
        coefficients: A [Pa], B [Pa], n [-], C [-], rate_0 [1/s], (5,); A, C, rate_0 and n positive,
            B not negative.
        kinematics: See :class:`MemoryLaw`, as are the rest.

    Raises:
        ValueError: A coefficient is not admissible.
    """

    name: ClassVar[str] = "johnson-cook"
    array_names: ClassVar[tuple[str, ...]] = ("shear_moduli", "bulk_modulus", "coefficients")
    hardens: ClassVar[bool] = True

    def __init__(
        self,
        shear_moduli: Any,
        bulk_modulus: Any,
        coefficients: Any,
        *,
        kinematics: Kinematics = "small",
        domain: StretchDomain | None = None,
        elastic_limit: float = ELASTIC_LIMIT,
        provenance: Provenance | None = None,
    ) -> None:
        given = locals()
        arrays = {key: given[key] for key in self.array_names}
        super().__init__(arrays, None, kinematics, domain, elastic_limit, "hencky", provenance)
        if self.coefficients.shape != (5,) or self.branches != 1:
            raise ValueError("expected one shear modulus and five coefficients: A, B, n, C, rate_0")
        a, b, n, c, rate = map(float, self.coefficients)
        if not (a > 0 and b >= 0 and n > 0 and c > 0 and rate > 0):
            raise ValueError(f"coefficients: found {[a, b, n, c, rate]}, expected positive numbers")

    def remainder(self, trial: Tensor, flow: Tensor, step: Tensor) -> Tensor:
        """Return the share of the trial elastic strain that a step leaves, see the base."""
        return shares(self.coefficients, 3.0 * self.shear_moduli, trial, flow, step)


def shares(
    coefficients: Tensor, three_shear: Tensor, trial: Tensor, flow: Tensor, step: Tensor
) -> Tensor:
    """Return the shares that a step leaves, for one law or many.

    Args:
        coefficients: As those of the law, (5, ...).
        three_shear: Three times the shear modulus, (...) [Pa].
        trial: See :meth:`lipmat.materials.memory.MemoryLaw.remainder`.
        flow: The same.
        step: The same.

    Returns:
        Shares in [0, 1].
    """
    a, b, n, c, rate = coefficients.unbind()
    strength = a + b * torch.pow(flow / _ROOT, n)
    size = trial * three_shear / _ROOT / strength  # von Mises stress of the trial
    gain = three_shear * rate / (strength * c) * step
    still = _NEVER * torch.relu(1.0 - gain / _NONE)  # where the step is 0
    x = (size - 1.0) / c + torch.log(gain + _NONE) - still
    u = torch.minimum(x, torch.log(torch.clamp(x, min=1.0)))
    for _ in range(NEWTON):
        e = torch.exp(u)
        u = (e * (u - 1.0) + x) / (e + 1.0)
    return torch.clamp(1.0 - c * torch.exp(u) / size, min=0.0, max=1.0)
