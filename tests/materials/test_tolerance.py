"""No strain error moves the stress by more than is certified, and attacks come close to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from lipmat.errors import InputError
from lipmat.materials.law import Law, is_small_strain
from lipmat.materials.mandel import DEVIATORIC
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.stretch_law import StretchLaw
from lipmat.materials.stretches import tangent_eigenvalues
from lipmat.materials.tangent_norms import negative, tangent_norms
from lipmat.materials.tangent_ranges import State
from lipmat.materials.tolerance import StressTolerance, stress_tolerance
from lipmat.materials.worst_error import finite_response, small_response
from lipmat.spectral.interval import Interval
from tests.fem import laws
from tests.materials.states import in_stretches, random_states

ERROR = 3e-3
SMALL: dict[str, tuple[Callable[[], Law], float]] = {
    "linear": (laws.steel_like, 0.99999),
    "principal-values": (laws.principal, 0.95),
    "softening": (lambda: laws.principal(softening=True), 0.95),
    "pq": (laws.pq, 0.95),
    "ridge": (laws.ridge, 0.95),
    "softening ridge": (lambda: laws.ridge(softening=True), 0.95),
    "maxwell": (laws.maxwell, 0.95),
    "copper": (laws.copper, 0.99999),
    "adopted": (lambda: laws.adopted("principal_strains", 0.02), 0.85),
}
FINITE: dict[str, tuple[Callable[[], Law], float]] = {
    "rubber": (laws.rubber, 0.94),
    "principal-values": (lambda: laws.principal("log"), 0.5),
    "ridge": (lambda: laws.ridge(kinematics="log"), 0.25),
    "maxwell": (lambda: laws.maxwell("log"), 0.2),
    "stiffening maxwell": (laws.stiffening, 0.01),
    "corrected Carroll": (lambda: laws.carroll(corrected=True), 0.5),
    "adopted": (lambda: laws.adopted("principal_log_strains"), 0.8),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_strain(name: str) -> None:
    make, share = SMALL[name]
    law = make()
    tolerance = stress_tolerance(law, ERROR)
    (reach,) = tolerance.reaches
    assert share * reach.certified <= reach.found <= reach.certified
    g = torch.Generator().manual_seed(0)
    size = 0.05 if reach.domain is None else 0.003  # inside of the domain
    strain = size * torch.randn(500, 6, generator=g, dtype=torch.float64)
    move = ERROR * _unit(torch.randn(500, 6, generator=g, dtype=torch.float64))
    respond = small_response(law)
    change = (respond(strain + move) - respond(strain)).abs()
    assert float(change.norm(dim=1).max()) <= reach.certified
    _components_hold(tolerance, change)


def _components_hold(tolerance: StressTolerance, change: Tensor) -> None:
    for k, most in enumerate(tolerance.components.values()):
        shear = 1.0 if k < 3 else 2.0**-0.5
        assert float(change[:, k].max()) * shear <= most <= tolerance.reaches[0].certified


def test_a_linear_law_is_met_exactly() -> None:
    law = laws.steel_like()
    tolerance = stress_tolerance(law, ERROR)
    bulk, shear = law.rest_moduli()
    young = 9.0 * bulk * shear / (3.0 * bulk + shear)
    assert tolerance.reaches[0].certified == pytest.approx(3.0 * bulk * ERROR, rel=1e-9)
    assert list(tolerance.pull.values()) == pytest.approx([young * ERROR] * 3, rel=1e-9)
    assert tolerance.components["12"] >= 2.0 * shear * ERROR / 2.0**0.5 * (1.0 - 1e-12)


def test_a_pull_with_free_sides_stays_within_its_bound() -> None:
    law = laws.principal()
    most = stress_tolerance(law, ERROR).pull["1"]
    strain = torch.linspace(-0.05, 0.05, 100, dtype=torch.float64)
    stress = _pulled(law, strain)
    assert float((_pulled(law, strain + ERROR) - stress).abs().max()) <= most
    assert bool((_pulled(law, strain + ERROR) >= stress).all())


def _pulled(law: Law, strain: Tensor) -> Tensor:
    """Return the stress of a pull along axis 1, its sides free by bisection."""
    respond = small_response(law)

    def at(side: Tensor) -> Tensor:
        state = torch.stack([strain, side, side], 1)
        return respond(torch.nn.functional.pad(state, (0, 3)))

    low, high = -torch.ones_like(strain), torch.ones_like(strain)
    for _ in range(45):
        middle = 0.5 * (low + high)
        above = at(middle)[:, 1] > 0
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return at(low)[:, 0]


@pytest.mark.parametrize("name", FINITE)
def test_finite_strain(name: str) -> None:
    make, share = FINITE[name]
    law = make()
    assert not is_small_strain(law)
    tolerance = stress_tolerance(law, ERROR)
    respond, rng = finite_response(law), np.random.default_rng(0)
    for reach in tolerance.reaches:
        assert share * reach.certified <= reach.found <= reach.certified
        assert reach.certified == pytest.approx(sum(reach.parts.values()))
        assert reach.domain is not None
        if "maxwell" in name:
            continue  # its branches are certified for elastic stretches, not for those of F
        stretch = torch.from_numpy(random_states(reach.domain, 200, rng))
        turns = torch.linalg.qr(torch.from_numpy(rng.standard_normal((2, 200, 3, 3))))[0]
        state = (turns[0] * stretch.unsqueeze(1) @ turns[1]).reshape(-1, 9)
        move = ERROR * _unit(torch.from_numpy(rng.standard_normal((200, 9))))
        change = (respond(state + move) - respond(state)).norm(dim=1)
        assert float(change.max()) <= reach.certified


def test_the_norm_bounds_the_tangent_from_both_sides() -> None:
    law = laws.principal("log", softening=True)
    rng, potential = np.random.default_rng(1), in_stretches(law, law.parts[0])
    for rung, norms in zip(law.bound().rungs, tangent_norms(law), strict=True):
        assert rung.domain is not None
        stretch = torch.from_numpy(-np.sort(-random_states(rung.domain, 200, rng), axis=1))
        hessian, differences, sums = tangent_eigenvalues(potential, stretch)
        pairs = torch.cat([differences, sums], 1).abs().max()
        assert float(torch.linalg.eigvalsh(hessian).abs().max()) <= norms["network"]
        assert float(pairs) <= norms["network"]


def test_ranges_of_the_negative_tangent_hold_it() -> None:
    law = laws.rubber()
    assert isinstance(law, StretchLaw)
    stretch = np.array([[1.2, 0.9, 0.8], [1.7, 1.6, 0.6]])
    box, volume = Interval(stretch - 1e-6, stretch + 1e-6), stretch.prod(1)
    found = negative(law.tangent_range()(State(box, Interval(0.9 * volume, 1.1 * volume))))
    for k, most in enumerate(found.largest()):
        tangent = _stretch_tangent(law, torch.diag(torch.from_numpy(stretch[k])))
        least = -float(torch.linalg.eigvalsh(tangent)[0])
        assert least <= most <= least + 1e-3 * float(tangent.abs().max())


def _stretch_tangent(law: StretchLaw, gradient: Tensor) -> Tensor:
    """Return A of the distortional part (9, 9) by differences of stresses."""

    class Alone:
        parts = law.parts[:1]
        distortional = staticmethod(law.distortional)

    respond, h = finite_response(Alone()), 1e-5  # type: ignore[arg-type]
    moves = h * torch.eye(9, dtype=torch.float64)
    f = gradient.reshape(1, 9)
    tangent = (respond(f + moves) - respond(f - moves)) / (2.0 * h)
    return 0.5 * (tangent + tangent.T)


def test_one_wrong_reading_of_a_law_with_memory() -> None:
    rng, step = np.random.default_rng(2), 0.05
    for law in (laws.maxwell(), laws.viscoplastic()):
        most = stress_tolerance(law, ERROR).reaches[0].certified
        elastic = _elastic(law)
        history = torch.zeros(200, law.history_size, dtype=torch.float64)
        strain = torch.zeros(200, 6, dtype=torch.float64)
        for _ in range(5):
            strain = strain + 0.004 * torch.from_numpy(rng.standard_normal((200, 6)))
            wrong = strain + ERROR * _unit(torch.from_numpy(rng.standard_normal((200, 6))))
            flowing = law.advance(wrong, history, step)[0] - law.advance(strain, history, step)[0]
            change = flowing + elastic(wrong) - elastic(strain)
            assert 0.02 * most < float(change.norm(dim=1).max()) <= most
            history = law.advance(strain, history, step)[1]


def test_all_readings_wrong() -> None:
    law = Maxwell([3e5], [[0.99, 1.0]], [[1.0, 1e9]], [[6000.0]], bulk_modulus=1e4)
    most = stress_tolerance(law, ERROR).all_readings
    assert most == pytest.approx((3e4 + 4 * 3e5) * ERROR, rel=1e-9)
    assert stress_tolerance(laws.viscoplastic(), ERROR).all_readings is None  # it hardens
    elastic, rng = _elastic(law), np.random.default_rng(3)
    axis = torch.tensor([2.0, -1.0, -1.0, 0.0, 0.0, 0.0]).double() / 6.0**0.5
    right, wrong = torch.zeros(2, 50, law.history_size, dtype=torch.float64)
    size, largest = torch.zeros(50, 1, dtype=torch.float64), 0.0
    for n in range(12):  # it yields under errors of one sign; then the sign turns
        moves = torch.from_numpy(rng.uniform(0.0, 0.01, (50, 1)))
        size = size + (moves if n < 11 else 0.0 * moves)
        strain, moved = size * axis, (size + (ERROR if n < 11 else -ERROR)) * axis
        a, right = law.advance(strain, right, 0.02)
        b, wrong = law.advance(moved, wrong, 0.02)
        change = b - a + elastic(moved) - elastic(strain)
        largest = max(largest, float(change.norm(dim=1).max()))
    assert 0.95 * most < largest <= most


def _elastic(law: Maxwell) -> Callable[[Tensor], Tensor]:
    """Return the stress of what does not flow."""
    springs = 2.0 * law.shear_moduli.sum() * torch.from_numpy(DEVIATORIC)
    respond = small_response(law)
    return lambda strain: respond(strain) - strain @ springs


@pytest.mark.parametrize("error", [0.0, -1e-3, 0.6, float("nan")])
def test_errors_out_of_range(error: float) -> None:
    with pytest.raises(InputError, match="strain error: found"):
        stress_tolerance(laws.steel_like(), error)


def test_a_law_without_a_lower_bound() -> None:
    with pytest.raises(InputError, match="'adopted' states no lower bound of its tangent"):
        stress_tolerance(laws.adopted("stretches"), ERROR)


def test_an_error_larger_than_the_domain() -> None:
    with pytest.raises(InputError, match="leaves nothing of the certified domain"):
        stress_tolerance(laws.rubber(), 0.4)


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=1, keepdim=True)
