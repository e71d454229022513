"""The comparison as text and as Markdown."""

from __future__ import annotations

from tests.benchmarks.peers.result import Comparison, Row

BEGIN, END = "<!-- table -->\n", "\n<!-- end of table -->"
"""Marks of the table in a page."""
HEADS = (
    "code",
    "law",
    "force agrees",
    "force",
    "lipmat over it",
    "full step",
    "lipmat over it",
    "step",
    "of 2/ω",
    "its rule",
    "steps",
    "time to solution",
    "off the finer mesh",
)
UNITS = ("", "", "", "M cells/s", "", "M cells/s", "", "µs", "", "", "", "s", "%")


def _number(value: float | None, scale: float = 1.0, form: str = ".3g") -> str:
    return "–" if value is None else format(value * scale, form)


def cells_of(row: Row) -> list[str]:
    """Return a row's cells as text."""
    if row.reason:
        return [row.name, *("" for _ in HEADS[2:]), f"not compared: {row.reason}"]
    share = None if row.step is None or row.limit is None else row.step / row.limit
    return [
        f"{row.name} {row.version}",
        row.law,
        "–" if not row.agreement else f"{row.agreement:.0e}",
        _number(row.force_rate, 1e-6),
        _number(row.force_ratio),
        _number(row.step_rate, 1e-6),
        _number(row.step_ratio),
        _number(row.step, 1e6, ".0f"),
        _number(share, 1.0, ".2f"),
        row.rule,
        "–" if row.steps is None else str(row.steps),
        _number(row.solution) + (" (extrapolated)" if row.extrapolated else ""),
        _number(row.error, 100.0),
    ]


def notes_of(comparison: Comparison) -> list[str]:
    """Return what is to be known beside the numbers, a line each."""
    out = [
        f"{comparison.date}; {comparison.machine}, one thread on one core, seconds of the "
        f"processor; Python "
        f"{comparison.python}; {comparison.cells} hexahedra with eight points, float64."
    ]
    steps = comparison.steps
    if steps is not None:
        verdict = "completes" if steps.failure is None else f"does not: {steps.failure}"
        out.append(
            f"Exact 2/ω: {steps.limit * 1e6:.0f} µs at rest, {steps.smallest * 1e6:.0f} µs at the "
            f"least along the run. Edge length over wave speed: {steps.usual * 1e6:.0f} µs; 0.9 "
            f"of it {verdict}. Largest constant step that completes: {steps.largest * 1e6:.0f} µs."
        )
    out += [f"{row.name}: {row.remark}." for row in comparison.rows if row.remark]
    out += [f"{row.name}: {row.way}." for row in comparison.rows if row.way]
    return out


def text(comparison: Comparison) -> str:
    """Return the table for a terminal."""
    rows = [list(HEADS), list(UNITS), *map(cells_of, comparison.rows)]
    full = [row for row in rows if not row[-1].startswith("not compared")]
    widths = [max(len(row[i]) for row in full) for i in range(len(HEADS))]
    lines = []
    for row in rows:
        if row in full:
            lines.append("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())
        else:
            lines.append(f"{row[0]}  {row[-1]}")
    return "\n".join([*lines, "", *notes_of(comparison)])


def markdown(comparison: Comparison) -> str:
    """Return the table for the documentation."""
    heads = [f"{h} [{u}]" if u else h for h, u in zip(HEADS, UNITS, strict=True)]
    rows = [heads, ["---"] * len(heads), *map(cells_of, comparison.rows)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes_of(comparison))])


def into(page: str, comparison: Comparison) -> str:
    """Return a page with the table put between its marks.

    Raises:
        ValueError: The page does not have them.
    """
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise ValueError(f"the page has no {BEGIN.strip()} followed by {END.strip()}")
    return before + BEGIN + markdown(comparison) + END + after
