r"""From a law's few numbers to tensors, in UFL: principal stretches, volume ratio, small strain.

The stress of an isotropic law is ``P = F S``, ``S = sum (p_i / l_i) N_i N_i``. With c_i = l_i^2 the
eigenvalues of C and v_i = p_i / l_i, Newton's divided differences need no eigenvectors:

    S = v[1] I + v[1,2] (C - c_1 I) + v[1,2,3] (C - c_1 I)(C - c_2 I).

Near coinciding stretches the eigenvalues carry an error e ~ 1e-8 of opposite sign in the pair.
The interpolation error of S is of the order of the product of the node errors, e^2, as long as the
*same* nodes are used everywhere. So the nodes only have to stay distinct: the radius of Cardano's
formula is floored at 1e-8 of the mean and its angle is kept off the ends. What then remains, also
at F = I where all three meet, is 1e-12 relative (measured against torch's singular values).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import ufl

Forces = Callable[[Sequence[Any]], Sequence[Any]]
_APART = 1e-8  # smallest distance of the nodes over their mean: the square root of the rounding
_ANGLE = 1.0 - 1e-15  # largest cosine of the threefold angle


def right_cauchy_green_eigenvalues(c: Any) -> tuple[Any, Any, Any]:
    """Return the eigenvalues c_1 > c_2 > c_3 of a symmetric UFL tensor by Cardano's formula.

    They are kept apart by 1e-8 of their mean (Smith, Commun. ACM 4 (1961) 168).
    """
    mean = ufl.tr(c) / 3
    d = [c[i, i] - mean for i in range(3)]
    yz, xz, xy = c[1, 2], c[0, 2], c[0, 1]
    off = yz * yz + xz * xz + xy * xy
    square = (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 2 * off) / 6
    radius = ufl.sqrt(square + (_APART * mean) ** 2)
    determinant = (
        d[0] * (d[1] * d[2] - yz * yz) - xy * (xy * d[2] - yz * xz) + xz * (xy * yz - d[1] * xz)
    )
    cosine = determinant / (2 * radius * radius * radius)
    angle = ufl.acos(ufl.max_value(ufl.min_value(cosine, _ANGLE), -_ANGLE)) / 3
    # cosines only: a sine beside them would make the compiler call sincos, which does not vectorise
    first = mean + 2 * radius * ufl.cos(angle)
    third = mean + 2 * radius * ufl.cos(angle + 2 * np.pi / 3)
    return first, 3 * mean - first - third, third


def principal_stretches(f: Any) -> tuple[Any, Any, Any]:
    """Return the principal stretches l_1 > l_2 > l_3 of a deformation gradient."""
    first, second, third = right_cauchy_green_eigenvalues(f.T * f)
    return ufl.sqrt(first), ufl.sqrt(second), ufl.sqrt(third)


def stress_of_stretches(f: Any, forces: Forces) -> Any:
    """Return the first Piola–Kirchhoff stress of ``forces(l) = dW/dl``, shape (3, 3)."""
    c = f.T * f
    node = right_cauchy_green_eigenvalues(c)
    stretch = [ufl.sqrt(x) for x in node]
    value = [p / s for p, s in zip(forces(stretch), stretch, strict=True)]
    v12 = (value[0] - value[1]) / (node[0] - node[1])
    v23 = (value[1] - value[2]) / (node[1] - node[2])
    v123 = (v12 - v23) / (node[0] - node[2])
    one = ufl.Identity(3)
    a, b = c - node[0] * one, c - node[1] * one
    return f * (value[0] * one + v12 * a + v123 * (a * b))


def stress_of_volume_ratio(f: Any, forces: Forces) -> Any:
    """Return ``h'(J) cof F``, the first Piola–Kirchhoff stress of an energy of the volume ratio."""
    return forces([ufl.det(f)])[0] * cofactor(f)


def cofactor(f: Any) -> Any:
    """Return ``cof F = J F^{-T}`` without a division."""

    def minor(i: int, j: int) -> Any:
        a, b = (i + 1) % 3, (i + 2) % 3
        c, d = (j + 1) % 3, (j + 2) % 3
        return f[a, c] * f[b, d] - f[a, d] * f[b, c]

    return ufl.as_matrix([[minor(i, j) for j in range(3)] for i in range(3)])


def mandel_vector(strain: Any) -> list[Any]:
    """Return the six Mandel components of a symmetric UFL tensor."""
    root = float(np.sqrt(2.0))
    shear = [root * strain[i, j] for i, j in ((1, 2), (0, 2), (0, 1))]
    return [strain[0, 0], strain[1, 1], strain[2, 2], *shear]


def stress_of_strain(f: Any, forces: Forces) -> Any:
    """Return the small-strain stress of ``forces(e) = dW/de`` in Mandel components."""
    s = list(forces(mandel_vector(small_strain(f))))
    d, e, g = (x / float(np.sqrt(2.0)) for x in s[3:])
    return ufl.as_matrix([[s[0], g, e], [g, s[1], d], [e, d, s[2]]])


def stress_of_dilatation(f: Any, forces: Forces) -> Any:
    """Return the small-strain stress ``dW/d(tr e) I``."""
    return forces([ufl.tr(small_strain(f))])[0] * ufl.Identity(3)


def small_strain(f: Any) -> Any:
    """Return the symmetric part of the displacement gradient ``F - I``."""
    return ufl.sym(f - ufl.Identity(3))


ARGUMENTS_OF: dict[str, Callable[[Any], Sequence[Any]]] = {
    "stretches": principal_stretches,
    "volume_ratio": lambda f: [ufl.det(f)],
    "strain": lambda f: mandel_vector(small_strain(f)),
    "dilatation": lambda f: [ufl.tr(small_strain(f))],
}
STRESS_OF: dict[str, Callable[[Any, Forces], Any]] = {
    "stretches": stress_of_stretches,
    "volume_ratio": stress_of_volume_ratio,
    "strain": stress_of_strain,
    "dilatation": stress_of_dilatation,
}
