"""Conditions on the command line: how they are written, and what is shown of a law of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from lipmat.cli.fitreport import fit_panels
from lipmat.cli.terminal import STYLE, quantity
from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.modes import measurement
from lipmat.experiments.report import predicted
from lipmat.materials.channels import Channel
from lipmat.materials.conditioned import ConditionedStretch, frozen
from lipmat.materials.domain import StretchDomain
from lipmat.materials.file import load
from lipmat.materials.law import Law
from lipmat.plotting import plot_fit
from lipmat.plotting.conditions import (
    ConditionCurve,
    ConditionPanel,
    GatePanel,
    plot_conditions,
)
from lipmat.units import column_unit

if TYPE_CHECKING:
    from lipmat.cli.terminal import Terminal

CURVES = 9  # of a panel, spread evenly over the channel that matters most
POINTS = 60  # of a curve
NEAR_ONE = (0.95, 1.05)  # volume ratios for which stresses are bounded


def parse_conditions(text: str) -> dict[str, str]:
    """Return the conditions of a command line, such as ``temperature=60 degC,porosity=0.1``.

    Raises:
        InputError: An entry is no name with a value, or a name is given twice.
    """
    found: dict[str, str] = {}
    for entry in text.split(","):
        name, equals, value = (part.strip() for part in entry.partition("="))
        if not (name and equals and value) or name in found:
            raise InputError(
                f"--conditions: found {entry.strip()!r}, expected each condition once as "
                "'temperature=60 degC,porosity=0.1'"
            )
        found[name] = value
    return found


def law_to_check(file: Path, conditions: str | None) -> Law:
    """Return the law of a file at the conditions of a command line; without them as it is.

    Raises:
        InputError: The law does not depend on them, or they are not as it needs them.
    """
    if conditions is None:
        return load(file)
    written = parse_conditions(conditions)
    return frozen(load(file), written, "--conditions")


def checked_at(law: Law) -> dict[str, Any]:
    """Return for which conditions a certificate holds, as JSON values; nothing if for none."""
    if isinstance(law, ConditionedStretch):
        return {"conditions": "all"}
    found = law.provenance.entries.get("conditions")
    return {"conditions": found} if found else {}


def conditions_of(law: Any) -> dict[str, Any]:
    """Return what a law depends on, as JSON values, under ``conditions``; nothing if on none.

    Of a plain law whose dataset had conditions these are said to be ignored.

    ``stress_change`` bounds how much the stress changes with a condition, in [Pa] from one end of
    its range to the other, while stretches stay in the ``domain`` beside it.
    """
    if not isinstance(law, ConditionedStretch):
        ignored = law.provenance.entries.get("channels", {}).get("found", {})
        return {"conditions": {"channels": ignored}} if ignored else {}
    domain = _isochoric_domain(law)
    change, found = law.sensitivity(domain), _found(law)
    channels = {
        c.name: {
            "unit": c.unit,
            "range": [c.in_unit(c.low), c.in_unit(c.high)],
            "kept": c.name in law.kept,
            **({"stress_change": change[c.name] * (c.high - c.low)} if c.name in change else {}),
            **found.get(c.name, {}),
        }
        for c in law.channels
    }
    ranges = law.gate_ranges
    return {
        "conditions": {
            "channels": channels,
            "gates": [list(r) for r in zip(ranges.lo.tolist(), ranges.hi.tolist(), strict=True)],
            "domain": domain.as_dict(),
        }
    }


def show_conditions(terminal: Terminal, content: Mapping[str, Any]) -> None:
    """Print which conditions a law depends on, and how much."""
    about = content.get("conditions", {"channels": {}})
    ignored = [name for name, c in about["channels"].items() if not c["kept"]]
    if "domain" in about:
        _kept(terminal, about)
    if ignored:
        terminal.say(f"conditions that do not matter, ignored: {', '.join(ignored)}")


def _kept(terminal: Terminal, about: Mapping[str, Any]) -> None:
    table = Table(title="conditions that matter", **STYLE)
    for name in ("condition", "range", "influence", "R² without", "stress changes at most"):
        table.add_column(name)
    for name, c in about["channels"].items():
        if not c["kept"]:
            continue
        low, high = c["range"]
        shown = [f"{100 * c['influence']:.1f} %" if "influence" in c else ""]
        shown += [f"{c['r2_without']:.3f}" if "r2_without" in c else ""]
        table.add_row(
            name, f"{low:g} … {high:g} {c['unit']}", *shown, quantity(c["stress_change"], "Pa")
        )
    terminal.console.print(table)
    domain = about["domain"]
    terminal.say(
        "the last column bounds the distortional stress from one end of the range to the other, "
        f"for stretches {domain['stretch_min']:.3g} … {domain['stretch_max']:.3g} and volume "
        f"ratios {domain['volume_min']:.3g} … {domain['volume_max']:.3g}"
    )


def draw_fit(law: Any, data: Dataset, path: Path) -> Path:
    """Draw the picture of a fit: by conditions where the law depends on some, else by tests."""
    if isinstance(law, ConditionedStretch):
        return plot_conditions(path, *condition_panels(law, data))
    return plot_fit(path, fit_panels(law, data))


def condition_panels(
    law: ConditionedStretch, data: Dataset
) -> tuple[list[ConditionPanel], list[GatePanel]]:
    """Return measured and fitted curves for each loading mode, and the gates' responses."""
    found = _found(law)
    lead = max(law.kept, key=lambda name: found.get(name, {}).get("influence", 0.0))
    channel = next(c for c in law.channels if c.name == lead)
    modes = dict.fromkeys(t.mode for t in data.tests if t.mode != "tensor")
    panels = [_panel(law, [t for t in data.tests if t.mode == m], channel) for m in modes]
    by_name = {c.name: c for c in law.channels}
    return panels, [_response(law, j, by_name[name]) for j, name in enumerate(law.kept)]


