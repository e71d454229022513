from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lipmat.fem.trace import UnsupportedOperation, energy_in_ufl, gradient_in_ufl
from lipmat.materials.law import ARGUMENTS
from tests.fem.laws import law
from tests.fem.pointwise import compiled

# isort: split
import ufl

PARTS = [(name, i) for name in ("rubber", "linear") for i in (0, 1)]


class Potential(nn.Module):
    """A potential of three numbers written with one torch operation or another."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.weight = nn.Buffer(torch.tensor([0.3, 1.2, 0.7], dtype=torch.float64))

    def energy(self, x: Tensor) -> Tensor:
        forms = {
            "erf": lambda: torch.erf(x).sum(),
            "eigenvalues": lambda: torch.linalg.eigvalsh(torch.diag(x)).sum(),
            "mixed": lambda: (
                torch.tanh(self.weight * x).sum()
                + torch.exp(x[0]) * torch.log(x[1]) / torch.sqrt(x[2])
                + (x.unsqueeze(0) * self.weight.unsqueeze(1)).square().sum()
            ),
            "expanded": lambda: (x.unsqueeze(0).expand(2, -1) * self.weight).pow(3).sum(),
            "product": lambda: (x.unsqueeze(1) * self.weight).prod(),
            "dead": lambda: (self.weight * x).sum(),
            "rounded": lambda: (x * torch.div(x, 0.1, rounding_mode="floor")).sum(),
            "branched": lambda: x.sum() if x[0] > 1.0 else x.square().sum(),
        }
        return forms[self.kind]()


def states(measure: str, count: int = 50) -> np.ndarray:
    """Random arguments of a measure: stretches and volume ratios about 1, strains about 0."""
    size = ARGUMENTS[measure]
    middle = 1.0 if measure in ("stretches", "volume_ratio") else 0.0
    return middle + np.random.default_rng(1).uniform(-0.6, 0.9, (count, size))


def vector(in_ufl: Callable[..., Any], module: nn.Module, method: str) -> Callable[..., Any]:
    def expression(field: Any, constant: Any) -> Any:
        found = in_ufl(module, method, field, constant)
        return ufl.as_vector(found if isinstance(found, list) else [found])

    return expression


@pytest.mark.parametrize(("name", "number"), PARTS)
def test_energy_and_gradient_in_ufl_are_those_of_torch(name: str, number: int) -> None:
    chosen = law(name)
    part = chosen.parts[number]
    x = states(part.measure)
    potential = getattr(chosen, part.name)
    for in_ufl, in_torch in (
        (energy_in_ufl, potential),
        (gradient_in_ufl, torch.func.grad(potential)),
    ):
        found = compiled(vector(in_ufl, chosen, part.name), x)
        expected = torch.func.vmap(in_torch)(torch.from_numpy(x)).numpy().reshape(found.shape)
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["mixed", "expanded", "product", "dead"])
def test_other_potentials(kind: str) -> None:
    module = Potential(kind)
    x = np.random.default_rng(2).uniform(0.5, 1.5, (20, 3))
    found = compiled(vector(energy_in_ufl, module, "energy"), x)[:, 0]
    assert found == pytest.approx(
        torch.func.vmap(module.energy)(torch.from_numpy(x)).numpy(), rel=1e-12
    )
    if kind != "product":  # whose gradient is written with slices
        gradient = torch.func.vmap(torch.func.grad(module.energy))(torch.from_numpy(x)).numpy()
        found = compiled(vector(gradient_in_ufl, module, "energy"), x)
        assert found == pytest.approx(gradient, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "operation"), [("erf", "erf"), ("eigenvalues", "diag_embed"), ("rounded", "div")]
)
def test_unsupported_operations_are_named(kind: str, operation: str) -> None:
    module = Potential(kind)
    with pytest.raises(UnsupportedOperation, match=rf"Potential\.energy: .*\b{operation}\b"):
        energy_in_ufl(module, "energy", [ufl.as_ufl(1.0)] * 3, lambda a: a)


def test_a_law_that_decides_by_its_strain_is_refused() -> None:
    with pytest.raises(UnsupportedOperation, match=r"^Potential\.energy: a number is read out of"):
        energy_in_ufl(Potential("branched"), "energy", [ufl.as_ufl(1.0)] * 3, lambda a: a)
