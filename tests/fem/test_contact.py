"""Walls: forces against energies, curvature, what they cost of the step, moving walls, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem.audit import Audit
from lipmat.fem.body import Body
from lipmat.fem.contact import BoundWall, bind
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.march import march
from lipmat.fem.step import critical_step
from lipmat.fem.wall import Cylinder, Plane, Wall
from tests.fem.bodies import small_box
from tests.fem.laws import law, rubber

SHAPES = {
    "plane": Plane((0.0, 0.0, 0.0), (0.0, 0.0, 2.0)),
    "oblique plane": Plane((0.0, 0.0, 0.0), (0.6, 0.0, 0.8)),
    "bore": Cylinder((0.5, 0.5, 0.0), (0.0, 0.0, 3.0), 0.71, inside=True),
    "oblique bore": Cylinder((0.5, 0.5, 0.5), (1.0, 1.0, 0.0), 0.9, inside=True),
    "indenter": Cylinder((0.5, 0.0, -0.2), (0.0, 1.0, 0.0), 0.2, inside=False),
}


@pytest.fixture(scope="module")
def body() -> Body:
    return small_box(law("linear"), "hexahedron")


def bound(body: Body, shape: Plane | Cylinder, stiffness: float | None = 1e5) -> BoundWall:
    group = "x-max" if isinstance(shape, Cylinder) and shape.inside else "z-min"
    return bind(body, Wall(group, shape, stiffness), 100.0)


def force(wall: BoundWall, u: np.ndarray, time: float = 0.0) -> np.ndarray:
    out = np.zeros(len(u))
    wall.force(u, time, out)
    return out


def pressed(body: Body, shape: str, seed: int) -> np.ndarray:
    """Random displacements that push some nodes of the group into the wall."""
    u = np.random.default_rng(seed).uniform(-0.1, 0.1, (body.owned // 3, 3))
    u += [0.1, 0.0, 0.0] if "bore" in shape else [0.0, 0.0, -0.05]
    return u.ravel()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_force_is_minus_the_gradient_of_the_energy(body: Body, shape: str) -> None:
    wall, u = bound(body, SHAPES[shape]), pressed(body, shape, 0)
    d = np.random.default_rng(1).standard_normal(len(u))
    change = wall.energy(u + 1e-6 * d, 0.0) - wall.energy(u - 1e-6 * d, 0.0)
    found = force(wall, u)
    assert found @ d == pytest.approx(-change / 2e-6, rel=1e-4)
    assert wall.energy(u, 0.0) > 0
    assert wall.resultant == pytest.approx(found.reshape(-1, 3).sum(axis=0), rel=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_curvature_is_below_the_stiffness_and_in_convex_walls_not_negative(
    body: Body, shape: str
) -> None:
    """``0 <= (grad phi(a) - grad phi(b)) . (a - b) <= (a - b) . D (a - b)`` for 200 pairs."""
    wall = bound(body, SHAPES[shape])
    products, bounds = [], []
    for seed in range(200):
        a, b = pressed(body, shape, seed), pressed(body, shape, seed + 1000)
        products.append(-(force(wall, a) - force(wall, b)) @ (a - b))
        bounds.append((a - b) @ (wall.nodal_stiffness * (a - b)))
    assert np.all(np.array(products) <= np.array(bounds))
    assert max(products) > 0.01 * max(bounds)
    assert wall.convex == ("indenter" not in shape)
    if wall.convex:
        assert min(products) >= 0


def test_a_body_outside_a_cylinder_meets_negative_curvature(body: Body) -> None:
    """Around the axis the second derivative is ``-k (R - d)/d``: no convex potential."""
    wall = bound(body, SHAPES["indenter"])
    x = body.space.tabulate_dof_coordinates()
    node = int(np.argmin(np.linalg.norm(x - [0.5, 0.0, 0.0], axis=1)))
    k = wall.nodal_stiffness[3 * node + 2]
    node_x = x[node, 0]
    u = np.zeros(body.owned)
    u[3 * node] = 0.5 - node_x
    u[3 * node + 2] = -0.05  # 0.15 m from the axis of radius 0.2 m
    size = 1e-4
    around = np.zeros(body.owned)
    around[3 * node] = size
    energies = [wall.energy(u + s * around, 0.0) for s in (-1, 0, 1)]
    second = (energies[0] - 2 * energies[1] + energies[2]) / size**2
    assert second == pytest.approx(-k * (0.2 - 0.15) / 0.15, rel=1e-5)
    assert not wall.convex


def test_stiffness_at_nodes_is_that_per_area_times_their_area(body: Body) -> None:
    found = bound(body, SHAPES["plane"], 7e5).nodal_stiffness.reshape(-1, 3)
    assert found.sum(axis=0) == pytest.approx([0, 0, 7e5], rel=1e-12)  # a side of 1 m^2
    low = body.space.tabulate_dof_coordinates()[:, 2] < 1e-9
    assert np.all((found[:, 2] > 0) == low)
    oblique = bound(body, SHAPES["oblique plane"], 7e5).nodal_stiffness.reshape(-1, 3)
    assert oblique.sum(axis=0) == pytest.approx([7e5, 0, 7e5], rel=1e-12)
    along = bound(body, SHAPES["bore"], 7e5).nodal_stiffness.reshape(-1, 3)
    assert along.sum(axis=0) == pytest.approx([7e5, 7e5, 0], rel=1e-12)


@pytest.mark.parametrize("cell", ["hexahedron", "tetrahedron"])
@pytest.mark.parametrize("name", ["rubber", "linear"])
def test_the_default_stiffness_costs_at_most_five_percent(cell: str, name: str) -> None:
    small = small_box(law(name), cell, distort=True)
    walls = [
        Wall("z-min", Plane((0, 0, -0.2), (0, 0, 1))),
        Wall("x-max", Plane((1.2, 0, 0), (-1, 0, 0))),
    ]
    free = critical_step(small, "linearised")
    for wall in walls:
        touched = critical_step(small, "linearised", walls=[wall])
        assert 1 / np.sqrt(1.1) <= touched.value / free.value <= 1.0005
        k = touched.control.walls[0].nodal_stiffness
        rate = (k / small.mass).max()
        assert rate == pytest.approx(0.1 * free.frequency.omega**2, rel=1e-9)


def test_a_stiff_wall_shortens_the_step(body: Body) -> None:
    """A wall alone at its nodes: ``omega^2`` is at least the largest ``k / m`` of them."""
    wall = Wall("z-min", Plane((0, 0, 0), (0, 0, 1)), 1e9)
    step = critical_step(body, "linearised", walls=[wall])
    rate = (step.control.walls[0].nodal_stiffness / body.mass).max()
    assert step.value <= 2 / np.sqrt(rate)
    assert step.value < 0.5 * critical_step(body, "linearised").value


def push(time: float) -> tuple[float, float, float]:
    return (0.0, 0.0, 2.0 * time)


def test_the_work_of_a_moving_wall_is_external() -> None:
    """A wall at 2 m/s hits a body at rest: the account closes, and twice the mass' momentum."""
    small = small_box(law("linear"), "hexahedron")
    wall = Wall("z-min", SHAPES["plane"], translation=push)
    step = critical_step(small, "linearised", safety=0.05, walls=[wall])
    motion = CentralDifference(small, [], np.zeros(small.owned), 0.0, step.control.walls)
    audit = Audit(small, motion)
    accounts, impulse = [], 0.0
    for n in range(4000):
        motion.begin_step(step.value)
        accounts.append(audit.energies(step.value))
        impulse += step.value * step.control.walls[0].resultant[2]
        motion.finish_step(step.value, (n + 1) * step.value)
    last = accounts[-1]
    assert max(abs(a.error) for a in accounts) <= 1e-4
    assert last.contact == 0.0
    assert last.external == pytest.approx(last.kinetic + last.stored, rel=1e-4)
    momentum = float((small.mass * motion.velocity).reshape(-1, 3)[:, 2].sum())
    assert impulse == pytest.approx(momentum, rel=1e-9)
    assert last.external == pytest.approx(2.0 * impulse, rel=1e-3)  # work = force . speed
    assert 2.0 < momentum / 930.0 <= 4.0  # thrown off faster than the wall


