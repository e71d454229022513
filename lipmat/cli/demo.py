"""The whole story in about a minute: fit, certify, run, look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import lipmat
from lipmat.cli.certify import check
from lipmat.cli.fitreport import fit_panels, fit_summary
from lipmat.cli.terminal import Terminal, quantity
from lipmat.config import parse_mesh
from lipmat.errors import InputError
from lipmat.plotting import plot_fit, plot_run

if TYPE_CHECKING:
    from lipmat.fem.record import Record

BULK_MODULUS = 50e6  # [Pa]; the tests do not tell it
SIZE, CELLS = (0.05, 0.05, 0.15), (8, 8, 24)  # [m]
VELOCITY = (4.5, 1.5, -6.5)  # [m/s]
END, EVERY = 0.02, 0.02 / 80  # [s]


def dataset_folder() -> Path:
    """Return the folder of Treloar's data: in the package, or beside it in a checkout."""
    package = Path(lipmat.__file__).parent
    for folder in (package / "data" / "treloar-1944", package.parent / "data" / "treloar-1944"):
        if folder.is_dir():
            return folder
    raise InputError(f"{package}: data/treloar-1944 is missing, install lipmat again")


def run_demo(folder: Path, terminal: Terminal) -> Record:
    """Fit Treloar's rubber, certify its step on a block, throw the block at a wall.

    The block's lower end sticks to the wall; pictures, records and the material file are left in
    the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    terminal.say("[bold]1  fit[/]  Treloar's rubber, three tests of 1944")
    data = lipmat.read_dataset(dataset_folder())
    with terminal.steps("fitting") as progress:
        law = lipmat.fit(data, bulk_modulus=BULK_MODULUS, progress=progress)
    file = folder / "treloar.safetensors"
    lipmat.save(law, file)
    plot_fit(folder / "fit.png", fit_panels(law, data))
    terminal.fit(fit_summary(law, file, folder / "fit.png"))

    terminal.say("\n[bold]2  check[/]  the stable step of a block of it, before the run")
    size, cells = (",".join(map(str, x)) for x in (SIZE, CELLS))
    terminal.check(check(law, parse_mesh(f"box:{size}:{cells}"), data.density, "linearised"))

    terminal.say(f"\n[bold]3  run[/]  the block hits a wall at {quantity(-VELOCITY[2], 'm/s')}")
    body = lipmat.Body.box(SIZE, CELLS, "hexahedron", law, data.density or 930.0)
    step = lipmat.critical_step(body)
    with terminal.run("impact") as update:
        record = lipmat.march(
            body,
            step,
            END,
            loads=[lipmat.Motion("z-min", (0.0, 0.0, 0.0))],
            velocity=VELOCITY,
            folder=folder,
            every=EVERY,
            progress=update,
            info={"title": "lipmat demo: a rubber block hits a wall"},
        )
    record = record.with_pictures((folder / "fit.png", *plot_run(folder, movie=True)))
    terminal.record(record)
    return record
