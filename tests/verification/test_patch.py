"""The patch test: an affine displacement gives one stress, and no force inside the body.

Irons, in Bazeley et al., Proc. 1st Conf. Matrix Methods in Structural Mechanics (1965) 547.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.mpi import MPI
from lipmat.materials.law import Law
from lipmat.materials.mandel import isotropic_stiffness, to_tensor, to_vector
from tests.fem.bodies import Force
from tests.fem.laws import rubber, steel_like
from tests.verification.random_laws import random_law
from tests.verification.runs import Array, places

# isort: split
import ufl
from dolfinx import fem

GRADIENT = np.array([[0.010, -0.004, 0.006], [0.003, -0.008, 0.005], [-0.007, 0.002, 0.004]])
CELLS = 4
LAWS = {"linear": steel_like, "principal-values": lambda: random_law(1), "rubber": rubber}


def at_random(x: Array) -> Array:
    """Move the nodes inside by up to a fifth of a cell along each axis."""
    inside = (np.abs(x - 0.5) < 0.5 - 1e-9).all(axis=1)
    shift = np.random.default_rng(0).uniform(-0.2, 0.2, x.shape) / CELLS
    return x + shift * inside[:, None]


def parallelepipeds(x: Array) -> Array:
    """Grade the cells by a factor of about two along each axis, then skew them all alike."""
    skew = np.array([[1.0, 0.4, -0.2], [0.1, 0.8, 0.3], [-0.3, 0.2, 1.2]])
    return (0.6 * x + 0.4 * x**2) @ skew.T


def patch(law: Law, cell: str, formulation: str, shape: Callable[[Array], Array]) -> Body:
    grid = box((1, 1, 1), (CELLS,) * 3, cell, MPI.COMM_SELF)
    grid.mesh.geometry.x[:] = shape(grid.mesh.geometry.x)
    return Body(grid, [Material(law, 930.0)], formulation)


def nodal_forces(body: Body) -> Array:
    """Internal force of the affine displacement, shape (nodes, 3) [N]."""
    return Force(body)((places(body) @ GRADIENT.T).ravel()).reshape(-1, 3)


def inner_share(body: Body, force: Array) -> float:
    """Largest force on a node inside over the largest on the surface."""
    facets = np.concatenate(list(body.grid.groups.values()))
    surface = fem.locate_dofs_topological(body.space, 2, facets)
    inside = np.setdiff1d(np.arange(len(force)), surface)
    assert len(inside) == (CELLS - 1) ** 3
    return float(np.abs(force[inside]).max() / np.abs(force[surface]).max())


def mean_stress(body: Body, force: Array) -> Array:
    """``sum force X / volume``, the first Piola–Kirchhoff stress of these forces [Pa]."""
    return force.T @ places(body) / (body.mass.sum() / (3 * 930.0))


def of_uniform_stress(body: Body, stress: Array) -> Array:
    """Nodal forces of a stress that is the same everywhere, by a rule that is exact [N]."""
    v = ufl.TestFunction(body.space)
    dx = ufl.dx(metadata={"quadrature_degree": 6})
    work = ufl.inner(fem.Constant(body.mesh, stress), ufl.grad(v)) * dx
    return np.array(fem.assemble_vector(fem.form(work)).array).reshape(-1, 3)


def stress_at(name: str) -> Array:
    """Stress of a small-strain law at the gradient [Pa]."""
    strain = to_vector(torch.from_numpy(GRADIENT)[None])
    if name == "linear":
        bulk, shear = steel_like().rest_moduli()
        return to_tensor(strain @ isotropic_stiffness(3 * bulk, 2 * shear)).numpy()[0]
    return to_tensor(random_law(1).stress(strain)).numpy()[0]


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize(
    ("cell", "formulation", "shape"),
    [
        ("tetrahedron", "selective", at_random),
        ("hexahedron", "full", at_random),
        ("hexahedron", "selective", at_random),
        ("hexahedron", "reduced", at_random),
    ],
)
def test_patch(name: str, cell: str, formulation: str, shape: Callable[[Array], Array]) -> None:
    """Inside 1e-12 of the force on the surface; there the forces of one stress, the law's own."""
    body = patch(LAWS[name](), cell, formulation, shape)
    force = nodal_forces(body)
    stress = mean_stress(body, force)
    assert inner_share(body, force) <= 1e-12
    assert force == pytest.approx(of_uniform_stress(body, stress), abs=1e-12 * np.abs(force).max())
    if name != "rubber":
        assert stress == pytest.approx(stress_at(name), abs=1e-9 * np.abs(stress).max())