def test_the_wall_follows_its_translation(body: Body) -> None:
    wall = bind(body, Wall("z-min", SHAPES["plane"], 1e5, push), 100.0)
    found = force(wall, np.zeros(body.owned), 0.01).reshape(-1, 3)
    assert found.sum(axis=0) == pytest.approx([0, 0, 1e5 * 0.02], rel=1e-12)
    assert wall.energy(np.zeros(body.owned), 0.01) == pytest.approx(0.5e5 * 0.02**2, rel=1e-12)
    assert wall.half_work(0.01, 0.02) == pytest.approx(0.5 * 2000.0 * 0.02, rel=1e-12)


def test_refusals(body: Body) -> None:
    plane = SHAPES["plane"]
    with pytest.raises(InputError, match=r"'z-mn', did you mean 'z-m"):
        bind(body, Wall("z-mn", plane), 1.0)
    inside = Wall("z-min", Plane((0, 0, 0.1), (0, 0, 1)))
    with pytest.raises(InputError, match=r"wall on 'z-min': found the body 0.1 m inside it"):
        bind(body, inside, 1.0)
    with pytest.raises(InputError, match=r"body 1 m inside .* turn its normal"):
        bind(body, Wall("z-max", Plane((0, 0, 0), (0, 0, -1))), 1.0)
    with pytest.raises(InputError, match=r"stiffness: found -1.0, expected a positive"):
        Wall("z-min", plane, -1.0)
    with pytest.raises(InputError, match=r"normal: found \[0, 0, 0\], expected .* not zero"):
        Plane((0, 0, 0), (0, 0, 0))
    with pytest.raises(InputError, match=r"radius: found 0, expected a positive"):
        Cylinder((0, 0, 0), (0, 0, 1), 0, inside=True)
    with pytest.raises(InputError, match=r"point: found \[0, 0, nan\]"):
        Plane((0, 0, float("nan")), (0, 0, 1))


