"""Viscosity, its work, and the functions that the nonlinear levels say cannot rise."""

from __future__ import annotations

import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem.audit import Audit, Energies
from lipmat.fem.body import Body, Material
from lipmat.fem.contact import Cylinder, Plane, Wall
from lipmat.fem.eigenvalue import ReferenceOperator
from lipmat.fem.forms import FORMULATIONS
from lipmat.fem.grid import box
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.loads import Gravity, Motion
from lipmat.fem.lyapunov import LyapunovCheck
from lipmat.fem.march import march
from lipmat.fem.mpi import MPI
from lipmat.fem.step import Step, critical_step, default_level
from tests.fem.bodies import Force, small_box
from tests.fem.laws import rubber, steel_like

CELLS = ("hexahedron", "tetrahedron")


def noise(body: Body, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(body.owned)


def advance(
    motion: CentralDifference, step: Step, count: int, check: LyapunovCheck | None = None
) -> list[Energies]:
    """March, and return the energy account every ten steps."""
    audit = Audit(motion.body, motion)
    accounts = []
    for n in range(count + 1):
        motion.begin_step(step.value)
        if n % 10 == 0:
            accounts.append(audit.energies(step.value))
        if check:
            check.check(step.value)
        motion.finish_step(step.value, (n + 1) * step.value)
    return accounts


def rests_on(body: Body) -> list[Wall]:
    """A floor, two leaning side walls that nodes can meet at once, and a bore."""
    del body
    return [
        Wall("y-min", Cylinder((0.5, 0.5, 0), (0, 0, 1), 0.9, inside=True)),
        Wall("z-min", Plane((0, 0, -0.06), (0, 0, 1))),
        Wall("x-max", Plane((1.4, 0, 0), (-1, 0, 0.2)), stiffness=3e7),
        Wall("x-max", Plane((1.45, 0, 0), (-1, 0.3, 0))),
    ]


@pytest.mark.parametrize("cell", CELLS)
def test_viscous_force_is_that_of_the_bounding_operator(cell: str) -> None:
    body = small_box(steel_like(), cell, distort=True)
    motion = CentralDifference(body, (), noise(body), viscosity=0.3)
    motion.begin_step(1e-3)
    motion.finish_step(1e-3, 1e-3)
    before = motion.velocity.copy()
    motion.begin_step(1e-3)
    operator = ReferenceOperator(body)
    operator.set_bounds([steel_like().bound().rungs[-1].tangent])
    u = motion.displacement.x.array
    force = Force(body)(u) + 0.3 * operator.apply(motion.increment)
    expected = before - 1e-3 * force / body.mass
    assert np.abs(motion.next_velocity - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("level", ["linearised", "convex", "energy"])
def test_the_account_of_a_linear_body_balances_exactly(cell: str, level: str) -> None:
    body = small_box(steel_like(), cell)
    step = critical_step(body, level, safety=0.999)
    loads = [Motion("z-min", (0.0, 0.0, 0.0)), Gravity((0.0, 0.0, -9.81))]
    motion = CentralDifference(body, loads, noise(body), step.viscosity)
    accounts = advance(motion, step, 500)
    assert max(abs(a.error) for a in accounts) <= 1e-12
    dissipated = np.diff([a.viscous for a in accounts])
    if level == "linearised":
        assert not dissipated.any()
    else:
        assert dissipated[0] > 0.01 * accounts[0].kinetic
        assert accounts[-1].viscous < accounts[0].kinetic + accounts[-1].external + 1e-9


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("level", ["convex", "energy"])
@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_the_function_of_the_level_does_not_rise(cell: str, level: str, formulation: str) -> None:
    body = small_box(steel_like(), cell, distort=True, formulation=formulation)
    step = critical_step(body, level)
    loads = [Motion("z-min", (0.0, 0.0, 0.0)), Gravity((0.0, 0.0, -9.81))]
    motion = CentralDifference(body, loads, noise(body), step.viscosity)
    check = LyapunovCheck(body, motion, step)
    advance(motion, step, 400, check)
    assert check.pairs == 399
    assert check.largest_rise <= 1e-13
    assert check.summary()["holds"] is True


def test_it_rises_beyond_the_limit() -> None:
    """The check can fail: at 1.3 of the limit of `energy` the energy does rise."""
    body = small_box(steel_like(), "hexahedron")
    step = critical_step(body, "energy")
    object.__setattr__(step, "value", 1.3 * step.value)
    motion = CentralDifference(body, (), noise(body), step.viscosity)
    check = LyapunovCheck(body, motion, step)
    advance(motion, step, 30, check)
    assert check.largest_rise > 1e-3
    assert check.summary()["holds"] is False


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cell", CELLS)
def test_energy_cannot_rise_in_contact(cell: str, seed: int) -> None:
    """A body thrown into a corner; several walls touch one node."""
    body = small_box(steel_like(), cell, distort=True)
    step = critical_step(body, "energy", walls=rests_on(body))
    velocity = 2.0 * noise(body, seed) + np.tile([4.0, -1.0, -5.0], body.owned // 3)
    motion = CentralDifference(body, (), velocity, step.viscosity, step.control.walls)
    check = LyapunovCheck(body, motion, step)
    accounts = advance(motion, step, 1_000, check)
    assert max(a.contact for a in accounts) > 0.05 * accounts[0].kinetic
    assert check.pairs == 999
    assert check.largest_rise <= 1e-13


def test_walls_do_not_hold_a_body_in_free_flight() -> None:
    body = small_box(steel_like(), "hexahedron")
    walls = [Wall("z-min", Plane((0, 0, -100.0), (0, 0, 1)))]
    step = critical_step(body, walls=walls)
    assert step.level == "energy"
    flight = np.tile([1.0, 2.0, 3.0], body.owned // 3)
    motion = CentralDifference(body, (), flight, step.viscosity, step.control.walls)
    accounts = advance(motion, step, 50)
    assert np.abs(motion.velocity - flight).max() <= 1e-12
    assert accounts[-1].viscous <= 1e-20 * accounts[0].kinetic


@pytest.mark.parametrize(
    "load",
    [
        Gravity((0.0, 0.0, -9.81), lambda t: 1.0 + 100.0 * t),
        Motion("z-max", (0.0, 0.0, 0.1), "velocity"),
    ],
)
def test_a_load_or_support_that_changes_is_not_compared(load: Gravity | Motion) -> None:
    body = small_box(steel_like(), "hexahedron")
    step = critical_step(body, "convex")
    loads = [load]
    motion = CentralDifference(body, loads, noise(body), step.viscosity)
    check = LyapunovCheck(body, motion, step)
    advance(motion, step, 20, check)
    assert check.pairs == 0
    assert check.summary()["holds"] is None


def test_default_levels() -> None:
    steel = small_box(steel_like(), "hexahedron")
    plane = Wall("z-min", Plane((0, 0, -0.1), (0, 0, 1)))
    bore = Wall("z-min", Cylinder((0.5, 0.5, 0), (0, 0, 1), 5.0, inside=True))
    assert default_level(steel) == "convex"
    assert default_level(steel, [plane]) == "energy"
    indenter = Wall("z-min", Cylinder((0.5, 0.5, -3), (1, 0, 0), 2.0, inside=False))
    assert default_level(steel, [plane, bore]) == "energy"
    assert default_level(steel, [plane, indenter]) == "linearised"
    assert default_level(small_box(rubber(), "hexahedron")) == "linearised"


@pytest.mark.parametrize(
    ("level", "viscosity", "message"),
    [
        ("convex", 0.1, "viscosity: found 0.1, expected more than 0.125 and at most 0.5 at"),
        ("energy", 0.5, "viscosity: found 0.5"),
        ("energy", 2.0, "at most 1 at level 'energy'"),
        ("linearised", -0.1, "viscosity: found -0.1"),
        ("convx", None, "did you mean 'convex'"),
    ],
)
def test_refusals_of_level_and_viscosity(level: str, viscosity: float | None, message: str) -> None:
    body = small_box(steel_like(), "hexahedron")
    with pytest.raises(InputError, match=message):
        critical_step(body, level, viscosity=viscosity)


def test_refusals_of_laws_and_walls() -> None:
    steel = small_box(steel_like(), "hexahedron")
    plane = Wall("z-min", Plane((0, 0, -0.1), (0, 0, 1)))
    outside = Wall("z-min", Cylinder((0.5, 0.5, -3), (1, 0, 0), 2.0, inside=False))
    with pytest.raises(InputError, match="free flight, expected 'energy'"):
        critical_step(steel, "convex", walls=[plane])
    with pytest.raises(InputError, match="met from outside is not convex, expected 'linearised'"):
        critical_step(steel, "energy", walls=[outside])
    with pytest.raises(InputError, match="one of large deformation"):
        critical_step(small_box(rubber(), "hexahedron"), "energy")
    with pytest.raises(InputError, match="resist the rotation"):
        critical_step(small_box(rubber(), "hexahedron"), viscosity=0.1)
    with pytest.raises(InputError, match="formulation: found 'one'"):
        Body(box((1, 1, 1), (2, 2, 2)), [Material(steel_like(), 1.0)], "one")
    with pytest.raises(InputError, match="the law is isotropic; remove them"):
        Body(box((1, 1, 1), (2, 2, 2)), [Material(steel_like(), 1.0, axes=np.eye(3))])
    motion = CentralDifference(steel, (), np.zeros(steel.owned))
    with pytest.raises(InputError, match="proves nothing about the nonlinear run"):
        LyapunovCheck(steel, motion, critical_step(steel, "linearised"))


@pytest.mark.parametrize("cell", CELLS)
def test_both_formulations_bound_their_own_frequency(cell: str) -> None:
    """Eight points everywhere stiffen a hexahedron, and its own K0 knows it."""
    grid = box((1, 1, 1), (2, 2, 2), cell, MPI.COMM_SELF)
    steps = {
        name: critical_step(Body(grid, [Material(steel_like(), 930.0)], name), "convex").value
        for name in ("selective", "full")
    }
    bodies = [Body(grid, [Material(steel_like(), 930.0)], name) for name in ("full", "selective")]
    with pytest.raises(InputError, match="certified for the formulation 'full', expected 'sel"):
        march(bodies[1], critical_step(bodies[0]), 1.0)
    if cell == "tetrahedron":
        assert steps["full"] == steps["selective"]
    else:
        assert steps["full"] < 0.999 * steps["selective"]
