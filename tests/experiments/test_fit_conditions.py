from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import lipmat
from lipmat.cli.conditions import conditions_of
from lipmat.errors import InputError
from lipmat.experiments.channel_selection import select_channels
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.fit_conditions import refuse_conditions
from lipmat.materials.conditioned import ConditionedStretch
from lipmat.spectral.gate_training import GateData
from tests.experiments.synthetic_rubbers import MATTER, NOISE, shuffled, write

TRAINED = 48


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write(tmp_path_factory.mktemp("rubbers"), TRAINED + 16, seed=0)


@pytest.fixture(scope="module")
def law(data: Dataset) -> ConditionedStretch:
    fitted = lipmat.fit(data, tests=[t.name for t in data.tests[:TRAINED]], bulk_modulus=50e6)
    assert isinstance(fitted, ConditionedStretch)
    return fitted


def test_the_four_that_matter_of_sixteen_are_found(law: ConditionedStretch) -> None:
    assert set(law.kept) == set(MATTER)
    assert len(law.channels) == 16
    found = law.provenance.entries["channels"]["found"]
    assert {name for name, c in found.items() if c["kept"]} == set(MATTER)
    assert {name for name, c in found.items() if c["influence"] > 0.0} == set(MATTER)


def test_the_others_are_pruned_without_loss(law: ConditionedStretch) -> None:
    entries = law.provenance.entries["channels"]
    assert entries["r2_held_out"] >= max(0.96, entries["r2_held_out_with_all"])
    assert all(c["r2_without"] < 0.95 for c in entries["found"].values() if c["kept"])


def test_tests_that_were_not_seen_are_predicted(law: ConditionedStretch) -> None:
    tests = law.provenance.entries["tests"]
    unseen = [t["relative"] for t in tests.values() if not t["fitted"]]
    assert len(unseen) == 16
    assert np.sqrt(np.mean(np.square(unseen))) <= 4.0 * NOISE  # 0.25 without conditions


def test_the_law_has_the_given_bulk_modulus_at_all_conditions(
    law: ConditionedStretch, data: Dataset
) -> None:
    for test in data.tests[:3]:
        assert float(law.at_values(test.conditions).bulk_modulus) == pytest.approx(50e6, rel=1e-12)


def test_where_no_condition_matters_the_law_is_a_plain_one(tmp_path: Path) -> None:
    data = shuffled(write(tmp_path, 12, seed=1, channels=4, points=4), seed=0)
    fitted = lipmat.fit(data, bulk_modulus=50e6)
    assert type(fitted) is lipmat.PolyconvexStretch
    about = conditions_of(fitted)["conditions"]["channels"]
    assert not any(c["kept"] for c in about.values())
    assert set(about) == set(MATTER)


def test_channels_that_say_nothing_are_all_ignored() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = 2.0 * torch.rand(40, 3, generator=generator, dtype=torch.float64) - 1.0
    targets = torch.rand(40, 2, generator=generator, dtype=torch.float64)
    off = targets - targets.mean(0)
    roots = torch.eye(2, dtype=torch.float64).expand(40, 2, 2) / off.norm()
    found = select_channels(GateData(inputs, targets, roots), range(40), (0, 1, 2), seed=0)
    assert found.kept == ()
    assert found.everything > 1.0


def test_a_channel_that_never_varies_is_ignored() -> None:
    inputs = torch.zeros(8, 1, dtype=torch.float64)
    targets = torch.linspace(0.2, 0.8, 8, dtype=torch.float64)[:, None]
    data = GateData(inputs, targets, torch.ones(8, 1, 1, dtype=torch.float64))
    assert select_channels(data, range(8), (), seed=0).kept == ()


def test_few_conditions_of_one_channel_are_enough() -> None:
    place = torch.linspace(-1.0, 1.0, 5, dtype=torch.float64)[:, None]
    targets = 0.5 + 0.3 * place
    roots = torch.full((5, 1, 1), float(1.0 / (targets - 0.5).norm()), dtype=torch.float64)
    found = select_channels(GateData(place, targets, roots), range(5), (0,), seed=0)
    assert found.kept == (0,)
    assert found.held_out < 0.5


def test_other_laws_and_free_faces_are_refused(data: Dataset) -> None:
    with pytest.raises(InputError, match=r"found \[conditions\] and law 'pq', expected 'polyconv"):
        lipmat.fit(data, law="pq")
    free = replace(data, tests=(replace(data.tests[0], lateral="free"), *data.tests[1:]))
    with pytest.raises(InputError, match=r"0\.csv: found lateral = 'free' in a dataset with \[con"):
        refuse_conditions(free, "polyconvex-stretch")


def test_too_few_conditions_are_refused(data: Dataset) -> None:
    with pytest.raises(InputError, match="found 3 distinct conditions in the tests to fit, expec"):
        lipmat.fit(data, tests=["0", "1", "2"])


HEAD = 'incompressible = true\n[conditions.temperature]\nunit = "degC"\nrange = [-20, 80]\n'
TEST = '[[tests]]\nname = "a"\nfile = "a.csv"\nmode = "uniaxial"\n'
HOT = 'conditions = { temperature = "60 degC" }\n'


def _read(folder: Path, text: str) -> Dataset:
    (folder / "dataset.toml").write_text(text)
    (folder / "a.csv").write_text("stretch [-],nominal_stress [MPa]\n1,0\n1.1,1\n1.2,2\n1.3,3\n")
    return lipmat.read_dataset(folder)


@pytest.mark.parametrize(
    ("value", "kelvin"), [('"60 degC"', 333.15), ("60", 333.15), ('"300 K"', 300.0), ("80", 353.15)]
)
def test_conditions_are_read_in_si(tmp_path: Path, value: str, kelvin: float) -> None:
    data = _read(tmp_path, f"{HEAD}{TEST}conditions = {{ temperature = {value} }}\n")
    assert data.tests[0].conditions == {"temperature": pytest.approx(kelvin, rel=1e-12)}
    assert data.channels[0].range_text() == "-20 … 80 degC"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + TEST,
            "test 'a': missing condition 'temperature', expected a value in -20 … 80 deg",
        ),
        (
            HEAD + TEST + 'conditions = { temperature = "90 degC" }',
            "condition 'temperature': found '90 degC', expected a value in -20 … 80 degC",
        ),
        (
            HEAD + TEST + 'conditions = { temperatur = "9 degC" }',
            "test 'a': unknown condition 'temperatur', did you mean 'temperature'?",
        ),
        (
            HEAD + TEST + 'conditions = { temperature = "9 mm" }',
            "condition 'temperature': found '9 mm', expected a temperature such as '20 degC'",
        ),
        (
            HEAD.replace("degC", "degX") + TEST + HOT,
            "[conditions.temperature] found unit 'degX', ex",
        ),
        (
            HEAD.replace("-20, 80", "80, 80") + TEST + HOT,
            "range: found [80, 80], expected low < hi",
        ),
        (HEAD.replace("range", "rang") + TEST + HOT, "unknown key 'rang', did you mean 'range'?"),
        (HEAD.replace("range = [-20, 80]", "") + TEST + HOT, "missing key 'range'"),
        ('temperature = "20 degC"\n' + HEAD + TEST + HOT, "found temperature and [conditions.temp"),
        (
            TEST + HOT,
            "test 'a': unknown condition 'temperature', expected none: the dataset has no",
        ),
    ],
)
def test_bad_conditions_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