def test_a_wall_that_the_step_does_not_know_is_refused(body: Body) -> None:
    wall = Wall("z-min", SHAPES["plane"])
    step = critical_step(body, "linearised")
    with pytest.raises(InputError, match=r"wall"):
        march(body, step, 1e-3, loads=[wall])


def test_no_certificate_of_an_indenter_beyond_linearised(body: Body) -> None:
    wall = Wall("z-min", SHAPES["indenter"])
    with pytest.raises(InputError, match=r"level: found 'convex', but .*"):
        critical_step(body, "convex", walls=[wall])
    assert critical_step(body, "linearised", walls=[wall]).value > 0


def test_the_step_of_a_viscous_body_pressed_on_a_stiff_wall() -> None:
    """Its forces are taken a step ahead: ``M D = -h^2 (K u + (beta K + D_c) d-)`` with the wall.

    At 0.9 of ``2 / sqrt(1 + 2 beta)`` the closed wall alone would be unstable for small beta.
    """
    soft = small_box(law("linear"), "hexahedron")
    omega = critical_step(soft, "linearised").frequency.omega
    mass = float(soft.mass[: soft.owned].max())
    wall = Wall("z-min", Plane((0, 0, 0), (0, 0, 1)), stiffness=1e3 * mass * omega**2)
    step = critical_step(soft, "linearised", viscosity=0.1, walls=[wall])
    x = (step.value * step.frequency.omega) ** 2
    roots = np.roots([1.0, -2.0 + 2.0 * x, 1.0 - x])  # of the wall's mode: l^2 - 2l + 1 + x(2l - 1)
    assert np.abs(roots).max() <= 1.0 + 1e-9
    free = critical_step(soft, "linearised", viscosity=0.1)
    assert free.control.limit == pytest.approx(2.0 / np.sqrt(1.2))


def test_a_certified_run_against_a_wall() -> None:
    """Rubber thrown at a wall: it bounces, and what is left is kinetic."""
    small = small_box(rubber(), "hexahedron")
    wall = Wall("z-min", Plane((0, 0, -0.01), (0, 0, 1)))
    step = critical_step(small, walls=[wall])
    settings = {"velocity": (0, 0, -0.5), "every": 0.01, "sharp": False}
    run = march(small, step, 0.2, loads=[wall], **settings)
    assert run.outcome == "completed"
    assert abs(run.summary["energy"]["error"]) <= 0.01
    assert run.displacement[:, 2].mean() > -0.01
