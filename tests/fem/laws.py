"""Laws with fixed arrays, for tests that need a learned law but no fit."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from lipmat.materials.domain import StretchDomain
from lipmat.materials.linear import LinearElastic
from lipmat.materials.polyconvex import PolyconvexStretch

LAWS = ("rubber", "linear")


def polyconvex(knots: int = 8, bulk_modulus: float = 2e6, seed: int = 0) -> PolyconvexStretch:
    """Return a rubber-like law: shear modulus 0.15 MPa, rough slopes, knots inside 0.3…3."""
    rng = np.random.default_rng(seed)
    return PolyconvexStretch(
        stretch_knots=torch.linspace(0.0, 3.0, knots, dtype=torch.float64),
        stretch_tension=torch.tensor(3e4, dtype=torch.float64),
        stretch_curvature=torch.from_numpy(1e5 + 2e5 * rng.random(knots)),
        area_knots=torch.linspace(0.0, 6.0, knots, dtype=torch.float64),
        area_tension=torch.tensor(1e4, dtype=torch.float64),
        area_curvature=torch.from_numpy(1e3 + 2e3 * rng.random(knots)),
        bulk_modulus=torch.tensor(bulk_modulus, dtype=torch.float64),
        domain=StretchDomain(0.5, 2.0, 0.7, 1.4),
    )


@cache
def rubber() -> PolyconvexStretch:
    """Return the law that most tests share, so that its bound is computed once."""
    return polyconvex()


@cache
def steel_like() -> LinearElastic:
    """Return a linear law."""
    return LinearElastic(1e6, 0.3)


def law(name: str) -> PolyconvexStretch | LinearElastic:
    """Return ``rubber`` or ``linear``."""
    return rubber() if name == "rubber" else steel_like()
