from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem.audit import Audit, Energies
from lipmat.fem.body import Body
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.loads import (
    ExternalForce,
    Gravity,
    Load,
    Motion,
    PrescribedMotion,
    Pressure,
    Traction,
    TractionField,
    constant,
)
from lipmat.fem.step import critical_step
from tests.fem.bodies import small_box
from tests.fem.laws import law, rubber

# isort: split
from dolfinx import fem

CELLS = ("hexahedron", "tetrahedron")
SIDES = [f"{axis}-{end}" for axis in "xyz" for end in ("min", "max")]


def force_of(body: Body, u: fem.Function, *loads: Load, time: float = 0.0) -> np.ndarray:
    """Forces at the nodes, shape (n, 3) [N]."""
    out = np.empty(body.owned)
    ExternalForce(body, u, loads)(time, out)
    return out.reshape(-1, 3)


def deformed(body: Body, size: float = 0.1) -> fem.Function:
    u = fem.Function(body.space)
    u.x.array[:] = size * np.random.default_rng(0).uniform(-1, 1, u.x.array.shape)
    return u


@pytest.mark.parametrize("cell", CELLS)
def test_traction_gives_its_resultant_on_the_reference_area(cell: str) -> None:
    body = small_box(rubber(), cell, distort=False)
    found = force_of(body, deformed(body), Traction("x-max", (3.0, -2.0, 1.0)))
    x = body.space.tabulate_dof_coordinates()
    assert found.sum(axis=0) == pytest.approx([3.0, -2.0, 1.0], rel=1e-12)
    assert np.abs(found[x[:, 0] < 0.99]).max() == 0
    moment = np.cross(x - [1, 0.5, 0.5], found).sum(axis=0)
    assert moment == pytest.approx([0, 0, 0], abs=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_a_field_of_tractions(cell: str) -> None:
    """A constant one is a traction; a linear one has its resultant, at every time."""
    body = small_box(rubber(), cell)
    u = deformed(body)
    values = np.array([3.0, -2.0, 1.0])
    same = TractionField("x-max", lambda x, t: np.tile(values[:, None], (1, x.shape[1])))
    expected = force_of(body, u, Traction("x-max", (3.0, -2.0, 1.0)))
    assert force_of(body, u, same) == pytest.approx(expected, rel=1e-12, abs=1e-14)
    linear = TractionField(
        "x-max", lambda x, t: np.stack([x[0] * t, x[1], 0 * x[2]]), lambda t: 2 * t
    )
    found = force_of(body, u, linear, time=3.0).sum(axis=0)
    assert found == pytest.approx([6 * 3.0, 6 * 0.5, 0.0], rel=1e-12)


@pytest.mark.parametrize(
    "field", [lambda x, t: x / t, lambda x, t: x[:2]], ids=["not finite", "two components"]
)
def test_a_field_of_tractions_without_values_is_refused(field: Any) -> None:
    body = small_box(rubber(), "hexahedron", cells=1)
    with (
        np.errstate(all="ignore"),
        pytest.raises(InputError, match=r"traction field on 'x-max': .* three finite numbers"),
    ):
        force_of(body, deformed(body), TractionField("x-max", field))


@pytest.mark.parametrize("cell", CELLS)
def test_pressure_follows_the_surface(cell: str) -> None:
    """On all sides of a deformed box it has no resultant and no moment."""
    body = small_box(rubber(), cell, distort=True)
    u = deformed(body, 0.03)
    found = force_of(body, u, *(Pressure(side, 2.0) for side in SIDES))
    place = body.space.tabulate_dof_coordinates() + u.x.array.reshape(-1, 3)
    assert found.sum(axis=0) == pytest.approx([0, 0, 0], abs=1e-13)
    assert np.cross(place, found).sum(axis=0) == pytest.approx([0, 0, 0], abs=1e-13)
    assert np.abs(found).max() > 0.01


@pytest.mark.parametrize("cell", CELLS)
def test_pressure_on_a_side_is_that_times_its_present_area(cell: str) -> None:
    """A box stretched along y and z by 1.5 and 0.8, then turned by 90° about z."""
    body = small_box(rubber(), cell)
    u = fem.Function(body.space)
    u.interpolate(lambda x: np.array([-1.5 * x[1], 1.1 * x[0], 0.8 * x[2]]) - x)
    found = force_of(body, u, Pressure("x-max", 2.0)).sum(axis=0)
    assert found == pytest.approx([0, -2.0 * 1.5 * 0.8, 0], abs=1e-13)


def test_gravity_is_mass_times_acceleration_times_curve() -> None:
    body = small_box(rubber(), "hexahedron")
    load = Gravity((1.0, 0.0, -9.81), curve=lambda t: 1 + t)
    found = force_of(body, deformed(body), load, time=2.0)
    expected = 3.0 * body.mass.reshape(-1, 3) * [1.0, 0.0, -9.81]
    assert found == pytest.approx(expected, rel=1e-14)
    assert found.sum(axis=0) == pytest.approx([2790.0, 0.0, -27369.9], rel=1e-12)


def test_loads_add_up_with_their_curves() -> None:
    body = small_box(rubber(), "hexahedron")
    u = deformed(body)
    loads = [
        Traction("z-max", (0, 0, 1.0), lambda t: t),
        Pressure("z-max", 5.0, lambda t: 1 - t),
        Gravity((0, 1.0, 0)),
    ]
    apart = [force_of(body, u, load, time=0.25) for load in loads]
    assert force_of(body, u, *loads, time=0.25) == pytest.approx(sum(apart), rel=1e-14)
    assert apart[0].sum(axis=0) == pytest.approx([0, 0, 0.25], abs=1e-14)


@pytest.mark.parametrize(
    ("other", "clash"),
    [
        (Motion("x-max", (None, 2.0, None)), True),
        (Motion("x-max", (None, 1.0, None), "velocity"), True),
        (Motion("x-max", (None, 1.0, None), curve=lambda t: t), True),
        (Motion("x-max", (None, 1.0, None)), False),
        (Motion("x-max", (None, None, 7.0)), False),
        (Motion("z-max", (None, 2.0, None)), False),
    ],
)
def test_conflicting_motions_of_shared_nodes_are_refused(other: Motion, clash: bool) -> None:
    body = small_box(rubber(), "hexahedron", cells=2)
    loads = [Motion("z-min", (0.0, 1.0, None)), other]
    if clash:
        with pytest.raises(InputError, match=r"boundary on 'x-max': component y .* differently"):
            PrescribedMotion(body, loads)
    else:
        held = {"x-max": 27, "z-max": 27}[other.on]
        assert 18 < len(PrescribedMotion(body, loads).dofs) <= held


def test_zero_displacement_and_zero_velocity_agree() -> None:
    body = small_box(rubber(), "hexahedron", cells=2)
    loads = [Motion("z-min", (0, 0, 0)), Motion("x-min", (0, None, None), "velocity")]
    assert len(PrescribedMotion(body, loads).dofs) == 27 + 6


def test_an_unknown_side_is_named() -> None:
    body = small_box(rubber(), "hexahedron", cells=2)
    for load in (Motion("z-mim", (0, 0, 0)), Traction("z-mim", (0, 0, 1)), Pressure("z-mim", 1)):
        with pytest.raises(InputError, match=r"'z-mim', did you mean 'z-m"):
            CentralDifference(body, [load], np.zeros(body.owned))


def run(
    body: Body, loads: Sequence[Load], steps: int, share: float = 0.5, change: float = 1.0
) -> tuple[CentralDifference, list[Energies]]:
    """March with a step that changes halfway by a factor; return the account at every step."""
    step = critical_step(body, "linearised", share).value
    motion = CentralDifference(body, loads, np.zeros(body.owned))
    audit, accounts = Audit(body, motion), []
    for n in range(steps + 1):
        h = step * (1.0 if n < steps // 2 else change)
        motion.begin_step(h)
        accounts.append(audit.energies(h))
        if n < steps:
            motion.finish_step(h, motion.time + h)
    return motion, accounts


def test_prescribed_motion_is_followed() -> None:
    """A displacement curve at every step, a velocity curve by its midpoint sums."""
    body = small_box(rubber(), "hexahedron", cells=2)
    x = np.repeat(body.space.tabulate_dof_coordinates(), 3, axis=0)
    axis = np.tile(range(3), body.owned // 3)
    loads = [
        Motion("z-min", (0.1, None, 0.02), curve=lambda t: np.sin(40 * t)),
        Motion("z-max", (None, None, 3.0), "velocity", curve=lambda t: 200 * t),
    ]
    step = critical_step(body, "linearised", 0.5).value
    motion = CentralDifference(body, loads, np.zeros(body.owned))
    for n in range(40):
        motion.begin_step(step)
        motion.finish_step(step, (n + 1) * step)
        u, t = motion.displacement.x.array, (n + 1) * step
        bottom, top = x[:, 2] < 0.01, x[:, 2] > 0.99
        assert u[bottom & (axis == 0)] == pytest.approx(0.1 * np.sin(40 * t), rel=1e-12)
        assert u[bottom & (axis == 2)] == pytest.approx(0.02 * np.sin(40 * t), rel=1e-12)
        assert u[top & (axis == 2)] == pytest.approx(300.0 * t * t, rel=1e-12)


def test_a_displacement_that_does_not_start_at_zero_is_there_at_the_start() -> None:
    body = small_box(rubber(), "hexahedron", cells=2)
    motion = CentralDifference(body, [Motion("z-max", (0.0, 0.0, 0.01))], np.zeros(body.owned))
    moved = motion.displacement.x.array.reshape(-1, 3)
    top = body.space.tabulate_dof_coordinates()[:, 2] > 0.99
    assert np.array_equal(moved, np.where(top[:, None], [0.0, 0.0, 0.01], 0.0))


def ramp(time: float) -> float:
    return min(time / 0.01, 1.0)


LOADS = {
    "velocity": [Motion("z-min", (0, 0, 0)), Motion("z-max", (0, 0, 2.0), "velocity", ramp)],
    "displacement": [Motion("z-min", (0, 0, 0)), Motion("z-max", (None, None, 0.05), curve=ramp)],
    "traction": [Motion("z-min", (0, 0, 0)), Traction("z-max", (2e3, 0, 5e3), ramp)],
    "pressure": [Motion("z-min", (0, 0, 0)), Pressure("z-max", 5e3, constant)],
    "gravity": [Gravity((1.0, 0.0, -9.81))],
    "travelling load": [
        Motion("z-min", (0, 0, 0)),
        TractionField("z-max", lambda x, t: -2e4 * np.exp(-((x - 20 * t) ** 2))),
    ],
}


@pytest.mark.parametrize("kind", LOADS)
def test_work_is_the_energy_gained_by_a_linear_body(kind: str) -> None:
    """Kinetic energy in leapfrog form plus stored energy against external work, at every step."""
    _, accounts = run(small_box(law("linear"), "hexahedron"), LOADS[kind], 200)
    last = accounts[-1]
    assert max(abs(a.error) for a in accounts) <= 1e-12
    assert abs(last.external) > 0.1 * (last.kinetic + last.stored) > 0


def test_a_change_of_step_leaves_an_error_of_second_order() -> None:
    """The balance of a pulled linear body over a fixed time, with 0.4 and 0.2 of the limit."""
    body = small_box(law("linear"), "hexahedron")
    errors = []
    for refine in (1, 2):
        _, accounts = run(body, LOADS["velocity"], 100 * refine, 0.4 / refine, change=0.7)
        errors.append(max(abs(a.error) for a in accounts))
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.3)
    assert errors[0] <= 0.01


def test_weight_of_a_falling_body() -> None:
    """Free fall: displacement g t²/2, work of gravity equal to the kinetic energy, no strain."""
    body = small_box(rubber(), "hexahedron", cells=2)
    motion, accounts = run(body, LOADS["gravity"], 50)
    fall = motion.displacement.x.array.reshape(-1, 3)
    expected = 0.5 * motion.time**2 * np.array([1.0, 0.0, -9.81])
    assert fall == pytest.approx(np.tile(expected, (len(fall), 1)), rel=1e-10, abs=1e-15)
    account = accounts[-1]
    assert account.external == pytest.approx(account.kinetic, rel=1e-10)
    assert account.stored <= 1e-12 * account.kinetic
