"""Laws fitted to Treloar's rubber, each fitted once in a session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lipmat

if TYPE_CHECKING:
    from lipmat.experiments.dataset import Dataset
    from lipmat.materials.polyconvex import PolyconvexStretch

TRELOAR = Path(__file__).parents[1] / "data" / "treloar-1944"


@pytest.fixture(scope="session")
def treloar() -> Dataset:
    return lipmat.read_dataset(TRELOAR)


@pytest.fixture(scope="session")
def rubber(treloar: Dataset) -> PolyconvexStretch:
    """Return the law fitted to all three tests."""
    return lipmat.fit(treloar)


@pytest.fixture(scope="session")
def rubber_without_planar(treloar: Dataset) -> PolyconvexStretch:
    return lipmat.fit(treloar, tests=["uniaxial", "equibiaxial"])


@pytest.fixture(scope="session")
def rubber_of_uniaxial(treloar: Dataset) -> PolyconvexStretch:
    return lipmat.fit(treloar, tests=["uniaxial"])
