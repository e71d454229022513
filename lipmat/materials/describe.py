"""What a law is, as JSON values: the metadata of its file and what ``lipmat info`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.materials.law import SMALL_STRAIN, Bound, Law, Matrix, Measure
from lipmat.materials.mandel import isotropic_stiffness

Array = NDArray[np.float64]
SCHEMA = 1
_ISOTROPIC = 1e-12  # relative, between a stiffness and the nearest isotropic one
STRAIN: Mapping[Measure, str] = {
    "stretches": "principal stretches",
    "volume_ratio": "volume ratio",
    "strain": "small strain, Mandel components",
    "principal_strains": "principal small strains",
    "dilatation": "trace of the small strain",
    "log_strain": "logarithmic strain, Mandel components",
    "principal_log_strains": "principal logarithmic strains",
    "log_dilatation": "trace of the logarithmic strain",
    "elastic_strains": "small elastic strains of the branches, Mandel components",
    "log_elastic_strains": "logarithmic elastic strains of the branches",
}
CAUCHY, PIOLA = "Cauchy stress, Mandel components", "first Piola-Kirchhoff stress"


def describe(law: Law) -> dict[str, Any]:
    """Return what a law is, as JSON values, in SI.

    The bound of a part is a number, or for a reference stiffness C0 its 6 x 6 components under
    ``stiffness`` and, if it is isotropic, its ``bulk_modulus`` and ``shear_modulus``.

    ``seconds`` of the provenance is left out: the same data and seed give the same description.
    """
    return {
        "schema": SCHEMA,
        "law": law.name,
        "settings": law.settings(),
        "parts": [asdict(part) for part in law.parts],
        "strain_measures": _unique(STRAIN[part.measure] for part in law.parts),
        "stress_measures": _unique(
            CAUCHY if part.measure in SMALL_STRAIN else PIOLA for part in law.parts
        ),
        "convex": law.convex,
        "units": {"stress": "Pa", "stretch": "-", "strain": "-", "energy_density": "J/m^3"},
        "bound": bound_as_dict(law.bound()),
        "provenance": {k: v for k, v in law.provenance.entries.items() if k != "seconds"},
    }


def bound_as_dict(bound: Bound) -> dict[str, Any]:
    """Return a bound as JSON values, in Pa; a domain that is everything is None."""
    rungs = [
        {
            "domain": None if rung.domain is None else rung.domain.as_dict(),
            "tangent": {part: _tangent(value) for part, value in rung.tangent.items()},
            "sampled": dict(rung.sampled),
        }
        for rung in bound.rungs
    ]
    return {"rule": bound.rule, "unit": "Pa", "rungs": rungs}


def _tangent(value: float | Matrix) -> Any:
    if not isinstance(value, tuple):
        return value
    bulk, shear = isotropic_moduli(np.array(value))
    moduli = {} if np.isnan(bulk) else {"bulk_modulus": bulk, "shear_modulus": shear}
    return {"stiffness": [list(row) for row in value], **moduli}


def isotropic_moduli(stiffness: Array) -> tuple[float, float]:
    """Return bulk and shear modulus of a stiffness (6, 6) [Pa]; nan twice if it has others."""
    bulk = float(stiffness[:3, :3].sum()) / 9.0
    shear = float(np.diag(stiffness)[3:].sum()) / 6.0
    size = float(np.abs(stiffness).max())
    apart = np.abs(stiffness - isotropic_stiffness(3.0 * bulk, 2.0 * shear)).max()
    if apart > _ISOTROPIC * size:
        return float("nan"), float("nan")
    return (bulk if abs(bulk) > _ISOTROPIC * size else 0.0), shear


def _unique(names: Any) -> list[str]:
    return list(dict.fromkeys(names))
