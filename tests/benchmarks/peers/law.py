"""The polyconvex learned law once more, for peers: one stress over jax's or torch's arrays.

It is :class:`lipmat.PolyconvexStretch` with its two parts together, in the closed form that lipmat
compiles too (Cardano's eigenvalues of C, Newton's divided differences, see ``lipmat/fem/lift.py``):
calling a singular value routine for each point would be ten times slower.

It has three stages, because both compilers repeat the eigenvalues for each of the nine stresses if
they may fuse all of it: jax puts a barrier between them, torch compiles each. That makes the
law three times faster in jax and twice in torch. Slopes of splines are looked up, which was among
the fastest of five forms in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Search = Callable[[Any, Any], Any]
_APART = 1e-8
_ANGLE = 1.0 - 1e-15


@dataclass(frozen=True)
class Slope:
    """The slope of a spline: a parabola ``a + b z + c z^2`` from each knot to the next.

    Attributes:
        search: ``searchsorted`` from the right of the arrays' module.
        knots: Shape (n,) [-].
        coefficients: Arrays a, b, c, each of shape (n,) [Pa].
    """

    search: Search
    knots: Any
    coefficients: tuple[Any, Any, Any]

    @classmethod
    def of(cls, xp: Any, search: Search, knots: Array, tension: float, curvature: Array) -> Slope:
        """Return the slope of a law's arrays, see ``lipmat.spectral.splines``."""
        rate = np.diff(curvature) / np.diff(knots)
        kinks = 0.5 * np.diff(np.concatenate([[0.0], rate, [0.0]]))
        a = tension + np.cumsum(kinks * knots**2)
        b = curvature[0] - np.cumsum(2 * kinks * knots)
        c = np.cumsum(kinks)
        return cls(search, xp.asarray(knots), (xp.asarray(a), xp.asarray(b), xp.asarray(c)))

    def __call__(self, z: Any) -> Any:
        """Return the slope at positive z [Pa]."""
        place = self.search(self.knots, z) - 1
        a, b, c = (table[place] for table in self.coefficients)
        return a + z * (b + z * c)


class LearnedLaw:
    """The law from the arrays of a material file.

    Args:
        xp: The module of the arrays: ``jax.numpy``, ``torch`` or ``numpy``.
        arrays: What ``PolyconvexStretch.arrays`` returns, as numpy arrays.
        options: Of the module's ``searchsorted``, which looks up the splines.
    """

    def __init__(self, xp: Any, arrays: Mapping[str, Array], **options: Any) -> None:
        self.xp = xp
        search = partial(xp.searchsorted, side="right", **options)
        self.stretch, self.area = (
            Slope.of(
                xp,
                search,
                arrays[f"{kind}_knots"],
                float(arrays[f"{kind}_tension"]),
                arrays[f"{kind}_curvature"],
            )
            for kind in ("stretch", "area")
        )
        self.bulk = float(arrays["bulk_modulus"])
        one = xp.asarray(np.ones(1))
        self.rest = float(self.stretch(one)[0] + 2 * self.area(one)[0])

    def stages(self) -> tuple[Any, Any, Any]:
        """Return the functions of :meth:`stress`, for a compiler that takes them one by one."""
        return self.nodes, self.values, self.piola

    def stress(self, gradient: Any) -> Any:
        """Return the first Piola–Kirchhoff stress, nine entries row by row [Pa].

        Args:
            gradient: The nine entries of F row by row, arrays of one shape.
        """
        return stress_by_stages(gradient, *self.stages())

    def nodes(self, gradient: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Return the eigenvalues of C by Cardano's formula, kept apart by 1e-8 of their mean."""
        xp, c = self.xp, _cauchy_green(_rows(gradient))
        mean = (c[0][0] + c[1][1] + c[2][2]) / 3
        x, y, z = (c[i][i] - mean for i in range(3))
        yz, xz, xy = c[1][2], c[0][2], c[0][1]
        square = (x * x + y * y + z * z + 2 * (yz * yz + xz * xz + xy * xy)) / 6
        radius = xp.sqrt(square + (_APART * mean) * (_APART * mean))
        determinant = x * (y * z - yz * yz) - xy * (xy * z - yz * xz) + xz * (xy * yz - y * xz)
        cosine = determinant / (2 * radius * radius * radius)
        angle = xp.arccos(xp.clip(cosine, -_ANGLE, _ANGLE)) / 3
        first = mean + 2 * radius * xp.cos(angle)
        third = mean + 2 * radius * xp.cos(angle + 2 * np.pi / 3)
        return first, 3 * mean - first - third, third

    def values(self, nodes: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Return ``dW/dl_i / l_i`` [Pa] without the bulk term."""
        a, b, c = (self.xp.sqrt(node) for node in nodes)
        bc, ac, ab = self.area(b * c), self.area(a * c), self.area(a * b)
        return (
            (self.stretch(a) + ac * c + ab * b - self.rest / a) / a,
            (self.stretch(b) + bc * c + ab * a - self.rest / b) / b,
            (self.stretch(c) + bc * b + ac * a - self.rest / c) / c,
        )

    def piola(self, gradient: Sequence[Any], node: Sequence[Any], value: Sequence[Any]) -> Any:
        """Return ``F S + kappa (J - 1) cof F`` [Pa]; S by Newton's divided differences."""
        f = _rows(gradient)
        second = _isotropic(_cauchy_green(f), node, value)
        cofactor = [[_minor(f, i, j) for j in range(3)] for i in range(3)]
        pressure = self.bulk * (_dot(f[0], cofactor[0]) - 1.0)
        return [
            _dot(f[i], [second[k][j] for k in range(3)]) + pressure * cofactor[i][j]
            for i in range(3)
            for j in range(3)
        ]


def stress_by_stages(gradient: Any, nodes: Any, values: Any, piola: Any) -> Any:
    """Return the stress by the three stages of a law, which a compiler may have wrapped."""
    node = nodes(gradient)
    return piola(gradient, node, values(node))


def _rows(nine: Sequence[Any]) -> list[list[Any]]:
    return [[nine[3 * i + j] for j in range(3)] for i in range(3)]


def _cauchy_green(f: Sequence[Sequence[Any]]) -> list[list[Any]]:
    columns = [[row[i] for row in f] for i in range(3)]
    return [[_dot(a, b) for b in columns] for a in columns]


def _isotropic(c: Any, node: Any, value: Any) -> list[list[Any]]:
    """Return the tensor with C's eigenvectors and these values at its eigenvalues."""
    v12 = (value[0] - value[1]) / (node[0] - node[1])
    v23 = (value[1] - value[2]) / (node[1] - node[2])
    v123 = (v12 - v23) / (node[0] - node[2])
    a, b = _shifted(c, node[0]), _shifted(c, node[1])
    one = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return [
        [
            value[0] * one[i][j] + v12 * a[i][j] + v123 * _dot(a[i], [row[j] for row in b])
            for j in range(3)
        ]
        for i in range(3)
    ]


def _shifted(c: Any, node: Any) -> list[list[Any]]:
    return [[c[i][j] - node if i == j else c[i][j] for j in range(3)] for i in range(3)]


def _dot(a: Any, b: Any) -> Any:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _minor(f: Any, i: int, j: int) -> Any:
    a, b, c, d = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
    return f[a][c] * f[b][d] - f[a][d] * f[b][c]
