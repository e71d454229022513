r"""Between which stresses a law's prediction of a test lies if its strain was not read exactly.

Along most tests the measured stress is an increasing function of the strain that was read, times a
known factor: ``v(x) = m(x) q(x)``. Then all stresses at strains within the error lie between the
products of m and q at its two ends. Taken over a few pieces of the error, that band is its exact
image but for the change of m within a piece. That q increases is proved for

- the networks of small strain, if convex, with free sides, in simple shear, and under pressure:
  q = v. The energy that is left when free sides have settled is convex in the strain that is
  prescribed, and q is its slope.
- the networks of logarithmic strain, if convex, and the polyconvex law: q is the Kirchhoff stress,
  of incompressible tests its difference to that of the free side. Both energies are convex in
  the logarithms h of the stretches, the polyconvex one since ``f(exp h)`` and ``g(exp(h_i + h_j))``
  are (f and g are convex and do not decrease) and ``kappa/2 (J - 1)^2`` is for J >= 1/2, to which
  states the band is restricted; every test moves along a line in h, or lets free sides settle.

Tests in which two strains are read (biaxial, a measured lateral strain, tensors), incompressible
ones at small strain, whose paths are not straight, and laws that remember have no band.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lipmat.experiments.dataset import Test
from lipmat.experiments.modes import measurement, solve_lateral, with_lateral
from lipmat.experiments.report import FittedLaw, predicted, response
from lipmat.materials.network import NetworkLaw
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.tolerance import STRAIN_ERROR

Array = NDArray[np.float64]
RELATIVE = 0.01
"""Error over the strain of a class 1 extensometer (ISO 9513) [-]."""
PIECES = 6  # of the error
CONVEX_VOLUME = 0.5
"""Volume ratio from which (J - 1)^2 is convex in ln J [-]."""
_READ = {"simple_shear": "shear", "volumetric": "volume_ratio"}


@dataclass(frozen=True, eq=False)
class StrainBand:
    """Bounds of the stress of a law along a test, given the error of the strain.

    Attributes:
        lower: Shape (n,) [Pa].
        upper: Shape (n,) [Pa].
        error: Of the strain, in words.
    """

    lower: Array
    upper: Array
    error: str


def strain_band(law: FittedLaw, test: Test, declared: float | None = None) -> StrainBand | None:
    """Return the band of a law along a test, None where no band is proved.

    Args:
        law: A sealed law.
        test: One that suits it.
        declared: Largest error of the strain [-]; None: the larger of 1e-4 and 1 % of the strain,
            as of a class 1 extensometer.
    """
    name = _READ.get(test.mode, "stretch")
    if not _increasing(law, test):
        return None
    x = test.columns[name]
    rest = 0.0 if name == "shear" else 1.0
    error = np.maximum(STRAIN_ERROR, RELATIVE * np.abs(x - rest))
    if declared is not None:
        error = np.full_like(x, declared)
    if name != "shear" and bool((x <= error).any()):
        return None
    nodes = [x + share * error for share in np.linspace(-1.0, 1.0, PIECES + 1)]
    read = [replace(test, columns={**test.columns, name: node}) for node in nodes]
    if isinstance(law, PolyconvexStretch) and any(
        _smallest_volume(law, t) < CONVEX_VOLUME for t in (read[0], read[-1])
    ):
        return None
    values = [predicted(law, t) / _factor(law, test, t.columns[name]) for t in read]
    products = []
    for a, b, *slopes in zip(nodes, nodes[1:], values, values[1:], strict=False):
        places = (a, b, np.clip(0.0, a, b)) if name == "shear" else (a, b)
        products += [_factor(law, test, p) * q for p in places for q in slopes]
    default = f"max({STRAIN_ERROR:g}, {100 * RELATIVE:g} %)"
    words = f"± {default if declared is None else f'{declared:g}'}"
    return StrainBand(np.min(products, axis=0), np.max(products, axis=0), words)


def _increasing(law: FittedLaw, test: Test) -> bool:
    """Tell whether the stress is proved to increase along the test, but for the factor."""
    free, stretched = test.lateral == "free", test.mode not in _READ
    if test.mode in ("biaxial", "tensor") or (stretched and test.lateral == "measured"):
        return False
    if stretched and free and "nominal_stress" not in test.columns:
        return False  # the factor would need the lateral strain
    if isinstance(law, PolyconvexStretch):
        return True
    if not isinstance(law, NetworkLaw) or law.smallest_curvature() < 0.0:
        return False
    return law.kinematics == "log" or not stretched or free


def _smallest_volume(law: PolyconvexStretch, test: Test) -> float:
    """Return the smallest volume ratio along a test [-]."""
    m = measurement(test)
    if not m.free:
        return float(m.stretches.prod(1).min())
    lateral = solve_lateral(test.mode, m.stretches, response(law))
    return float(with_lateral(test.mode, m.stretches, lateral).prod(1).min())


def _factor(law: FittedLaw, test: Test, x: Array) -> Array:
    """Return m at the strains as they were read, positive; monotone on either side of rest."""
    if isinstance(law, NetworkLaw) and law.kinematics == "small":
        return np.ones_like(x)
    if test.mode == "simple_shear":
        out: Array = 1.0 / np.sqrt(1.0 + 0.25 * x * x)
        return out
    if test.mode == "volumetric" or "nominal_stress" in test.columns:
        return 1.0 / x
    return np.ones_like(x)
