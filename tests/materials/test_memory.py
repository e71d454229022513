"""What the theory says of laws with memory, over random laws, histories and pairs of states."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lipmat.errors import InputError
from lipmat.materials.file import load, save
from lipmat.materials.johnson_cook import JohnsonCook
from lipmat.materials.law import Law
from lipmat.materials.mandel import DEVIATORIC
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.memory import MemoryLaw
from lipmat.materials.network import Kinematics
from lipmat.materials.registry import LAWS as LAWS_BY_NAME
from tests.fem import laws as fixed

HISTORIES, STEPS = 100_000, 12


def histories(rng: np.random.Generator, size: float) -> tuple[Tensor, list[float]]:
    """Return random strains (steps, n, 6) of cycles, jumps and rests, and random steps [s]."""
    moves = rng.standard_normal((STEPS, HISTORIES, 6)) * rng.choice(
        [0.0, 0.1, 1.0, 10.0], (STEPS, HISTORIES, 1)
    )
    return torch.from_numpy(size * moves.cumsum(0)), list(10.0 ** rng.uniform(-6, 2, STEPS))


LAWS = {
    "viscoelastic": fixed.maxwell,
    "viscoplastic": fixed.viscoplastic,
    "johnson-cook": fixed.copper,
}


@pytest.mark.parametrize("name", LAWS)
def test_dissipation_is_never_negative(name: str) -> None:
    """Over 10^5 random histories, against the work done on the branches."""
    law, rng = LAWS[name](), np.random.default_rng(0)
    strains, steps = histories(rng, 0.01)
    history = torch.zeros(HISTORIES, law.history_size, dtype=torch.float64)
    before, stress = torch.zeros_like(strains[0]), torch.zeros_like(strains[0])
    work = torch.zeros(HISTORIES, dtype=torch.float64)
    for strain, step in zip(strains, steps, strict=True):
        was = history[:, -2].clone()
        last = stress
        stress, history = law.advance(strain, history, step)
        work += (0.5 * (stress + last) * (strain - before)).sum(1).abs()
        before = strain
        assert bool((history[:, -2] - was >= -1e-12 * work).all())
    assert float((history[:, -1] > 1e-3 * work).double().mean()) > 0.5  # there is some


@pytest.mark.parametrize("hardens", [False, True])
def test_two_states_never_drift_apart(hardens: bool) -> None:
    """In the energy norm, under one history of strain: 10^5 random pairs.

    With isotropic hardening it is true of branches that have seen the same flow.
    """
    law, rng = fixed.viscoplastic() if hardens else fixed.maxwell(), np.random.default_rng(1)
    strains, steps = histories(rng, 0.01)
    b = law.branches
    pair = [torch.zeros(HISTORIES, law.history_size, dtype=torch.float64) for _ in range(2)]
    for history in pair:
        internal = torch.from_numpy(0.02 * rng.standard_normal((HISTORIES, b, 6)) @ DEVIATORIC)
        history[:, : 6 * b] = internal.reshape(HISTORIES, 6 * b)
    distance = apart(law, *pair)
    for strain, step in zip(strains, steps, strict=True):
        pair = [law.advance(strain, history, step)[1] for history in pair]
        if hardens:
            pair[1][:, 6 * b + 6 : -2] = pair[0][:, 6 * b + 6 : -2]
        now = apart(law, *pair)
        rounding = 1e-15 * float(law.shear_moduli.sum()) ** 0.5 * strain.norm(dim=1)
        assert bool((now <= distance + rounding).all())
        distance = now
    assert float(distance.median()) > 0


def apart(law: MemoryLaw, one: Tensor, other: Tensor) -> Tensor:
    """Return the energy norm of the difference of internal strains, (n,)."""
    b = law.branches
    gap = (one - other)[:, : 6 * b].reshape(len(one), b, 6)
    return (law.shear_moduli * (gap * gap).sum(2)).sum(1).sqrt()


@pytest.mark.parametrize("name", LAWS)
def test_the_tangent_of_a_step_is_below_that_of_the_springs(name: str) -> None:
    """Symmetric, and ``0 <= ds/de <= C0``, whatever the step and the history."""
    law, rng = LAWS[name](), np.random.default_rng(2)
    law_bound = np.array(law.bound().rungs[0].tangent["springs"])
    history = torch.zeros(40, law.history_size, dtype=torch.float64)
    for step in (0.0, 1e-4, 1.0, 1e3):
        strain = torch.from_numpy(0.02 * rng.standard_normal((40, 6)))

        def stress(e: Tensor, h: Tensor, step: float = step) -> Tensor:
            return law.advance(e[None], h[None], step)[0][0]

        tangent = torch.func.vmap(torch.func.jacrev(stress))(strain, history).numpy()
        size = law_bound[3, 3]
        assert np.abs(tangent - tangent.swapaxes(1, 2)).max() <= 1e-9 * size
        assert np.linalg.eigvalsh(tangent).min() >= -1e-9 * size
        assert np.linalg.eigvalsh(law_bound - tangent).min() >= -1e-9 * size
        if step == 0.0:  # the springs alone
            assert np.abs(tangent - law_bound).max() <= 1e-9 * size
        history = law.advance(strain, history, step)[1]


@pytest.mark.parametrize("name", LAWS)
def test_the_result_is_first_order_in_the_step(name: str) -> None:
    """The stress after a path in n, 2n, 4n steps: differences halve."""
    law = LAWS[name]()
    found = []
    for n in (400, 800, 1600):
        history = torch.zeros(1, law.history_size, dtype=torch.float64)
        for i in range(1, n + 1):
            strain = torch.zeros(1, 6, dtype=torch.float64)
            strain[0, 0], strain[0, 5] = 0.02 * i / n, 0.01 * np.sin(np.pi * i / n)
            stress, history = law.advance(strain, history, 0.1 / n)
        found.append(torch.cat([stress[0], history[0, -1:]]))
    first, second = (float((b - a).norm()) for a, b in pairwise(found))
    assert second < 0.7 * first
    assert first < 0.02 * float(found[-1].norm())


def test_a_linear_branch_relaxes_exponentially() -> None:
    law = Maxwell.linear([1e6, 2e6], [0.1, 3.0], bulk_modulus=1e7)
    strain = torch.tensor([[0.02, -0.01, -0.01, 0.0, 0.0, 0.0]], dtype=torch.float64)
    stress, history = law.advance(
        strain, torch.zeros(1, law.history_size, dtype=torch.float64), 0.0
    )
    assert torch.allclose(stress, 2 * 3e6 * strain, rtol=1e-14)
    for _ in range(2000):
        stress, history = law.advance(strain, history, 2e-4)
    expected = 2 * (1e6 * np.exp(-4.0) + 2e6 * np.exp(-0.4 / 3.0)) * strain
    assert torch.allclose(stress, expected, rtol=3e-3)
    lost = float(strain.square().sum()) * (1e6 * (1 - np.exp(-8)) + 2e6 * (1 - np.exp(-0.8 / 3)))
    assert float(history[0, -1]) == pytest.approx(lost, rel=3e-3)


def test_johnson_cook_has_its_stress_at_every_rate() -> None:
    """Plastic flow at a constant rate: the formula of the paper, from 1e-3 to 1e4 /s."""
    law = fixed.copper()
    for rate in (1e-3, 1.0, 1e2, 1e4):
        history = torch.zeros(1, law.history_size, dtype=torch.float64)
        shear = torch.tensor([[0.0, 0, 0, 0, 0, 2**0.5]], dtype=torch.float64)
        for i in range(1, 2001):
            strain = 1e-4 * i * shear * 0.75**0.5  # equivalent strain 1e-4 i
            stress, history = law.advance(strain, history, 1e-4 / rate)
        mises = float(1.5**0.5 * stress.norm())
        flow = float(history[0, 12]) / 1.5**0.5
        flow_stress = (90e6 + 292e6 * flow**0.31) * (1 + 0.025 * np.log(rate))
        assert mises == pytest.approx(flow_stress, rel=1e-3)


@pytest.mark.parametrize("step", [0.0, 1e-12, 1e-6, 1.0, 1e9])
def test_johnson_cooks_equation_is_solved(step: float) -> None:
    law = fixed.copper()
    a, b, n, c, rate = map(float, law.coefficients)
    trial = torch.logspace(-8, 0, 400, dtype=torch.float64).unsqueeze(1)
    flow = torch.from_numpy(np.random.default_rng(0).uniform(0, 2, (400, 1)))
    share = law.remainder(trial, flow, torch.tensor(step, dtype=torch.float64))
    strength = a + b * (flow / 1.5**0.5) ** n
    shear = float(law.shear_moduli[0])
    z_trial = 6**0.5 * shear * trial / strength
    if step == 0.0:
        assert bool((share == 1.0).all())
        return
    z = share * z_trial
    flowing = 3 * shear * step / strength * rate * torch.exp((z - 1) / c)
    correction = (z + flowing - z_trial) / (1 + flowing / c)  # what another iterate would change
    assert float((correction / z_trial).abs().max()) <= 1e-14


def test_every_law_with_memory_of_the_registry_is_tested() -> None:
    known = {name for name, law in LAWS_BY_NAME.items() if issubclass(law, MemoryLaw)}
    assert {make().name for make in LAWS.values()} == known


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("kinematics", ["small", "log"])
def test_it_offers_what_a_law_offers(name: str, kinematics: Kinematics) -> None:
    """No energy at rest, moduli of the parts, bounds above what sampling finds."""
    law = LAWS[name](kinematics)
    assert isinstance(law, Law)
    assert law.convex == (kinematics == "small")
    for rung in law.bound().rungs:
        assert set(rung.tangent) == set(rung.sampled) == {part.name for part in law.parts}
        assert (rung.domain is None) == (kinematics == "small")
        for part in law.parts:
            bound = rung.tangent[part.name]
            assert rung.sampled[part.name] <= (1.0 if isinstance(bound, tuple) else bound)
    elastic = torch.zeros(6 * law.branches, dtype=torch.float64)
    assert float(law.springs(elastic)) == 0.0
    elastic[3::6] = 1e-3 * 2**0.5
    found = float(law.springs(elastic)) / 2e-6
    if law.equilibrium is not None:  # its parts are parts of the law
        for part in law.equilibrium.parts:
            own = getattr(law, part.name)
            assert own == getattr(law.equilibrium, part.name)
    rest = None if law.equilibrium is None else law.equilibrium.rest_moduli()
    expected = law.rest_moduli()[1] - (0.0 if rest is None else rest[1])
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("kinematics", ["small", "log"])
def test_saved_with_its_equilibrium_law(name: str, kinematics: Kinematics, tmp_path: Path) -> None:
    law = LAWS[name](kinematics)
    save(law, tmp_path / "law.safetensors")
    again = load(tmp_path / "law.safetensors")
    assert type(again) is type(law)
    assert again.settings() == law.settings()
    assert again.bound() == law.bound()
    strain = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 6)))
    history = torch.zeros(5, law.history_size, dtype=torch.float64)
    one, other = (x.advance(strain, history, 0.1) for x in (law, again))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flow_slopes": [[-1.0]]}, "convex"),
        ({"flow_knots": [[-1.0]]}, "convex"),
        ({"strength": [[0.0]]}, "strength"),
        ({"shear_moduli": [0.0]}, "shear_moduli"),
        ({"bulk_modulus": 0.0}, "bulk_modulus"),
        ({"elastic_limit": 1.0}, "elastic_limit"),
        ({"kinematics": "large"}, "kinematics"),
    ],
)
def test_inadmissible_laws_are_refused(change: dict[str, object], words: str) -> None:
    arguments: dict[str, object] = {
        "shear_moduli": [1e6],
        "flow_knots": [[0.0]],
        "flow_slopes": [[1.0]],
        "strength": [[1e6]],
        "bulk_modulus": 1e7,
    }
    Maxwell(**arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        Maxwell(**(arguments | change))  # type: ignore[arg-type]


def test_an_equilibrium_law_of_other_kinematics_is_refused() -> None:
    with pytest.raises(ValueError, match="kinematics"):
        Maxwell.linear([1e5], [1.0], equilibrium=fixed.polyconvex())
    with pytest.raises(ValueError, match="isotropic"):
        Maxwell.linear([1e5], [1.0], equilibrium=fixed.ridge("none"))


def test_a_file_with_missing_arrays_is_refused(tmp_path: Path) -> None:
    from lipmat.materials.describe import describe
    from lipmat.materials.file import write

    law = fixed.maxwell()
    arrays = {k: a for k, a in law.arrays().items() if k != "equilibrium.knots"}
    write(tmp_path / "x.safetensors", describe(law), arrays)
    with pytest.raises(InputError, match=r"equilibrium\.knots"):
        load(tmp_path / "x.safetensors")


def test_johnson_cook_refuses_bad_coefficients() -> None:
    with pytest.raises(ValueError, match="coefficients"):
        JohnsonCook([46e9], 129e9, [90e6, 292e6, 0.31, 0.0, 1.0])
