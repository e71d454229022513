from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.guard import CALM_CHECKS, Guard, State, Verdict
from lipmat.fem.mpi import MPI
from lipmat.fem.outcome import Outcome
from lipmat.fem.step import StepControl
from tests.fem.bodies import small_box
from tests.fem.laws import law, rubber

# isort: split
from dolfinx import fem

CELLS = ("hexahedron", "tetrahedron")
RUNGS = rubber().bound().rungs  # stretches up to 1.05, 1.1, 1.2, 1.4, 1.7, 2


def guarded(body: Body) -> tuple[Guard, fem.Function]:
    u = fem.Function(body.space)
    return Guard(body, u, StepControl(body, "linearised", 1.0, 0)), u


def stretched(u: fem.Function, *stretches: float) -> None:
    u.interpolate(lambda x: (np.array(stretches)[:, None] - 1.0) * x)


@pytest.mark.parametrize("cell", CELLS)
def test_extremes_of_a_homogeneous_deformation(cell: str) -> None:
    guard, u = guarded(small_box(rubber(), cell, cells=2, distort=True))
    turn = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    u.interpolate(lambda x: turn @ (np.array([[1.3], [0.9], [0.7]]) * x) - x)
    (state,) = guard.states()
    assert state.stretch_max == pytest.approx(1.3, rel=1e-12)
    assert state.stretch_min == pytest.approx(0.7, rel=1e-12)
    assert [state.volume_min, state.volume_max] == pytest.approx([0.819, 0.819], rel=1e-12)
    assert guard.stretch == pytest.approx(np.full(len(guard.stretch), 1.3), rel=1e-12)


@pytest.mark.parametrize(
    ("stretches", "rung"),
    [
        ((1.0, 1.0, 1.0), 0),
        ((1.04, 1.0, 0.97), 0),
        ((1.06, 1.0, 0.95), 1),
        ((1.0, 1.0, 0.9), 3),  # its volume ratio, not its stretch, asks for so much
        ((1.35, 1.0, 0.75), 3),
        ((1.9, 0.7, 0.75), 5),
    ],
)
def test_the_smallest_rung_is_chosen(stretches: tuple[float, ...], rung: int) -> None:
    guard, u = guarded(small_box(rubber(), "hexahedron", cells=2))
    stretched(u, *stretches)
    for now in (0, rung):
        guard.latest = [None]
        assert guard.check((now,), 0.1, 0.1) == Verdict(None, "", (rung,), now < rung)


def test_a_larger_step_comes_only_after_calm_checks() -> None:
    """Otherwise a body that swings across a limit would alternate between two steps."""
    guard, u = guarded(small_box(rubber(), "hexahedron", cells=2))
    calm, wild = (1.0, 1.0, 1.0), (1.35, 1.0, 0.75)
    for _ in range(3):
        stretched(u, *calm)
        for _ in range(CALM_CHECKS - 1):
            assert guard.check((3,), 0.1, 0.1).rungs == (3,)
        stretched(u, *wild)
        guard.latest = [None]
        assert guard.check((3,), 0.1, 0.1).rungs == (3,)
    stretched(u, *calm)
    found = [guard.check((3,), 0.1, 0.1).rungs for _ in range(CALM_CHECKS)]
    assert found == [(3,)] * (CALM_CHECKS - 1) + [(0,)]


def test_the_rung_looks_ahead() -> None:
    """From 1.02 to 1.04: the next check may see 1.06, which is in the second rung."""
    guard, u = guarded(small_box(rubber(), "hexahedron", cells=2))
    for stretch, rung in ((1.0, 0), (1.02, 0), (1.04, 1), (1.042, 0)):
        stretched(u, stretch, 1 / stretch, 1.0)
        assert guard.check((0,), 0.1, 0.1).rungs == (rung,)


