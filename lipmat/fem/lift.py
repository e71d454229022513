r"""From a law's few numbers to tensors, in UFL: stretches, volume ratio, small and log strain.

The stress of an isotropic law is ``P = F S``, ``S = sum (p_i / l_i) N_i N_i``. With c_i = l_i^2 the
eigenvalues of C and v_i = p_i / l_i, Newton's divided differences need no eigenvectors:

    S = v[1] I + v[1,2] (C - c_1 I) + v[1,2,3] (C - c_1 I)(C - c_2 I).

Small strain is lifted in the same way, with the eigenvalues of the strain itself.

Near coinciding stretches the eigenvalues carry an error e ~ 1e-8 of opposite sign in the pair.
The interpolation error of S is of the order of the product of the node errors, e^2, as long as the
*same* nodes are used everywhere. So the nodes only have to stay distinct: the radius of Cardano's
formula is floored at 1e-8 of the mean and its angle is kept off the ends. What then remains, also
at F = I where all three meet, is 1e-12 relative (measured against torch's singular values).

The logarithmic strain of a law without isotropy needs no eigenvalues either. Gauss's rule for

    2 H = ln C = int_0^1 (C - I) R_t dt,    R_t = (I + t (C - I))^{-1}

is the [8/8] Pade approximant of the logarithm, within 1e-12 of it for stretches of 0.7 to 1.4 and
within 1e-8 for 0.5 to 2. Its derivative is exact, so energy and stress belong together:
``S = 2 T : dH/dC = sum_k w_k R_k T R_k``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import ufl
from numpy.polynomial import chebyshev

from lipmat.materials.law import Measure

Forces = Callable[[Sequence[Any]], Sequence[Any]]
_APART = 1e-8  # smallest distance of the nodes over their mean: the square root of the rounding
_SMALLEST = 1e-15  # and absolute, for a strain of zero
_ANGLE = 1.0 - 1e-15  # largest cosine of the threefold angle
_LOG_POINTS = 8
_DEGREE = 17


def _third_of_angle() -> list[float]:
    """Return the coefficients of ``cos(2/3 acos(w))`` in powers of ``2 w - 1``, w in [0, 1].

    Interpolated at more nodes than needed, whose rounding averages out.
    """
    nodes = chebyshev.chebpts1(60)
    values = np.cos(2 / 3 * np.arccos((1 + nodes) / 2))
    series = chebyshev.chebfit(nodes, values, _DEGREE + 3)[: _DEGREE + 1]
    return [float(c) for c in chebyshev.cheb2poly(series)]


_THIRD = _third_of_angle()
_ROOT2 = float(np.sqrt(2.0))


def eigenvalues(c: Any) -> tuple[Any, Any, Any]:
    """Return the eigenvalues c_1 > c_2 > c_3 of a UFL tensor by Cardano's formula.

    The tensor is symmetric or similar to such a one, then with a rounding that grows with the
    condition of the change of axes. The eigenvalues are kept apart by 1e-8 of
    their mean (Smith, Commun. ACM 4 (1961) 168).
    """
    mean = ufl.tr(c) / 3
    d = [c[i, i] - mean for i in range(3)]
    yz, xz, xy = c[1, 2], c[0, 2], c[0, 1]
    zy, zx, yx = c[2, 1], c[2, 0], c[1, 0]
    off = yz * zy + xz * zx + xy * yx
    square = (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 2 * off) / 6
    radius = ufl.sqrt(ufl.max_value(square, 0) + (_APART * mean) ** 2 + _SMALLEST**2)
    determinant = (
        d[0] * (d[1] * d[2] - yz * zy) - xy * (yx * d[2] - yz * zx) + xz * (yx * zy - d[1] * zx)
    )
    cosine = determinant / (2 * radius * radius * radius)
    bounded = ufl.max_value(ufl.min_value(cosine, _ANGLE), -_ANGLE)
    first = mean + 2 * radius * _of_third(bounded)
    third = mean - 2 * radius * _of_third(-bounded)
    return first, 3 * mean - first - third, third


def _of_third(cosine: Any) -> Any:
    """Return ``cos(acos(x) / 3)`` by a polynomial in ``w = sqrt((1 + x) / 2)``, within 2e-15.

    It is ``cos(2/3 acos(w))``, which is analytic for w in [0, 1].
    """
    return _polynomial(_THIRD, ufl.sqrt(2 + 2 * cosine) - 1)


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    """Return a polynomial as its even and odd half: two shorter chains of operations for a CPU."""
    square = x * x
    even, odd = (_horner(coefficients[k::2], square) for k in (0, 1))
    return even + x * odd


def _horner(coefficients: Sequence[float], x: Any) -> Any:
    out: Any = coefficients[-1]
    for c in coefficients[-2::-1]:
        out = out * x + c
    return out


def divided_differences(node: Sequence[Any], value: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Return Newton's v[1], v[1,2] and v[1,2,3] of values at three nodes."""
    v12 = (value[0] - value[1]) / (node[0] - node[1])
    v23 = (value[1] - value[2]) / (node[1] - node[2])
    return value[0], v12, (v12 - v23) / (node[0] - node[2])


