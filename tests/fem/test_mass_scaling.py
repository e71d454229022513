"""A requested step: certified, capped, or reached by added mass; gravity does not see that mass."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem.body import Body, Material
from lipmat.fem.estimates import cell_limits, collatz_wielandt_estimate
from lipmat.fem.grid import Grid, box
from lipmat.fem.loads import ExternalForce, Gravity
from lipmat.fem.march import march
from lipmat.fem.mass_scaling import AddedMass, RegionMass, requested_step
from lipmat.fem.mpi import MPI
from lipmat.fem.step import critical_step
from lipmat.fem.wall import Plane, Wall
from tests.fem.bodies import exact_frequency, small_box
from tests.fem.laws import law, rubber
from tests.mpi import run_ranks

# isort: split
from dolfinx import fem

WALL = Wall("z-min", Plane((0, 0, -0.1), (0, 0, 1)))


def graded(comm: MPI.Intracomm = MPI.COMM_SELF) -> Grid:
    """A cube whose lowest of four layers is a tenth as thick as it was; two regions."""
    grid = box((1, 1, 1), (4, 4, 4), "hexahedron", comm)
    x = grid.mesh.geometry.x
    x[np.isclose(x[:, 2], 0.25), 2] = 0.025
    low = grid.centres()[:, 2] < 0.5
    regions = {
        name: np.flatnonzero(which).astype(np.int32)
        for name, which in (("lower", low), ("upper", ~low))
    }
    return Grid(grid.mesh, regions, grid.groups, grid.name)


def two_halves(comm: MPI.Intracomm = MPI.COMM_SELF) -> Body:
    halves = [Material(law("linear"), d, r) for d, r in ((930.0, "lower"), (2000.0, "upper"))]
    return Body(graded(comm), halves)


def test_added_mass_reaches_the_requested_step() -> None:
    body = two_halves()
    certified = critical_step(body).value
    step, added = requested_step(body, 3 * certified, mass_scaling=True)
    assert step.value == 3 * certified
    assert step.value <= step.control.limit / exact_frequency(body) <= 1.01 * step.value
    assert isinstance(added, AddedMass)
    assert [r.region for r in added.regions] == ["lower", "upper"]
    heavier = body.mass.reshape(-1, 3)[:, 0].sum() - body.physical_mass.reshape(-1, 3)[:, 0].sum()
    assert added.total.added == pytest.approx(heavier, rel=1e-10)
    assert added.total.mass == pytest.approx(930 * 0.5 + 2000 * 0.5, rel=1e-10)
    assert added.regions[1].added == 0.0
    assert added.regions[0].share == pytest.approx(heavier / 465.0, rel=1e-10)
    assert added.cells == 16
    assert added.total.share < 0.3


def test_a_uniform_body_gets_the_least_mass_there_is() -> None:
    """Twice the step takes four times the mass, nothing less."""
    body = small_box(law("linear"), "hexahedron")
    certified = critical_step(body).value
    _, added = requested_step(body, 2 * certified, mass_scaling=True)
    assert added is not None
    assert added.largest_factor == pytest.approx(4.0, rel=0.012)


def test_without_need_no_mass_is_added() -> None:
    body = two_halves()
    certified = critical_step(body).value
    step, added = requested_step(body, 0.7 * certified, mass_scaling=True)
    assert step.value == 0.7 * certified
    assert added is not None
    assert (added.cells, added.total.added, added.largest_factor) == (0, 0.0, 1.0)
    assert body.mass_factor is None


def test_a_domain_that_is_left_does_not_shorten_a_scaled_step() -> None:
    """Mass is added for the last rung of the law's ladder of domains."""
    body = small_box(rubber(), "hexahedron")
    first = critical_step(body)
    asked = 1.2 * first.value
    step, _ = requested_step(body, asked, mass_scaling=True)
    assert [s.value for s in step.control.all_rungs()] == [asked] * len(first.control.all_rungs())


def test_a_shorter_step_is_taken_and_a_longer_one_refused() -> None:
    body = small_box(rubber(), "hexahedron")
    rungs = [s.value for s in critical_step(body).control.all_rungs()]
    asked = 0.5 * (rungs[1] + rungs[2])
    step, added = requested_step(body, asked)
    assert added is None
    expected = [min(asked, r) for r in rungs]
    assert [s.value for s in step.control.all_rungs()] == pytest.approx(expected, rel=1e-12)
    certified = rf"found {1.01 * rungs[0]:g} s, expected at most the certified {rungs[0]:.6g} s"
    with pytest.raises(InputError, match=certified + r".*mass_scaling = true"):
        requested_step(body, 1.01 * rungs[0])
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match=r"step: found .*, expected a positive time"):
            requested_step(body, bad, mass_scaling=True)


