from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem.body import Body, Material
from lipmat.fem.forms import FORMULATIONS
from lipmat.fem.grid import Grid, box
from lipmat.fem.mpi import MPI
from lipmat.materials.law import Law
from tests.fem.bodies import Force, distorted, small_box
from tests.fem.laws import LAWS, law, polyconvex, rubber

# isort: split
import ufl
from dolfinx import fem, mesh

CELLS = ("hexahedron", "tetrahedron")


def random_displacement(body: Body, size: float, seed: int = 0) -> np.ndarray:
    return size * np.random.default_rng(seed).standard_normal(body.owned)


def halves(cells: int = 4) -> Grid:
    """A unit cube whose lower and upper half along z are regions."""
    grid = box((1, 1, 1), (cells,) * 3, "hexahedron", MPI.COMM_SELF)
    count = grid.mesh.topology.index_map(3).size_local
    middle = mesh.compute_midpoints(grid.mesh, 3, np.arange(count, dtype=np.int32))[:, 2]
    parts = {"lower": middle < 0.5, "upper": middle > 0.5, "all": middle > 0}
    return replace(grid, regions={k: np.flatnonzero(v).astype(np.int32) for k, v in parts.items()})


@pytest.mark.parametrize("cell", CELLS)
def test_mass_is_the_row_sum_of_the_mass_matrix(cell: str) -> None:
    """On a distorted mesh, against the consistent mass times a uniform velocity."""
    body = small_box(law("linear"), cell, distort=True)
    one = fem.Constant(body.mesh, np.ones(3))
    dx = ufl.dx(metadata={"quadrature_degree": 8})
    rows = fem.assemble_vector(fem.form(930.0 * ufl.inner(one, ufl.TestFunction(body.space)) * dx))
    volume = fem.assemble_scalar(fem.form(fem.Constant(body.mesh, 1.0) * dx))
    assert body.mass == pytest.approx(rows.array, rel=1e-12)
    assert body.mass.sum() == pytest.approx(3 * 930.0 * volume, rel=1e-12)
    assert body.mass.min() > 0


def test_mass_of_two_regions() -> None:
    body = Body(halves(), [Material(rubber(), 1.0, "lower"), Material(rubber(), 3.0, "upper")])
    z = np.repeat(body.space.tabulate_dof_coordinates()[:, 2], 3)
    assert body.mass[z < 0.4].sum() == pytest.approx(3 * 0.375, rel=1e-12)
    assert body.mass[z > 0.6].sum() == pytest.approx(9 * 0.375, rel=1e-12)
    assert body.mass.sum() == pytest.approx(3 * 2.0, rel=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_force_is_the_gradient_of_the_energy(name: str, cell: str, formulation: str) -> None:
    """Along random directions, by a fourth-order difference, on a distorted and deformed mesh."""
    body = small_box(law(name), cell, distort=True, formulation=formulation)
    force = Force(body)
    stored, hourglass = body.stored_energy(force.u), body.hourglass_energy(force.u)
    assert (hourglass is not None) == (formulation == "reduced" and cell == "hexahedron")

    def energy() -> float:
        return stored() + (0.0 if hourglass is None else hourglass())

    def along(u: np.ndarray, direction: np.ndarray, distance: float) -> float:
        force.u.x.array[:] = u + distance * direction
        return energy()

    u = random_displacement(body, 0.02)
    for seed in (1, 2):
        d, h = random_displacement(body, 1.0, seed), 1e-4
        rise = 8 * (along(u, d, h) - along(u, d, -h)) - (along(u, d, 2 * h) - along(u, d, -2 * h))
        assert rise / (12 * h) == pytest.approx(force(u) @ d, rel=1e-7)


@pytest.mark.parametrize("name", LAWS)
def test_selective_integration_is_the_sum_of_its_parts(name: str) -> None:
    """FFCx must not share what one point computes with the rule of eight points."""
    whole = law(name)
    grid = distorted(box((1, 1, 1), (3, 3, 3), "hexahedron", MPI.COMM_SELF))
    bodies = [Body(grid, [Material(part, 930.0)]) for part in (whole, *alone(whole))]
    u = random_displacement(bodies[0], 0.02)
    both, *parts = (Force(body)(u) for body in bodies)
    assert both == pytest.approx(sum(parts), rel=1e-12, abs=1e-12 * np.abs(both).max())
    assert min(np.abs(p).max() for p in parts) > 0.01 * np.abs(both).max()


def alone(whole: Law) -> list[Any]:
    """Each part of a law as a law of its own."""
    laws = []
    for part in whole.parts:
        copy = type(whole).restore(whole.arrays(), whole.settings(), whole.provenance)
        copy.parts = (part,)
        laws.append(copy)
    return laws


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_no_force_at_rest_nor_from_a_rotation(formulation: str) -> None:
    body = small_box(rubber(), "hexahedron", distort=True, formulation=formulation)
    x = body.space.tabulate_dof_coordinates()
    turn = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    scale = rubber().rest_moduli()[0] / 9  # bulk modulus times the face of a cell [N]
    for u in (np.zeros(body.owned), (x @ turn.T - x + [1, 2, 3]).ravel()):
        assert np.abs(Force(body)(u)).max() <= 1e-13 * scale


def test_two_materials_are_each_in_their_region() -> None:
    """The same law in both halves is one body; another law above changes the force there only."""
    upper = polyconvex(seed=5, bulk_modulus=1e6)
    one = Body(halves(), [Material(rubber(), 930.0)])
    same = Body(halves(), [Material(rubber(), 930.0, "lower"), Material(rubber(), 930.0, "upper")])
    other = Body(halves(), [Material(rubber(), 930.0, "lower"), Material(upper, 930.0, "upper")])
    u = random_displacement(one, 0.02)
    expected, found, changed = (Force(body)(u) for body in (one, same, other))
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12 * np.abs(expected).max())
    z = np.repeat(one.space.tabulate_dof_coordinates()[:, 2], 3)
    assert changed[z < 0.4] == pytest.approx(expected[z < 0.4], rel=1e-12, abs=1e-9)
    assert np.abs(changed - expected)[z > 0.6].max() > 0.1 * np.abs(expected).max()


