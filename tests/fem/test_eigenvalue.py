from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import eigh

from lipmat.errors import InputError
from lipmat.fem import eigenvalue
from lipmat.fem.body import Body, Material
from lipmat.fem.eigenvalue import ReferenceOperator, highest_frequency
from lipmat.fem.forms import FORMULATIONS
from lipmat.fem.grid import box
from lipmat.fem.guard import Guard
from lipmat.fem.mpi import MPI
from lipmat.fem.step import StepControl, critical_step
from tests.fem.bodies import Force, ball, exact_frequency, small_box
from tests.fem.laws import law, polyconvex, rubber

CELLS = ("hexahedron", "tetrahedron")


def bounds_of(body: Body, rung: int = 0) -> list:
    return [m.law.bound().rungs[rung].tangent for m in body.materials]


@pytest.mark.parametrize("shape", ["hexahedra", "distorted", "ball"])
def test_bound_of_a_linear_body(shape: str, tmp_path: Path) -> None:
    """Against eigsh of the internal force and the lumped mass themselves, as a run has them."""
    linear = law("linear")
    if shape == "ball":
        body = ball(linear, tmp_path, 0.35)
    else:
        body = small_box(linear, "hexahedron", cells=6, distort=shape == "distorted")
    exact = exact_frequency(body)
    found = highest_frequency(ReferenceOperator(body), bounds_of(body))
    assert found.lower <= exact * (1 + 1e-9)
    assert exact <= found.omega <= 1.002 * exact
    assert found.failure_probability == 0.0
    assert "inertia" in found.rule


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("rung", [0, 3, 5])
def test_every_tangent_of_a_domain_is_below_the_bound(rung: int, cell: str) -> None:
    """The highest frequency at random states inside a rung's domain, from differences of force."""
    body = small_box(rubber(), cell, cells=2)
    control = StepControl(body, "linearised", 1.0, 0)
    certified = control.at((rung,)).frequency.omega
    force, scale = Force(body), 1.0 / np.sqrt(body.mass)
    guard = Guard(body, force.u, control)
    domain = control.ladders[0][rung].domain
    rng = np.random.default_rng(rung)
    found = []
    while len(found) < 6:
        force.u.x.array[:] = random_state(body, domain.stretch_max, rng)
        state = guard.states()[0]
        if domain.holds(state.stretch_min, state.stretch_max, state.volume_min, state.volume_max):
            tangent = force.tangent(force.u.x.array.copy())
            highest = eigh(scale[:, None] * tangent * scale, eigvals_only=True)[-1]
            found.append(float(np.sqrt(highest)))
    assert max(found) <= certified
    assert max(found) >= 0.35 * certified  # else the states would say little


def random_state(body: Body, largest: float, rng: np.random.Generator) -> np.ndarray:
    """A random stretch of about constant volume and rotation, with small waves on it."""
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    logs = np.log(largest) * rng.uniform(-0.9, 0.9, 3)
    logs[2] = -logs[0] - logs[1] + 0.2 * np.log(largest) * rng.uniform(-0.5, 1.0)
    x = body.space.tabulate_dof_coordinates()
    moved = x @ (turn.T * np.exp(logs)) @ turn - x
    moved += 0.01 * (largest - 1) * rng.uniform(-1, 1, x.shape)
    return moved.ravel()


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("name", ["rubber", "linear"])
def test_the_operator_and_its_matrix_agree_with_the_inertia(name: str, formulation: str) -> None:
    """Just above the eigenvalue the inertia proves, just below it refutes."""
    body = small_box(law(name), "hexahedron", 5, distort=True, formulation=formulation)
    operator = ReferenceOperator(body)
    operator.set_bounds(bounds_of(body))
    size = operator.owned
    matrix = np.array([operator.apply(e) for e in np.eye(size)])
    exact = eigh(matrix / np.sqrt(np.outer(operator.mass, operator.mass)), eigvals_only=True)[-1]
    assert operator.is_below(exact * (1 + 1e-6)) is True
    assert operator.is_below(exact * (1 - 1e-6)) is False
    found = highest_frequency(operator, bounds_of(body))
    assert found.lower**2 == pytest.approx(exact, rel=1e-6)
    assert exact <= found.omega**2 <= 1.001 * exact


def test_the_randomised_bound_where_no_factorisation_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eigenvalue, "INERTIA_LIMIT", 0)
    body = small_box(law("linear"), "hexahedron", cells=6)
    exact = exact_frequency(body)
    for seed in range(5):
        found = highest_frequency(ReferenceOperator(body), bounds_of(body), seed)
        assert exact <= found.omega <= 1.004 * exact
        assert found.lower <= exact * (1 + 1e-9)
        assert found.failure_probability == 1e-12
        assert re.fullmatch(r"randomised Lanczos, \d+ products", found.rule)


