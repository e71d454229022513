"""Closed forms over hexahedra against Gauss points, on distorted cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from lipmat.fem.assembly import Assembler, Term
from lipmat.fem.body import Body
from lipmat.fem.hexahedra import Hexahedra
from lipmat.fem.matrix import cell_modes, coordinates_in_modes, local_reference
from tests.fem import tangents
from tests.fem.bodies import small_box
from tests.fem.laws import law
from tests.fem.test_body import random_displacement

# isort: split
import ufl
from dolfinx import fem, la


def body_of(name: str, distort: bool = True, formulation: str = "reduced") -> Body:
    return small_box(law(name), "hexahedron", distort=distort, formulation=formulation)


def integrals(body: Body, integrand: Any) -> np.ndarray:
    """Integrals over each cell, by eight points."""
    values = np.atleast_1d(np.array(integrand, dtype=object)).ravel()
    test = ufl.TestFunction(fem.functionspace(body.mesh, ("DG", 0, (len(values),))))
    form = sum(x * test[k] for k, x in enumerate(values))
    dx = ufl.dx(metadata={"quadrature_degree": 2})
    return fem.assemble_vector(fem.form(form * dx)).array.reshape(-1, len(values))


def cells_of(body: Body) -> tuple[fem.Function, fem.Function, Hexahedra]:
    """A displacement, its modes, and the closed forms."""
    u = fem.Function(body.space)
    u.x.array[:] = random_displacement(body, 0.05)
    modes = fem.Function(fem.functionspace(body.mesh, ("DG", 0, (24,))))
    modes.x.array[:] = cell_modes(body.space) @ u.x.array
    return u, modes, Hexahedra(coordinates_in_modes(body.mesh))


def test_mean_gradient_and_volume_are_those_of_eight_points() -> None:
    body = body_of("linear")
    u, modes, cells = cells_of(body)
    gradient = [ufl.grad(u)[i] for i in np.ndindex(3, 3)]
    expected = integrals(body, gradient)
    found = integrals(body, cells.mean_gradient(modes))
    assert found == pytest.approx(expected, abs=1e-13 * np.abs(expected).max())
    volume = integrals(body, cells.volume / cells.volume)
    assert integrals(body, cells.volume) == pytest.approx(volume**2, rel=1e-12)


def test_hourglass_energy_of_parallelepipeds_is_that_of_eight_points() -> None:
    body = body_of("linear", distort=False)
    body.mesh.geometry.x[:] @= np.array([[1.0, 0.2, -0.1], [0.3, 0.8, 0.2], [0.0, -0.4, 1.3]])
    u, modes, cells = cells_of(body)
    mean = ufl.as_tensor(cells.mean_gradient(modes).tolist())
    beyond = ufl.grad(u) - mean
    expected = integrals(body, ufl.inner(beyond, beyond))
    found = integrals(body, cells.work(cells.forces(cells.beyond(modes)), modes))
    assert expected.min() > 0.0
    assert found == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("formulation", ["selective", "reduced"])
@pytest.mark.parametrize("name", ["rubber", "linear"])
def test_the_bounding_operator_as_a_matrix_is_that_of_the_kernels(
    name: str, formulation: str
) -> None:
    body = body_of(name, formulation=formulation)
    u, out = fem.Function(body.space), la.vector(body.space.dofmap.index_map, 3)
    u.x.array[:] = random_displacement(body, 0.05)
    weights = [f.bound_constants() for f in body.forms]
    v = ufl.TestFunction(body.space)
    pairs = zip(body.forms, weights, strict=True)
    Assembler(body.integrals([Term(f.reference(u, v, w))] for f, w in pairs))(out)
    expected = local_reference(body, body.space, weights) @ u.x.array
    assert out.array == pytest.approx(expected, abs=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("formulation", ["selective", "reduced"])
def test_the_tangent_of_tests_is_the_derivative_of_the_force(formulation: str) -> None:
    body = body_of("rubber", formulation=formulation)
    u, h = fem.Function(body.space), 1e-5
    u.x.array[:] = random_displacement(body, 0.05)
    k: sp.csr_matrix = tangents.tangent(body, u)
    start, d = u.x.array.copy(), np.random.default_rng(3).standard_normal(len(u.x.array))
    forces = []
    for side in (h, -h):
        u.x.array[:] = start + side * d
        forces.append(tangents.force(body, u))
    expected = k @ d
    found = (forces[0] - forces[1]) / (2 * h)
    assert found == pytest.approx(expected, abs=1e-7 * np.abs(expected).max())


def test_hourglass_stiffness_leaves_no_mode_of_distorted_cells_free() -> None:
    body = body_of("rubber")
    weights = [f.bound_constants() for f in body.forms]
    values = np.linalg.eigvalsh(local_reference(body, body.space, weights).toarray())
    assert np.sum(values < 1e-9 * values[-1]) == 3  # translations: the bound is one of gradients
