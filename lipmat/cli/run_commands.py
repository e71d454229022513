"""Commands that check and run bodies; each is a few calls of the Python interface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from lipmat.cli.app import (
    Json,
    Output,
    Quantity,
    app,
    exit_code,
    print_json,
    refuse_no_folder,
    refuse_no_material,
)
from lipmat.errors import InputError


@app.command
def demo(*, output: Annotated[Path, Parameter(name=["-o", "--output"])] = Path("demo")) -> int:
    """Fit Treloar's rubber, certify the step on a mesh, run a short impact, leave pictures.

    Example:  lipmat demo -o demo

    Parameters
    ----------
    output
        Folder for the material file, the records and the pictures.
    """
    from lipmat.cli.demo import run_demo
    from lipmat.cli.terminal import Terminal

    return exit_code(run_demo(output, Terminal(quiet=False)))


@app.command
def check(
    file: Path,
    mesh: str,
    *,
    density: Quantity = None,
    conditions: Quantity = None,
    level: str | None = None,
    cells: str = "selective",
    axes: Quantity = None,
    step: Quantity = None,
    mass_scaling: Annotated[bool, Parameter(negative="")] = False,
    picture: Annotated[Path | None, Parameter(name=["-o", "--picture"])] = None,
    json: Json = False,
) -> None:
    """Certify the stable time step of a law on a mesh, beside what the usual estimates say.

    Example:  lipmat check rubber.safetensors box:0.1,0.1,0.3:8,8,24 --density "930 kg/m^3"

    At conditions:  lipmat check pads.safetensors part.msh --conditions "temperature=60 degC"

    Parameters
    ----------
    file
        Material file.
    mesh
        A mesh file, or box:LX,LY,LZ:NX,NY,NZ[:hexahedron|tetrahedron] in metres.
    density
        For instance "930 kg/m^3"; default: that of the law's dataset.
    conditions
        Of a law that depends on some: "temperature=60 degC,porosity=0.1"; default: the bound over
        all conditions in their ranges.
    level
        What is to be proved: linearised, convex or energy; default: the most that the law allows.
    cells
        Formulation of hexahedra: selective (with the mean change of volume of a cell), full or
        reduced (one evaluation of the law in a cell, and a stiffness against hourglass modes).
    axes
        First and second material axis of a law that is not isotropic, e.g. "1,0,0;0,1,0".
    step
        A step to be certified, for instance "2 us".
    mass_scaling
        Add mass to the cells that need it for that step, and say how much.
    picture
        PNG file for a picture of the cells' own limits.
    """
    refuse_no_material(file)

    from lipmat.cli.certify import check as certify
    from lipmat.cli.conditions import checked_at, law_to_check
    from lipmat.cli.terminal import Terminal
    from lipmat.config import parse_mesh
    from lipmat.config.axes import parse_axes
    from lipmat.units import to_si

    law = law_to_check(file, conditions)
    result = certify(
        law,
        parse_mesh(mesh),
        None if density is None else to_si(density, "density", "--density"),
        level,
        cells,
        None if axes is None else parse_axes(axes, "--axes"),
        None if step is None else to_si(step, "time", "--step"),
        mass_scaling,
        picture,
    ) | checked_at(law)
    print_json(result) if json else Terminal().check(result)


@app.command
def run(
    case: Path,
    *,
    output: Output = None,
    specimens: int | None = None,
    profile: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Run a simulation; its records and pictures are left in a folder.

    Example:  lipmat run simulations/rubber-column/case.toml -o column

    Under MPI:  mpiexec -n 4 lipmat run case.toml

    The scatter of a material:  lipmat run case.toml --specimens 20

    Parameters
    ----------
    case
        Case file (TOML).
    output
        Folder for the records; default: the case's folder with -run behind its name.
    specimens
        Run the case for so many specimens, one after the other, of a material that is a folder.
    profile
        Print where the time went.
    """
    from lipmat.cli.terminal import Terminal
    from lipmat.config import read_case

    terminal = Terminal(quiet=json)
    content = read_case(case)
    folder = output or Path(f"{case.resolve().parent.name}-run")
    if specimens is not None:
        if profile:
            raise InputError("--profile: found it with --specimens, expected it with one run")
        from lipmat.cli.ensemble import run_ensemble

        return _ensemble_code(run_ensemble(content, folder, specimens, terminal), terminal, json)
    with terminal.run(content.title or case.name) as progress:
        from lipmat.cli.simulate import run_case  # seconds, in which the title is there to see

        record = run_case(content, folder, progress)
    print_json(record.summary) if json else terminal.record(record)
    if profile and not json:
        terminal.profile(record)
    return exit_code(record)


@app.command
def resume(folder: Path, *, json: Json = False) -> int:
    """Go on with an interrupted run; its records end as those of a run in one go.

    Example:  lipmat resume column

    Under MPI:  mpiexec -n 4 lipmat resume column

    Parameters
    ----------
    folder
        Folder that lipmat run left.
    """
    refuse_no_folder(folder)
    from lipmat.cli.simulate import case_in, is_ensemble
    from lipmat.cli.simulate import resume as go_on
    from lipmat.cli.terminal import Terminal

    terminal = Terminal(quiet=json)
    if is_ensemble(folder):
        from lipmat.cli.ensemble import resume_ensemble

        return _ensemble_code(resume_ensemble(folder, terminal), terminal, json)
    with terminal.run(case_in(folder).title or folder.name) as progress:
        record = go_on(folder, progress)
    print_json(record.summary) if json else terminal.record(record)
    return exit_code(record)


@app.command
def plot(folder: Path, *, movie: bool = True) -> None:
    """Draw pictures and a movie of a run, or the plots of an ensemble.

    Example:  lipmat plot column

    Parameters
    ----------
    folder
        Folder that a run left.
    movie
        Make the movie too.
    """
    refuse_no_folder(folder)
    from lipmat.cli.simulate import is_ensemble
    from lipmat.cli.terminal import Terminal
    from lipmat.plotting import plot_run

    if is_ensemble(folder):
        from lipmat.cli.ensemble import redraw

        Terminal().files(redraw(folder))
        return
    Terminal().files(plot_run(folder, picture=True, movie=movie))


def _ensemble_code(summary: dict[str, Any], terminal: Any, json: bool) -> int:
    """Show how an ensemble ended, and return the exit code."""
    from lipmat.cli.ensemble import show_ensemble

    print_json(summary) if json else show_ensemble(terminal, summary)
    return 0 if summary["outcome"] == "completed" else 1
