from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lipmat
from lipmat.cli import main
from lipmat.cli.conditions import conditions_of, show_conditions
from lipmat.cli.terminal import Terminal
from lipmat.errors import InputError
from lipmat.materials.conditioned import ConditionedStretch, frozen
from lipmat.materials.law import Law
from lipmat.materials.linear import LinearElastic
from lipmat.materials.stretches import largest_tangent, principal_forces
from tests.materials.conditioned_laws import conditioned
from tests.materials.states import random_states

BOX = "box:0.1,0.1,0.1:2,2,2"


@pytest.fixture(scope="module")
def law() -> ConditionedStretch:
    return conditioned()


@pytest.fixture(scope="module")
def file(law: ConditionedStretch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("conditioned") / "rubber.safetensors"
    lipmat.save(law, path)
    return path


def some_conditions(n: int) -> list[dict[str, object]]:
    """Return random conditions and the four corners of their ranges."""
    rng = np.random.default_rng(0)
    inside = [(rng.uniform(-20, 80), rng.uniform(0, 0.3)) for _ in range(n)]
    corners = [(-20.0, 0.0), (-20.0, 0.3), (80.0, 0.0), (80.0, 0.3)]
    return [{"temperature": t, "porosity": p} for t, p in (*inside, *corners)]


def test_it_offers_what_a_law_offers(law: ConditionedStretch) -> None:
    assert isinstance(law, Law)
    assert tuple(law.arrays()) == law.array_names


def test_at_conditions_it_is_the_base_and_the_modes_times_the_gates(
    law: ConditionedStretch,
) -> None:
    plain = law.at({"temperature": "30 degC", "porosity": 0.15})
    gates = law.gate(torch.zeros(2, dtype=torch.float64))  # both in the middle
    assert type(plain) is lipmat.PolyconvexStretch
    expected = law.stretch_curvature[0] + gates @ law.stretch_curvature[1:]
    torch.testing.assert_close(plain.stretch_curvature, expected, rtol=1e-15, atol=0)
    assert float(plain.bulk_modulus) == pytest.approx(5e6 + 4e6 * float(gates[0]), rel=1e-15)
    base = law.at_values({"temperature": 303.15, "porosity": 0.15})
    stretches = torch.tensor([1.2, 1.0, 0.9], dtype=torch.float64)
    assert float(base.distortional(stretches)) == pytest.approx(
        float(plain.distortional(stretches))
    )


def test_what_is_ignored_changes_nothing_to_the_last_bit(law: ConditionedStretch) -> None:
    at = {"temperature": 40.0, "porosity": 0.1}
    arrays = law.at(at).arrays()
    for humidity in (0, "50 %", 100):
        other = law.at({**at, "humidity": humidity}).arrays()
        assert all(torch.equal(arrays[name], other[name]) for name in arrays)


def test_no_tangent_at_any_condition_is_above_the_bound(law: ConditionedStretch) -> None:
    rng = np.random.default_rng(1)
    for rung in law.bound().rungs[::3]:
        assert rung.domain is not None
        states = torch.from_numpy(random_states(rung.domain.any_volume(), 150, rng))
        highest = max(
            float(largest_tangent(law.at(c).distortional, states).max()) for c in some_conditions(8)
        )
        bound = rung.tangent["distortional"]
        assert isinstance(bound, float)
        assert 0.5 * bound <= highest <= bound


def test_the_bound_is_that_of_the_stiffest_condition_or_more(law: ConditionedStretch) -> None:
    last = law.bound().rungs[-1]
    for c in some_conditions(0)[1:3]:
        found = law.at(c).bound().rungs[-1]
        assert found.domain == last.domain
        assert found.sampled["distortional"] <= float(last.tangent["distortional"])  # type: ignore[arg-type]
        assert float(found.tangent["volumetric"]) <= float(last.tangent["volumetric"])  # type: ignore[arg-type]


def test_no_condition_changes_the_stress_by_more_than_the_bound(law: ConditionedStretch) -> None:
    states = torch.from_numpy(random_states(law.domain, 200, np.random.default_rng(2)))
    bounds = law.sensitivity(law.domain)
    reached = 0.0
    for name, (low, high) in {"temperature": (-20, 80), "porosity": (0.0, 0.3)}.items():
        others = {"temperature": 30.0, "porosity": 0.15}
        steps = np.linspace(low, high, 41)
        laws = [law.at({**others, name: x}) for x in steps.tolist()]
        width = float(steps[1] - steps[0])
        for a, b in pairwise(laws):
            change = principal_forces(b.distortional, states) - principal_forces(
                a.distortional, states
            )
            rate = float(change.norm(dim=1).max()) / width
            assert rate <= bounds[name]
            reached = max(reached, rate / bounds[name])
    assert reached > 0.1


def test_rest_moduli_are_the_largest(law: ConditionedStretch) -> None:
    bulk, shear = law.rest_moduli()
    found = [law.at(c).rest_moduli() for c in some_conditions(10)]
    assert 0.8 * bulk <= max(b for b, _ in found) <= bulk
    assert 0.8 * shear <= max(s for _, s in found) <= shear


def test_save_and_load_are_bit_exact(law: ConditionedStretch, file: Path) -> None:
    again = lipmat.load(file)
    assert isinstance(again, ConditionedStretch)
    assert again.settings() == law.settings()
    assert again.bound() == law.bound()
    for name, array in law.arrays().items():
        assert again.arrays()[name].numpy().tobytes() == array.numpy().tobytes()


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({}, "missing condition 'temperature', expected a value in -20 … 80 degC"),
        ({"temperature": 20}, "missing condition 'porosity', expected a value in 0 … 0.3"),
        ({"temperature": 81, "porosity": 0}, "condition 'temperature': found 81, expected a value"),
        ({"temperature": "1 m", "porosity": 0}, "found '1 m', expected a temperature such as"),
        ({"temperature": 20, "porosity": "0.1 m"}, "found '0.1 m', expected a plain number"),
        ({"temperature": float("nan"), "porosity": 0}, "condition 'temperature': found"),
        ({"temprature": 20, "porosity": 0}, "condition 'temprature', did you mean 'temperature'?"),
    ],
)
def test_bad_conditions(law: ConditionedStretch, conditions: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        law.at(conditions)
    assert message in str(caught.value)


def test_arrays_that_are_not_admissible(law: ConditionedStretch) -> None:
    arrays = law.arrays()
    for changed, message in (
        ({"stretch_curvature": -arrays["stretch_curvature"]}, "expected 3 rows, none of them neg"),
        ({"area_tension": arrays["area_tension"][:2]}, "area_tension: expected 3 rows"),
        ({"bulk_modulus": 0.0 * arrays["bulk_modulus"]}, "bulk_modulus"),
    ):
        with pytest.raises(ValueError, match=message):
            ConditionedStretch(arrays | changed, law.channels, law.kept, law.domain)
    with pytest.raises(ValueError, match="kept: found temperature, expected 2 of the conditions"):
        ConditionedStretch(arrays, law.channels, ("temperature",), law.domain)


def test_a_law_without_conditions_takes_none() -> None:
    steel = LinearElastic(210e9, 0.3)
    assert frozen(steel, None, "here") is steel
    with pytest.raises(
        InputError, match="here: found conditions a, but the law 'linear-elastic' d"
    ):
        frozen(steel, {"a": 1}, "here")


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as left:
        main(["check", *arguments, "--json"])
    assert left.value.code == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_check_at_conditions_and_in_the_worst_case(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worst = checked(capsys, str(file), BOX)
    hot = checked(capsys, str(file), BOX, "--conditions", "temperature=80 degC, porosity=0.3")
    assert worst["conditions"] == "all"
    assert hot["conditions"] == {"temperature": "80 degC", "porosity": "0.3"}
    assert worst["step"] <= hot["step"] * (1.0 + 1e-3)


def test_info_lists_the_channels(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["info", str(file), "--json"])
    assert left.value.code == 0
    found = json.loads(capsys.readouterr().out)["conditions"]
    assert {n: c["kept"] for n, c in found["channels"].items()} == {
        "temperature": True,
        "humidity": False,
        "porosity": True,
    }
    assert found["channels"]["temperature"]["range"] == pytest.approx([-20.0, 80.0])
    assert found["channels"]["temperature"]["stress_change"] > 0.0
    assert "stress_change" not in found["channels"]["humidity"]


def test_what_is_printed_of_the_channels(
    law: ConditionedStretch, capsys: pytest.CaptureFixture[str]
) -> None:
    show_conditions(Terminal(), conditions_of(law))
    shown = " ".join(capsys.readouterr().out.split())
    assert "temperature -20 … 80 degC" in shown
    assert "conditions that do not matter, ignored: humidity" in shown


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        main([*arguments])
    assert left.value.code == 2
    return capsys.readouterr().err


CASE = """
[mesh]
box = {{ size = ["0.1 m", "0.1 m", "0.1 m"], cells = [2, 2, 2], cell = "hexahedron" }}
[[materials]]
file = "{file}"
density = "1100 kg/m^3"
{conditions}
[time]
end = "20 us"
[output]
picture = false
"""


def case(file: Path, folder: Path, conditions: str) -> Path:
    path = folder / "case.toml"
    path.write_text(CASE.format(file=file, conditions=conditions))
    return path


def test_run_asks_for_conditions(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "run", str(case(file, tmp_path, "")), "-o", str(tmp_path / "run"))
    assert "[[materials]] conditions: missing condition 'temperature'" in said
    assert not (tmp_path / "run").exists()


def test_run_at_conditions_can_be_read_again(file: Path, tmp_path: Path) -> None:
    from lipmat.cli.simulate import case_in, run_case
    from lipmat.config import read_case

    at = 'conditions = { temperature = "60 degC", porosity = 0.1 }'
    content = read_case(case(file, tmp_path, at))
    assert run_case(content, tmp_path / "run").outcome == "completed"
    assert case_in(tmp_path / "run").materials[0].conditions == {
        "temperature": "60 degC",
        "porosity": 0.1,
    }


def test_a_body_cannot_move_without_conditions(law: ConditionedStretch) -> None:
    body = lipmat.Body.box((0.1, 0.1, 0.1), (1, 1, 1), "hexahedron", law, 1100.0)
    with pytest.raises(InputError, match=r"found no conditions, expected temperature, porosity"):
        lipmat.march(body, lipmat.critical_step(body), end=1e-5)


@pytest.mark.parametrize("text", ["temperature", "temperature=", "a=1,a=2", "=3", ""])
def test_conditions_on_the_command_line_that_say_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    (file := tmp_path / "any.safetensors").touch()
    said = refused(capsys, "check", str(file), BOX, "--conditions", text)
    assert "expected each condition once as 'temperature=60 degC,porosity=0.1'" in said
