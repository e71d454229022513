"""A body: mesh, materials, lumped mass, and the compiled forms of its motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import ufl
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.fem.forms import JIT, Integrals, MaterialForms, merged
from lipmat.fem.grid import Grid, box, read_grid
from lipmat.fem.mpi import MPI
from lipmat.materials.law import Law

# isort: split
from dolfinx import fem, la

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """A law with the density [kg/m^3] and the named region of the body that it fills.

    ``region`` None: the whole body.
    """

    law: Law
    density: float
    region: str | None = None


class Body:
    """A meshed body with its materials; first-order cells, row-sum lumped mass.

    Args:
        grid: Mesh with named regions and groups.
        materials: One for the whole body, or one for each region; every cell must get one.

    Raises:
        InputError: A density that is not positive, or regions that do not cover the body once.
    """

    def __init__(self, grid: Grid, materials: Sequence[Material]) -> None:
        self.grid, self.materials = grid, tuple(materials)
        for m in self.materials:
            if not (np.isfinite(m.density) and m.density > 0):
                raise InputError(f"density: found {m.density} kg/m^3, expected a positive number")
        self.mesh = grid.mesh
        self.comm: MPI.Intracomm = grid.mesh.comm
        self.cells = [self._cells(m) for m in self.materials]
        self._check_cover()
        self.space = fem.functionspace(self.mesh, ("Lagrange", 1, (3,)))
        pairs = [(i, c) for i, c in enumerate(self.cells)]
        dx = ufl.Measure("dx", domain=self.mesh, subdomain_data=pairs)
        self.forms = [
            MaterialForms(m.law, self.mesh, _Subdomain(dx, i)) for i, m in enumerate(self.materials)
        ]

    @classmethod
    def box(
        cls,
        size: Sequence[float],
        cells: Sequence[int],
        cell: str,
        law: Law,
        density: float,
        comm: MPI.Intracomm = MPI.COMM_WORLD,
    ) -> Self:
        """Return a box of one material; size [m], density [kg/m^3], cell as of ``grid.box``."""
        return cls(box(size, cells, cell, comm), [Material(law, density)])

    @classmethod
    def from_file(
        cls, path: str | Path, law: Law, density: float, comm: MPI.Intracomm = MPI.COMM_WORLD
    ) -> Self:
        """Return a body of one material from a mesh file; density [kg/m^3]."""
        return cls(read_grid(path, comm), [Material(law, density)])

    def _cells(self, material: Material) -> NDArray[np.int32]:
        if material.region is not None:
            return self.grid.region(material.region)
        return np.arange(self.mesh.topology.index_map(3).size_local, dtype=np.int32)

    def _check_cover(self) -> None:
        owned = self.mesh.topology.index_map(3).size_local
        counts = np.bincount(np.concatenate(self.cells), minlength=owned)
        bad = self.comm.allreduce(int((counts != 1).sum()))
        if bad:
            regions = [m.region for m in self.materials]
            raise InputError(
                f"{self.grid.name}: {bad} cells are in none or several of the materials' regions "
                f"{regions}, expected exactly one for each cell"
            )

    @property
    def number_of_cells(self) -> int:
        """Number of cells of the whole body."""
        return int(self.mesh.topology.index_map(3).size_global)

    @property
    def owned(self) -> int:
        """Number of displacement components that this rank owns."""
        return int(self.space.dofmap.index_map.size_local * 3)

    @cached_property
    def mass(self) -> Array:
        """Row-sum lumped mass of every local displacement component, ghosts included [kg]."""
        vector = fem.assemble_vector(fem.form(self.lumped_mass_form(self.space)))
        vector.scatter_reverse(la.InsertMode.add)
        vector.scatter_forward()
        return np.array(vector.array)

    def lumped_mass_form(self, space: fem.FunctionSpace) -> Any:
        """Return the row-sum lumped mass ``int rho v`` of a first-order space, scalar or vector.

        It is the one lumping of the body: of its motion, of the bounding operator, of estimates.
        """
        v = ufl.TestFunction(space)
        ones = fem.Constant(self.mesh, np.ones(v.ufl_shape))
        return sum(
            m.density * ufl.inner(ones, v) * f.dx(metadata={"quadrature_degree": 3})
            for m, f in zip(self.materials, self.forms, strict=True)
        )

    def internal_force(self, u: fem.Function) -> Assembler:
        """Return the compiled internal force [N] of a displacement function."""
        v = ufl.TestFunction(self.space)
        return Assembler(merged(f.internal_force(u, v) for f in self.forms))

    def stored_energy(self, u: fem.Function) -> Summation:
        """Return the compiled stored energy [J] of a displacement function."""
        return Summation(self.comm, merged(f.stored_energy(u) for f in self.forms))


class _Subdomain:
    """The measure over one subdomain, callable with metadata like a measure."""

    def __init__(self, dx: Any, tag: int) -> None:
        self.dx, self.tag = dx, tag

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.dx(self.tag, **kwargs)


class Assembler:
    """Compiled linear forms of one coefficient, summed into a given vector.

    Constants are packed once; the coefficient is packed once for all quadratures of a call.
    """

    def __init__(self, integrals: Integrals) -> None:
        self.forms = [fem.form(form, jit_options=JIT) for form in integrals.values()]
        self.constants = [fem.pack_constants(form) for form in self.forms]

    def __call__(self, out: la.Vector) -> None:
        """Set ``out`` to the assembled vector; owned entries are summed over the ranks."""
        out.array[:] = 0.0
        coefficients = fem.pack_coefficients(self.forms[0])
        for form, constants in zip(self.forms, self.constants, strict=True):
            fem.assemble_vector(out.array, form, constants=constants, coeffs=coefficients)
        out.scatter_reverse(la.InsertMode.add)


class Summation:
    """Compiled scalar forms, summed over quadratures and ranks."""

    def __init__(self, comm: MPI.Intracomm, integrals: Integrals) -> None:
        self.comm = comm
        self.forms = [fem.form(form, jit_options=JIT) for form in integrals.values()]

    def __call__(self) -> float:
        """Return the value on all ranks."""
        return float(self.comm.allreduce(sum(fem.assemble_scalar(f) for f in self.forms)))