def test_a_step_certified_for_other_added_mass_is_refused() -> None:
    body = small_box(law("linear"), "hexahedron")
    certified = critical_step(body).value
    step, _ = requested_step(body, 4 * certified, mass_scaling=True)
    requested_step(body, 0.5 * certified, mass_scaling=True)  # takes the added mass away
    with pytest.raises(InputError, match="the added mass of the body has changed since the step"):
        march(body, step, 10 * step.value)


def test_walls_are_part_of_the_requested_step() -> None:
    body = two_halves()
    certified = critical_step(body, "linearised", walls=[WALL]).value
    step, _ = requested_step(body, 2 * certified, True, "linearised", walls=[WALL])
    assert step.value == 2 * certified
    assert critical_step(body, "linearised", walls=[WALL]).value >= step.value
    stiff = Wall("z-min", WALL.shape, 1e10)  # it sets the step by itself
    assert critical_step(two_halves(), "linearised", walls=[stiff]).value < 0.5 * certified
    step, added = requested_step(body, certified, True, "linearised", walls=[stiff])
    assert added is not None
    assert added.cells > 0
    assert critical_step(body, "linearised", walls=[stiff]).value >= step.value == certified


def test_gravity_acts_on_the_physical_mass() -> None:
    """A body with added mass weighs what it weighed, and falls slower."""
    body = two_halves()
    step, added = requested_step(body, 4 * critical_step(body).value, mass_scaling=True)
    assert added is not None
    out = np.empty(body.owned)
    ExternalForce(body, fem.Function(body.space), [Gravity((0, 0, -10.0))])(0.0, out)
    assert out.sum() == pytest.approx(-10.0 * (930 * 0.5 + 2000 * 0.5), rel=1e-10)
    run = march(body, step, 50 * step.value, loads=[Gravity((0, 0, -10.0))])
    assert run.outcome == "completed"
    fall = run.displacement[:, 2] @ body.mass[::3] / body.mass[::3].sum()
    share = added.total.mass / (added.total.mass + added.total.added)
    assert fall == pytest.approx(-0.5 * 10.0 * share * (50 * step.value) ** 2, rel=1e-6)
    assert abs(run.summary["energy"]["error"]) < 0.01


def test_as_json_values() -> None:
    added = AddedMass((RegionMass("a", 2.0, 1.0), RegionMass("b", 2.0, 0.0)), 3, 1.5)
    assert added.as_dict() == {
        "cells": 3,
        "largest_factor": 1.5,
        "total": {"region": None, "mass": 4.0, "added": 1.0, "share": 0.25},
        "regions": [
            {"region": "a", "mass": 2.0, "added": 1.0, "share": 0.5},
            {"region": "b", "mass": 2.0, "added": 0.0, "share": 0.0},
        ],
    }


def numbers(comm: MPI.Intracomm) -> list[float]:
    """What must not depend on the number of ranks."""
    body = two_halves(comm)
    plain = critical_step(body, "linearised", walls=[WALL])
    tangents = [ladder[0].tangent for ladder in plain.control.ladders]
    own = comm.allreduce(float((cell_limits(body, tangents) ** 2).sum()))
    step, added = requested_step(body, 2 * plain.value, True, "linearised", walls=[WALL])
    wall = step.control.walls[0]
    out, u = np.zeros(body.owned), np.full(body.owned, -0.15)
    wall.force(u, 0.0, out)
    pushed = comm.allreduce(float(out.sum()))
    stored = comm.allreduce(wall.energy(u, 0.0))
    assert added is not None
    return [plain.value, own, step.value, added.total.added, pushed, stored]


@pytest.mark.mpi
def test_two_ranks_find_the_same() -> None:
    said = run_ranks(__file__).split()
    assert [float(word) for word in said] == pytest.approx(numbers(MPI.COMM_SELF), rel=1e-6)


def test_collatz_wielandt_on_a_body_with_added_mass() -> None:
    body = two_halves()
    step, _ = requested_step(body, 3 * critical_step(body).value, mass_scaling=True)
    tangents = [ladder[0].tangent for ladder in step.control.ladders]
    assert collatz_wielandt_estimate(body, tangents) <= 2 / exact_frequency(body) * (1 + 1e-9)


if __name__ == "__main__":
    found = numbers(MPI.COMM_WORLD)
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(" ".join(f"{value:.12g}" for value in found))