def isotropic_function(c: Any, node: Sequence[Any], value: Sequence[Any]) -> Any:
    """Return the tensor with the eigenvectors of c and these values at its eigenvalues."""
    v1, v12, v123 = divided_differences(node, value)
    one = ufl.Identity(3)
    a, b = c - node[0] * one, c - node[1] * one
    return v1 * one + v12 * a + v123 * (a * b)


def deformation_gradient(h: Any) -> Any:
    """Return ``F = I + h`` of a displacement gradient h."""
    return ufl.Identity(3) + h


def principal_stretches(h: Any) -> tuple[Any, Any, Any]:
    """Return the principal stretches l_1 > l_2 > l_3 of a displacement gradient."""
    f = deformation_gradient(h)
    first, second, third = eigenvalues(f.T * f)
    return ufl.sqrt(first), ufl.sqrt(second), ufl.sqrt(third)


def _stress_of_stretches(h: Any, forces: Forces) -> Any:
    """Return the first Piola–Kirchhoff stress of ``forces(l) = dW/dl``, shape (3, 3)."""
    f = deformation_gradient(h)
    c = f.T * f
    node = eigenvalues(c)
    stretch = [ufl.sqrt(x) for x in node]
    value = [p / s for p, s in zip(forces(stretch), stretch, strict=True)]
    return f * isotropic_function(c, node, value)


def _stress_of_volume_ratio(h: Any, forces: Forces) -> Any:
    """Return ``h'(J) cof F``, the first Piola–Kirchhoff stress of an energy of the volume ratio."""
    f = deformation_gradient(h)
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
    shear = [_ROOT2 * strain[i, j] for i, j in ((1, 2), (0, 2), (0, 1))]
    return [strain[0, 0], strain[1, 1], strain[2, 2], *shear]


def symmetric_tensor(s: Sequence[Any]) -> Any:
    """Return the symmetric UFL tensor of six Mandel components."""
    d, e, g = (x / _ROOT2 for x in s[3:])
    return ufl.as_matrix([[s[0], g, e], [g, s[1], d], [e, d, s[2]]])


def strain_vector(h: Any, axes: Any = None) -> list[Any]:
    """Return the Mandel components of the small strain in material axes (rows of ``axes``)."""
    return mandel_vector(_into(axes, ufl.sym(h)))


def _into(axes: Any, tensor: Any) -> Any:
    return tensor if axes is None else axes * tensor * axes.T


def _out_of(axes: Any, tensor: Any) -> Any:
    return tensor if axes is None else axes.T * tensor * axes


def _stress_of_strain(h: Any, forces: Forces, axes: Any) -> Any:
    return _out_of(axes, symmetric_tensor(forces(strain_vector(h, axes))))


def _stress_of_principal_strains(h: Any, forces: Forces) -> Any:
    strain = ufl.sym(h)
    node = eigenvalues(strain)
    return isotropic_function(strain, node, forces(node))


