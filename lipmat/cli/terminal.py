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
    from lipmat.fem.driver import Progress as RunProgress
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
    def bounding(self, title: str) -> Iterator[Callable[[float, float, float], None]]:
        """Show a search; yield the callback that takes the share of time, bound and sample."""
        with self._bar("[bold]{task.description}[/]", "{task.fields[note]}") as bar:
            task = bar.add_task(title, total=1.0, note="")

            def update(share: float, bound: float, sample: float) -> None:
                note = f"certified over sampled {bound / sample:.3f}"
                bar.update(task, completed=min(share, 1.0), note=note)

            yield update

    @contextmanager
    def run(self, title: str) -> Iterator[Callable[[RunProgress], None]]:
        """Show a run: step, time, controlling cell, energy error, time left."""
        self.say(f"[bold]{title}[/]")
        with self._bar("{task.percentage:>3.0f} %", "{task.fields[note]}") as bar:
            task = bar.add_task(title, total=1.0, note="compiling")
            said: set[str] = set()

            def update(p: RunProgress) -> None:
                for warning in p.warnings:
                    if warning not in said:
                        self.say(f"[yellow]{warning}[/]")
                said.update(p.warnings)
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
        self.say(f"bulk modulus at rest {quantity(bulk['value'], 'Pa')} ({bulk['origin']})")
        self._branches(summary.get("branches", []))
        self._conditions(summary)
        if "l_data" in summary:
            self._data(summary)
        if "step" in summary:
            self._step_asked(summary["step"])
        if "correction" in summary:
            self._correction(summary["correction"])
        self.files([Path(summary["file"]), Path(summary["plot"])])

    def _branches(self, branches: Sequence[Mapping[str, Any]]) -> None:
        """Print what a law remembers, a branch a line."""
        for i, branch in enumerate(branches, 1):
            said = [f"shear modulus {quantity(branch['shear_modulus'], 'Pa')}"]
            for key, unit in (("relaxation_time", "s"), ("yield_stress", "Pa")):
                if branch.get(key):
                    said.append(f"{key.replace('_', ' ')} {quantity(branch[key], unit)}")
            if "strength" in branch and branch["strength"]["first"] != branch["strength"]["last"]:
                first, last = (quantity(branch["strength"][k], "Pa") for k in ("first", "last"))
                said.append(f"strength {first} to {last}")
            said += [f"{k} {v:.4g}" for k, v in branch.items() if k[0] in "ABnC" or "rate" in k]
            self.say(f"branch {i}: {', '.join(said)}")

    def _conditions(self, content: Mapping[str, Any]) -> None:
        """Print which conditions matter to a law."""
        if "conditions" in content:
            from lipmat.cli.conditions import show_conditions

            show_conditions(self, content)

    def _data(self, summary: Mapping[str, Any]) -> None:
        """Print what the data alone say of convexity and bound."""
        found = summary["convex_data"]
        self.say(
            "the data fit a convex law"
            if found["convex"]
            else f"[yellow]no convex law fits the data: the stress falls by "
            f"{quantity(found['fall'], 'Pa')} between {' and '.join(found['rows'])}[/]"
        )
        self.say(f"of the reference stiffness the data alone need {summary['l_data']:.3f}")

    def _correction(self, found: Mapping[str, Any]) -> None:
        """Print what the correction of a classical law changes."""
        self.say(
            f"the correction changes the stress by {found['share_inside']:.2%} at the tests and by "
            f"{found['share_outside']:.2%} beyond them, the certified bound by "
            f"{found['stiffening']:+.1%} at most"
        )

    def _step_asked(self, step: Mapping[str, Any]) -> None:
        """Print what a requested step costs."""
        asked, free = quantity(step["requested"], "s"), quantity(step["without_bound"], "s")
        if not step["binds"]:
            self.say(f"the step of {asked} binds nothing: the law without a bound allows {free}")
            return
        certified = quantity(step["certified"], "s")
        self.say(
            f"certified step {certified} ({step['level']}) for {asked} asked; without the bound "
            f"{free}, C0 is {step['scale']:.3g} of that law's"
        )
        self._tests("the law without the bound", step["tests_without_bound"])

    def _tests(self, title: str, tests: Mapping[str, Any]) -> None:
        table = Table(title=title, **STYLE)
        for name in ("test", "", "points", "R²", "rms error"):
            table.add_column(name, justify="left" if name in ("test", "") else "right")
        shown = dict(sorted(tests.items(), key=lambda x: x[1]["r2"])[:MOST_TESTS])
        for name, t in ((n, t) for n, t in tests.items() if n in shown):
            kind = "fitted" if t["fitted"] else "predicted"
            error = f"{t['rmse']:.3g} {t['unit']}"
            table.add_row(name, kind, str(t["n"]), f"{t['r2']:.4f}", error)
        self.console.print(table)
        if len(tests) > len(shown):
            self.say(f"and {len(tests) - len(shown)} tests that are met better")

    def info(self, file: Path, content: Mapping[str, Any]) -> None:
        """Print what a material file holds."""
        table = Table(title=str(file), show_header=False, **STYLE)
        table.add_column(style="bold")
        table.add_column()
        shown = {k: content[k] for k in ("law", "strain_measures", "stress_measures", "units")}
        provenance = {k: v for k, v in content["provenance"].items() if k != "tests"}
        provenance["density [kg/m^3]"] = provenance.pop("density", None)
        rows = {**shown, **content["settings"], **provenance}
        for key, value in ((k, v) for k, v in rows.items() if k != "channels"):
            table.add_row(key.replace("_", " "), _flat(value))
        table.add_row("bound by", content["bound"]["rule"])
        self.console.print(table)
        self._branches(content.get("branches", []))
        self._conditions(content)
        if "tests" in content["provenance"]:
            self._tests("tests", content["provenance"]["tests"])
        self._rungs(content["bound"]["rungs"])
        if content["tolerance"]:
            self._tolerance(content["tolerance"])
        else:
            self.say(content["no_tolerance"])

    def _rungs(self, rungs: Sequence[Mapping[str, Any]]) -> None:
        table = Table(title="certified bounds of the tangent", **STYLE)
        table.add_column("stretch")
        table.add_column("volume ratio")
        for name in rungs[0]["tangent"]:
            table.add_column(name, justify="right")
        for r in rungs:
            values = [_stiffness(v) for v in r["tangent"].values()]
            table.add_row(*domain_texts(r["domain"]), *values)
        self.console.print(table)

    def _tolerance(self, content: Mapping[str, Any]) -> None:
        """Print how far a strain error moves the stress: the bound, and what an attack finds."""
        table = Table(
            title=f"change of stress for an error of {content['strain_error']:g} of the "
            f"{content['measure']} (Frobenius norms)",
            **STYLE,
        )
        table.add_column("stretch")
        table.add_column("volume ratio")
        names = content["reaches"][0]["parts"]
        for name in ("at most", "attack finds", *names):
            table.add_column(name, justify="right")
        for r in content["reaches"]:
            values = (r["certified"], r["found"], *r["parts"].values())
            table.add_row(*domain_texts(r["domain"]), *(quantity(v, "Pa") for v in values))
        self.console.print(table)
        for key, title in (("components", "components"), ("pull", "pull, sides free, along")):
            if content[key]:
                said = (f"{axis} {quantity(v, 'Pa')}" for axis, v in content[key].items())
                self.say(f"at most, {title}: {', '.join(said)}")
        if content["all_readings"] is not None:
            most = quantity(content["all_readings"], "Pa")
            self.say(f"at most, all readings of a straight history wrong: {most}")

    def check(self, result: Mapping[str, Any]) -> None:
        """Print certified steps beside the usual estimates."""
        from lipmat.cli.checkview import show_check

        show_check(self, result)

    def record(self, record: Record) -> None:
        """Print how a run ended and what it left."""
        s = record.summary
        good = record.outcome == "completed"
        colour = "green" if good else "red"
        self.say(f"[bold {colour}]{record.outcome}[/]: {record.message}")
        if not good:
            self.say(f"advice: {s['advice']}")
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
        for warning in (*s["energy"]["warnings"], *s["restart_failures"]):
            self.say(f"[yellow]{warning}[/]")
        if s["domain_overruns"]:
            self.say(
                f"checks that found the body already beyond the domain of the step in use: "
                f"{s['domain_overruns']}; a smaller check_every sees it earlier"
            )
        if not good and record.folder is not None and (record.folder / "case.toml").is_file():
            self.say(f"to go on from the last good state: lipmat resume {record.folder}")
        if record.folder is not None:
            names = ("summary.json", "history.csv", "fields.vtkhdf")
            self.files([*(record.folder / n for n in names), *record.pictures])

    def profile(self, record: Record) -> None:
        """Say where the time of a run went, on this rank."""
        profile, steps = record.summary["profile"], record.summary["steps"]
        table = Table(title="where the time went", **STYLE)
        for name in ("", "share", "seconds", "a step"):
            table.add_column(name, justify="right" if name else "left")
        total = max(sum(profile.values()), 1e-300)
        for name, seconds in sorted(profile.items(), key=lambda x: -x[1]):
            each = quantity(seconds / max(1, steps), "s")
            table.add_row(name, f"{seconds / total:.1%}", f"{seconds:.2f}", each)
        self.console.print(table)

    def files(self, files: Sequence[Path]) -> None:
        """Print the files written."""
        for file in files:
            self.say(f"  wrote {file}")


MOST_TESTS = 24  # in a table: those that are met worst
STYLE: dict[str, Any] = {"title_justify": "left", "box": None, "padding": (0, 2, 0, 0)}
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def _stiffness(bound: Any) -> str:
    """Return a bound of a tangent: a number, the two moduli of C0, or its largest component."""
    if not isinstance(bound, Mapping):
        return quantity(bound, "Pa")
    if "bulk_modulus" in bound:
        bulk, shear = (quantity(bound[f"{k}_modulus"], "Pa") for k in ("bulk", "shear"))
        return f"K {bulk}, G {shear}"
    return f"C0 up to {quantity(max(map(max, bound['stiffness'])), 'Pa')}"


def quantity(value: float, unit: str) -> str:
    """Return a value with an SI prefix, for people."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    scale, prefix = next((p for p in _PREFIXES if abs(value) >= p[0]), _PREFIXES[-1])
    return f"{value / scale:.4g} {prefix}{unit}"


def domain_texts(domain: Mapping[str, float] | None) -> tuple[str, str]:
    """Return a domain's stretches and volume ratios, for people."""
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
        nested = bool(value) and isinstance(value[0], list)
        return f"{len(value)}" if nested else ", ".join(map(_flat, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
