from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import lipmat
from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.modes import measurement
from lipmat.experiments.report import predicted, report
from lipmat.materials.domain import StretchDomain
from lipmat.materials.polyconvex import PolyconvexStretch

Array = NDArray[np.float64]
MU, KAPPA = 0.5e6, 40e6
STRETCH = np.linspace(1.0, 3.0, 21)
VOLUME = np.linspace(0.94, 1.02, 17)


def r2(law: PolyconvexStretch, data: Dataset) -> dict[str, float]:
    return {name: found.r2 for name, found in report(law, data, []).items()}


def test_all_three_tests_of_treloar(rubber: PolyconvexStretch, treloar: Dataset) -> None:
    found = r2(rubber, treloar)
    assert found["uniaxial"] >= 0.998
    assert found["equibiaxial"] >= 0.999
    assert found["planar"] >= 0.999
    assert rubber.provenance.entries["seconds"] > 0


def test_planar_from_uniaxial_and_equibiaxial(
    rubber_without_planar: PolyconvexStretch, treloar: Dataset
) -> None:
    assert r2(rubber_without_planar, treloar)["planar"] >= 0.999


def test_the_others_from_uniaxial_alone(
    rubber_of_uniaxial: PolyconvexStretch, treloar: Dataset
) -> None:
    found = r2(rubber_of_uniaxial, treloar)
    assert found["equibiaxial"] >= 0.90
    assert found["planar"] >= 0.98


def test_the_provenance(rubber_without_planar: PolyconvexStretch, treloar: Dataset) -> None:
    entries = rubber_without_planar.provenance.entries
    assert entries["hash"] == treloar.hash
    assert entries["doi"] == "10.1039/tf9444000059"
    assert entries["training_range"]["stretch_max"] == pytest.approx(7.61)
    assert entries["bulk_modulus"] == "assumed 100 x shear modulus"
    assert {k: v["fitted"] for k, v in entries["tests"].items()} == {
        "uniaxial": True,
        "equibiaxial": True,
        "planar": False,
    }
    assert entries["tests"]["planar"]["n"] == 14
    assert entries["tests"]["planar"]["unit"] == "MPa"


def test_the_report_is_in_the_unit_of_the_file(rubber: PolyconvexStretch, treloar: Dataset) -> None:
    m = measurement(treloar.tests[0])
    error = (predicted(rubber, treloar.tests[0]) - m.measured.numpy()) / 1e6
    found = report(rubber, treloar, ["uniaxial"])["uniaxial"]
    assert found.rmse == pytest.approx(float(np.sqrt((error**2).mean())), rel=1e-12)
    assert found.r2 == pytest.approx(1 - (error**2).mean() / (m.measured.numpy() / 1e6).var())


def test_the_domain_holds_all_tests(rubber: PolyconvexStretch, treloar: Dataset) -> None:
    for test in treloar.tests:
        assert rubber.domain.contains(measurement(test).stretches.numpy()).all()


def test_the_seed_hardly_matters(rubber_of_uniaxial: PolyconvexStretch, treloar: Dataset) -> None:
    other = lipmat.fit(treloar, tests=["uniaxial"], seed=1)
    for name in ("equibiaxial", "planar"):
        assert r2(other, treloar)[name] == pytest.approx(
            r2(rubber_of_uniaxial, treloar)[name], abs=1e-4
        )


def test_progress_is_reported(treloar: Dataset) -> None:
    calls: list[tuple[int, int, float]] = []
    lipmat.fit(treloar, tests=["planar"], progress=lambda *call: calls.append(call))
    assert [n for n, _, _ in calls] == list(range(1, len(calls) + 1))
    assert all(n <= steps and 0 < cost < 1 for n, steps, cost in calls)


@pytest.mark.parametrize("bulk_modulus", [0.0, -1e6, float("nan"), float("inf")])
def test_a_bulk_modulus_that_is_not_positive(treloar: Dataset, bulk_modulus: float) -> None:
    with pytest.raises(InputError, match=r"bulk modulus: found .* expected a positive number"):
        lipmat.fit(treloar, bulk_modulus=bulk_modulus)


def test_an_unknown_law(treloar: Dataset) -> None:
    with pytest.raises(InputError, match="unknown law 'polyconvex', did you mean 'polyconvex-str"):
        lipmat.fit(treloar, law="polyconvex")


def test_an_unknown_test(treloar: Dataset) -> None:
    with pytest.raises(InputError, match="unknown test 'planer', did you mean 'planar'"):
        lipmat.fit(treloar, tests=["planer"])


# --- data made by a known law: W = mu/2 sum l^2 - mu ln J + kappa/2 (J - 1)^2