def test_a_linear_and_a_learned_law_in_one_body() -> None:
    mixed = Body(
        halves(), [Material(rubber(), 930.0, "lower"), Material(law("linear"), 1e3, "upper")]
    )
    u = random_displacement(mixed, 0.02)
    z = np.repeat(mixed.space.tabulate_dof_coordinates()[:, 2], 3)
    found = Force(mixed)(u)
    for name, where in (("rubber", z < 0.4), ("linear", z > 0.6)):
        expected = Force(Body(halves(), [Material(law(name), 1.0)]))(u)
        assert found[where] == pytest.approx(expected[where], rel=1e-12, abs=1e-9)


def test_nan_reaches_the_force() -> None:
    for name in LAWS:
        body = small_box(law(name), "hexahedron")
        u = np.zeros(body.owned)
        u[7] = np.nan
        assert np.isnan(Force(body)(u)[7])


@pytest.mark.parametrize("regions", [["lower"], ["lower", "all"], ["lower", None]])
def test_regions_must_cover_the_body_once(regions: list[str | None]) -> None:
    with pytest.raises(InputError, match=r"box:.*: 32 cells are in none or several"):
        Body(halves(), [Material(rubber(), 930.0, region) for region in regions])


def test_unknown_region() -> None:
    with pytest.raises(InputError, match=r"'uper', did you mean 'upper'"):
        Body(halves(), [Material(rubber(), 930.0, "uper")])


@pytest.mark.parametrize("density", [0.0, -930.0, np.nan, np.inf])
def test_bad_density(density: float) -> None:
    with pytest.raises(InputError, match=rf"density: found {density} kg/m\^3, expected a positive"):
        Body.box((1, 1, 1), (1, 1, 1), "hexahedron", rubber(), density)


def test_hourglass_energy_is_objective_and_vanishes_for_linear_fields() -> None:
    body = small_box(rubber(), "hexahedron", distort=True, formulation="reduced")
    force = Force(body)
    energy, x = body.hourglass_energy(force.u), body.space.tabulate_dof_coordinates()
    assert energy is not None
    turn = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    moved = x + random_displacement(body, 0.02).reshape(-1, 3)
    force.u.x.array[:] = (moved - x).ravel()
    before = energy()
    force.u.x.array[:] = (moved @ turn.T - x).ravel()
    assert energy() == pytest.approx(before, rel=1e-12)
    force.u.x.array[:] = (x @ np.array([[1.2, 0.1, 0], [0, 0.9, 0.3], [0, 0, 1.1]]) - x).ravel()
    assert 0 <= energy() <= 1e-20 * before
