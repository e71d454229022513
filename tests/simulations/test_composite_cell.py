"""The synthetic composite: its discrete cell has the properties that its data are to have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lipmat

Array = NDArray[np.float64]

ROOT = Path(__file__).parents[2]
COARSE = 0.16  # edge of the tetrahedra at the ellipsoid, in cell edges
AXES = ["11", "22", "33", "23", "13", "12"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    sys.path.insert(0, str(ROOT / "simulations" / "composite-cell"))
    try:
        return import_module("homogenise")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def law(script: ModuleType) -> Any:
    """The coarse cell."""
    return script.effective_law(COARSE)


@pytest.fixture(scope="module")
def respond(script: ModuleType, law: Any) -> Callable[[Array], Array]:
    """The mean stresses (n, 6) of the coarse cell at mean strains (n, 6)."""
    return lambda strains: script.responses(law, strains, tell=lambda line: None)


@pytest.fixture(scope="module")
def states(script: ModuleType, respond: Callable[[Array], Array]) -> tuple[Array, Array]:
    strains = script.strain_states(8, np.random.default_rng(0))
    return strains, respond(strains)


def test_phases_fill_the_cube(script: ModuleType, law: Any) -> None:
    """No tetrahedron is inverted, and none is missing where the octants meet."""
    found = {tag: law.volume(tag) for tag in law.laws}
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-12)
    assert found[2] == pytest.approx(script.CELL.volume_fraction, rel=0.005)


def test_work_of_the_means_is_the_mean_of_the_work(law: Any) -> None:
    """Hill and Mandel: to rounding, not to the error of the mesh."""
    strain = np.array([0.02, -0.01, 0.0, 0.02, 0.01, -0.02])
    found = law.respond(strain)
    assert found.work == pytest.approx(found.stress @ strain, rel=1e-9)
    assert 0.51 * found.work < found.energy < found.work  # it softens


def test_stress_is_the_gradient_of_the_mean_energy(law: Any) -> None:
    rng = np.random.default_rng(1)
    strain, direction = 0.02 * rng.standard_normal((2, 6))
    energies = [law.respond(strain + s * 1e-3 * direction).energy for s in (1.0, -1.0)]
    slope = (energies[0] - energies[1]) / 2e-3
    assert slope == pytest.approx(law.respond(strain).stress @ direction, rel=1e-6)


def test_response_is_orthotropic(
    respond: Callable[[Array], Array], states: tuple[Array, Array]
) -> None:
    """Half turns about the axes flip the sign of two shear components of strain and stress."""
    turns = np.array([[1, 1, 1, *s] for s in ((1, -1, -1), (-1, 1, -1), (-1, -1, 1))])
    strain, stress = states[0][-1], states[1][-1]
    assert abs(strain).min() > 1e-4
    np.testing.assert_allclose(respond(turns * strain), turns * stress, atol=1e-7)


def test_stiffness_at_rest_differs_by_axis_and_is_symmetric(
    respond: Callable[[Array], Array],
) -> None:
    small = 1e-6
    stiffness = respond(small * np.eye(6)) / small
    np.testing.assert_allclose(stiffness, stiffness.T, atol=1e-3)
    found = dict(zip(AXES, np.diag(stiffness), strict=True))
    assert found["11"] > 1.05 * found["22"] > 1.05**2 * found["33"]
    assert found["12"] > 1.1 * found["13"]
    phases = ((2 * 1200.0, 3 * 2000.0), (2 * 18750.0, 3 * 25000.0))  # between Reuss and Voigt
    eigenvalues = np.linalg.eigvalsh(stiffness)
    assert phases[0][0] < eigenvalues[0]
    assert eigenvalues[-1] < phases[1][1]


def test_pairs_of_states_are_monotone(script: ModuleType, states: tuple[Array, Array]) -> None:
    least, largest = script.monotonicity(*states)
    assert 2 * 120.0 < least < largest < 3 * 25000.0


def test_written_dataset_reads_back(
    script: ModuleType, states: tuple[Array, Array], tmp_path: Path
) -> None:
    script.write_dataset(tmp_path)
    for name in script.STATES:
        script.write_test(tmp_path / f"{name}.csv", name, COARSE, *states)
    test = lipmat.read_dataset(tmp_path).tests[0]
    strains, stresses = tensors(test.columns)
    np.testing.assert_allclose(strains, states[0], rtol=0, atol=1e-15)
    np.testing.assert_allclose(stresses, 1e6 * states[1], rtol=0, atol=10.0)


def test_committed_data_are_monotone_and_marked(script: ModuleType) -> None:
    dataset = lipmat.read_dataset(script.DATA)
    assert "SYNTHETIC" in (script.DATA / "dataset.toml").read_text()
    assert [(t.name, len(t.columns["strain_11"])) for t in dataset.tests] == [
        ("train", 256),
        ("test", 128),
    ]
    strains, stresses = map(
        np.concatenate, zip(*(tensors(t.columns) for t in dataset.tests), strict=True)
    )
    norms = np.linalg.norm(strains, axis=1)
    assert norms.max() == pytest.approx(0.05, abs=1e-7)
    assert norms.min() < 0.001
    least, largest = script.monotonicity(strains, stresses / 1e6)
    assert 240.0 < least < largest < 10000.0


def test_committed_data_are_those_of_the_script(
    script: ModuleType, respond: Callable[[Array], Array]
) -> None:
    """Two committed states, on the coarse mesh, which moves the stress by some 3 %."""
    train = lipmat.read_dataset(script.DATA).tests[0]
    strains, stresses = tensors(train.columns)
    again = script.strain_states(256, np.random.default_rng(script.SEED))
    np.testing.assert_allclose(strains, again, rtol=0, atol=1e-15)
    errors = np.linalg.norm(1e6 * respond(strains[:2]) - stresses[:2], axis=1)
    assert (errors < 0.05 * np.linalg.norm(stresses[:2], axis=1)).all()


def tensors(columns: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return strains and stresses in Mandel components, shape (n, 6)."""
    scale = np.array([1, 1, 1, *[np.sqrt(2.0)] * 3])
    strain, stress = (
        np.stack([columns[f"{kind}_{axis}"] for axis in AXES], axis=1) * scale
        for kind in ("strain", "stress")
    )
    return strain, stress