def test_a_state_inside_whose_next_is_outside_takes_the_last_rung() -> None:
    guard, u = guarded(small_box(rubber(), "hexahedron", cells=2))
    stretched(u, 1.5, 1 / 1.5, 1.0)
    guard.check((5,), 0.1, 0.1)
    stretched(u, 1.8, 1 / 1.8, 1.0)
    assert guard.check((5,), 0.1, 0.1) == Verdict(None, "", (5,), False)


def test_ahead() -> None:
    before = State(0.9, 1.1, 0.95, 1.0, (0, 0, 0, 0))
    now = State(0.85, 1.2, 0.96, 1.02, (1, 2, 3, 4))
    assert now.ahead(before, 1.0) == State(
        pytest.approx(0.8), pytest.approx(1.3), 0.96, pytest.approx(1.04), (1, 2, 3, 4)
    )
    assert now.ahead(before, 3.0).stretch_max == pytest.approx(1.5)
    assert now.ahead(None, 1.0) is now


def column() -> Body:
    """Two unit cells on top of each other."""
    grid = box((1, 1, 2), (1, 1, 2), "hexahedron", MPI.COMM_SELF)
    return Body(grid, [Material(rubber(), 930.0)])


def number_of(body: Body, height: float) -> int:
    """Number in the file of the cell whose middle is at a height."""
    z = body.mesh.geometry.x[body.mesh.geometry.dofmap].mean(axis=1)[:, 2]
    return int(body.mesh.topology.original_cell_index[np.argmin(np.abs(z - height))])


@pytest.mark.parametrize(
    ("below", "shear", "leaves"),
    [(1.45, 1.2, 0.5), (0.65, 0.9, 0.5), (1.3, 1.7, 1.5)],
    ids=["large volume ratio", "small volume ratio", "large stretch"],
)
def test_left_domain_names_the_cell_that_left(below: float, shear: float, leaves: float) -> None:
    """The lower cell is stretched along z, the upper one sheared and, but once, stretched more."""
    body = column()
    guard, u = guarded(body)
    u.interpolate(
        lambda x: np.array(
            [shear * np.maximum(x[2] - 1, 0), 0 * x[2], (below - 1) * np.minimum(x[2], 1)]
        )
    )
    verdict = guard.check((0,), 0.25, 0.25)
    assert verdict.outcome is Outcome.LEFT_DOMAIN
    assert verdict.message.startswith(
        f"cell {number_of(body, leaves)} left the certified domain (stretch 0.5…2, volume "
        "0.7…1.4) at 0.25 s: stretch "
    )


@pytest.mark.parametrize("name", ["rubber", "linear"])
def test_an_inverted_cell_is_named(name: str) -> None:
    body = small_box(law(name), "tetrahedron", cells=1)
    guard, u = guarded(body)
    cell = 3
    dofs = body.space.dofmap.cell_dofs(cell)
    x = body.space.tabulate_dof_coordinates()[dofs]
    normal = np.cross(x[2] - x[1], x[3] - x[1])
    normal /= np.linalg.norm(normal)
    height = (x[0] - x[1]) @ normal
    u.x.array.reshape(-1, 3)[dofs[0]] = -1.2 * height * normal
    verdict = guard.check((0,), 0.25, 0.25)
    assert verdict.outcome is Outcome.INVERTED_CELL
    assert "has the volume ratio -0.2 at 0.25 s" in verdict.message


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["rubber", "linear"])
def test_a_displacement_that_is_not_finite(name: str, value: float) -> None:
    guard, u = guarded(small_box(law(name), "hexahedron", cells=2))
    u.x.array[4] = value
    verdict = guard.check((0,), 0.25, 0.25)
    assert verdict.outcome is Outcome.NONFINITE
    assert verdict.message == "the deformation is not finite at 0.25 s"


def test_a_linear_law_has_no_domain() -> None:
    guard, u = guarded(small_box(law("linear"), "hexahedron", cells=2))
    stretched(u, 7.0, 0.1, 1.0)
    assert guard.check((0,), 0.1, 0.1) == Verdict(None, "", (0,), False)


