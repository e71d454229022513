"""``python -m tests.benchmarks.peers`` prints the table; ``-h`` tells the rest."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from tests.benchmarks.peers.bench import compare
from tests.benchmarks.peers.peer import PEERS
from tests.benchmarks.peers.problem import rubber
from tests.benchmarks.peers.result import Comparison
from tests.benchmarks.peers.table import into, markdown, text


def main() -> None:
    """Measure or read, then print and write what is asked for."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PEERS, help="compare these codes only")
    parser.add_argument("--rates", action="store_true", help="rates only, no times to solution")
    parser.add_argument("--cells", nargs=3, type=int, help="another number of cells")
    parser.add_argument("--rounds", type=int, default=7, help="turns of lipmat and a code")
    parser.add_argument(
        "--python", action="append", default=[], metavar="CODE=PATH", help="its own interpreter"
    )
    parser.add_argument("--read", type=Path, help="show an earlier result, measure nothing")
    parser.add_argument("--json", type=Path, help="write the result here")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--figure", type=Path, help="write the figure here")
    parser.add_argument("--page", type=Path, help="put the table between the marks of this page")
    options = parser.parse_args()
    found = _read(options.read) if options.read else _measure(options)
    if options.json:
        options.json.write_text(json.dumps(found.as_dict(), indent=1) + "\n")
    if options.figure:
        from tests.benchmarks.peers.figure import draw

        draw(found, options.figure)
    if options.page:
        options.page.write_text(into(options.page.read_text(), found))
    print(markdown(found) if options.markdown else text(found))


def _read(path: Path) -> Comparison:
    return Comparison.from_dict(json.loads(path.read_text()))


def _measure(options: argparse.Namespace) -> Comparison:
    return compare(
        rubber(),
        options.cells,
        rounds=options.rounds,
        pythons=dict(pair.split("=", 1) for pair in options.python),
        report=partial(print, file=sys.stderr),
        peers={name: PEERS[name] for name in options.only or PEERS},
        solve=not options.rates,
    )


if __name__ == "__main__":
    main()
