from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh

from lipmat.errors import InputError
from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.guard import Guard
from lipmat.fem.mpi import MPI
from lipmat.fem.sharp import SharpBound
from lipmat.fem.step import StepControl
from tests.fem.bodies import Force, distorted, small_box
from tests.fem.laws import law, polyconvex

STIFF = polyconvex(bulk_modulus=4e7)
SOFT = polyconvex(bulk_modulus=3e5)
SHAPES = [
    ("hexahedron", "selective"),
    ("hexahedron", "full"),
    ("hexahedron", "reduced"),
    ("tetrahedron", "selective"),
]


def body_of(material: object, cell: str, formulation: str, cells: int = 2) -> Body:
    grid = distorted(box((1, 1, 1), (cells,) * 3, cell, MPI.COMM_SELF))
    return Body(grid, [Material(material, 930.0)], formulation)


def stretched(body: Body, largest: float, swell: float, rng: np.random.Generator) -> np.ndarray:
    """A random stretch and rotation with a given volume ratio, and small waves on it."""
    axes, turn = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2))
    turn *= np.sign(np.linalg.det(turn))
    logs = np.log(largest) * rng.uniform(-0.9, 0.9, 3)
    logs += (np.log(swell) - logs.sum()) / 3
    x = body.space.tabulate_dof_coordinates()
    moved = x @ (axes.T * np.exp(logs)) @ axes @ turn - x
    return (moved + 2e-4 * rng.uniform(-1, 1, x.shape)).ravel()


def exact(force: Force, body: Body) -> float:
    """Highest frequency of the tangent from differences of the force itself."""
    scale = 1.0 / np.sqrt(body.mass)
    tangent = force.tangent(force.u.x.array.copy())
    return float(np.sqrt(eigh(scale[:, None] * tangent * scale, eigvals_only=True)[-1]))


def ratios(body: Body, swells: tuple[float, ...], count: int = 4) -> list[float]:
    """Exact frequency over the bound at random states, each in the smallest rung that holds it."""
    force, rng = Force(body), np.random.default_rng(7)
    control = StepControl(body, "linearised", 1.0, 0)
    guard, bound = Guard(body, force.u, control), SharpBound(body)
    found = []
    for k in range(count * len(swells)):
        largest = rng.uniform(1.02, 1.7)
        force.u.x.array[:] = stretched(body, largest, swells[k % len(swells)], rng)
        verdict = guard.check((0,), 0.0, 1.0)
        assert verdict.outcome is None, verdict.message
        found.append(exact(force, body) / bound.refresh(force.u, verdict.rungs).omega)
    return found


@pytest.mark.parametrize(("cell", "formulation"), SHAPES)
@pytest.mark.parametrize("material", [STIFF, SOFT], ids=["stiff bulk", "soft bulk"])
def test_no_tangent_is_above_the_bound(material: object, cell: str, formulation: str) -> None:
    found = ratios(body_of(material, cell, formulation), (0.85, 1.0, 1.02, 1.2))
    assert max(found) <= 1.0
    assert min(found) >= 0.4  # else the states would say little


@pytest.mark.parametrize(("cell", "formulation"), SHAPES)
def test_little_of_the_step_of_rubber_is_lost(cell: str, formulation: str) -> None:
    found = ratios(body_of(STIFF, cell, formulation), (1.0,))
    assert min(found) >= 0.85
    assert max(found) <= 1.0


def test_a_rotation_of_the_body_changes_nothing() -> None:
    body = body_of(STIFF, "hexahedron", "selective")
    force, bound, rng = Force(body), SharpBound(body), np.random.default_rng(1)
    force.u.x.array[:] = stretched(body, 1.2, 1.0, rng)
    before = bound.refresh(force.u, (5,))
    x = body.space.tabulate_dof_coordinates()
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    force.u.x.array[:] = ((x + force.u.x.array.reshape(-1, 3)) @ turn - x).ravel()
    after = bound.refresh(force.u, (5,))
    assert after.ritz == pytest.approx(before.ritz, rel=1e-6)
    assert after.domains[0].volume_max == pytest.approx(before.domains[0].volume_max, rel=1e-9)


def test_a_wider_neighbourhood_costs_some_of_the_step() -> None:
    """Twice as wide on both sides of the state, and bounded by more."""
    body = body_of(STIFF, "hexahedron", "selective")
    bound, at_rest = SharpBound(body), Force(body).u
    narrow, wide = (bound.refresh(at_rest, (0,), wider) for wider in (1.0, 2.0))
    bands = [d.volume_max - 1.0 for found in (narrow, wide) if (d := found.domains[0])]
    assert bands[1] == pytest.approx(2.0 * bands[0])
    assert 0.0 < narrow.rest < wide.rest
    assert wide.volumetric == pytest.approx(narrow.volumetric, rel=0.02)


def test_several_materials() -> None:
    """Half of the body is linear, half rubber: the bound holds and a larger rung raises it."""
    grid = box((1, 1, 1), (2, 2, 2), "hexahedron", MPI.COMM_SELF)
    middle = grid.mesh.geometry.x[grid.mesh.geometry.dofmaps[0]].mean(axis=1)[:, 0]
    grid.regions.update(
        {
            n: np.flatnonzero(s * middle > s * 0.5).astype(np.int32)
            for n, s in (("left", -1), ("right", 1))
        }
    )
    body = Body(grid, [Material(law("linear"), 930.0, "left"), Material(STIFF, 930.0, "right")])
    force, bound = Force(body), SharpBound(body)
    force.u.x.array[:] = 0.005 * np.random.default_rng(2).uniform(-1, 1, len(force.u.x.array))
    small, large = (bound.refresh(force.u, (0, k)).omega for k in (0, 5))
    assert exact(force, body) <= small < large


def test_a_body_without_a_bulk_term_is_refused() -> None:
    with pytest.raises(InputError, match="expected a law in stretches"):
        SharpBound(small_box(law("linear"), "hexahedron", cells=1))
