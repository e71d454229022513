"""Cells' own limits and the usual estimates, against dense eigenvalues and each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lipmat.fem.body import Body, Material
from lipmat.fem.estimates import (
    cell_limits,
    collatz_wielandt_estimate,
    edge_length_estimate,
    element_estimate,
    shortest_edges,
)
from lipmat.fem.grid import box
from lipmat.fem.mpi import MPI
from lipmat.fem.step import Step, critical_step
from lipmat.fem.worst_cells import gain_by_mending, limiting_cell, whole_in_vtk_order
from lipmat.materials.linear import LinearElastic
from tests.fem.bodies import ball, exact_frequency, small_box
from tests.fem.laws import law, rubber


def bounds(step: Step) -> list:
    return [ladder[0].tangent for ladder in step.control.ladders]


@pytest.mark.parametrize("cell", ["hexahedron", "tetrahedron"])
@pytest.mark.parametrize("name", ["rubber", "linear"])
def test_bounds_are_bounds(cell: str, name: str) -> None:
    body = small_box(law(name), cell, distort=True)
    step = critical_step(body, "linearised")
    true = 2 / step.frequency.lower  # of Lanczos, converged
    assert 0.3 * true < element_estimate(body, bounds(step)) <= true * (1 + 1e-8)
    assert 0.8 * true < collatz_wielandt_estimate(body, bounds(step)) <= true * (1 + 1e-8)


def test_a_cell_by_itself_has_its_own_frequency() -> None:
    """A bar of two cells of different lengths: each as a body of its own."""
    grid = box((3.0, 1.0, 1.0), (2, 1, 1), "hexahedron", MPI.COMM_SELF)
    x = grid.mesh.geometry.x
    x[np.isclose(x[:, 0], 1.5), 0] = 1.0
    steel = LinearElastic(1e6, 0.3)
    both = Body(grid, [Material(steel, 930.0)])
    found = cell_limits(both, bounds(critical_step(both)))
    centres = grid.centres()[:, 0]
    for length, centre in ((1.0, 0.5), (2.0, 2.0)):
        alone = Body.box((length, 1, 1), (1, 1, 1), "hexahedron", steel, 930.0, MPI.COMM_SELF)
        i = int(np.argmin(abs(centres - centre)))
        assert found[i] == pytest.approx(exact_frequency(alone), rel=1e-8)
        assert shortest_edges(both)[i] == pytest.approx(1.0, rel=1e-12)


def test_the_shortest_edge_over_the_wave_speed_is_no_bound() -> None:
    """On tetrahedra it exceeds the certified step (theory, section 5)."""
    body = small_box(law("linear"), "tetrahedron")
    bulk, shear = law("linear").rest_moduli()
    speed = np.sqrt((bulk + 4 * shear / 3) / 930.0)
    assert edge_length_estimate(body) == pytest.approx(1 / 3 / speed, rel=1e-12)
    assert edge_length_estimate(body) > 1.1 * critical_step(body, "linearised").value


def test_mending_the_worst_cells(tmp_path: Path) -> None:
    body = ball(law("linear"), tmp_path, 0.5)
    own = cell_limits(body, bounds(critical_step(body)))
    rows = gain_by_mending(body, own, (1e-9, 0.05, 1.0))
    ordered = np.sort(own)[::-1]
    five = round(0.05 * len(own))
    assert [r["cells"] for r in rows] == [1, five, len(own) - 1]
    expected = [ordered[0] / ordered[n] for n in (1, five, len(own) - 1)]
    assert [r["factor"] for r in rows] == pytest.approx(expected, rel=1e-14)
    assert rows[1]["factor"] > 1.0


def test_the_cell_that_sets_the_step() -> None:
    """One layer of a box is half as thick: a cell of it sets the step."""
    grid = box((1, 1, 1), (3, 3, 3), "hexahedron", MPI.COMM_SELF)
    x = grid.mesh.geometry.x
    x[np.isclose(x[:, 2], 1 / 3), 2] = 0.1
    body = Body(grid, [Material(rubber(), 930.0)])
    step = critical_step(body)
    own = cell_limits(body, bounds(step))
    cell = limiting_cell(body, step, own)
    assert cell["centre"][2] == pytest.approx(0.05, rel=1e-9)
    assert cell["size"] == pytest.approx(0.1, rel=1e-9)
    assert cell["limit"] == pytest.approx(step.control.limit / own.max(), rel=1e-9)
    points, nodes, values = whole_in_vtk_order(body, own)
    centres = points[nodes].mean(axis=1)
    assert np.all(centres[values > 0.999 * own.max()][:, 2] < 0.1)
    edge = points[nodes[:, 1]] - points[nodes[:, 0]]
    face = points[nodes[:, 3]] - points[nodes[:, 0]]
    up = points[nodes[:, 4]] - points[nodes[:, 0]]
    assert np.all(np.einsum("ij,ij->i", np.cross(edge, face), up) > 0)  # VTK's numbering
