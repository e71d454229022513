"""What a law is, as JSON values: the metadata of its file and what ``lipmat info`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lipmat.materials.law import Bound, Law, Measure

SCHEMA = 1
STRAIN: Mapping[Measure, str] = {
    "stretches": "principal stretches",
    "volume_ratio": "volume ratio",
    "strain": "small strain, Mandel components",
    "dilatation": "trace of the small strain",
}
STRESS: Mapping[Measure, str] = {
    "stretches": "first Piola-Kirchhoff stress",
    "volume_ratio": "first Piola-Kirchhoff stress",
    "strain": "Cauchy stress, Mandel components",
    "dilatation": "Cauchy stress, Mandel components",
}


def describe(law: Law) -> dict[str, Any]:
    """Return what a law is, as JSON values, in SI.

    ``seconds`` of the provenance is left out: the same data and seed give the same description.
    """
    return {
        "schema": SCHEMA,
        "law": law.name,
        "settings": law.settings(),
        "parts": [asdict(part) for part in law.parts],
        "strain_measures": _unique(STRAIN[part.measure] for part in law.parts),
        "stress_measures": _unique(STRESS[part.measure] for part in law.parts),
        "units": {"stress": "Pa", "stretch": "-", "strain": "-", "energy_density": "J/m^3"},
        "bound": bound_as_dict(law.bound()),
        "provenance": {k: v for k, v in law.provenance.entries.items() if k != "seconds"},
    }


def bound_as_dict(bound: Bound) -> dict[str, Any]:
    """Return a bound as JSON values, in Pa; a domain that is everything is None."""
    rungs = [
        {
            "domain": None if rung.domain is None else rung.domain.as_dict(),
            "tangent": dict(rung.tangent),
            "sampled": dict(rung.sampled),
        }
        for rung in bound.rungs
    ]
    return {"rule": bound.rule, "unit": "Pa", "rungs": rungs}


def _unique(names: Any) -> list[str]:
    return list(dict.fromkeys(names))
