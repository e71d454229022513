"""Virtual specimens: laws of one architecture, drawn like the given ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from lipmat.errors import InputError
from lipmat.experiments.dataset import read_dataset
from lipmat.experiments.report import predicted
from lipmat.experiments.specimen_tests import common_tests, repeated_tests
from lipmat.experiments.specimens import Population, fit_specimens, learn_population
from tests.benchmarks.specimens import ratios
from tests.experiments import rubbers

GIVEN = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(3)
    place = tmp_path_factory.mktemp("rubbers")
    return rubbers.write_dataset(place, rubbers.parameters(GIVEN, rng), rng)


@pytest.fixture(scope="module")
def population(folder: Path) -> Population:
    return learn_population(fit_specimens(read_dataset(folder)), seed=0, steps=30)


def test_specimens_of_a_dataset(folder: Path) -> None:
    data = read_dataset(folder)
    assert data.specimens == tuple(str(i) for i in range(1, GIVEN + 1))
    assert data.tests[0].name == "1/uniaxial"
    assert [test.name for test in data.of_specimen("10").tests] == ["uniaxial", "equibiaxial"]
    assert data.select(["2/uniaxial"]).tests[0].path.name == "uniaxial-2.csv"


def test_common_states_are_those_of_the_specimen_that_was_loaded_least(folder: Path) -> None:
    tests = repeated_tests(read_dataset(folder))
    short = tests["4"][0]
    cut = {name: values[:-4] for name, values in short.columns.items()}
    tests["4"] = (type(short)(**{**vars(short), "columns": cut}), tests["4"][1])
    first, second = common_tests(tests)
    assert first.columns["stretch"][-1] == short.columns["stretch"][-5]
    assert second.columns["stretch"][-1] == 2.5
    even = np.diff(np.log(first.columns["stretch"]))
    assert np.ptp(even) < 0.1 * even.mean()


def test_fits_share_their_knots_and_meet_the_tests(population: Population) -> None:
    specimens = population.specimens
    laws = [specimens.law(w) for w in specimens.weights]
    assert all(torch.equal(law.stretch_knots, laws[0].stretch_knots) for law in laws)
    assert all(law.domain == laws[0].domain for law in laws)
    assert max(max(errors.values()) for errors in specimens.errors.values()) < 0.02
    for m, curves in zip(specimens.common, specimens.curves(specimens.weights), strict=True):
        np.testing.assert_allclose(curves[2], predicted(laws[2], m.test), rtol=1e-9)
    assert float(specimens.seen(specimens.weights).square().sum(1).mean()) == pytest.approx(1.0)


def test_drawn_laws_are_certified_and_of_one_architecture(population: Population) -> None:
    assert population.left_out < 0.05
    laws = population.laws(3)
    zeros = [[(a == 0).tolist() for a in law.arrays().values()] for law in laws]
    assert zeros[0] == zeros[1] == zeros[2]  # the same form, so that it is compiled once
    bounds = [rung.tangent["distortional"] for law in laws for rung in law.bound().rungs[-1:]]
    found = [rung.sampled["distortional"] for law in laws for rung in law.bound().rungs[-1:]]
    assert all(0.0 < f <= b for f, b in zip(found, bounds, strict=True))
    entries = laws[1].provenance.entries
    assert entries["virtual_specimen"] == 2
    assert len(entries["learned_from"]) == GIVEN
    assert torch.allclose(population.draw(3), population.draw(50)[:3], rtol=1e-12)
    assert bool((population.draw(500) >= 0.0).all())


def test_the_same_seed_gives_the_same_laws(population: Population) -> None:
    one, same, other = (learn_population(population.specimens, s, steps=2) for s in (0, 0, 1))
    assert torch.equal(one.draw(5), same.draw(5))
    assert not torch.equal(one.draw(5), other.draw(5))


def test_the_distance_is_a_lower_bound(population: Population) -> None:
    specimens = population.specimens
    drawn = specimens.seen(population.draw(100 * GIVEN))
    given = specimens.seen(specimens.weights)
    costs = torch.cdist(drawn, given.repeat(100, 1)).numpy()
    exact = float(costs[linear_sum_assignment(costs)].mean())
    assert 0.0 < population.wasserstein_bound < 1.1 * exact  # other draws of the same
    assert 0.0 < population.energy_distance < 0.1


def test_drawn_curves_are_as_far_from_fresh_ones_as_those_are(population: Population) -> None:
    """A small variant of tests/benchmarks/specimens.py, where 20 specimens are given."""
    found = ratios(population, pairs=10, drawn=300)
    assert 0.3 < found["true"] < 0.8
    assert found["drawn"] <= 1.5
    assert found["drawn"] < found["given"]


def _refused(folder: Path, old: str, new: str, count: int = -1) -> str:
    file = folder / "dataset.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, count))
    with pytest.raises(InputError) as caught:
        repeated_tests(read_dataset(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('specimen = "3"\n', "", "test 'uniaxial' has no specimen, expected one in each"),
        ('specimen = "3"', 'specimen = "2"', "name '2/uniaxial' is given twice"),
        (
            'name = "equibiaxial"\nspecimen = "3"',
            'name = "planar"\nspecimen = "3"',
            "specimen '3' has the tests uniaxial, planar, expected uniaxial, equibiaxial",
        ),
        (
            'file = "equibiaxial-2.csv"\nmode = "equibiaxial"',
            'file = "equibiaxial-2.csv"\nmode = "planar"',
            "equibiaxial-2.csv: found mode 'planar', lateral 'incompressible' with "
            "nominal_stress, expected mode 'equibiaxial'",
        ),
        ("incompressible = true", "incompressible = false", "found lateral 'free', expected"),
    ],
)
def test_unsuitable_tests_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    rng = np.random.default_rng(0)
    rubbers.write_dataset(tmp_path, rubbers.parameters(3, rng), rng)
    once = 1 if old == 'specimen = "3"\n' else -1
    assert said in _refused(tmp_path, old, new, once)


def test_two_specimens_are_too_few(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rubbers.write_dataset(tmp_path, rubbers.parameters(2, rng), rng)
    with pytest.raises(InputError, match="found 2 specimens, expected at least 3; the key"):
        repeated_tests(read_dataset(tmp_path))


def test_specimens_that_do_not_differ_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rubbers.parameters(1, rng).repeat(3, 0)
    rubbers.write_dataset(tmp_path, rows, rng, noise=0.0)
    with pytest.raises(InputError, match="without scatter there is none to learn"):
        learn_population(fit_specimens(read_dataset(tmp_path)))
