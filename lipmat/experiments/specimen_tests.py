"""Repeated tests: what the specimens of one material have in common.

The curves of specimens are compared at common states, so that readings at other stretches and of
another number are no trouble: each specimen is fitted, and its law says what it would have shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.modes import measurement

FEWEST = 3  # specimens; of two there is a difference, but no scatter
POINTS = 12  # of each test

Repeated = Mapping[str, tuple[Test, ...]]
"""The tests of each specimen, in the same order for all."""


def repeated_tests(data: Dataset) -> dict[str, tuple[Test, ...]]:
    """Return the tests of each specimen by its name, under the names that all share.

    Raises:
        InputError: Fewer than three specimens, a test of none, one that a specimen lacks or that
            was loaded otherwise, or a mode whose curves are not known before the law is.
    """
    file = data.folder / "dataset.toml"
    if len(data.specimens) < FEWEST:
        raise InputError(
            f"{file}: found {len(data.specimens)} specimens, expected at least {FEWEST}; the key "
            "specimen of [[tests]] says which one was tested"
        )
    for test in data.tests:
        if not test.specimen:
            raise InputError(f"{file}: test {test.name!r} has no specimen, expected one in each")
    found = {name: data.of_specimen(name).tests for name in data.specimens}
    first, *others = found
    for test in found[first]:
        _refuse_unsuitable(test)
    for specimen in others:
        found[specimen] = _alike(found[first], found[specimen], specimen, data)
    return found


def _refuse_unsuitable(test: Test) -> None:
    if test.mode == "tensor":
        raise InputError(
            f"{test.path}: found mode 'tensor', expected tests of a laboratory such as 'uniaxial': "
            "specimens are drawn as laws in stretches"
        )
    if test.lateral == "free" and test.mode not in ("simple_shear", "volumetric"):
        raise InputError(
            f"{test.path}: found lateral 'free', expected 'incompressible' or 'measured': curves "
            "of specimens are compared at states that are known"
        )


def _alike(
    expected: tuple[Test, ...], found: tuple[Test, ...], specimen: str, data: Dataset
) -> tuple[Test, ...]:
    """Return the tests of a specimen in the order of the first one's."""
    by_name = {test.name: test for test in found}
    names = [test.name for test in expected]
    if set(by_name) != set(names):
        raise InputError(
            f"{data.folder / 'dataset.toml'}: specimen {specimen!r} has the tests "
            f"{', '.join(by_name)}, expected {', '.join(names)} as of the first one"
        )
    for test in expected:
        other = by_name[test.name]
        if (other.mode, other.lateral) != (test.mode, test.lateral) or _stresses(
            other
        ) != _stresses(test):
            raise InputError(
                f"{other.path}: found {_said(other)}, expected {_said(test)} as in {test.path.name}"
            )
    return tuple(by_name[name] for name in names)


def _stresses(test: Test) -> set[str]:
    return {name for name in test.columns if "stress" in name or name == "pressure"}


def _said(test: Test) -> str:
    return f"mode {test.mode!r}, lateral {test.lateral!r} with {', '.join(sorted(_stresses(test)))}"


def common_tests(specimens: Repeated) -> tuple[Test, ...]:
    """Return each test at states that every specimen reached.

    They lie along the path of the specimen that was loaded least, :data:`POINTS` of them evenly
    in the logarithmic stretch.
    """
    each = zip(*specimens.values(), strict=True)
    return tuple(_resampled(min(tests, key=_reach)) for tests in each)


def _reach(test: Test) -> float:
    return float(torch.log(measurement(test).stretches).abs().max())


def _resampled(test: Test) -> Test:
    moves = torch.log(measurement(test).stretches).diff(dim=0).norm(dim=1)
    length = np.append(0.0, np.cumsum(moves.numpy()))
    places = np.linspace(0.0, length[-1], POINTS)
    columns = {name: np.interp(places, length, v) for name, v in test.columns.items()}
    return replace(test, columns=columns, lines=(), specimen="")
