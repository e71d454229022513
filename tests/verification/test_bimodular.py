"""The counterexample: a step that every frozen tangent allows, and a run that grows."""

from __future__ import annotations

import shutil
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import lipmat
from lipmat.cli.build import body_of
from lipmat.config import Case, read_case
from lipmat.fem.body import Body

FOLDER = Path(__file__).parents[2] / "simulations" / "bimodular-bar"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    sys.path.insert(0, str(FOLDER))
    try:
        return import_module("growth")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def case(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("bimodular-bar")
    shutil.copy(FOLDER / "case.toml", folder)
    lipmat.save(script.bimodular(), folder / "bimodular.safetensors")
    return read_case(folder / "case.toml")


@pytest.fixture(scope="module")
def body(case: Case) -> Body:
    return body_of(case)


def test_law_has_half_the_modulus_in_compression_and_the_whole_as_its_bound(
    script: ModuleType,
) -> None:
    law = script.bimodular()
    strain = torch.zeros(2, 6, dtype=torch.float64)
    strain[:, 0] = torch.tensor([1e-3, -1e-3])
    stress = law.stress(strain).numpy()
    np.testing.assert_allclose(stress[:, 0], [1e6, -0.5e6], rtol=1e-3)
    np.testing.assert_allclose(stress[:, 1:], 0.0, atol=1.0)
    assert law.convex
    bound = np.array(law.bound().rungs[-1].tangent["network"])
    np.testing.assert_allclose(bound, script.TENSION * np.eye(6), rtol=1e-11, atol=1.0)


def test_undamped_run_grows_within_the_linearised_step(
    script: ModuleType, case: Case, body: Body
) -> None:
    """Energy × 10^5 within 2·10^4 steps at 0.9 of 2/omega, with an exact bound."""
    growth = script.run(case, body, "linearised", 0.9, limit=2e5)
    wave = (script.TENSION / 1000.0) ** 0.5
    assert growth.step == pytest.approx(0.9 * 0.01 / wave, rel=5e-4)  # 2/omega = cell / speed
    assert growth.steps[-1] <= 20_000
    assert growth.energy.max() > 1e5


def test_run_at_the_convex_level_never_grows(script: ModuleType, case: Case, body: Body) -> None:
    growth = script.run(case, body, "convex", 1.0, steps=4_000)
    assert len(growth.steps) == 401
    assert growth.largest_rise <= 1e-13
    assert growth.energy.max() <= 1.0 + 1e-9
    assert growth.step == pytest.approx(0.8055 * 1e-5, rel=1e-3)
