"""Commands that make and show materials; each is a few calls of the Python interface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from lipmat.cli.app import Json, Output, Quantity, app, print_json, refuse_no_material
from lipmat.errors import InputError


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
    correction: Annotated[bool, Parameter(negative="")] = False,
    spring: str = "hencky",
    step: Quantity = None,
    mesh: str | None = None,
    density: Quantity = None,
    level: str | None = None,
    json: Json = False,
) -> None:
    """Train a law on the tests of a dataset; write the material file and a plot beside it.

    Example:  lipmat fit data/treloar-1944 -o rubber.safetensors --bulk-modulus "50 MPa"

    The stiffest law for a step:  lipmat fit data/s355-reference --step "2 us" --mesh part.msh

    A classical law and a correction:  lipmat fit data/treloar-1944 --law carroll --correction

    Parameters
    ----------
    dataset
        Folder with dataset.toml and its CSV files.
    output
        Material file; default: the dataset's name with .safetensors.
    law
        polyconvex-stretch, carroll or extended-tube, or in small strain principal-values, pq or
        ridge, or with memory maxwell or johnson-cook. Default: principal-values for tests of mode
        tensor, pq for a dataset with elastic constants, else polyconvex-stretch.
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
    correction
        Correct carroll or extended-tube by splines where the tests ask for it.
    spring
        Of the branches of maxwell: hencky, or with kinematics log neo-hookean, which stiffens with
        the stretch, as rubber does.
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

    from lipmat.cli.conditions import conditions_of, draw_fit
    from lipmat.cli.fitreport import fit_summary
    from lipmat.cli.fitstep import StepRequest, fit_for_step
    from lipmat.cli.terminal import Terminal
    from lipmat.experiments.fit import fit as train
    from lipmat.materials.file import save
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
        "correction": correction,
        "spring": spring,
    }
    request = StepRequest.parse(step, mesh, density, level, data.density)
    with terminal.steps("fitting") as progress:
        trained = fit_for_step(
            lambda bound: train(data, **options, bound=bound, progress=progress), request
        )
    save(trained, file)
    picture = draw_fit(trained, data, file.with_suffix(".png"))
    summary = fit_summary(trained, file, picture) | conditions_of(trained)
    terminal.fit(summary) if not json else print_json(summary)


@app.command
def specimens(
    dataset: Path,
    *,
    output: Output = None,
    number: int = 20,
    seed: int = 0,
    bulk_modulus: Quantity = None,
    json: Json = False,
) -> None:
    """Learn how the specimens of a dataset scatter; draw new ones, each a certified law.

    Example:  lipmat specimens data/my-rubber -o rubbers --number 50

    Parameters
    ----------
    dataset
        Folder with dataset.toml, whose tests name their specimen, and its CSV files.
    output
        Folder for the material files, which replace those of an earlier call; default: the
        dataset's name with -specimens.
    number
        Of specimens to draw.
    seed
        Of training and drawing.
    bulk_modulus
        For instance "50 MPa"; default: fitted if the tests tell it, else 100 x shear modulus.
    """
    from lipmat.experiments.dataset import read_dataset

    data = read_dataset(dataset)  # before torch is imported, which takes seconds
    folder = output or Path(f"{dataset.resolve().name}-specimens")
    if not folder.parent.is_dir():
        raise InputError(f"{folder}: there is no folder {folder.parent}, expected an existing one")
    for option, found, least in (("--number", number, 1), ("--seed", seed, 0)):
        if found < least:
            raise InputError(f"{option}: found {found}, expected {least} or more")

    from lipmat.cli.specimens import draw_specimens, show_specimens
    from lipmat.cli.terminal import Terminal
    from lipmat.units import to_si

    bulk = None if bulk_modulus is None else to_si(bulk_modulus, "stress", "--bulk-modulus")
    terminal = Terminal(quiet=json)
    summary = draw_specimens(data, folder, number, seed, bulk, terminal)
    show_specimens(terminal, summary) if not json else print_json(summary)


@app.command
def adopt(
    network: str,
    *,
    weights: Path | None = None,
    file: Annotated[Path | None, Parameter(name=["-o", "--file"])] = None,
    input: str = "strain",
    output: str = "energy",
    domain: Quantity = None,
    components: str = "mandel",
    settings: Annotated[str, Parameter(name="--arguments")] = "{}",
    unit: str = "Pa",
    density: Quantity = None,
    correct: Annotated[bool, Parameter(negative="")] = False,
    seconds: float = 60.0,
    json: Json = False,
) -> None:
    """Make a material file, with a certified bound, of a torch network trained elsewhere.

    The Python file is run to build the network: it is your own code. The material file that comes
    out holds none of it.

    Example:  lipmat adopt network.py:Potential --weights weights.safetensors --domain 0.02

    Parameters
    ----------
    network
        FILE:CLASS of a torch nn.Module that maps a batch of states to energies or stresses.
    weights
        State dict as safetensors, or as torch.save wrote it (arrays only, no pickled code).
    file
        Material file; default: the name of the Python file with .safetensors.
    input
        What the network takes: strain, principal-strains, log-strain, principal-log-strains or
        stretches.
    output
        What it gives: energy (density) or stress.
    domain
        Smallest and largest principal value to certify, as "-0.02,0.05", or one number for both.
    components
        Of strain tensors, in the order 11, 22, 33, 23, 13, 12: mandel, or voigt with engineering
        shear strains.
    settings
        Arguments of the class, as JSON: '{"width": 16}'.
    unit
        Of the output, a unit of stress: "MPa" also for an energy in MJ/m^3.
    density
        To keep in the file, for instance "7850 kg/m^3".
    correct
        Change the network where it is not admissible, as little as that needs: a stress that has no
        potential, a dependence on the order of principal values, a tangent that is not convex.
    seconds
        For the bound: it is certified whenever the search ends.
    """
    if domain is None:
        raise InputError("--domain: missing, expected a range of principal values as '-0.02,0.05'")
    stem = Path(network.rpartition(":")[0] or network).stem
    file = file or Path(f"{stem}.safetensors")
    if weights is not None and file.resolve() == weights.resolve():
        raise InputError(f"{file}: is the file of the weights, choose another by -o")

    from lipmat.cli.adopt import adopt_file, request_of, show
    from lipmat.cli.terminal import Terminal
    from lipmat.units import to_si

    terminal = Terminal(quiet=json)
    request = request_of(input, output, domain, components, unit, correct)
    mass = None if density is None else to_si(density, "density", "--density")
    with terminal.bounding("bounding the tangent") as progress:
        found = adopt_file(network, weights, settings, request, mass, seconds, file, progress)
    print_json(found) if json else show(terminal, found)


@app.command
def info(file: Path, *, strain_error: float | None = None, json: Json = False) -> None:
    """Show what a material file holds: law, units, training range, bound, domain, provenance.

    Example:  lipmat info rubber.safetensors --strain-error 2e-4

    Parameters
    ----------
    file
        Material file.
    strain_error
        Of a gauge, whose effect on the stress is bounded; default: that of the dataset, or 1e-4.
    """
    refuse_no_material(file)

    from lipmat.cli.conditions import conditions_of
    from lipmat.cli.fitreport import memory_of, tolerance_of
    from lipmat.cli.terminal import Terminal
    from lipmat.materials.describe import describe
    from lipmat.materials.file import load

    law = load(file)
    content = describe(law) | memory_of(law) | conditions_of(law)
    content |= tolerance_of(law, strain_error)
    print_json(content) if json else Terminal().info(file, content)
