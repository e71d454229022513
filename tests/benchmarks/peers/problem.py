"""The problem that all codes get: grid, mass, clamp, velocity, law; plain arrays, saved to a file.

It is the twisting column of ``simulations/rubber-column``, read from its case file.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

Array = NDArray[np.float64]
CASE = Path(__file__).parents[3] / "simulations" / "rubber-column" / "case.toml"
BULK_MODULUS = 40e6  # [Pa], of the case's README
CORNERS = ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))
"""Of a cell, in the order of VTK, meshio and Abaqus."""


@dataclass(frozen=True)
class Problem:
    """A block of hexahedra that is clamped at its base and starts to turn.

    Attributes:
        size: Edge lengths (3,) [m].
        counts: Numbers of cells (3,).
        points: Nodes (n, 3) [m], x fastest.
        cells: Corners of the cells (m, 8), in the order of ``CORNERS``.
        mass: Lumped mass of the nodes (n,) [kg]: an eighth of each cell.
        fixed: Numbers of the clamped nodes.
        velocity: At the start (n, 3) [m/s].
        test: A smooth displacement with stretches of 0.84 to 1.26, to compare forces at (n, 3) [m].
        density: Of the reference state [kg/m^3].
        end: Time to reach [s].
        every: Time between lipmat's records [s].
        material: Path of the material file.
        moduli: Bulk and shear modulus at rest (2,) [Pa].
        law: The law's arrays.
    """

    size: Array
    counts: NDArray[np.int64]
    points: Array
    cells: NDArray[np.int64]
    mass: Array
    fixed: NDArray[np.int64]
    velocity: Array
    test: Array
    density: float
    end: float
    every: float
    material: str
    moduli: Array
    law: dict[str, Array]

    @property
    def elastic(self) -> tuple[float, float]:
        """Young's modulus [Pa] and Poisson's ratio [-] at rest."""
        bulk, shear = self.moduli
        total = 3 * bulk + shear
        return 9 * bulk * shear / total, (1.5 * bulk - shear) / total

    @property
    def edge_step(self) -> float:
        """The shortest edge over the wave speed at rest [s], the usual estimate."""
        bulk, shear = self.moduli
        speed = np.sqrt((bulk + 4 * shear / 3) / self.density)
        return float((self.size / self.counts).min() / speed)

    def kinetic(self, velocity: Array) -> float:
        """Return the kinetic energy [J] of nodal velocities (n, 3)."""
        return 0.5 * float(self.mass @ (velocity * velocity).sum(axis=1))

    def save(self, path: Path) -> None:
        """Write all of it to an ``.npz`` file."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "law"}
        arrays |= {f"law.{key}": array for key, array in self.law.items()}
        np.savez(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Problem:
        """Read what :meth:`save` wrote."""
        with np.load(path) as file:
            law = {k.removeprefix("law."): file[k] for k in file if k.startswith("law.")}
            plain: dict[str, Any] = {k: file[k] for k in file if not k.startswith("law.")}
        for name in ("density", "end", "every", "material"):
            plain[name] = plain[name].item()
        return cls(**plain, law=law)


def rubber() -> Any:
    """Return the law of the case: from the file beside it, else fitted as its README says."""
    import lipmat

    file = CASE.parent / "rubber.safetensors"
    if file.is_file():
        return lipmat.load(file)
    data = lipmat.read_dataset(CASE.parents[2] / "data" / "treloar-1944")
    return lipmat.fit(data, bulk_modulus=BULK_MODULUS)


def column(folder: Path, law: Any, counts: Sequence[int] | None = None) -> Problem:
    """Return the twisting column.

    Args:
        folder: Where the case and the material file are put.
        law: The law.
        counts: Numbers of cells; None: those of the case.
    """
    import lipmat
    from lipmat.config import read_case

    lipmat.save(law, folder / "rubber.safetensors")
    case = read_case(shutil.copy(CASE, folder))
    box, density = case.mesh.box, case.materials[0].density
    assert box is not None
    size, numbers = np.array(box.size), np.array(counts or box.cells)
    points, cells = grid(size, numbers)
    fixed = np.flatnonzero(points[:, 2] == 0.0)
    velocity = np.ascontiguousarray(case.initial.velocity_at(points.T).T)
    velocity[fixed] = 0.0
    return Problem(
        size=size,
        counts=numbers,
        points=points,
        cells=cells,
        mass=lumped(cells, len(points), density * float(np.prod(size / numbers))),
        fixed=fixed,
        velocity=velocity,
        test=smooth(points / size, size),
        density=density,
        end=case.time.end,
        every=case.output_every,
        material=str(case.materials[0].file),
        moduli=np.array(law.rest_moduli()),
        law={key: array.numpy() for key, array in law.arrays().items()},
    )


def refined(problem: Problem) -> tuple[Problem, NDArray[np.int64]]:
    """Return the problem on a mesh twice as fine, and the numbers there of the nodes of this one.

    Velocities are interpolated.
    """
    counts = 2 * problem.counts
    points, cells = grid(problem.size, counts)
    x, y, z = (np.arange(n + 1) for n in problem.counts)
    k, j, i = np.meshgrid(2 * z, 2 * y, 2 * x, indexing="ij")
    nodes = (i + (counts[0] + 1) * (j + (counts[1] + 1) * k)).ravel()
    shape = (*(problem.counts[::-1] + 1), 3)
    between = RegularGridInterpolator((z, y, x), problem.velocity.reshape(shape))
    velocity = between(points[:, ::-1] / problem.size[::-1] * problem.counts[::-1])
    cell_mass = problem.density * float(np.prod(problem.size / counts))
    fine = replace(
        problem,
        counts=counts,
        points=points,
        cells=cells,
        mass=lumped(cells, len(points), cell_mass),
        fixed=np.flatnonzero(points[:, 2] == 0.0),
        velocity=velocity,
        test=smooth(points / problem.size, problem.size),
    )
    return fine, nodes


def grid(size: Array, counts: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """Return nodes (n, 3) and cells (m, 8) of a block."""
    axes = [np.linspace(0.0, length, n + 1) for length, n in zip(size, counts, strict=True)]
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    nx, ny, nz = counts
    k, j, i = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
    cells = [((k + c) * (ny + 1) + j + b) * (nx + 1) + i + a for a, b, c in CORNERS]
    return np.stack([x, y, z], -1).reshape(-1, 3), np.stack(cells, -1).reshape(-1, 8)


def lumped(cells: NDArray[np.int64], nodes: int, cell_mass: float) -> Array:
    """Return the row-sum lumped mass of the nodes of equal blocks [kg]."""
    count = np.bincount(cells.ravel(), minlength=nodes)
    out: Array = count.astype(np.float64) * (cell_mass / 8)
    return out


def smooth(place: Array, size: Array) -> Array:
    """Return a displacement (n, 3) at places in the unit cube, with stretches of 0.84 to 1.26."""
    x, y, z = place.T
    shape = np.stack(
        [0.2 * x + 0.1 * np.sin(2 * y) + 0.05 * z * z, 0.1 * x * z - 0.1 * y, 0.3 * z + 0.1 * y * y]
    )
    return np.ascontiguousarray((shape * size[:, None] * (size.min() / size)[:, None]).T)