def test_the_randomised_bound_is_taken_where_no_factorisation_is_at_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ReferenceOperator, "is_below", lambda *_: None)
    body = small_box(law("linear"), "hexahedron", cells=2)
    found = highest_frequency(ReferenceOperator(body), bounds_of(body))
    assert found.failure_probability == 1e-12
    assert found.omega >= exact_frequency(body)


@pytest.mark.parametrize("name", ["rubber", "linear"])
def test_the_limiting_cell_is_the_sliver(name: str) -> None:
    """One layer of cells, the third of five along z, is five times thinner than the others."""
    grid = box((1, 1, 1), (3, 3, 5), "hexahedron", MPI.COMM_SELF)
    z = grid.mesh.geometry.x[:, 2]
    z[:] = np.interp(z, [0, 0.4, 0.6, 1], [0, 0.48, 0.52, 1])
    body = Body(grid, [Material(law(name), 930.0)])
    found = highest_frequency(ReferenceOperator(body), bounds_of(body))
    assert found.centre[2] == pytest.approx(0.5)
    original = list(grid.mesh.topology.original_cell_index)
    corners = grid.mesh.geometry.x[grid.mesh.geometry.dofmap[original.index(found.cell)]]
    assert corners.mean(axis=0) == pytest.approx(found.centre)


def test_shares_of_the_cells_add_up_to_the_energy() -> None:
    body = small_box(law("linear"), "hexahedron", cells=3)
    operator = ReferenceOperator(body)
    operator.set_bounds(bounds_of(body))
    x = np.random.default_rng(0).standard_normal(operator.owned)
    shares = operator.cell_shares(x)
    assert shares.shape == (27,)
    assert shares.min() > 0
    assert shares.sum() == pytest.approx(x @ operator.apply(x), rel=1e-12)


def test_steps_of_the_ladder() -> None:
    """Larger domains, smaller steps; each is that of an eigenvalue problem of its own."""
    body = small_box(rubber(), "hexahedron", cells=2)
    control = StepControl(body, "linearised", 0.9, 0)
    steps = control.all_rungs()
    values = [s.value for s in steps]
    assert len(steps) == len(rubber().bound().rungs) == 6
    assert values == sorted(values, reverse=True)
    for rung, step in enumerate(steps):
        alone = highest_frequency(ReferenceOperator(body), bounds_of(body, rung))
        assert step.frequency.omega == pytest.approx(alone.omega, rel=1e-8)
        assert step.value == pytest.approx(0.9 * 2 / alone.omega, rel=1e-8)
        assert step.domains == (rubber().bound().rungs[rung].domain,)


def test_proportional_bounds_share_one_eigenvalue_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """On tetrahedra both parts have one quadrature: one problem serves all rungs."""
    calls = []
    monkeypatch.setattr(
        "lipmat.fem.step.highest_frequency",
        lambda *a: calls.append(a) or highest_frequency(*a),
    )
    body = small_box(rubber(), "tetrahedron", cells=2)
    steps = StepControl(body, "linearised", 1.0, 0).all_rungs()
    assert len(calls) == 1
    alone = highest_frequency(ReferenceOperator(body), bounds_of(body, 5))
    assert steps[5].frequency.omega == pytest.approx(alone.omega, rel=1e-8)


def test_the_stiffer_of_two_materials_sets_the_step() -> None:
    grid = box((1, 1, 1), (4, 4, 4), "hexahedron", MPI.COMM_SELF)
    hard, soft = polyconvex(bulk_modulus=2e7), rubber()
    cells = np.arange(64, dtype=np.int32)
    x = grid.mesh.geometry.x[grid.mesh.geometry.dofmap].mean(axis=1)[:, 2]
    grid.regions.update(lower=cells[x < 0.5], upper=cells[x > 0.5])
    body = Body(grid, [Material(soft, 930.0, "lower"), Material(hard, 930.0, "upper")])
    step = critical_step(body)
    assert step.frequency.centre[2] > 0.5
    assert len(step.domains) == 2
    assert step.value < 0.5 * critical_step(Body(grid, [Material(soft, 930.0)])).value


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": "linearized"}, "level: found 'linearized', did you mean 'linearised'"),
        ({"safety": 0.0}, "safety: found 0.0, expected more than 0 and at most 1"),
        ({"safety": 1.1}, "safety: found 1.1"),
        ({"safety": np.nan}, "safety: found nan"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        critical_step(small_box(law("linear"), "hexahedron", cells=1), **settings)


def test_a_single_cell() -> None:
    """Eight nodes: Lanczos ends early, and the bound still holds."""
    body = small_box(law("linear"), "hexahedron", cells=1)
    exact = exact_frequency(body)
    found = highest_frequency(ReferenceOperator(body), bounds_of(body))
    assert exact <= found.omega <= 1.002 * exact
    assert found.cell == 0
