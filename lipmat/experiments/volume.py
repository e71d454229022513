"""How the volume changes: the bulk modulus of a small-strain law, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.strain_tests import Kinematics, pairs_of

ASSUMED_RATIO = 100.0  # bulk over shear modulus of an incompressible body (Poisson's ratio 0.495)


class Volume(NamedTuple):
    """The volumetric part of a small-strain law.

    Attributes:
        bulk_modulus: Of a linear volume change [Pa]; None if it is not known before the fit.
        separate: Whether the volume change is linear and apart from the network, which then sees
            changes of shape only.
        origin: Where the modulus comes from, in words.
    """

    bulk_modulus: float | None
    separate: bool
    origin: str


LEARNED = Volume(None, False, "the network learns the volume change")
"""There is no part apart from the network."""


def volume_of(
    data: Dataset, tests: Sequence[Test], given: float | None, kinematics: Kinematics
) -> Volume:
    """Return what is known of the volume change before a law is fitted to tests.

    In this order: the modulus given; Young's modulus and Poisson's ratio of the dataset; a line
    through the volumetric tests; 100 times the shear modulus if all tests are of an incompressible
    body or of simple shear; else the network learns it.
    """
    if given is not None:
        return Volume(given, True, "given")
    if data.bulk_modulus is not None:
        return Volume(data.bulk_modulus, True, "young and poisson of the dataset")
    measured = [t for t in tests if t.mode == "volumetric"]
    if measured:
        return Volume(_slope(measured, kinematics), True, "fitted")
    if all(t.mode == "simple_shear" or _is_incompressible(t) for t in tests):
        return Volume(None, True, f"assumed {ASSUMED_RATIO:g} x shear modulus")
    return LEARNED


def _is_incompressible(test: Test) -> bool:
    return test.mode != "tensor" and test.lateral == "incompressible"


def _slope(tests: Sequence[Test], kinematics: Kinematics) -> float:
    pairs = [pairs_of(test, kinematics, None) for test in tests]
    trace = np.concatenate([p.strain.sum(1) for p in pairs])
    pressure = np.concatenate([p.stress.mean(1) for p in pairs])
    return float(trace @ pressure / (trace @ trace))