def _stress_of_dilatation(h: Any, forces: Forces) -> Any:
    return forces([ufl.tr(h)])[0] * ufl.Identity(3)


def _log_terms(h: Any, axes: Any) -> Iterator[tuple[float, Any, Any]]:
    """Yield weight, C - I and R of the points of Gauss's rule for the logarithm."""
    c = _into(axes, h + h.T + h.T * h)
    points, weights = np.polynomial.legendre.leggauss(_LOG_POINTS)
    for t, w in zip((1 + points) / 2, weights / 2, strict=True):
        inverted = ufl.Identity(3) + float(t) * c
        yield float(w), c, cofactor(inverted) / ufl.det(inverted)  # symmetric


def _log_strain_vector(h: Any, axes: Any) -> list[Any]:
    return mandel_vector(sum((0.5 * w) * (c * r) for w, c, r in _log_terms(h, axes)))


def _stress_of_log_strain(h: Any, forces: Forces, axes: Any) -> Any:
    t = symmetric_tensor(forces(_log_strain_vector(h, axes)))
    second_piola = sum(w * (r * t * r) for w, _, r in _log_terms(h, axes))
    return deformation_gradient(h) * _out_of(axes, second_piola)


def _stress_of_log_stretches(h: Any, forces: Forces) -> Any:
    def in_stretches(stretch: Sequence[Any]) -> list[Any]:
        return [f / s for f, s in zip(forces(_logarithms(stretch)), stretch, strict=True)]

    return _stress_of_stretches(h, in_stretches)


def _stress_of_log_dilatation(h: Any, forces: Forces) -> Any:
    def in_volume_ratio(ratio: Sequence[Any]) -> list[Any]:
        return [forces(_logarithms(ratio))[0] / ratio[0]]

    return _stress_of_volume_ratio(h, in_volume_ratio)


def _logarithms(values: Sequence[Any]) -> list[Any]:
    return [ufl.ln(x) for x in values]


def _volume_ratio(h: Any) -> list[Any]:
    return [ufl.det(deformation_gradient(h))]


def arguments_of(measure: Measure, h: Any, axes: Any = None) -> Sequence[Any]:
    """Return the numbers that a part of this measure depends on.

    Args:
        measure: Of the part.
        h: Displacement gradient, UFL tensor (3, 3).
        axes: UFL tensor whose rows are the material axes; None where they do not matter.
    """
    of: dict[Measure, Callable[[], Sequence[Any]]] = {
        "stretches": lambda: principal_stretches(h),
        "volume_ratio": lambda: _volume_ratio(h),
        "strain": lambda: strain_vector(h, axes),
        "principal_strains": lambda: eigenvalues(ufl.sym(h)),
        "dilatation": lambda: [ufl.tr(h)],
        "log_strain": lambda: _log_strain_vector(h, axes),
        "principal_log_strains": lambda: _logarithms(principal_stretches(h)),
        "log_dilatation": lambda: _logarithms(_volume_ratio(h)),
    }
    return of[measure]()


def stress_of(measure: Measure, h: Any, forces: Forces, axes: Any = None) -> Any:
    """Return the first Piola–Kirchhoff stress of a part; at small strain the Cauchy stress.

    Args:
        measure: Of the part.
        h: Displacement gradient, UFL tensor (3, 3).
        forces: Gradient of the part's potential in the numbers of :func:`arguments_of` [Pa].
        axes: UFL tensor whose rows are the material axes; None where they do not matter.
    """
    of: dict[Measure, Callable[[], Any]] = {
        "stretches": lambda: _stress_of_stretches(h, forces),
        "volume_ratio": lambda: _stress_of_volume_ratio(h, forces),
        "strain": lambda: _stress_of_strain(h, forces, axes),
        "principal_strains": lambda: _stress_of_principal_strains(h, forces),
        "dilatation": lambda: _stress_of_dilatation(h, forces),
        "log_strain": lambda: _stress_of_log_strain(h, forces, axes),
        "principal_log_strains": lambda: _stress_of_log_stretches(h, forces),
        "log_dilatation": lambda: _stress_of_log_dilatation(h, forces),
    }
    return of[measure]()
