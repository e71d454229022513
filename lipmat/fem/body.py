"""A body: mesh, materials, lumped mass, and the compiled forms of its motion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import ufl
from numpy.typing import NDArray

from lipmat.errors import InputError, nearest
from lipmat.fem.assembly import Assembler, CellExtremes, CellIntegrals, Summation, Term
from lipmat.fem.forms import FORMULATIONS, MaterialForms, has_limit
from lipmat.fem.grid import Grid, box, read_grid
from lipmat.fem.history import History, Memory
from lipmat.fem.mpi import MPI
from lipmat.materials.law import Law, is_small_strain

# isort: split
from dolfinx import fem, la

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Material:
    """A law and where it is.

    Attributes:
        law: The law.
        density: Of the reference state [kg/m^3].
        region: A named region; None: the whole body.
        axes: Material axes of a law that is not isotropic, as orthonormal rows: (3, 3), or
            (n, 3, 3) with one triple for each owned cell of the body.
    """

    law: Law
    density: float
    region: str | None = None
    axes: NDArray[np.float64] | None = None


class Body:
    """A meshed body with its materials; first-order cells, row-sum lumped mass.

    Args:
        grid: Mesh with named regions and groups.
        materials: One for the whole body, or one for each region; every cell must get one.
        formulation: How hexahedra are integrated, see :mod:`lipmat.fem.forms`: ``selective``: the
            change of volume with its mean over the cell, against locking; ``full``: all at eight
            points; ``reduced``: all with means, and a stiffness against hourglass modes.

    Attributes:
        mass_factor: Factor on the density for inertia, one number for each cell (DG0); None: 1.

    Raises:
        InputError: A density that is not positive, regions that do not cover the body once, an
            unknown formulation, or axes that are missing, superfluous or not orthonormal.
    """

    def __init__(
        self, grid: Grid, materials: Sequence[Material], formulation: str = FORMULATIONS[0]
    ) -> None:
        if formulation not in FORMULATIONS:
            raise InputError(
                f"formulation: found {formulation!r}, {nearest(formulation, FORMULATIONS)}"
            )
        self.grid, self.materials, self.formulation = grid, tuple(materials), formulation
        self.mass_factor: fem.Function | None = None
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
            MaterialForms(m.law, self.mesh, _Subdomain(dx, i), formulation, self._axes(m))
            for i, m in enumerate(self.materials)
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

    def _axes(self, material: Material) -> Any:
        """Return a material's axes in UFL; None for an isotropic law."""
        where = f"axes of {material.law.name!r}"
        if material.law.isotropic:
            if material.axes is not None:
                raise InputError(f"{where}: found some, but the law is isotropic; remove them")
            return None
        if material.axes is None:
            raise InputError(f"{where}: missing, expected material axes: the law is not isotropic")
        axes = np.asarray(material.axes, dtype=np.float64)
        owned = self.mesh.topology.index_map(3).size_local
        if axes.shape not in ((3, 3), (owned, 3, 3)):
            raise InputError(f"{where}: found shape {axes.shape}, expected (3, 3) or one per cell")
        if not np.allclose(axes @ np.swapaxes(axes, -1, -2), np.eye(3), atol=1e-9):
            raise InputError(f"{where}: found rows that are not orthonormal")
        if axes.ndim == 2:
            return fem.Constant(self.mesh, axes)
        field = fem.Function(fem.functionspace(self.mesh, ("DG", 0, (3, 3))))
        cells = field.function_space.dofmap.list[:owned, 0]
        field.x.array.reshape(-1, 3, 3)[cells] = axes
        return field

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
    def places(self) -> Array:
        """Reference places of the owned nodes as the mesh has them, in the order of dofs [m]."""
        geometry, dofs = self.mesh.geometry, self.space.dofmap
        places = np.empty((dofs.index_map.size_local + dofs.index_map.num_ghosts, 3))
        places[dofs.list] = geometry.x[geometry.dofmaps[0]]
        return places[: self.owned // 3]

    @property
    def small_strain(self) -> bool:
        """Whether all laws are of small strain, so that forces act on the undeformed body."""
        return all(is_small_strain(m.law) for m in self.materials)

    @property
    def mass(self) -> Array:
        """Row-sum lumped mass of every local displacement component, ghosts included [kg]."""
        return self.physical_mass if self.mass_factor is None else self._scaled_mass

    @cached_property
    def physical_mass(self) -> Array:
        """The mass without the factor of mass scaling [kg]: what gravity acts on."""
        return self._lumped(1.0)

    @cached_property
    def _scaled_mass(self) -> Array:
        return self._lumped(self.mass_factor)

    def _lumped(self, factor: Any) -> Array:
        vector = fem.assemble_vector(fem.form(self._lumped_mass_form(self.space, factor)))
        vector.scatter_reverse(la.InsertMode.add)
        vector.scatter_forward()
        return np.array(vector.array)

    def scale_mass(self, factor: Array) -> None:
        """Scale the density for inertia; ``factor`` has one number for each owned cell [-]."""
        field = fem.Function(fem.functionspace(self.mesh, ("DG", 0)))
        field.x.array[field.function_space.dofmap.list[: len(factor), 0]] = factor
        self.mass_factor = field
        self.__dict__.pop("_scaled_mass", None)

    def lumped_mass_form(self, space: fem.FunctionSpace) -> Any:
        """Return the row-sum lumped mass ``int rho v`` of a first-order space, scalar or vector.

        It is the one lumping of the body: of its motion, of the bounding operator, of estimates.
        """
        return self._lumped_mass_form(space, 1.0 if self.mass_factor is None else self.mass_factor)

    def _lumped_mass_form(self, space: fem.FunctionSpace, factor: Any) -> Any:
        v = ufl.TestFunction(space)
        ones = fem.Constant(self.mesh, np.ones(v.ufl_shape))
        return sum(
            m.density * factor * ufl.inner(ones, v) * f.dx(metadata={"quadrature_degree": 3})
            for m, f in zip(self.materials, self.forms, strict=True)
        )

    def new_memory(self) -> Memory:
        """Return what the points of the body remember, at first nothing."""
        return Memory([forms.new_history() for forms in self.forms])

    def _with_histories(self, memory: Memory | None) -> list[tuple[MaterialForms, History | None]]:
        if memory is None:
            memory = self.new_memory()
        return list(zip(self.forms, memory.histories, strict=True))

    def internal_force(self, u: fem.Function, memory: Memory | None = None) -> Assembler:
        """Return the compiled internal force [N] of a displacement function.

        Every evaluation advances the memory; without one the body has its own, in which no time
        passes.
        """
        v = ufl.TestFunction(self.space)
        pairs = self._with_histories(memory)
        return Assembler(self.integrals([Term(f.internal_force(u, v, h))] for f, h in pairs))

    def resistance(
        self,
        u: fem.Function,
        increment: fem.Function,
        factor: float,
        memory: Memory | None = None,
    ) -> Assembler:
        """Return the compiled internal force and viscous force ``factor K0 increment`` [N].

        One pass over the cells gives both. K0 is the bounding operator of the certificate: the
        same forms and quadrature.

        Args:
            u: Displacement [m].
            increment: Change of the displacement over a step [m].
            factor: Of the viscosity [-].
            memory: See :meth:`internal_force`.
        """
        v = ufl.TestFunction(self.space)
        terms = []
        pairs = self._with_histories(memory)
        for material, (forms, history) in zip(self.materials, pairs, strict=True):
            bounds = forms.bound_constants()
            for name, bound in material.law.bound().rungs[-1].tangent.items():
                bounds[name].value = factor * np.array(bound)
            viscous = forms.reference(increment, v, bounds, factor)
            terms.append([Term(forms.internal_force(u, v, history)), Term(viscous, 1)])
        return Assembler(self.integrals(terms))

    def stored_energy(self, u: fem.Function, memory: Memory | None = None) -> Summation:
        """Return the compiled stored energy [J] of a displacement function."""
        pairs = self._with_histories(memory)
        terms = ([Term(f.stored_energy(u, h))] for f, h in pairs)
        return Summation(self.comm, self.integrals(terms))

    def dissipated_energy(self, memory: Memory, at_end: bool = False) -> Summation:
        """Return the compiled energy that the materials have dissipated [J].

        Args:
            memory: What the points of the body remember.
            at_end: By the stress at the ends of the steps, which proofs are about; else by the mean
                stress of the steps, which balances the energies to second order in the step.
        """
        found = []
        for cells, (forms, history) in zip(self.cells, self._with_histories(memory), strict=True):
            if history is not None:
                terms = [Term(forms.dissipated_energy(history, at_end))]
                found.append(CellIntegrals(self.mesh, cells, terms))
        return Summation(self.comm, found)

    def hourglass_energy(self, u: fem.Function) -> Summation | None:
        """Return the compiled energy of the hourglass stiffness [J]; None if there is none."""
        if not any(f.hourglass for f in self.forms):
            return None
        terms = ([Term(f.hourglass_energy(u))] for f in self.forms)
        return Summation(self.comm, self.integrals(terms))

    def states(self, u: fem.Function, memory: Memory | None = None) -> list[CellExtremes]:
        """Return for each material, over the points of each of its cells, shape (5 or 7, cells).

        The largest and the smallest stretch, the smallest volume ratio, and the smallest and the
        largest volume ratio that the volumetric part of the law sees [-]; then, of a law with
        memory at large strain, the largest and the smallest elastic stretch [-].
        """
        five = ((0, "fmax"), (1, "fmin"), (2, "fmin"), (3, "fmin"), (3, "fmax"))
        seven = (*five, (4, "fmax"), (5, "fmin"))
        found = []
        for cells, (forms, history) in zip(self.cells, self._with_histories(memory), strict=True):
            kept = seven if has_limit(forms.law) else five
            found.append(CellExtremes(self.mesh, cells, forms.state(u, history), kept))
        return found

    def integrals(self, terms: Iterable[Sequence[Term]]) -> list[CellIntegrals]:
        """Return the compiled integrals of each material's terms over its cells."""
        pairs = zip(self.cells, terms, strict=True)
        return [CellIntegrals(self.mesh, cells, found) for cells, found in pairs]


class _Subdomain:
    """The measure over one subdomain, callable with metadata like a measure."""

    def __init__(self, dx: Any, tag: int) -> None:
        self.dx, self.tag = dx, tag

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.dx(self.tag, **kwargs)
