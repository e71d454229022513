"""VHB 4910 (Hossain, Vu, Steinmann 2012): what a fit to two curves says of nine others.

    uv run python -m tests.benchmarks.vhb PATH/vhb4910_hossain_2012_cyclic.csv

The elastomer is loaded and unloaded to the stretches 1.5, 2, 2.5 and 3 at three rates. Trained on
the two curves to 3, laws predict the nine to smaller stretches. Beside their R2 stands what the
measurements allow: the R2 of a curve that loads along the trained one of its rate (at 0.03 /s along
the mean of both that suits the tests to 1.5 and 2 best) and then unloads exactly as measured, and
of one that unloads as measured in proportion to where its loading ends, since no stress jumps.
Where these are below a bar, specimens differ by more than it allows, whatever the law.

Loading to any stretch at one rate is one curve for one specimen: what comes later cannot change it.
By how much a test loads softer or stiffer than the trained curve, as a factor, is therefore that of
its specimen, and what it is known from, the loading, is no part of the unloading that it corrects.
Beside the factor stand the percentages that loadings differ by without and with it, and the R2 of a
law that is exact for the trained specimen, and of the laws for a test over its factor. Last, for
each test at a trained rate, the largest R2 of the trained curve with which it can have R2 = 0.95:
both share a loading, of any shape, and the unloading of both is exactly as measured.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import lipmat
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.memory_prediction import predict_history

Array = NDArray[np.float64]
TOPS, RATES = ("1.5", "2.0", "2.5"), ("0.05", "0.03", "0.01")
TRAINED = ("to-3.0-at-0.05", "to-3.0-at-0.01")
HEAD = 'title = "VHB 4910"\nincompressible = true\ndensity = "960 kg/m^3"\n'
BAR = 0.95
TEST = '\n[[tests]]\nname = "{0}"\nfile = "{0}.csv"\nmode = "uniaxial"\n'


def dataset(source: Path, folder: Path) -> Dataset:
    """Write the cyclic tests of the published table as a dataset and read it."""
    rows: dict[tuple[str, str], list[list[str]]] = defaultdict(list)
    with source.open() as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["test"] == "cyclic":
                entry = [row[name] for name in ("time_s", "lambda1", "P11_kPa")]
                rows[row["id"], row["stretch_rate_per_s"]].append(entry)
    text = HEAD
    for (_, rate), found in rows.items():
        top = round(2.0 * max(float(entry[1]) for entry in found)) / 2.0
        name = f"to-{top}-at-{rate}"
        lines = ["time [s],stretch [-],nominal_stress [kPa]", *(",".join(e) for e in found)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        text += TEST.format(name)
    (folder / "dataset.toml").write_text(text)
    return lipmat.read_dataset(folder)


class Curves:
    """The measured curves, parted where they turn.

    Args:
        data: The dataset.
    """

    def __init__(self, data: Dataset) -> None:
        self._columns = {
            test.name: (test.columns["stretch"], test.columns["nominal_stress"])
            for test in data.tests
        }

    def parts(self, name: str) -> tuple[Array, Array, Array]:
        """Return stretch and stress of the loading, and the stress of the unloading."""
        stretch, stress = self._columns[name]
        turn = int(stretch.argmax()) + 1
        return stretch[:turn], stress[:turn], stress[turn:]

    def loading(self, stretch: Array, share: float) -> Array:
        """Return the mean of both trained loadings at stretches, with a share of the faster."""
        fast, slow = (np.interp(stretch, *self.parts(name)[:2]) for name in TRAINED)
        return np.asarray(share * fast + (1.0 - share) * slow)

    def share(self, rate: str) -> float:
        """Return the share of the faster trained curve at a rate."""
        if rate != "0.03":
            return float(rate == "0.05")
        found = [self.parts(f"to-{top}-at-{rate}") for top in TOPS[:2]]
        away = np.concatenate([load - self.loading(x, 0.0) for x, load, _ in found])
        wide = np.concatenate([self.loading(x, 1.0) - self.loading(x, 0.0) for x, _, _ in found])
        return float(away @ wide / (wide @ wide))

    def allowed(self, top: str, rate: str) -> tuple[float, float]:
        """Return the R2 that the measurements allow, with exact and proportional unloading."""
        stretch, load, unload = self.parts(f"to-{top}-at-{rate}")
        along = self.loading(stretch, self.share(rate))
        measured = np.concatenate([load, unload])
        ends = (unload, unload * (along[-1] / load[-1]))
        exact, proportional = (_r2(measured, np.concatenate([along, end])) for end in ends)
        return exact, proportional

    def measured(self, top: str, rate: str) -> Array:
        """Return the stress of a test."""
        return self._columns[f"to-{top}-at-{rate}"][1]

    def specimen(self, top: str, rate: str) -> tuple[float, float, float]:
        """Return a specimen's factor, and what loadings differ by without and with it [%]."""
        stretch, load, _ = self.parts(f"to-{top}-at-{rate}")
        along = self.loading(stretch, self.share(rate))
        factor = float(along @ load / (along @ along))
        apart = [np.linalg.norm(f * along - load) for f in (1.0, factor)]
        without, left = (float(100.0 * a / np.linalg.norm(load)) for a in apart)
        return factor, without, left

    def compatible(self, top: str, rate: str) -> float:
        """Return the largest R2 of the trained curve of a rate if a test is to have R2 = BAR.

        Any loading, linear between the trained readings, serves both; the least squares of both
        are weighted so that the test just reaches the bar.
        """
        knots, trained, unloading = self.parts(f"to-3.0-at-{rate}")
        stretch, load, _ = self.parts(f"to-{top}-at-{rate}")
        rows = np.stack([np.interp(stretch, knots, unit) for unit in np.eye(len(knots))], 1)
        square = _spread(self.measured(top, rate))
        low, high = 0.0, 1e6  # weight of the test over that of the trained curve
        for _ in range(60):
            weight = 0.5 * (low + high)
            matrix = np.eye(len(knots)) + weight * rows.T @ rows
            found = np.linalg.solve(matrix, trained + weight * rows.T @ load)
            missed = float(((rows @ found - load) ** 2).sum()) / square
            low, high = (weight, high) if missed > 1.0 - BAR else (low, weight)
        whole = _spread(np.concatenate([trained, unloading]))
        return float(1.0 - ((found - trained) ** 2).sum() / whole)


