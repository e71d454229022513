"""What every law must hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lipmat.materials.domain import StretchDomain
from lipmat.materials.file import load, save
from lipmat.materials.law import ARGUMENTS, Law, Part, Rung
from lipmat.materials.linear import LinearElastic
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.stretches import first_piola
from tests.materials.states import certified, corners, largest_tangents, random_states

REST = {"stretches": 1.0, "volume_ratio": 1.0, "strain": 0.0, "dilatation": 0.0}


@pytest.fixture(params=["polyconvex-stretch", "linear-elastic"])
def law(request: pytest.FixtureRequest) -> Law:
    if request.param == "linear-elastic":
        return LinearElastic(70e9, 0.33)
    rubber: PolyconvexStretch = request.getfixturevalue("rubber")
    return rubber


def states(law: Law, part: Part, n: int = 200) -> Tensor:
    """Return states (n, k) in the measure of a part, inside the law's domain."""
    rng = np.random.default_rng(0)
    domain = law.bound().rungs[-1].domain
    if domain is None:
        return torch.from_numpy(0.01 * rng.standard_normal((n, ARGUMENTS[part.measure])))
    stretches = torch.from_numpy(random_states(domain, n, rng))
    return stretches if part.measure == "stretches" else stretches.prod(1, keepdim=True)


def tangents(law: Law, part: Part, at: Tensor) -> Tensor:
    return torch.func.vmap(torch.func.jacrev(torch.func.grad(getattr(law, part.name))))(at)


def largest_in_the_sense_of_the_bound(law: Law, part: Part, rung: Rung) -> float:
    """Return the largest value that the bound of a part must cover, over sampled states."""
    if rung.domain is not None:
        return largest_over(law, part, rung.domain)
    found = tangents(law, part, states(law, part))
    if part.measure == "dilatation":
        return 3.0 * float(found.max())  # of W''(tr e) 1 x 1 = 3 W'' P_vol
    return float(torch.linalg.eigvalsh(found).max())


def largest_over(law: Law, part: Part, domain: StretchDomain) -> float:
    assert isinstance(law, PolyconvexStretch)
    domain = certified(domain, part.name)
    points = [corners(domain), random_states(domain, 300, np.random.default_rng(1))]
    return float(largest_tangents(law, part.name, np.concatenate(points)).max())


def test_it_offers_what_a_law_offers(law: Law) -> None:
    assert isinstance(law, Law)
    assert tuple(law.arrays()) == law.array_names


def test_arrays_and_results_are_in_float64(law: Law) -> None:
    assert {a.dtype for a in law.arrays().values()} == {torch.float64}
    for part in law.parts:
        assert getattr(law, part.name)(states(law, part)[0]).dtype == torch.float64


def test_no_energy_and_no_stress_at_rest(law: Law) -> None:
    modulus = sum(law.rest_moduli())
    for part in law.parts:
        rest = torch.full((ARGUMENTS[part.measure],), REST[part.measure], dtype=torch.float64)
        potential = getattr(law, part.name)
        assert abs(float(potential(rest))) <= 1e-12 * modulus
        assert float(torch.func.grad(potential)(rest).abs().max()) <= 1e-12 * modulus


def test_the_tangent_is_symmetric(law: Law) -> None:
    for part in law.parts:
        found = tangents(law, part, states(law, part))
        size = float(found.abs().max())
        assert size > 0
        assert float((found - found.transpose(1, 2)).abs().max()) <= 1e-13 * size


def test_the_sampled_tangent_is_below_the_bound_on_every_rung(law: Law) -> None:
    for rung in law.bound().rungs:
        assert set(rung.tangent) == set(rung.sampled) == {part.name for part in law.parts}
        for part in law.parts:
            bound = rung.tangent[part.name]
            assert largest_in_the_sense_of_the_bound(law, part, rung) <= bound
            assert 0.99 * bound <= rung.sampled[part.name] <= bound


def test_rest_moduli_are_those_of_the_parts(law: Law) -> None:
    """A small shear and a small dilatation, by differences of the energy."""
    bulk, shear = law.rest_moduli()
    assert bulk > 0
    small = 1e-4
    for part, weight in ((law.parts[0], shear), (law.parts[1], bulk)):
        potential = getattr(law, part.name)
        if part.measure == "strain":
            move = torch.tensor([small, -small, 0, 0, 0, 0], dtype=torch.float64)
            assert float(potential(move)) == pytest.approx(2 * weight * small**2, rel=1e-9)
        elif part.measure == "dilatation":
            move = torch.tensor([small], dtype=torch.float64)
            assert float(potential(move)) == pytest.approx(0.5 * weight * small**2, rel=1e-9)
        elif part.measure == "stretches":
            move = torch.tensor([1 + small, 1 - small, 1.0], dtype=torch.float64)
            assert float(potential(move)) == pytest.approx(2 * weight * small**2, rel=1e-3)


def test_save_and_load_are_bit_exact(law: Law, tmp_path: Path) -> None:
    path = tmp_path / "law.safetensors"
    save(law, path)
    again = load(path)
    assert type(again) is type(law)
    assert again.settings() == law.settings()
    assert again.bound() == law.bound()
    for name, array in law.arrays().items():
        assert again.arrays()[name].numpy().tobytes() == array.numpy().tobytes()
    entries = {k: v for k, v in law.provenance.entries.items() if k != "seconds"}
    assert again.provenance.entries == entries


def test_the_stretch_law_is_objective_and_isotropic(rubber: PolyconvexStretch) -> None:
    generator = torch.Generator().manual_seed(0)
    f = torch.eye(3, dtype=torch.float64) + 0.3 * torch.randn(
        50, 3, 3, generator=generator, dtype=torch.float64
    )
    f = f[torch.linalg.det(f) > 0.2]
    q, _ = torch.linalg.qr(torch.randn(len(f), 3, 3, generator=generator, dtype=torch.float64))
    q = q * torch.linalg.det(q).sign()[:, None, None]
    stress = first_piola(rubber.energy, f)
    scale = float(stress.abs().max())
    assert len(f) > 30
    torch.testing.assert_close(
        first_piola(rubber.energy, q @ f), q @ stress, rtol=0, atol=1e-12 * scale
    )
    torch.testing.assert_close(
        first_piola(rubber.energy, f @ q), stress @ q, rtol=0, atol=1e-12 * scale
    )
