"""Make ``data/composite-cell``: mean stress of a two-phase cell at a few hundred mean strains.

    uv run python simulations/composite-cell/homogenise.py            # about ten minutes
    uv run python simulations/composite-cell/homogenise.py --check    # against a finer mesh

The data are synthetic: they stand for no real material and serve to test fits.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cell import COARSER, Cell, cell_mesh
from effective import EffectiveLaw, Linear, Softening
from numpy.typing import NDArray

Array = NDArray[np.float64]

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "data" / "composite-cell"
CELL = Cell()
MATRIX = Softening(bulk=2000.0, shear=1200.0, last_shear=120.0, yielding=0.01, density=1200.0)
INCLUSION = Linear(bulk=25000.0, shear=18750.0, density=2500.0)
SIZE, FINER = 0.08, 0.05  # edges of the tetrahedra at the ellipsoid, in cell edges
SEED, STATES = 1944, {"train": 256, "test": 128}
LARGEST = 0.05  # norm of the mean strain
BALANCE = 1e-7  # relative error of energy at which a state is refused
COMPONENTS = ("11", "22", "33", "23", "13", "12")
SHEAR: Array = np.array([1, 1, 1, *[np.sqrt(2.0)] * 3])  # tensor components to Mandel's


def effective_law(size: float) -> EffectiveLaw:
    """Return the cell meshed with tetrahedra of a size at the ellipsoid, in cell edges."""
    return EffectiveLaw(*cell_mesh(CELL, size), MATRIX, INCLUSION)


def strain_states(count: int, rng: np.random.Generator) -> Array:
    """Return random mean strains, Mandel components (count, 6) [-].

    The directions are Gaussian with the volumetric component halved, since matrix and inclusion
    are linear in volume; the norms fill (0, 5 %] evenly. The tensor components are rounded to
    1e-8, as they are written.
    """
    directions = rng.standard_normal((count, 6))
    directions[:, :3] -= 0.5 * directions[:, :3].mean(axis=1, keepdims=True)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    norms = LARGEST * (rng.permutation(count) + 1.0) / count
    rounded = np.round(norms[:, None] * directions / SHEAR, 8)
    return rounded * SHEAR


def responses(law: EffectiveLaw, strains: Array, tell: Callable[[str], None] = print) -> Array:
    """Return the mean stresses (n, 6) [MPa] at mean strains (n, 6), Mandel components.

    Raises:
        RuntimeError: A state's work breaks the condition of Hill and Mandel.
    """
    start, stresses = time.perf_counter(), []
    for number, strain in enumerate(strains, start=1):
        found = law.respond(strain)
        error = abs(found.work - found.stress @ strain) / found.work
        if not error <= BALANCE:
            raise RuntimeError(
                f"state {number}, strain {strain.tolist()}: <sigma : eps> differs from "
                f"<sigma> : <eps> by {error:.1e}, expected at most {BALANCE:g}; solve more exactly"
            )
        stresses.append(found.stress)
        if number % 32 == 0:
            tell(f"{number} of {len(strains)} states, {time.perf_counter() - start:.0f} s")
    return np.array(stresses)


def monotonicity(strains: Array, stresses: Array) -> tuple[float, float]:
    """Return the least and the largest secant stiffness over all pairs of states [MPa].

    They are ``ds . de / |de|^2`` and ``|ds|^2 / ds . de``: no convex law fits if the first is
    negative, no law of smaller scalar stiffness than the second (Baillon and Haddad).
    """
    i, j = np.triu_indices(len(strains), k=1)
    de, ds = strains[i] - strains[j], stresses[i] - stresses[j]
    work = (de * ds).sum(axis=1)
    return float((work / (de**2).sum(axis=1)).min()), float(((ds**2).sum(axis=1) / work).max())


def write_test(path: Path, name: str, size: float, strains: Array, stresses: Array) -> None:
    """Write the CSV file of a test, tensor components."""
    comments = (
        f"SYNTHETIC, not measured: made by simulations/composite-cell/homogenise.py, seed {SEED}",
        f"{name}: {len(strains)} random mean strains, norm up to {LARGEST:g}, each from rest",
        f"cell: unit cube, one ellipsoid of semi-axes {CELL.semi_axes} along x, y, z "
        f"(volume fraction {CELL.volume_fraction:.4f}); orthotropic; affine boundary displacement",
        f"matrix [MPa]: {MATRIX}",
        f"inclusion [MPa]: {INCLUSION}",
        f"mesh: ten-node tetrahedra of {size:g} cell edges at the ellipsoid, "
        f"{COARSER:g} times that away",
        "small strain, tensor components",
    )
    header = [f"strain_{c} [-]" for c in COMPONENTS] + [f"stress_{c} [MPa]" for c in COMPONENTS]
    rows = [
        ",".join([f"{x:.8f}" for x in e] + [f"{x:.5f}" for x in s])
        for e, s in zip(strains / SHEAR, stresses / SHEAR, strict=True)
    ]
    lines = [*(f"# {line}" for line in comments), ",".join(header), *rows]
    path.write_text("\n".join(lines) + "\n")


def write_dataset(folder: Path) -> None:
    """Write ``dataset.toml``."""
    share = CELL.volume_fraction
    density = (1 - share) * MATRIX.density + share * INCLUSION.density
    tests = [
        f'\n[[tests]]\nname = "{name}"\nfile = "{name}.csv"\nmode = "tensor"\n' for name in STATES
    ]
    head = (
        "# SYNTHETIC: computed, not measured; the material does not exist.\n"
        'title = "Synthetic two-phase composite: stiff ellipsoid in a softening matrix, '
        'orthotropic"\n'
        f'source = "lipmat, simulations/composite-cell/homogenise.py, seed {SEED} (synthetic)"\n'
        'licence = "LGPL-3.0-or-later, as lipmat"\n'
        f'density = "{density:.1f} kg/m^3"\n'
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.toml").write_text(head + "".join(tests))


def make(folder: Path, size: float, states: dict[str, int]) -> None:
    """Write the dataset: every test has its own random states, all from one seed."""
    law, rng = effective_law(size), np.random.default_rng(SEED)
    write_dataset(folder)
    for name, count in states.items():
        strains = strain_states(count, rng)
        stresses = responses(law, strains)
        write_test(folder / f"{name}.csv", name, size, strains, stresses)
        least, largest = monotonicity(strains, stresses)
        print(f"{name}: secant stiffness of all pairs {least:.0f} to {largest:.0f} MPa")


def check(count: int = 16) -> None:
    """Print how far states of the largest strain move on a finer mesh."""
    strains = strain_states(count, np.random.default_rng(SEED))
    strains *= LARGEST / np.linalg.norm(strains, axis=1, keepdims=True)
    coarse, fine = (responses(effective_law(size), strains) for size in (SIZE, FINER))
    error = np.linalg.norm(coarse - fine, axis=1) / np.linalg.norm(fine, axis=1)
    print(
        f"{count} states of norm {LARGEST:g}, tetrahedra from {SIZE:g} against {FINER:g}: "
        f"relative change of stress, median {np.median(error):.2%}, largest {error.max():.2%}"
    )


def main() -> None:
    """Make the dataset and the picture, or check the mesh."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with a finer mesh instead")
    parser.add_argument("--picture", action="store_true", help="draw cell.png only")
    chosen = parser.parse_args()
    if chosen.check:
        return check()
    if not chosen.picture:
        make(DATA, SIZE, STATES)
    from picture import draw

    print(draw(effective_law(SIZE), HERE / "cell.png"))


if __name__ == "__main__":
    main()
