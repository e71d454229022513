"""The command line: each command is a few calls of the Python interface and nothing more."""

from __future__ import annotations

import json as jsonlib
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

import lipmat
from lipmat.cli.ranks import rank
from lipmat.errors import InputError

app = App(
    name="lipmat",
    version=lipmat.__version__,
    help="Learned constitutive laws that come with a stable time step.\n\nStart with:  lipmat demo",
)
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Quantity = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
Output = Annotated[Path | None, Parameter(name=["-o", "--output"])]


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

    return _exit_code(run_demo(output, Terminal(quiet=False)))


@app.command
def fit(
    dataset: Path,
    *,
    output: Output = None,
    law: str | None = None,
    tests: str | None = None,
    seed: int = 0,
    bulk_modulus: Quantity = None,
    symmetry: str = "none",
    weakly_convex: Annotated[bool, Parameter(negative="")] = False,
    kinematics: str = "small",
    branches: int | None = None,
    hardening: Annotated[bool, Parameter(negative="")] = False,
    step: Quantity = None,
    mesh: str | None = None,
    density: Quantity = None,
    level: str | None = None,
    json: Json = False,
) -> None:
    """Train a law on the tests of a dataset; write the material file and a plot beside it.

    Example:  lipmat fit data/treloar-1944 -o rubber.safetensors --bulk-modulus "50 MPa"

    The stiffest law for a step:  lipmat fit data/s355-reference --step "2 us" --mesh part.msh

    Parameters
    ----------
    dataset
        Folder with dataset.toml and its CSV files.
    output
        Material file; default: the dataset's name with .safetensors.
    law
        polyconvex-stretch, or in small strain principal-values, pq or ridge, or with memory maxwell
        or johnson-cook. Default: principal-values for tests of mode tensor, pq for a dataset with
        elastic constants, else polyconvex-stretch.
    tests
        Names of the tests to train on, separated by commas; the others are predicted. Default: all.
    seed
        Seed of the training.
    bulk_modulus
        For instance "50 MPa"; default: fitted if the tests tell it, else 100 x shear modulus.
    symmetry
        Of the material, for ridge: orthotropic, transversely-isotropic, cubic or none.
    weakly_convex
        Let a small-strain law soften past a peak; certificates linearised and energy remain.
    kinematics
        Of small-strain laws and laws with memory: small, or log for large rotations.
    branches
        Of maxwell, at most; default 4.
    hardening
        Let the strength of the branches of maxwell change with their flow.
    step
        A step to be certified on the mesh, for instance "2 us": the law is fitted under the bound
        that it needs, and what that costs is said.
    mesh
        For --step: a mesh file, or box:LX,LY,LZ:NX,NY,NZ[:hexahedron|tetrahedron] in metres.
    density
        For --step, for instance "7850 kg/m^3"; default: that of the dataset.
    level
        For --step: linearised, convex or energy; default: the most that the law allows.
    """
    from lipmat.experiments.dataset import read_dataset

    data = read_dataset(dataset)  # before torch is imported, which takes seconds
    file = output or Path(f"{dataset.resolve().name}.safetensors")
    if not file.parent.is_dir():
        raise InputError(f"{file}: there is no folder {file.parent}, expected an existing one")

    from lipmat.cli.fitreport import fit_panels, fit_summary
    from lipmat.cli.fitstep import StepRequest, fit_for_step
    from lipmat.cli.terminal import Terminal
    from lipmat.experiments.fit import fit as train
    from lipmat.materials.file import save
    from lipmat.plotting import plot_fit
    from lipmat.units import to_si

    terminal = Terminal(quiet=json)
    options: dict[str, Any] = {
        "law": law,
        "tests": None if tests is None else [name.strip() for name in tests.split(",")],
        "seed": seed,
        "bulk_modulus": bulk_modulus and to_si(bulk_modulus, "stress", "--bulk-modulus"),
        "symmetry": symmetry,
        "weakly_convex": weakly_convex,
        "kinematics": kinematics,
        "branches": branches,
        "hardening": hardening,
    }
    request = StepRequest.parse(step, mesh, density, level, data.density)
    with terminal.steps("fitting") as progress:
        trained = fit_for_step(
            lambda bound: train(data, **options, bound=bound, progress=progress), request
        )
    save(trained, file)
    picture = plot_fit(file.with_suffix(".png"), fit_panels(trained, data))
    summary = fit_summary(trained, file, picture)
    terminal.fit(summary) if not json else _print_json(summary)


@app.command
def info(file: Path, *, json: Json = False) -> None:
    """Show what a material file holds: law, units, training range, bound, domain, provenance.

    Example:  lipmat info rubber.safetensors

    Parameters
    ----------
    file
        Material file.
    """
    from lipmat.cli.fitreport import memory_of
    from lipmat.cli.terminal import Terminal
    from lipmat.materials.describe import describe
    from lipmat.materials.file import load

    law = load(file)
    content = describe(law) | memory_of(law)
    _print_json(content) if json else Terminal().info(file, content)


