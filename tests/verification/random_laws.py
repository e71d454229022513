"""Random learned laws of one architecture, so that one compiled kernel serves them all."""

from __future__ import annotations

import numpy as np

from lipmat.materials.principal_values import PrincipalValues

UNITS, KNOTS = 3, 5
THREE_K, TWO_G = 3e6, 1e6  # whitening [Pa]
STRAIN = 1e-2  # where the slopes change


def random_law(seed: int, convex: bool = True) -> PrincipalValues:
    """Return a rough law of rubber's stiffness, its knots within a strain of about a hundredth.

    The slope of a unit jumps between nothing, its largest value and one in between, so that the law
    is nearly one with kinks. A law that is not convex softens past its peaks: slopes fall to minus
    a half of the largest, but not at the outer knots, so that its energy is bounded below.
    """
    rng = np.random.default_rng(seed)
    knots = np.sort(rng.uniform(-1.0, 1.0, (UNITS, KNOTS)), axis=1)
    knots -= knots[:, KNOTS // 2, None]
    slopes = rng.choice([0.0, rng.random(), 1.0], (UNITS, KNOTS))
    if not convex:
        slopes = np.where(slopes == 0.0, rng.uniform(-0.5, 0.0, slopes.shape), slopes)
        slopes[:, KNOTS // 2 + seed % 2] = -0.5
        slopes[:, [0, -1]] = rng.uniform(0.2, 1.0, (UNITS, 2))
    return PrincipalValues(
        directions=rng.standard_normal((UNITS, 3)) / np.sqrt(UNITS),
        knots=np.sqrt(TWO_G) * STRAIN * knots,
        curvature=slopes,
        bulk_modulus=rng.uniform(1e5, 2e6),
        stiffness=(THREE_K, TWO_G),
    )