def _found(law: ConditionedStretch) -> Mapping[str, Any]:
    """Return what the fit found of each channel."""
    found: Mapping[str, Any] = law.provenance.entries.get("channels", {}).get("found", {})
    return found


def _isochoric_domain(law: ConditionedStretch) -> StretchDomain:
    """Return the states within the stretches of the tests that hardly change the volume."""
    seen = law.provenance.entries.get("training_range", {})
    low = min(seen.get("stretch_min", law.domain.stretch_min), NEAR_ONE[0])
    high = max(seen.get("stretch_max", law.domain.stretch_max), NEAR_ONE[1])
    return StretchDomain(low, high, *NEAR_ONE)


def _panel(law: ConditionedStretch, tests: list[Test], channel: Channel) -> ConditionPanel:
    tests = sorted(tests, key=lambda t: t.conditions[channel.name])
    chosen = [tests[i] for i in np.unique(np.linspace(0, len(tests) - 1, CURVES).astype(int))]
    curves = [_curve(law, test, channel) for test in chosen]
    label = measurement(chosen[0]).x_label.replace("_", " ")
    limits = (channel.in_unit(channel.low), channel.in_unit(channel.high))
    title = f"{chosen[0].mode.replace('_', ' ')}: {len(curves)} of {len(tests)} tests"
    scale = f"{channel.name} [{channel.unit or '-'}]"
    return ConditionPanel(title, curves, label, f"stress [{chosen[0].unit}]", scale, limits)


def _curve(law: ConditionedStretch, test: Test, channel: Channel) -> ConditionCurve:
    m = measurement(test)
    pascals = column_unit(test.unit, "stress", test.name)
    value = channel.in_unit(test.conditions[channel.name])
    found = predicted(law, test) / pascals
    return ConditionCurve(value, m.x, m.measured.numpy() / pascals, found)


def _response(law: ConditionedStretch, j: int, channel: Channel) -> GatePanel:
    """Return the gates along one channel, the others in the middle of their ranges."""
    import torch

    c = torch.zeros(POINTS, len(law.kept), dtype=torch.float64)
    c[:, j] = torch.linspace(-1.0, 1.0, POINTS)
    x = np.linspace(channel.in_unit(channel.low), channel.in_unit(channel.high), POINTS)
    return GatePanel(f"{channel.name} [{channel.unit or '-'}]", x, law.gate(c).numpy())
