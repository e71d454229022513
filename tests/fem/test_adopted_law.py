"""Adopted networks in a body: compiled as they were traced, and watched in their domain."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.step import critical_step, refusal
from lipmat.fem.trace import energy_in_ufl, gradient_in_ufl
from lipmat.materials.law import Measure
from tests.fem.laws import adopted
from tests.fem.pointwise import compiled

# isort: split
import ufl


@pytest.mark.parametrize("measure", ["strain", "principal_strains", "stretches"])
def test_energy_and_gradient_in_ufl_are_those_of_torch(measure: Measure) -> None:
    law = adopted(measure)
    x = law.domain.random(40, seed=1).requires_grad_()
    energies = torch.func.vmap(law.network)(x)
    (gradients,) = torch.autograd.grad(energies.sum(), x)
    x = x.detach()
    for in_ufl, in_torch in ((energy_in_ufl, energies.detach()), (gradient_in_ufl, gradients)):

        def expression(field: object, constant: object, in_ufl=in_ufl) -> object:
            found = in_ufl(law, "network", field, constant)
            return ufl.as_vector(found if isinstance(found, list) else [found])

        found = compiled(expression, x.numpy())
        expected = in_torch.numpy().reshape(found.shape)
        scale = 1e7  # Pa; what is left at rest is rounding of that
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-13 * scale)


def test_which_levels_a_bound_in_a_domain_of_small_strain_allows() -> None:
    law = adopted("strain")
    axes = None if law.isotropic else np.eye(3)
    body = Body(box((0.1, 0.1, 0.1), (1, 1, 1)), [Material(law, 1000.0, axes=axes)])
    assert refusal(body, "linearised") is None
    assert refusal(body, "energy") is None
    assert "holds in a domain only" in str(refusal(body, "convex"))
    step = critical_step(body)
    assert step.level == "energy"
    assert step.domains == (law.domain.in_stretches(),)
