"""What the data alone say: the least certificate and the convexity test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lipmat
from lipmat.errors import InputError
from lipmat.experiments.convexity import check_data
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.dataset import Test as LabTest
from lipmat.experiments.strain_tests import pairs_of
from lipmat.materials.network import NetworkLaw
from tests.experiments.targets import dataset, random_strains, tensor_test

STIFFNESS = np.diag([3e9, 2e9, 2e9, 1e9, 1e9, 1e9])


def linear_data(n: int, noise: float = 0.0) -> LabTest:
    strain = random_strains(n, seed=4)
    factor = 1.0 + noise * np.random.default_rng(5).uniform(-1.0, 1.0, size=(n, 1))
    return tensor_test(strain, factor * (strain @ STIFFNESS))


@pytest.mark.parametrize("n", [200, 1700])
def test_the_least_certificate_of_a_linear_law_is_its_stiffness(n: int) -> None:
    """Against C itself 1; against half of it 2; also where only a subset of pairs is seen."""
    pairs = [pairs_of(linear_data(n), "small", None)]
    root = np.sqrt(STIFFNESS)
    assert check_data(pairs, root, seed=0).l_data == pytest.approx(1.0, rel=1e-9)
    assert check_data(pairs, root / 2**0.5, seed=0).l_data == pytest.approx(2.0, rel=1e-9)


def test_noise_within_the_accuracy_of_a_reading_is_no_softening() -> None:
    found = check_data([pairs_of(linear_data(400, noise=0.009), "small", None)], np.eye(6), 0)
    assert found.convex


def peak_dataset(folder: Path, deviation: str = "") -> Dataset:
    """Write a uniaxial test that softens past its peak at 1 % strain, as concrete does."""
    strain = np.linspace(0.0, 0.03, 31)
    y = strain / 0.01
    stress = 30.0 * 2 * y / (1 + y * y)
    header = "strain [-],nominal_stress [MPa]" + (",deviation [MPa]" if deviation else "")
    end = f",{deviation}" if deviation else ""
    rows = [f"{float(a)!r},{float(b)!r}{end}" for a, b in zip(strain, stress, strict=True)]
    (folder / "peak.csv").write_text("# past its peak\n" + "\n".join([header, *rows]) + "\n")
    (folder / "dataset.toml").write_text(
        'title = "peak"\nyoung = "6 GPa"\npoisson = 0.2\n'
        '[[tests]]\nname = "peak"\nfile = "peak.csv"\nmode = "uniaxial"\nlateral = "free"\n'
    )
    return lipmat.read_dataset(folder)


def test_softening_past_a_peak_is_refused_with_rows_and_cure(tmp_path: Path) -> None:
    expected = (
        r"peak\.csv, line \d+ and peak\.csv, line \d+: found that the stress falls by .* Pa "
        r".*: no convex law fits; ask for a weakly convex one \(--weakly-convex\).*'energy' remain"
    )
    with pytest.raises(InputError, match=expected):
        lipmat.fit(peak_dataset(tmp_path), law="pq")


def test_a_large_deviation_explains_the_fall(tmp_path: Path) -> None:
    law = lipmat.fit(peak_dataset(tmp_path, deviation="12"), law="pq")
    assert law.convex
    assert law.provenance.entries["convex_data"]["convex"]


@pytest.mark.parametrize("name", ["pq", "principal-values"])
def test_a_weakly_convex_law_follows_the_peak(tmp_path: Path, name: str) -> None:
    law = lipmat.fit(peak_dataset(tmp_path), law=name, weakly_convex=True)
    assert isinstance(law, NetworkLaw)
    entries = law.provenance.entries
    assert entries["tests"]["peak"]["r2"] >= 0.999
    assert not entries["convex_data"]["convex"]
    assert entries["convex_data"]["fall"] > entries["convex_data"]["allowed"]
    assert not law.convex
    assert 0.5 <= law.bound().rungs[-1].sampled["network"] <= 1.0


def test_states_of_several_tests_are_compared() -> None:
    """Two tests, each convex alone, that contradict one another."""
    strain = random_strains(50, seed=6)
    first, second = tensor_test(strain, strain @ STIFFNESS), linear_data(50)
    contrary = tensor_test(1.5 * strain, 0.5 * strain @ STIFFNESS, "contrary")
    root = np.sqrt(STIFFNESS)
    assert check_data(
        [pairs_of(first, "small", None), pairs_of(second, "small", None)], root, 0
    ).convex
    both = [pairs_of(first, "small", None), pairs_of(contrary, "small", None)]
    found = check_data(both, root, 0)
    assert not found.convex
    assert {row.split(",")[0] for row in found.rows} == {"states.csv", "contrary.csv"}


def test_data_of_one_state_only_say_nothing_wrong() -> None:
    strain = np.repeat(random_strains(1, seed=7), 5, axis=0)
    pairs = [pairs_of(tensor_test(strain, strain @ STIFFNESS), "small", None)]
    found = check_data(pairs, np.eye(6), 0)
    assert found.convex
    assert found.l_data == 0.0


def test_the_dataset_of_the_convex_refusal_is_convex_without_its_tail(tmp_path: Path) -> None:
    data = peak_dataset(tmp_path)
    rising = data.tests[0].columns["stretch"] <= 1.0101
    columns = {name: values[rising] for name, values in data.tests[0].columns.items()}
    law = lipmat.fit(dataset(_shortened(data.tests[0], columns)), law="pq", bulk_modulus=3e9)
    assert law.convex


def _shortened(test: LabTest, columns: dict[str, np.ndarray]) -> LabTest:
    return LabTest(test.name, test.mode, test.lateral, columns, test.unit, test.path)
