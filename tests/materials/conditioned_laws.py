"""A small law of conditions, made by hand."""

from __future__ import annotations

import torch

from lipmat.materials.channels import Channel
from lipmat.materials.conditioned import ConditionedStretch
from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Provenance

CHANNELS = (
    Channel.declared("temperature", "degC", (-20, 80)),
    Channel.declared("humidity", "%", (0, 100)),
    Channel.declared("porosity", "", (0.0, 0.3)),
)


def conditioned() -> ConditionedStretch:
    """Return a law of temperature and porosity that ignores the humidity."""

    def array(*values: object) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64)

    arrays = {
        "stretch_knots": array(0.0, 1.0, 1.1, 1.3),
        "stretch_tension": array(0.0, 2e4, 0.0),
        "stretch_curvature": array([2e5] * 4, [3e5, 3e5, 2e5, 1e5], [0.0, 0.0, 2e5, 8e5]),
        "area_knots": array(0.0, 1.0, 1.5),
        "area_tension": array(1e4, 0.0, 0.0),
        "area_curvature": array([2e4] * 3, [0.0, 1e4, 4e4], [0.0] * 3),
        "bulk_modulus": array(5e6, 4e6, 0.0),
        "hidden_weight": array([0.8, -0.3], [0.2, 0.9], [-0.5, 0.4]),
        "hidden_bias": array(0.1, -0.2, 0.3),
        "output_weight": array([1.5, -1.0, 0.5], [-0.5, 1.2, 1.0]),
        "output_bias": array(0.2, -0.4),
    }
    domain = StretchDomain(0.85, 1.25, 0.9, 1.1)
    about = {"density": 1100.0, "training_range": {"stretch_min": 0.9, "stretch_max": 1.2}}
    kept = ("temperature", "porosity")
    return ConditionedStretch(arrays, CHANNELS, kept, domain, Provenance(about))
