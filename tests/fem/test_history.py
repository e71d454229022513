"""Bodies that remember: the compiled step in its place, energies, restart, certified domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.loads import Motion
from lipmat.fem.march import march
from lipmat.fem.mpi import MPI
from lipmat.fem.outcome import Outcome
from lipmat.fem.record import Record
from lipmat.fem.step import Step, critical_step
from lipmat.materials import mandel
from lipmat.materials.domain import StretchDomain
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.memory import MemoryLaw
from lipmat.materials.network import NetworkLaw
from tests.fem.bodies import small_box
from tests.fem.laws import copper, maxwell, viscoplastic
from tests.fem.runs import assert_same, stop_at, swing
from tests.fem.test_flow import STEPS, by_eigenvectors

# isort: split
from dolfinx import fem, la

MAKE = {"maxwell": maxwell, "viscoplastic": viscoplastic, "johnson-cook": copper}
CELLS = [("hexahedron", f) for f in ("selective", "full", "reduced")] + [("tetrahedron", "full")]


def body_of(law: MemoryLaw, cell: str, formulation: str) -> Body:
    return Body(box((1, 1, 1), (1, 2, 1), cell, MPI.COMM_SELF), [Material(law, 1e3)], formulation)


class Homogeneous:
    """A box under the same displacement gradient everywhere."""

    def __init__(self, body: Body) -> None:
        self.body, self.memory = body, body.new_memory()
        self.u, self._force = fem.Function(body.space), la.vector(body.space.dofmap.index_map, 3)
        self._places = body.space.tabulate_dof_coordinates()
        self._assemble = body.internal_force(self.u, self.memory)

    def stress(self, h: np.ndarray, step: float) -> np.ndarray:
        """Return the mean stress after a step to a displacement gradient."""
        self.u.x.array[:] = (self._places @ h.T).ravel()
        self.memory.set_step(step)
        self._assemble.pack_constants()
        self._assemble(self._force)
        found: np.ndarray = self._force.array.reshape(-1, 3).T @ self._places
        return found


def elastic_stress(law: MemoryLaw, strain: torch.Tensor) -> torch.Tensor:
    rest = law.equilibrium
    if isinstance(rest, NetworkLaw):
        return rest.stress(strain)
    pressure = float(law.bulk_modulus) * strain[:, :3].sum(1)
    return torch.nn.functional.pad(pressure[:, None].expand(-1, 3), (0, 3))


@pytest.mark.parametrize(("cell", "formulation"), CELLS)
@pytest.mark.parametrize("name", MAKE)
def test_the_internal_force_advances_the_history(name: str, cell: str, formulation: str) -> None:
    """At small strain: stress, energy and dissipation of the law in torch, over four steps."""
    law: MemoryLaw = MAKE[name]()
    body = body_of(law, cell, formulation)
    one, rng = Homogeneous(body), np.random.default_rng(0)
    stored = body.stored_energy(one.u, one.memory)
    dissipated = body.dissipated_energy(one.memory)
    h, history = np.zeros((3, 3)), torch.zeros(1, law.history_size, dtype=torch.float64)
    for step in (0.0, *STEPS):
        h = h + 0.01 * rng.standard_normal((3, 3))
        strain = mandel.to_vector(torch.from_numpy(h[None]))
        stress, history = law.advance(strain, history, step)
        expected = mandel.to_tensor(stress + elastic_stress(law, strain))[0].numpy()
        assert np.abs(one.stress(h, step) - expected).max() <= 1e-11 * np.abs(expected).max()
        assert dissipated() == pytest.approx(float(history[0, -1]), rel=1e-11, abs=1e-12)
        b = law.branches
        deviator = strain @ torch.from_numpy(mandel.DEVIATORIC)
        elastic = deviator.repeat(1, b) - history[:, : 6 * b]
        energy = float(law.springs(elastic[0]))
        if law.equilibrium is None:
            energy += 0.5 * float(law.bulk_modulus) * float(strain[0, :3].sum()) ** 2
            assert stored() == pytest.approx(energy, rel=1e-11)
        else:
            assert stored() > energy > 0


@pytest.mark.parametrize(("cell", "formulation"), CELLS)
def test_the_internal_force_at_large_strain(cell: str, formulation: str) -> None:
    law = viscoplastic("log")
    one, rng = Homogeneous(body_of(law, cell, formulation)), np.random.default_rng(0)
    h, history = np.zeros((3, 3)), np.zeros((1, law.history_size))
    for step in STEPS:
        h = h + 0.05 * rng.standard_normal((3, 3))
        f = np.eye(3) + h
        stress, history = by_eigenvectors(law, f[None], history, step)
        pressure = float(law.bulk_modulus) * np.log(np.linalg.det(f)) * np.linalg.inv(f).T
        expected = stress[0] + pressure
        assert np.abs(one.stress(h, step) - expected).max() <= 1e-9 * np.abs(expected).max()


def prepared(kinematics: Any) -> tuple[Body, Step]:
    law = maxwell() if kinematics == "small" else viscoplastic("log")
    body = small_box(law, "hexahedron", cells=2, distort=True)
    return body, critical_step(body, safety=0.9)


def run(
    body: Body, step: Step, folder: Path | None = None, speed: float = 0.2, **settings: Any
) -> Record:
    return march(
        body,
        step,
        0.1,
        loads=[Motion("z-min", (0, 0, 0))],
        velocity=lambda x: speed * swing(x),
        folder=folder,
        every=0.01,
        check_every=7,
        **settings,
    )


@pytest.mark.parametrize("kinematics", ["small", "log"])
def test_energies_balance_and_a_resumed_run_is_the_same(kinematics: Any, tmp_path: Path) -> None:
    """Bit for bit; what is dissipated is booked, and what is left of the error is small."""
    body, step = prepared(kinematics)
    verify = {"verify": True} if kinematics == "small" else {}
    whole = run(body, step, tmp_path / "whole", **verify)
    assert whole.outcome is Outcome.COMPLETED
    lost = whole.history["dissipated_energy [J]"]
    assert (np.diff(lost) >= 0).all()
    assert lost[-1] > 0.05 * whole.history["kinetic_energy [J]"][0]
    assert np.abs(whole.history["energy_error [-]"]).max() <= 5e-3
    if kinematics == "small":
        assert whole.summary["level"] == "convex"
        assert whole.summary["lyapunov"]["holds"]
    else:
        assert whole.summary["level"] == "linearised"
    stopped = run(body, step, tmp_path / "parts", progress=stop_at(4), **verify)
    assert stopped.outcome is Outcome.INTERRUPTED
    run(body, step, tmp_path / "parts", resume=True, **verify)
    assert_same(tmp_path / "whole", tmp_path / "parts")


def test_energies_balance_where_springs_stiffen() -> None:
    """At elastic stretches that change their stiffness."""
    law = Maxwell.linear([3e5, 2e5], [0.01, 0.1], bulk_modulus=1e6, kinematics="log",
                         domain=StretchDomain(0.4, 2.5, 0.5, 2.0), elastic_limit=2.0,
                         spring="neo-hookean")  # fmt: skip
    body = small_box(law, "hexahedron", cells=2, distort=True)
    record = run(body, critical_step(body, safety=0.9), speed=1.5)
    assert record.outcome is Outcome.COMPLETED
    lost = record.history["dissipated_energy [J]"]
    assert (np.diff(lost) >= 0).all()
    assert lost[-1] > 0.05 * record.history["kinetic_energy [J]"][0]
    assert record.history["stretch_max [-]"].max() > 1.15
    assert np.abs(record.history["energy_error [-]"]).max() <= 5e-3


def test_two_runs_of_one_body_have_memories_of_their_own() -> None:
    body, step = prepared("small")
    one, other = run(body, step), run(body, step)
    assert one.displacement.tobytes() == other.displacement.tobytes()


def test_a_body_that_leaves_the_elastic_limit_is_stopped() -> None:
    law = maxwell("log")
    law.elastic_limit = 1.0005
    body = small_box(law, "hexahedron", cells=2)
    step = critical_step(body)
    record = run(body, step)
    assert record.outcome is Outcome.LEFT_DOMAIN
    assert "elastic stretch" in record.message
    assert "1.0005" in record.message