@app.command
def check(
    file: Path,
    mesh: str,
    *,
    density: Quantity = None,
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

    Parameters
    ----------
    file
        Material file.
    mesh
        A mesh file, or box:LX,LY,LZ:NX,NY,NZ[:hexahedron|tetrahedron] in metres.
    density
        For instance "930 kg/m^3"; default: that of the law's dataset.
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
    from lipmat.cli.certify import check as certify
    from lipmat.cli.terminal import Terminal
    from lipmat.config import parse_mesh
    from lipmat.config.axes import parse_axes
    from lipmat.materials.file import load
    from lipmat.units import to_si

    result = certify(
        load(file),
        parse_mesh(mesh),
        None if density is None else to_si(density, "density", "--density"),
        level,
        cells,
        None if axes is None else parse_axes(axes, "--axes"),
        None if step is None else to_si(step, "time", "--step"),
        mass_scaling,
        picture,
    )
    _print_json(result) if json else Terminal().check(result)


@app.command
def run(
    case: Path,
    *,
    output: Output = None,
    profile: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Run a simulation; its records and pictures are left in a folder.

    Example:  lipmat run simulations/rubber-column/case.toml -o column

    Under MPI:  mpiexec -n 4 lipmat run case.toml

    Parameters
    ----------
    case
        Case file (TOML).
    output
        Folder for the records; default: the case's folder with -run behind its name.
    profile
        Print where the time went.
    """
    from lipmat.cli.terminal import Terminal
    from lipmat.config import read_case

    terminal = Terminal(quiet=json)
    content = read_case(case)
    folder = output or Path(f"{case.resolve().parent.name}-run")
    with terminal.run(content.title or case.name) as progress:
        from lipmat.cli.simulate import run_case  # seconds, in which the title is there to see

        record = run_case(content, folder, progress)
    _print_json(record.summary) if json else terminal.record(record)
    if profile and not json:
        terminal.profile(record)
    return _exit_code(record)


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
    from lipmat.cli.simulate import case_in
    from lipmat.cli.simulate import resume as go_on
    from lipmat.cli.terminal import Terminal

    terminal = Terminal(quiet=json)
    with terminal.run(case_in(folder).title or folder.name) as progress:
        record = go_on(folder, progress)
    _print_json(record.summary) if json else terminal.record(record)
    return _exit_code(record)


@app.command
def plot(folder: Path, *, movie: bool = True) -> None:
    """Draw pictures and a movie of a run.

    Example:  lipmat plot column

    Parameters
    ----------
    folder
        Folder that a run left.
    movie
        Make the movie too.
    """
    from lipmat.cli.terminal import Terminal
    from lipmat.plotting import plot_run

    Terminal().files(plot_run(folder, picture=True, movie=movie))


def _exit_code(record: Any) -> int:
    return 0 if record.outcome == "completed" else 1


def _print_json(content: Any) -> None:
    if rank() == 0:
        print(jsonlib.dumps(content, indent=2, default=str))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 bad outcome of a run, 2 bad input.

    Parallel runs use ranks, and one thread each; more threads for small matrices only get in the
    way. ``OMP_NUM_THREADS`` overrules.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.")
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (InputError, CycloptsError) as error:
        _complain(str(error))
        _leave_together(str(error))
        sys.exit(2)
    except OSError as error:  # a full disk, for instance; what was written before stays valid
        print(f"lipmat: {error}", file=sys.stderr)
        _abort_other_ranks()
        sys.exit(1)
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(130)
    except Exception:
        _abort_other_ranks()
        raise
    sys.exit(code or 0)


def _complain(message: str) -> None:
    if rank() == 0:
        print(f"lipmat: {' '.join(message.split())}", file=sys.stderr)


def _leave_together(message: str) -> None:
    """Wait for the other ranks to come to the same end; abort them if they do not."""
    if "mpi4py.MPI" not in sys.modules or sys.modules["mpi4py.MPI"].COMM_WORLD.size == 1:
        return
    import time

    comm = sys.modules["mpi4py.MPI"].COMM_WORLD
    request = comm.Ibarrier()
    for _ in range(100):
        if request.Test():
            return
        time.sleep(0.1)
    print(f"lipmat: rank {comm.rank}: {message}", file=sys.stderr)
    comm.Abort(2)


def _abort_other_ranks() -> None:
    """End all ranks when one of them fails unexpectedly, so that none waits forever."""
    if "mpi4py.MPI" not in sys.modules:
        return
    import traceback

    comm = sys.modules["mpi4py.MPI"].COMM_WORLD
    if comm.size > 1:
        traceback.print_exc()
        comm.Abort(3)