def known_law() -> PolyconvexStretch:
    knots = torch.tensor([0.0, 1.0], dtype=torch.float64)
    ones, zero = torch.ones(2, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    kappa = torch.tensor(KAPPA, dtype=torch.float64)
    domain = StretchDomain(0.1, 4.0, 0.6, 1.6)
    return PolyconvexStretch(knots, zero, MU * ones, knots, zero, 0 * ones, kappa, domain)


Columns = Mapping[str, Array]
STRESS = "nominal_stress [MPa]"
NONE = np.arange(1.0, len(STRETCH) + 1)  # to be replaced by what the law predicts
TESTS: dict[str, tuple[str, Columns]] = {
    "uniaxial": ("incompressible", {"stretch [-]": STRETCH, STRESS: NONE}),
    "equibiaxial": ("incompressible", {"stretch [-]": STRETCH, STRESS: NONE}),
    "planar": ("incompressible", {"stretch [-]": STRETCH, STRESS: NONE}),
    "simple_shear": ("incompressible", {"shear [-]": STRETCH - 1, "shear_stress [MPa]": NONE}),
    "volumetric": ("free", {"volume_ratio [-]": VOLUME, "pressure [MPa]": NONE[: len(VOLUME)]}),
    "free": ("free", {"stretch [-]": STRETCH, STRESS: NONE}),
}
MODE = {"free": "uniaxial"}
Make = Callable[..., Dataset]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes and reads a dataset of tests predicted by the known law."""

    def write(columns: Mapping[str, Columns]) -> Dataset:
        text = 'title = "synthetic"\n'
        for name, values in columns.items():
            mode, lateral = MODE.get(name, name), TESTS[name][0]
            text += f'[[tests]]\nname = "{name}"\nfile = "{name}.csv"\n'
            text += f'mode = "{mode}"\nlateral = "{lateral}"\n'
            rows = [",".join(values), *(",".join(map(repr, r)) for r in _rows(values))]
            (tmp_path / f"{name}.csv").write_text("\n".join(rows) + "\n")
        (tmp_path / "dataset.toml").write_text(text)
        return lipmat.read_dataset(tmp_path)

    def of_tests(*names: str) -> Dataset:
        first = write({name: TESTS[name][1] for name in names})
        measured = {}
        for test in first.tests:
            columns: dict[str, Any] = dict(TESTS[test.name][1])
            *_, stress = columns
            columns[stress] = predicted(known_law(), test) / 1e6
            measured[test.name] = columns
        return write(measured)

    return of_tests


def _rows(columns: Columns) -> list[list[float]]:
    rows: list[list[float]] = np.column_stack([*columns.values()]).tolist()
    return rows


def test_a_known_law_is_met_and_predicts_the_shear(make: Make) -> None:
    data = make("uniaxial", "equibiaxial", "planar", "simple_shear")
    law = lipmat.fit(data, tests=["uniaxial", "equibiaxial", "planar"])
    assert min(r2(law, data).values()) >= 0.9999
    bulk, shear = law.rest_moduli()
    assert shear == pytest.approx(MU, rel=0.02)
    assert float(law.bulk_modulus) == pytest.approx(100 * shear)
    assert bulk > float(law.bulk_modulus)


def test_a_shear_test_alone_is_met(make: Make) -> None:
    data = make("simple_shear", "uniaxial")
    law = lipmat.fit(data, tests=["simple_shear"])
    found = r2(law, data)
    assert found["simple_shear"] >= 0.9999
    assert found["uniaxial"] >= 0.99


def test_the_bulk_modulus_of_a_volumetric_test_is_recovered(make: Make) -> None:
    data = make("uniaxial", "volumetric")
    law = lipmat.fit(data)
    assert law.provenance.entries["bulk_modulus"] == "fitted"
    assert law.rest_moduli()[0] == pytest.approx(known_law().rest_moduli()[0], rel=2e-3)
    assert float(law.bulk_modulus) == pytest.approx(KAPPA, rel=5e-3)
    assert min(r2(law, data).values()) >= 0.9999


def test_a_test_with_a_free_face_is_met(make: Make) -> None:
    data = make("volumetric", "free")
    law = lipmat.fit(data)
    assert min(r2(law, data).values()) >= 0.9999
    assert float(law.bulk_modulus) == pytest.approx(KAPPA, rel=5e-3)


def test_a_given_bulk_modulus_is_kept(make: Make) -> None:
    law = lipmat.fit(make("uniaxial", "volumetric"), tests=["uniaxial"], bulk_modulus=7e7)
    assert float(law.bulk_modulus) == 7e7
    assert law.provenance.entries["bulk_modulus"] == "given"


def test_volumetric_data_alone_tell_nothing_of_the_shape(make: Make) -> None:
    data = make("uniaxial", "volumetric")
    with pytest.raises(InputError, match="no test stretches the material"):
        lipmat.fit(data.select(["volumetric"]))
