"""How the terminal shows what ``lipmat check`` found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from lipmat.cli.terminal import STYLE, domain_texts, quantity

if TYPE_CHECKING:
    from lipmat.cli.terminal import Terminal

NOTES = {
    "edge_length": "no bound: shortest edge over wave speed",
    "element": "a bound: the worst cell alone",
    "collatz_wielandt": "a bound: sizes of the entries of K0",
}


def show_check(terminal: Terminal, result: Mapping[str, Any]) -> None:
    """Print certificates, ladder, estimates and worst cells."""
    _certificate(terminal, result)
    if "conditions" in result:
        _conditions(terminal, result["conditions"])
    _levels(terminal, result)
    if len(result["ladder"]) > 1:
        _ladder(terminal, result)
    _estimates(terminal, result)
    for row in result["mending"]:
        terminal.say(
            f"if the worst {100 * row['share']:g} % ({row['cells']:.0f} cells) were as good as the "
            f"next, the element limit would be {row['factor']:.3g} times as long"
        )
    if "requested" in result:
        _requested(terminal, result["requested"])
    if "picture" in result:
        terminal.say(f"  wrote {result['picture']}")


def _certificate(terminal: Terminal, result: Mapping[str, Any]) -> None:
    cell, chance = result["limiting_cell"], result["failure_probability"]
    where = ", ".join(f"{x:.4g}" for x in cell["centre"])
    terminal.say(
        f"[bold]certified step {quantity(result['step'], 's')}[/] ({result['level']}; "
        f"highest frequency {result['omega_max']:.5g} rad/s by {result['omega_rule']}"
        + (f", failure probability {chance:.0e})" if chance else ")")
    )
    terminal.say(
        f"set by cell {cell['number']} at ({where}) m, shortest edge "
        f"{quantity(cell['size'], 'm')}, own limit {quantity(cell['limit'], 's')}; "
        f"{result['cells']} cells in all, {result['formulation']} integration"
    )


def _conditions(terminal: Terminal, conditions: str | Mapping[str, str]) -> None:
    if isinstance(conditions, str):
        terminal.say(
            "the worst case of all conditions in their ranges; for one of them: --conditions"
        )
    else:
        terminal.say("at " + ", ".join(f"{name} {value}" for name, value in conditions.items()))


def _levels(terminal: Terminal, result: Mapping[str, Any]) -> None:
    table = Table(title="certificates", **STYLE)
    for name in ("level", "certified step", "viscosity", "what it proves"):
        table.add_column(name)
    for name, level in result["levels"].items():
        if level["step"] is None:
            table.add_row(name, "none", "", f"not for this law: {level['reason']}")
        else:
            viscosity = f"{level['viscosity']:g}"
            table.add_row(name, quantity(level["step"], "s"), viscosity, level["proves"])
    terminal.console.print(table)


def _ladder(terminal: Terminal, result: Mapping[str, Any]) -> None:
    table = Table(title="step while the body stays in a domain", **STYLE)
    for name in ("stretch", "volume ratio", "certified step"):
        table.add_column(name)
    for rung in result["ladder"]:
        table.add_row(*domain_texts(rung["domain"]), quantity(rung["step"], "s"))
    terminal.console.print(table)


def _estimates(terminal: Terminal, result: Mapping[str, Any]) -> None:
    """Compare with the linearised certificate: the estimates promise no more than that."""
    certified = result["levels"]["linearised"]["step"]
    table = Table(title="what the usual estimates say", **STYLE)
    for name in ("estimate", "step", "over the linearised certificate", ""):
        table.add_column(name)
    for name, value in result["estimates"].items():
        shown = name.replace("_", " ")
        table.add_row(shown, quantity(value, "s"), f"{value / certified:.3f}", NOTES[name])
    terminal.console.print(table)


def _requested(terminal: Terminal, requested: Mapping[str, Any]) -> None:
    terminal.say(f"[bold]the step of {quantity(requested['step'], 's')} is certified[/]")
    added = requested["added_mass"]
    if added is None:
        return
    rows = added["regions"] if len(added["regions"]) > 1 else []
    for region in (*rows, added["total"]):
        name = region["region"] or "the whole body"
        terminal.say(
            f"with {region['added']:.4g} kg added to {name} of {region['mass']:.4g} kg "
            f"({100 * region['share']:.3g} %)"
        )
    largest = f", at most {added['largest_factor']:.3g} times as dense" if added["cells"] else ""
    terminal.say(f"cells with added mass: {added['cells']}{largest}")
