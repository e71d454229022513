"""What people see in the terminal: progress lines and tables. Only rank 0 speaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from lipmat.cli.ranks import rank

if TYPE_CHECKING:
    from lipmat.fem.march import Progress as RunProgress
    from lipmat.fem.record import Record


class Terminal:
    """Prints for people.

    Args:
        quiet: Print nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(quiet=quiet or rank() > 0, highlight=False)

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(text)

    @contextmanager
    def steps(self, title: str) -> Iterator[Callable[[int, int, float], None]]:
        """Show steps of a training; yield the callback that takes step, steps and cost."""
        with self._bar("[bold]{task.description}[/]", "{task.fields[note]}") as bar:
            task = bar.add_task(title, total=None, note="")

            def update(step: int, steps: int, cost: float) -> None:
                bar.update(task, completed=step, total=steps, note=f"step {step}, cost {cost:.3e}")

            yield update

    @contextmanager
    def run(self, title: str) -> Iterator[Callable[[RunProgress], None]]:
        """Show a run: step, time, controlling cell, energy error, time left."""
        self.say(f"[bold]{title}[/]")
        with self._bar("{task.percentage:>3.0f} %", "{task.fields[note]}") as bar:
            task = bar.add_task(title, total=1.0, note="compiling")

            def update(p: RunProgress) -> None:
                left = "" if math.isnan(p.seconds_left) else f", {p.seconds_left:.0f} s left"
                note = (
                    f"{quantity(p.time, 's')}, step {p.steps}: {quantity(p.step, 's')} "
                    f"(cell {p.cell}), energy {p.energy_error:+.0e}{left}"
                )
                bar.update(task, completed=p.time / p.end, note=note)

            yield update

    def _bar(self, *columns: str) -> Progress:
        texts = [TextColumn(c) for c in columns]
        bar = BarColumn(bar_width=10)
        return Progress(texts[0], bar, *texts[1:], console=self.console, transient=True)

    def fit(self, summary: Mapping[str, Any]) -> None:
        """Print the tests of a fit and the file written."""
        self._tests(f"{summary['law']}, fitted in {summary['seconds']:.1f} s", summary["tests"])
        bulk = summary["bulk_modulus"]
        self.say(f"bulk modulus {quantity(bulk['value'], 'Pa')} ({bulk['origin']})")
        self.files([Path(summary["file"]), Path(summary["plot"])])

    def _tests(self, title: str, tests: Mapping[str, Any]) -> None:
        table = Table(title=title, **_STYLE)
        for name in ("test", "", "points", "R²", "rms error"):
            table.add_column(name, justify="left" if name in ("test", "") else "right")
        for name, t in tests.items():
            kind = "fitted" if t["fitted"] else "predicted"
            error = f"{t['rmse']:.3g} {t['unit']}"
            table.add_row(name, kind, str(t["n"]), f"{t['r2']:.4f}", error)
        self.console.print(table)

    def info(self, file: Path, content: Mapping[str, Any]) -> None:
        """Print what a material file holds."""
        table = Table(title=str(file), show_header=False, **_STYLE)
        table.add_column(style="bold")
        table.add_column()
        shown = {k: content[k] for k in ("law", "strain_measures", "stress_measures", "units")}
        provenance = {k: v for k, v in content["provenance"].items() if k != "tests"}
        provenance["density [kg/m^3]"] = provenance.pop("density", None)
        for key, value in {**shown, **content["settings"], **provenance}.items():
            table.add_row(key.replace("_", " "), _flat(value))
        table.add_row("bound by", content["bound"]["rule"])
        self.console.print(table)
        if "tests" in content["provenance"]:
            self._tests("tests", content["provenance"]["tests"])
        self._rungs(content["bound"]["rungs"])

    def _rungs(self, rungs: Sequence[Mapping[str, Any]]) -> None:
        table = Table(title="certified bounds of the tangent", **_STYLE)
        table.add_column("stretch")
        table.add_column("volume ratio")
        for name in rungs[0]["tangent"]:
            table.add_column(name, justify="right")
        for r in rungs:
            values = [quantity(v, "Pa") for v in r["tangent"].values()]
            table.add_row(*_domain(r["domain"]), *values)
        self.console.print(table)

    def check(self, result: Mapping[str, Any]) -> None:
        """Print certified steps beside the usual estimates."""
        cell = result["limiting_cell"]
        where = ", ".join(f"{x:.4g}" for x in cell["centre"])
        chance = result["failure_probability"]
        self.say(
            f"[bold]certified step {quantity(result['step'], 's')}[/] ({result['level']}; "
            f"highest frequency {result['omega_max']:.5g} rad/s by {result['omega_rule']}"
            + (f", failure probability {chance:.0e})" if chance else ")")
        )
        self.say(f"set by cell {cell['number']} at ({where}) m, of {result['cells']} cells")
        table = Table(title="step while the body stays in a domain", **_STYLE)
        for name in ("stretch", "volume ratio", "certified step"):
            table.add_column(name)
        for rung in result["ladder"]:
            table.add_row(*_domain(rung["domain"]), quantity(rung["step"], "s"))
        self.console.print(table)
        table = Table(title="what the usual estimates say for the first of them", **_STYLE)
        for name in ("estimate", "step", "over the certified", ""):
            table.add_column(name)
        notes = {"edge_length": "not a bound", "element": "a bound"}
        for name, value in result["estimates"].items():
            ratio = f"{value / result['step']:.3f}"
            table.add_row(name.replace("_", " "), quantity(value, "s"), ratio, notes[name])
        self.console.print(table)

    def record(self, record: Record) -> None:
        """Print how a run ended and what it left."""
        s = record.summary
        good = record.outcome == "completed"
        colour = "green" if good else "red"
        self.say(f"[bold {colour}]{record.outcome}[/]: {record.message}")
        if not good:
            self.say(f"advice: {record.outcome.advice}")
        rate = s["cell_steps_per_second"] / 1e6
        self.say(
            f"{s['steps']} steps of {s['cells']} cells in {s['seconds']:.1f} s "
            f"({rate:.2f} million cell steps a second), energy error {s['energy']['error']:.1e}"
        )
        changes = s["step_changes"]
        if changes["count"]:
            self.say(
                f"the step followed the body's domain: {changes['count']} changes, between "
                f"{quantity(changes['smallest'], 's')} and {quantity(changes['largest'], 's')}"
            )
        if abs(s["energy"]["error"]) > 0.01:
            self.say("[yellow]the energy account is more than 1 % out: look before you trust[/]")
        if s["domain_overruns"]:
            self.say(
                f"checks that found the body already beyond the domain of the step in use: "
                f"{s['domain_overruns']}; a smaller check_every sees it earlier"
            )
        if record.folder is not None:
            names = ("summary.json", "history.csv", "fields.vtkhdf")
            self.files([*(record.folder / n for n in names), *record.pictures])

    def files(self, files: Sequence[Path]) -> None:
        """Print the files written."""
        for file in files:
            self.say(f"  wrote {file}")


_STYLE: dict[str, Any] = {"title_justify": "left", "box": None, "padding": (0, 2, 0, 0)}
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def quantity(value: float, unit: str) -> str:
    """Return a value with an SI prefix, for people."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    scale, prefix = next((p for p in _PREFIXES if abs(value) >= p[0]), _PREFIXES[-1])
    return f"{value / scale:.4g} {prefix}{unit}"


def _domain(domain: Mapping[str, float] | None) -> tuple[str, str]:
    if domain is None:
        return "any", "any"
    return (
        f"{domain['stretch_min']:.3g} … {domain['stretch_max']:.3g}",
        f"{domain['volume_min']:.3g} … {domain['volume_max']:.3g}",
    )


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k.replace('_', ' ')} {_flat(v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(_flat, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
