"""A picture of the cell: its stress at one mean strain, and its stress-strain curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import ufl
from effective import EffectiveLaw
from numpy.typing import NDArray

from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.plotting.draw import COLOURS, DPI, STYLE

# isort: split
from dolfinx import fem, mesh

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Array = NDArray[np.float64]
SHOWN = 0.05 * np.eye(6)[5]  # mean shear in the plane that is drawn
PATHS = {"11": 0, "22": 1, "33": 2, "23": 3, "13": 4, "12": 5}


def draw(law: EffectiveLaw, path: Path) -> Path:
    """Draw ``cell.png`` and return its path."""
    curves, strains = _curves(law, np.linspace(0.0, 0.05, 9))
    law.respond(SHOWN)
    points, values = _slice(law)
    with matplotlib.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.2), layout="constrained")
        _draw_slice(figure, left, points, values)
        _draw_curves(right, strains, curves)
        figure.savefig(path, dpi=DPI)
        plt.close(figure)
    return path


def _curves(law: EffectiveLaw, strains: Array) -> tuple[dict[str, Array], Array]:
    """Return the work-conjugate stress along each Mandel axis [MPa]."""
    rest = np.zeros(1)
    curves = {
        name: np.concatenate(
            [rest, [law.respond(e * np.eye(6)[axis]).stress[axis] for e in strains[1:]]]
        )
        for name, axis in PATHS.items()
    }
    return curves, strains


def _slice(law: EffectiveLaw) -> tuple[Array, Array]:
    """Return the triangles of the plane z = 0, shape (n, 3, 2), and von Mises stress (n, 3)."""
    stress = _von_mises(law)
    topology, points = law.domain.topology, law.domain.geometry.x
    topology.create_connectivity(2, 3)
    facets = mesh.locate_entities(law.domain, 2, lambda x: abs(x[2]) < 1e-9)
    cells = topology.connectivity(2, 3)
    corners = mesh.entities_to_geometry(law.domain, 2, facets)
    triangles, values = [], []
    for facet, nodes in zip(facets, corners, strict=True):
        cell = cells.links(facet)[0]
        dofs = stress.function_space.dofmap.cell_dofs(cell)
        where = stress.function_space.tabulate_dof_coordinates()[dofs]
        nearest = [np.argmin(np.linalg.norm(where - points[n], axis=1)) for n in nodes[:3]]
        triangles.append(points[nodes[:3], :2])
        values.append(stress.x.array[dofs[nearest]])
    return np.array(triangles), np.array(values)


def _von_mises(law: EffectiveLaw) -> fem.Function:
    """Return the von Mises stress, linear in each tetrahedron and free to jump between them."""
    space = fem.functionspace(law.domain, ("Discontinuous Lagrange", 1))
    stress = fem.Function(space)
    for tag, tensor in law.stress.items():
        dev = ufl.dev(tensor)
        value: Any = ufl.sqrt(1.5 * ufl.inner(dev, dev))
        expression = fem.Expression(value, space.element.interpolation_points)
        stress.interpolate(expression, cells0=law.tags.find(tag))
    return stress


def _draw_slice(figure: Any, axes: Any, triangles: Array, values: Array) -> None:
    x, y = triangles.reshape(-1, 2).T
    numbers = np.arange(len(x)).reshape(-1, 3)
    shown = axes.tripcolor(x, y, numbers, values.ravel(), shading="gouraud", cmap="viridis")
    axes.set(aspect="equal", xlabel="x / edge", ylabel="y / edge")
    axes.set_title("plane z = 0 at a mean shear strain_12 of 3.5 %")
    axes.grid(False)
    figure.colorbar(shown, ax=axes, label="von Mises stress [MPa]")


def _draw_curves(axes: Any, strains: Array, curves: dict[str, Array]) -> None:
    for (name, stress), colour in zip(curves.items(), COLOURS, strict=True):
        style = "-" if name[0] == name[1] else "--"
        axes.plot(100 * strains, stress, style, color=colour, label=name)
    axes.set(xlabel="mean strain [%], Mandel component", ylabel="mean stress [MPa]")
    axes.set_title("one strain component at a time")
    axes.legend(ncols=2)