def _r2(measured: Array, found: Array) -> float:
    return float(1.0 - ((found - measured) ** 2).sum() / _spread(measured))


def _spread(measured: Array) -> float:
    return float(((measured - measured.mean()) ** 2).sum())


def _row(values: Iterable[float]) -> str:
    return " ".join(f"{x:.3f}" for x in values)


def main() -> None:
    """Fit with both springs and print R2 of the nine curves beside what the data allow."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="the published table, a CSV file")
    parser.add_argument("--branches", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = dataset(options.source, Path(folder))
        reports, found = [], []
        for spring in ("hencky", "neo-hookean"):
            law = lipmat.fit(
                data, "maxwell", TRAINED, kinematics="log", branches=options.branches, spring=spring
            )
            reports.append(law.provenance.entries["tests"])
            tests = (t for t in data.tests if t.name not in TRAINED)
            found.append({t.name: predict_history(law, t).values.ravel() for t in tests})
    curves = Curves(data)
    print(f"share of the faster trained curve at 0.03 /s: {curves.share('0.03'):.2f}")
    print("stretch, rate [/s] | R2 hencky, neo-hookean | the data allow: exact, proportional")
    for top in TOPS:
        for rate in RATES:
            reached = [report[f"to-{top}-at-{rate}"]["r2"] for report in reports]
            limits = curves.allowed(top, rate)
            print(f"{top} {rate} |", _row(reached), "|", _row(limits))
    print("stretch, rate [/s] | factor, % apart without, with it | R2 exact for the trained")
    print("specimen | R2 over the factor: hencky, neo-hookean | trained R2 at most for 0.95")
    for top in TOPS:
        for rate in RATES:
            factor, *apart = curves.specimen(top, rate)
            measured = curves.measured(top, rate)
            over = [_r2(measured / factor, f[f"to-{top}-at-{rate}"]) for f in found]
            ideal = _r2(measured, measured / factor)
            most = f"{curves.compatible(top, rate):.4f}" if rate != "0.03" else "-"
            print(f"{top} {rate} | {factor:.3f}", *(f"{x:.1f}" for x in apart), end=" | ")
            print(f"{ideal:.3f} |", _row(over), f"| {most}")
    for name in TRAINED:
        print(f"trained {name}:", *(f"{report[name]['r2']:.4f}" for report in reports))


if __name__ == "__main__":
    main()