def test_volume_ratio_is_that_of_the_point_that_the_volumetric_part_sees() -> None:
    """An hourglass whose volume ratio, ``1 - |x|² + 2 x y z``, is 1 in the middle and 0.7 beside;

    of inverted cells every point is watched.
    """
    guard, u = guarded(small_box(rubber(), "hexahedron", cells=1))

    def hourglass(x: np.ndarray) -> np.ndarray:
        a, b, c = x - 0.5
        return np.array([b * c, a * c, a * b])

    u.interpolate(hourglass)
    (state,) = guard.states()
    assert [state.volume_min, state.volume_max] == pytest.approx([1.0, 1.0], rel=1e-12)
    assert state.stretch_max == pytest.approx(1 + 3**-0.5, rel=1e-7)
    u.x.array[:] *= 2.0
    verdict = guard.check((0,), 0.25, 0.25)
    assert verdict.outcome is Outcome.INVERTED_CELL
    assert "the volume ratio -0.385 at" in verdict.message


def test_each_region_is_judged_by_its_own_law() -> None:
    grid = box((1, 1, 1), (2, 2, 2), "hexahedron", MPI.COMM_SELF)
    z = grid.mesh.geometry.x[grid.mesh.geometry.dofmap].mean(axis=1)[:, 2]
    cells = np.arange(8, dtype=np.int32)
    grid = replace(grid, regions={"lower": cells[z < 0.5], "upper": cells[z > 0.5]})
    body = Body(grid, [Material(law("linear"), 930.0, "lower"), Material(rubber(), 930.0, "upper")])
    guard, u = guarded(body)
    u.interpolate(lambda x: np.array([0 * x[2], 0 * x[2], np.minimum(x[2], 0.5)]))
    assert guard.check((0, 0), 0.1, 0.1).rungs == (0, 0)  # the lower half, linear, is twice as long
    assert [s.stretch_max for s in guard.states()] == pytest.approx([2.0, 1.0])
    u.interpolate(lambda x: np.array([0 * x[2], 0 * x[2], 3 * np.maximum(x[2] - 0.5, 0)]))
    verdict = guard.check((0, 0), 0.1, 0.1)
    assert verdict.outcome is Outcome.LEFT_DOMAIN
    assert "in region 'upper' left" in verdict.message


def test_a_rank_without_cells_of_a_region() -> None:
    """An empty region, as one rank of several may hold."""
    grid = box((1, 1, 1), (2, 2, 2), "hexahedron", MPI.COMM_SELF)
    cells = np.arange(8, dtype=np.int32)
    grid = replace(grid, regions={"all": cells, "none": cells[:0]})
    body = Body(grid, [Material(rubber(), 930.0, "all"), Material(rubber(), 930.0, "none")])
    guard, u = guarded(body)
    stretched(u, 1.1, 1.0, 1.0)
    (full, empty) = guard.states()
    assert full.stretch_max == pytest.approx(1.1)
    assert empty.stretch_max == -np.inf


def test_a_guard_goes_on_from_its_state() -> None:
    """Calm checks, the time and the state before, which the outlook needs, survive JSON."""
    guard, u = guarded(small_box(rubber(), "hexahedron", cells=2))
    stretched(u, 1.3, 1.0, 0.85)
    for time in (0.1, 0.2, 0.3):
        guard.check((4,), time, 0.1)
    other, v = guarded(small_box(rubber(), "hexahedron", cells=2))
    other.restore(json.loads(json.dumps(guard.state())))
    assert other.state() == guard.state()
    assert other.latest == guard.latest
    for now in (1.35, *[1.3] * CALM_CHECKS):
        stretched(u, now, 1.0, 0.85)
        stretched(v, now, 1.0, 0.85)
        assert other.check((4,), 0.4, 0.1) == guard.check((4,), 0.4, 0.1)
