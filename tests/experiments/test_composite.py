"""The project's own composite cell: a ridge law of its symmetry at unseen strain states."""

from __future__ import annotations

from pathlib import Path

import pytest

import lipmat
from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset

FOLDER = Path(__file__).parents[2] / "data" / "composite-cell"


@pytest.fixture(scope="module")
def composite() -> Dataset:
    return lipmat.read_dataset(FOLDER)


def test_unseen_strain_states(composite: Dataset) -> None:
    law = lipmat.fit(composite, law="ridge", tests=["train"], symmetry="orthotropic")
    found = law.provenance.entries["tests"]
    assert not found["test"]["fitted"]
    assert found["test"]["relative"] <= 0.03
    assert law.convex
    assert law.bound().rungs[-1].sampled["network"] >= 0.97


def test_no_isotropic_law_fits_an_anisotropic_material(composite: Dataset) -> None:
    with pytest.raises(InputError, match=r"no convex isotropic law fits; try law 'ridge'"):
        lipmat.fit(composite, law="principal-values", tests=["train"])
