"""The comparison with other codes works without them, names those that are missing, and is fair."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import lipmat
from lipmat.materials.stretches import first_piola
from tests.benchmarks.peers.adapters.of_lipmat import Elastic, Learned
from tests.benchmarks.peers.bench import compare
from tests.benchmarks.peers.law import LearnedLaw
from tests.benchmarks.peers.peer import PEERS
from tests.benchmarks.peers.problem import Problem, column
from tests.benchmarks.peers.result import Comparison, Row
from tests.benchmarks.peers.session import Session, Unavailable
from tests.benchmarks.peers.steps import exact_limit, failure, largest_completing
from tests.benchmarks.peers.table import into, markdown, text

HERE = Path(__file__).parent
MODULES = {
    "feax": ["feax"],
    "jax-fem": ["jax", "jax_fem", "pyfiglet"],
    "torch-fem": ["torchfem"],
    "external operator": ["dolfinx_external_operator"],
    "akantu": ["akantu"],
}
COUNTS = (2, 2, 4)
PAGE = HERE.parents[1] / "docs" / "guide" / "peers.md"


@pytest.fixture(scope="module")
def small(rubber: lipmat.PolyconvexStretch, tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return column(tmp_path_factory.mktemp("peers"), rubber, COUNTS)


@pytest.fixture(scope="module")
def learned(small: Problem) -> Learned:
    return Learned(small)


@pytest.fixture(scope="module")
def found(rubber: lipmat.PolyconvexStretch) -> Comparison:
    """Return lipmat beside itself, and a code that is not there."""
    peers = {"itself": "of_lipmat:Learned", "absent": "of_absent:Absent"}
    turns = {"rounds": 1, "forces": 1, "count": 2}
    quietly = {"laws": ["learned"], "report": lambda _: None}
    return compare(rubber, COUNTS, peers=peers, **turns, **quietly)


def test_law_for_peers_is_lipmats(small: Problem) -> None:
    law = lipmat.load(small.material)
    f = np.eye(3) + 0.2 * np.random.default_rng(0).uniform(-1, 1, (200, 3, 3))
    f[0], f[1], f[2] = np.eye(3), np.diag([1.3, 0.8, 0.8]), np.diag([4.0, 0.5, 0.5])
    expected = first_piola(law.energy, torch.tensor(f)).numpy()  # type: ignore[attr-defined]
    nine = [f[:, i, j] for i in range(3) for j in range(3)]
    for module, entries in ((np, nine), (torch, [torch.tensor(x) for x in nine])):
        stress = LearnedLaw(module, small.law).stress(entries)
        found = np.stack([np.asarray(x) for x in stress], -1).reshape(-1, 3, 3)
        scale = np.abs(expected).max(axis=(1, 2), keepdims=True)
        assert (np.abs(found - expected) <= 1e-9 * np.maximum(scale, 1e3)).all()


def test_problem_is_lipmats(small: Problem, learned: Learned, tmp_path: Path) -> None:
    assert small.mass.sum() == pytest.approx(6.0 * 930.0, rel=1e-12)
    mass = np.empty((len(small.points), 3))
    mass[learned._node] = learned.body.mass[: learned.body.owned].reshape(-1, 3)
    assert np.allclose(mass, small.mass[:, None], rtol=1e-12, atol=0)
    small.save(tmp_path / "problem.npz")
    again = Problem.load(tmp_path / "problem.npz")
    assert (again.cells == small.cells).all()
    assert again.end == small.end == 0.7
    assert np.allclose(again.law["area_knots"], small.law["area_knots"], rtol=0, atol=0)


def test_force_has_no_resultant(small: Problem, learned: Learned) -> None:
    force = learned.force(small.test)
    assert np.abs(force).max() > 1e3
    assert np.abs(force.sum(axis=0)).max() <= 1e-10 * np.abs(force).sum()


def test_exact_limit_divides_growth_from_none(small: Problem) -> None:
    """A linear body is the sharpest test: it completes below 2/omega and grows above."""
    elastic = Elastic(small)
    limit = exact_limit(small, elastic.force, np.zeros_like(small.points))
    assert failure(small, elastic, 0.99 * limit) is None
    assert failure(small, elastic, 1.01 * limit) is not None
    step = elastic.own_step()
    assert step is not None
    assert 0.8 * limit < step <= limit


def test_largest_completing() -> None:
    assert largest_completing(lambda step: step <= 0.11, 1.0) == pytest.approx(0.11, rel=0.01)
    assert largest_completing(lambda step: step <= 0.9, 1.0) <= 0.9


def test_lipmat_beside_itself(found: Comparison) -> None:
    own, _, _, itself, absent = found.rows
    assert (own.name, own.law, itself.law) == ("lipmat", "learned", "learned")
    assert itself.agreement == 0.0
    for row in (own, itself):
        assert row.version == lipmat.__version__
        assert row.force_rate
        assert row.step_rate
        assert min(row.force_rate, row.step_rate) > 0
    assert itself.force_ratio
    assert itself.force_ratio > 0
    assert own.step
    assert own.rule == "certified"
    assert not absent.law


def test_solution_of_lipmat_beside_itself(found: Comparison) -> None:
    """Its certified steps complete the problem, and are no larger than the exact limit."""
    own, _, _, itself, absent = found.rows
    steps = found.steps
    assert steps is not None
    assert own.step is not None
    assert 0 < own.step <= steps.smallest <= steps.limit
    assert steps.largest > own.step
    assert own.steps == round(found.end / own.step)
    assert own.remark.startswith("completed")
    assert itself.remark.startswith("ends within 0e+00")
    assert own.solution
    assert itself.solution
    assert absent.solution is None


def test_formulations_are_measured_too(found: Comparison) -> None:
    """With how far they end from a finer mesh."""
    own, selective, reduced, itself, _ = found.rows
    assert [selective.name, reduced.name] == ["lipmat, default", "lipmat, reduced"]
    assert own.error
    assert itself.error
    for row in (selective, reduced):
        assert row.error
        assert 0 < row.error < np.inf  # a column of two cells across is far off
        assert row.force_rate
        assert row.solution
        assert row.remark.split(";")[0] in ("completed", "energy_error")  # two cells across


def test_table_names_every_code(found: Comparison) -> None:
    for shown in (text(found), markdown(found)):
        for row in found.rows:
            assert row.name in shown
        assert "not compared: ModuleNotFoundError: No module named" in shown
        assert "of_absent" in shown


def test_a_force_that_differs_is_not_timed(found: Comparison) -> None:
    row = Row("wrong", reason="its force differs from lipmat's by 1.0e-03", law="learned")
    shown = text(Comparison("cpu", "3.12", "today", 16, 0.7, None, [row]))
    assert "wrong  not compared: its force differs from lipmat's by 1.0e-03" in shown


@pytest.mark.parametrize("name", PEERS)
def test_a_code_works_or_says_why_not(name: str, small: Problem, tmp_path: Path) -> None:
    small.save(tmp_path / "problem.npz")
    file = tmp_path / "problem.npz"
    missing = [module for module in MODULES[name] if find_spec(module) is None]
    if missing:
        with pytest.raises(Unavailable, match=f"No module named '({'|'.join(missing)})"):
            Session(PEERS[name], file)
        return
    with Session(PEERS[name], file) as session:
        assert session.about["version"]
        assert session.about["law"] in ("learned", "elastic")


def test_result_goes_through_json(found: Comparison) -> None:
    assert Comparison.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_figure(found: Comparison, tmp_path: Path) -> None:
    from tests.benchmarks.peers.figure import draw

    draw(found, tmp_path / "peers.png")
    assert (tmp_path / "peers.png").stat().st_size > 10_000


def test_page_shows_the_measured_result() -> None:
    """The table in the documentation is that of the stored result."""
    stored = json.loads((HERE / "peers" / "result.json").read_text())
    page = PAGE.read_text()
    assert into(page, Comparison.from_dict(stored)) == page
