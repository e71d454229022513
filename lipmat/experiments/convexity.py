"""What the data alone say, before any training.

For a convex potential whose tangent is between 0 and C0 every two states hold, in the variable
whitened by C0, ``|ds|^2 <= ds . dx`` (co-coercivity; Nesterov, Introductory Lectures on Convex
Optimization, theorem 2.1.5). So the largest ``|ds|^2 / (ds . dx)`` is a lower bound of every
certificate, and a pair with ``ds . dx < 0`` has no convex law at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.experiments.strain_tests import Pairs

Array = NDArray[np.float64]
Index = NDArray[np.int64]
ACCURACY = 0.01  # of a stress reading: class 1 of ISO 7500-1, the usual one of testing machines
ALL_PAIRS = 1500  # states of which all pairs are examined; of more, a seeded subset and neighbours
NEIGHBOURS = 8


@dataclass(frozen=True)
class DataCheck:
    """What the data alone say.

    Attributes:
        l_data: Lower bound of the certificate of every convex law that fits, against the stiffness
            of the whitening [-].
        convex: Whether a convex law can fit them, within the accuracy of a reading.
        fall: Largest fall of the stress against the strain between two states [Pa]; 0 if none.
        allowed: What the accuracy of the two readings explains of it [Pa].
        rows: Names of the two states: file and line.
    """

    l_data: float
    convex: bool
    fall: float
    allowed: float
    rows: tuple[str, str]


def check_data(blocks: Sequence[Pairs], root: Array, seed: int) -> DataCheck:
    """Return what strain and stress pairs say of every law that is to fit them.

    Two stresses may be off by 1 % of the reading each, or by what the column ``deviation`` gives:
    so much fall of the stress along the change of strain is taken for noise, and pairs that differ
    by less do not count for ``l_data``.

    Args:
        blocks: Pairs of each test; states of different tests are compared if all was seen of them.
        root: Root of the whitening stiffness, shape (d, d).
        seed: Of the subset that is examined of large data.
    """
    whole = [b for b in blocks if b.complete]
    groups = ([whole] if whole else []) + [[b] for b in blocks if not b.complete]
    found = [_check_group(group, root, seed) for group in groups]
    worst = max(found, key=lambda c: c.fall - c.allowed)
    return DataCheck(
        max(c.l_data for c in found), worst.convex, worst.fall, worst.allowed, worst.rows
    )


def refuse(check: DataCheck, folder: Path, tensors_as_isotropic: bool) -> InputError:
    """Return the error for data that no convex law fits.

    Args:
        check: What was found.
        folder: Of the dataset.
        tensors_as_isotropic: Whether they are tensors, seen with the eyes of an isotropic law.
    """
    first, second = check.rows
    law, another = "convex law fits", ""
    allowed = f"{check.allowed:.3g} Pa"
    if tensors_as_isotropic:
        law, another = "convex isotropic law fits", "try law 'ridge', or "
    return InputError(
        f"{folder}: {first} and {second}: found that the stress falls by {check.fall:.4g} Pa along "
        f"the change of strain, more than the {allowed} that the accuracy of the readings "
        f"explains: no {law}; {another}ask for a weakly convex one (--weakly-convex), for which "
        "the certificates 'linearised' and 'energy' remain"
    )


def _check_group(group: Sequence[Pairs], root: Array, seed: int) -> DataCheck:
    strain, stress = (np.concatenate([getattr(b, k) for b in group]) for k in ("strain", "stress"))
    allowed = np.concatenate([_accuracy(b) for b in group])
    i, j = _chosen(strain, seed)
    de, ds = strain[i] - strain[j], stress[i] - stress[j]
    length, work = np.linalg.norm(de, axis=1), (de * ds).sum(1)
    noise = allowed[i] + allowed[j]
    fall = np.where(length > 0, -work / np.where(length > 0, length, 1.0), 0.0)
    worst = int(np.argmax(fall - noise))
    white = np.linalg.solve(root, ds.T)
    counts = (np.linalg.norm(ds, axis=1) > 2.0 * noise) & (work > 0)
    ratios = (white * white).sum(0)[counts] / work[counts]
    return DataCheck(
        float(ratios.max(initial=0.0)),
        bool(fall[worst] <= noise[worst]),
        max(0.0, float(fall[worst])),
        float(noise[worst]),
        (_name(group, int(i[worst])), _name(group, int(j[worst]))),
    )


def _accuracy(block: Pairs) -> Array:
    """Return by how much each stress may be off, shape (n,) [Pa]."""
    if "deviation" in block.test.columns:
        return np.array(block.test.columns["deviation"])
    out: Array = ACCURACY * np.linalg.norm(block.stress, axis=1)
    return out


def _chosen(strain: Array, seed: int) -> tuple[Index, Index]:
    """Return the pairs to examine: all, or those of a subset, of rows in turn and of neighbours."""
    n = len(strain)
    subset = np.arange(n)
    if n > ALL_PAIRS:
        subset = np.random.default_rng(seed).choice(n, ALL_PAIRS, replace=False)
    first, second = np.triu_indices(len(subset), 1)
    i, j = subset[first], subset[second]
    if n <= ALL_PAIRS:
        return i, j
    from scipy.spatial import cKDTree  # takes half a second, for large data only

    near = cKDTree(strain).query(strain, NEIGHBOURS + 1)[1][:, 1:]
    rows = np.arange(n)
    i = np.concatenate([i, rows[1:], np.repeat(rows, NEIGHBOURS)])
    return i, np.concatenate([j, rows[:-1], near.ravel()])


def _name(group: Sequence[Pairs], row: int) -> str:
    for block in group:
        if row < len(block.strain):
            lines = block.test.lines
            place = f"line {lines[row]}" if lines else f"point {row + 1}"
            return f"{block.test.path.name}, {place}"
        row -= len(block.strain)
    raise IndexError(row)
