"""Networks that were trained elsewhere: traced, tested, corrected, certified."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from lipmat.errors import InputError
from lipmat.materials.adopted import Adopted, Proof
from lipmat.materials.adopted_domain import AdoptedDomain
from lipmat.materials.adoption import Adoption, Finding, Request
from lipmat.materials.adoption import adopt as adopt_network
from lipmat.materials.file import load, save
from lipmat.materials.law import Measure
from lipmat.spectral.graph import Graph, traced
from lipmat.spectral.loewner import largest_ratio
from tests.networks import Branches, Invariants, Ridges, Scaled, dense

SECONDS = 600.0  # never reached
adopt = partial(adopt_network, tolerance=0.15)


def domain(measure: Measure, size: float = 0.02) -> AdoptedDomain:
    rest = 1.0 if measure == "stretches" else 0.0
    return AdoptedDomain(measure, rest - size, rest + size)


@cache
def of_strain() -> Adoption:
    return adopt(Scaled(dense(6)), Request(domain("strain"), unit=1e6), SECONDS)


@cache
def of_principal_strains() -> Adoption:
    return adopt(Invariants(dense(3), 5.0), Request(domain("principal_strains")), SECONDS)


def finding(adoption: Adoption, name: str) -> Finding:
    (found,) = (f for f in adoption.findings if f.name == name)
    return found


def gradients(energy: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    x = states.clone().requires_grad_()
    return torch.autograd.grad(torch.func.vmap(energy)(x).sum(), x)[0]


def hessians(law: Adopted, states: Tensor) -> Tensor:
    x = states.clone().requires_grad_()
    energies = torch.func.vmap(law.network)(x)
    (forces,) = torch.autograd.grad(energies.sum(), x, create_graph=True)
    rows = [torch.autograd.grad(f.sum(), x, retain_graph=True)[0] for f in forces.unbind(1)]
    return torch.stack(rows, 1)


def test_the_law_is_the_network_without_its_stress_at_rest() -> None:
    network, law = Scaled(dense(6)).requires_grad_(False), of_strain().law
    states = law.domain.random(20, seed=3)
    given = gradients(lambda x: 1e6 * network(x[None]).squeeze(), states)
    found, size = gradients(law.network, states), given.abs().max()
    assert float((found - (given - given[0])).abs().max()) <= 1e-13 * float(size)
    assert float(found[0].abs().max()) <= 1e-13 * float(size)
    residual = finding(of_strain(), "rest")
    assert residual.size == pytest.approx(float(given[0].norm()), rel=1e-12)


def test_the_operations_give_the_bits_of_the_network() -> None:
    from lipmat.spectral.graph import traced

    network = Scaled(dense(6))
    graph = traced(lambda x: network(x.reshape(1, 6)).reshape(()), torch.zeros(6).double())
    for x in torch.rand(20, 6, dtype=torch.float64):
        assert graph(x).item() == network(x[None]).item()


@pytest.mark.parametrize("make", [of_strain, of_principal_strains])
def test_no_sampled_tangent_is_above_the_bound(make) -> None:
    law: Adopted = make().law
    (rung,) = law.bound().rungs
    stiffness = np.array(rung.tangent["network"])
    states = law.domain.random(400, seed=5)
    size = law.domain.size
    found = largest_ratio(hessians(law, states).numpy(), stiffness[:size, :size])
    assert 0.5 < found.max() <= 1.0
    assert 1.0 / 1.16 <= rung.sampled["network"] <= 1.0
    assert rung.domain == law.domain.in_stretches()


def test_a_part_of_the_time_gives_a_looser_bound_that_holds() -> None:
    request = Request(domain("strain"), unit=1e6)
    short = adopt(Scaled(dense(6)), request, seconds=1e-3).law
    assert short.bound().value > of_strain().law.bound().value
    states = short.domain.random(100, seed=5)
    stiffness = np.array(short.bound().rungs[0].tangent["network"])
    assert largest_ratio(hessians(short, states).numpy(), stiffness).max() <= 1.0


def test_convexity_is_proved_by_rules_for_an_input_convex_network() -> None:
    assert finding(of_strain(), "convexity").verdict == "proved"
    assert of_strain().law.convex_by_rules
    assert of_strain().law.convex


def test_convexity_is_proved_box_by_box_where_rules_do_not_help() -> None:
    law = of_principal_strains().law
    assert not law.convex_by_rules  # cubes
    assert law.convex == (law.range.lower >= 0.0)
    lowest = torch.linalg.eigvalsh(hessians(law, law.domain.random(300, seed=2))).min()
    assert law.convex == (float(lowest) >= 0.0)


class TestACorrection:
    """Of a network that is no admissible law."""

    def test_a_negative_tangent_is_found_and_stiffened(self) -> None:
        network = Scaled(dense(3, seed=1), 60.0)
        with torch.no_grad():
            network.network[4].weight[0, :3] *= -3.0
        mean = Invariants(network.network, 30.0)
        request = Request(domain("principal_strains"))
        plain = adopt(mean, request, SECONDS)
        found = finding(plain, "convexity")
        assert found.verdict == "refuted"
        assert found.state is not None
        state = torch.tensor(found.state, dtype=torch.float64)
        assert float(torch.linalg.eigvalsh(hessians(plain.law, state[None]))[0, 0]) < 0.0
        assert not plain.law.convex
        again = adopt(mean, Request(request.domain, correct=True), SECONDS)
        assert again.law.convex
        assert finding(again, "stiffness").verdict == "corrected"
        lowest = torch.linalg.eigvalsh(hessians(again.law, again.law.domain.random(300))).min()
        assert float(lowest) >= 0.0

    def test_an_energy_that_depends_on_the_order(self) -> None:
        network = Scaled(dense(3))
        with pytest.raises(InputError, match="depends on the order of the principal values"):
            adopt(network, Request(domain("principal_strains")), SECONDS)
        law = adopt(network, Request(domain("principal_strains"), correct=True), SECONDS).law
        x = torch.tensor([0.01, -0.005, 0.002], dtype=torch.float64)
        energies = [float(law.network(x[list(p)])) for p in ((0, 1, 2), (2, 0, 1), (1, 0, 2))]
        assert energies[1:] == pytest.approx(energies[:1] * 2, rel=1e-13)

    def test_a_stress_with_a_potential_and_one_without(self) -> None:
        request = Request(domain("strain", 0.01), "stress")
        adoption = adopt(Ridges(), request, seconds=1.0)
        found = finding(adoption, "potential")
        assert found.verdict == "tested"
        network, states = Ridges().requires_grad_(False), adoption.law.domain.random(50, seed=4)
        stress = gradients(adoption.law.network, states)
        expected = network(states)
        assert float((stress - expected).norm(dim=1).max() / expected.norm(dim=1).max()) < 1e-9
        with pytest.raises(InputError, match=r"% skew .* no potential"):
            adopt(Ridges(0.5), request, seconds=1.0)
        corrected = adopt(Ridges(0.5), Request(request.domain, "stress", correct=True), 1.0)
        assert finding(corrected, "potential").verdict == "corrected"
        gradient = gradients(corrected.law.network, states)
        assert float((gradient - stress).abs().max()) < 1e-9 * float(stress.abs().max())


def test_voigt_components_have_engineering_shear() -> None:
    network = Scaled(dense(6))
    request = Request(domain("strain"), components="voigt")
    law = adopt(network, request, seconds=1e-3).law
    x = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 0.01], dtype=torch.float64)
    gamma = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 2.0**0.5 * 0.01]], dtype=torch.float64)
    change = network(gamma) - network(torch.zeros(1, 6, dtype=torch.float64))
    linear = gradients(lambda g: network(g[None]).squeeze(), torch.zeros(1, 6).double())[0]
    assert float(law.network(x)) == pytest.approx(float(change - linear @ gamma[0]), rel=1e-9)


class TestTheFile:
    """Of an adopted law."""

    def test_it_holds_the_law_and_loads_bit_exact(self, tmp_path: Path) -> None:
        law, file = of_strain().law, tmp_path / "law.safetensors"
        save(law, file)
        again = load(file)
        assert isinstance(again, Adopted)
        assert again.bound() == law.bound()
        x = law.domain.random(5, seed=1)[4]
        assert again.network(x).item() == law.network(x).item()
        with safe_open(file, framework="pt") as content:
            assert set(content.keys()) == set(Adopted.array_names)

    def test_an_unknown_operation_is_refused(self) -> None:
        law = of_strain().law
        settings = law.settings()
        settings["operations"][0][0] = "save.default"
        with pytest.raises(
            ValueError, match=r"operation 0: found 'save.default', which is unknown"
        ):
            Adopted.restore(law.arrays(), settings, law.provenance)

    def test_a_tree_that_does_not_cover_the_domain_is_refused(self) -> None:
        law = of_strain().law
        proof = Proof(law.reference, law.tree[:-1], law.extremes)
        with pytest.raises(ValueError, match="tree: found boxes without leaves"):
            Adopted(law.graph, law.domain, proof).bound()


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Branches(), "a number is read out of a tensor"),
        (nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1)), "'relu' is not supported"),
        (nn.Linear(5, 1), "cannot be evaluated on a batch of 6 numbers"),
        (nn.Linear(6, 2), "expected an energy"),
        (nn.Softplus(threshold=3.0), "expected an energy"),
        (nn.Sequential(nn.Softplus(threshold=3.0), nn.Linear(6, 1)), "jumps at 3.0"),
        (nn.Sequential(nn.Linear(6, 1)), "nowhere positive"),
    ],
)
def test_a_network_that_cannot_be_adopted(network: nn.Module, words: str) -> None:
    with pytest.raises(InputError, match=words):
        adopt(network, Request(domain("strain")), SECONDS)


def test_a_domain_holds_rest_and_is_small() -> None:
    for low, high in ((0.01, 0.02), (-0.5, 0.1), (0.1, -0.1)):
        with pytest.raises(ValueError, match="expected a range around 0"):
            AdoptedDomain("strain", low, high)


def test_a_proof_whose_hypotheses_do_not_hold_is_refused() -> None:
    """A file may hold anything: what the bound takes for granted is tested when it is read."""
    law = of_principal_strains().law
    axes = torch.eye(6, dtype=torch.float64)
    axes[3:] *= 1e-2
    own = law.proof
    with pytest.raises(ValueError, match="expected one"):
        Adopted(law.graph, law.domain, Proof(axes, own.tree, own.extremes))
    thin = torch.diag(torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 1e-9], dtype=torch.float64))
    strain = of_strain().law
    with pytest.raises(ValueError, match="expected a ratio of"):
        Adopted(strain.graph, strain.domain, Proof(thin, strain.proof.tree, strain.proof.extremes))
    weights = torch.tensor([1e6, 1e6, 2e6], dtype=torch.float64)
    for energy, words in (
        (lambda x: 1e6 * torch.dot(x, x) + x.sum(), "Pa at rest, expected none"),
        (lambda x: torch.dot(weights * x, x), "with the order of the principal values"),
    ):
        graph = traced(energy, torch.zeros(3, dtype=torch.float64))
        with pytest.raises(ValueError, match=words):
            Adopted(graph, law.domain, own)


def test_a_graph_with_an_unknown_reference_is_refused() -> None:
    graph = of_principal_strains().law.graph
    operations = graph.as_json()
    operations[-1] = [operations[-1][0], *({"foo": 0} for _ in operations[-1][1:2])]
    with pytest.raises(ValueError, match="found 'foo', expected node or array"):
        Graph.from_json(operations, graph.arrays)
