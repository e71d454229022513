"""The bounding operator as matrices, for factorisations and estimates.

With D, the integrals over each cell of the gradient, and S, what they cost, K0 is its share at the
points plus ``D^T S D``; with hourglass stiffness plus ``H^T B H`` too, with the modes H of each
cell and what lies beyond the mean gradient, B. The cells of a body have no ghosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import ufl
from numpy.typing import NDArray
from scipy.linalg import hadamard

from lipmat.fem.body import Body
from lipmat.fem.forms import MaterialForms, degree_of
from lipmat.fem.lanes import HEXAHEDRON
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
from dolfinx import fem, mesh

Weights = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ReferenceForms:
    """Compiled bilinear forms of K0 in a space.

    Attributes:
        space: The space.
        pointwise: The share at the points; None if there is none.
        mean: S; None without means.
        beyond: B of one component; None without hourglass stiffness.
    """

    space: fem.FunctionSpace
    pointwise: Any
    mean: Any
    beyond: Any

    def products(self) -> list[tuple[sp.csr_matrix, sp.csr_matrix]]:
        """Return S with D and B with H, those that there are, of this rank's cells."""
        pairs = []
        if self.mean is not None:
            pairs.append((_assembled(self.mean), mean_gradients(self.space)))
        if self.beyond is not None:
            pairs.append((hourglass_matrix(self.beyond, self.space), cell_modes(self.space)))
        return pairs


def reference_forms(body: Body, space: fem.FunctionSpace, weights: Weights) -> ReferenceForms:
    """Return the forms of K0 in a space of first order.

    Args:
        body: The body.
        space: Vectors; scalars where all bounds are ``a grad : grad``.
        weights: Bound of each part of each material.
    """
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    h, g = ufl.grad(u), ufl.grad(v)
    pairs = list(zip(body.forms, weights, strict=True))
    pointwise = _over((f, f.pointwise_reference(h, g, w)) for f, w in pairs)
    if not any(f.means for f in body.forms):
        return ReferenceForms(space, pointwise, None, None)
    target = fem.functionspace(body.mesh, ("DG", 0, h.ufl_shape))
    a, b = ufl.TrialFunction(target), ufl.TestFunction(target)
    volume = volumes(body)
    mean = _over((f, f.mean_reference(a / volume, b / volume, w)) for f, w in pairs)
    return ReferenceForms(space, pointwise, mean, hourglass_form(body))


def hourglass_form(body: Body) -> Any:
    """Return the compiled form of the hourglass stiffness in the modes of one component."""
    if not any(f.hourglass for f in body.forms):
        return None
    target = fem.functionspace(body.mesh, ("DG", 0, (HEXAHEDRON,)))
    a, b = ufl.TrialFunction(target), ufl.TestFunction(target)
    x = coordinates_in_modes(body.mesh)
    return _over((f, f.hourglass_reference(a, b, x)) for f in body.forms)


def hourglass_matrix(form: Any, space: fem.FunctionSpace) -> sp.csr_matrix:
    """Return B: the hourglass stiffness in the modes of all components, the same for each."""
    return sp.kron(_assembled(form), sp.identity(space.dofmap.bs), format="csr")


def local_reference(body: Body, space: fem.FunctionSpace, weights: Weights) -> Any:
    """Return this rank's part of K0 in a space as a scipy matrix."""
    forms = reference_forms(body, space, weights)
    shares = [] if forms.pointwise is None else [_assembled(forms.pointwise)]
    shares += [rows.T @ inner @ rows for inner, rows in forms.products()]
    return sum(shares[1:], shares[0]).tocsr()


def petsc_reference(forms: ReferenceForms) -> Any:
    """Return K0 as a PETSc matrix over all ranks."""
    from dolfinx.fem.petsc import assemble_matrix

    shares = []
    if forms.pointwise is not None:
        shares.append(assemble_matrix(forms.pointwise))
        shares[0].assemble()
    space = forms.space
    columns, bs = space.dofmap.index_map, space.dofmap.bs
    blocks = np.arange(columns.size_local + columns.num_ghosts, dtype=np.int32)
    numbers = (columns.local_to_global(blocks)[:, None] * bs + np.arange(bs)).ravel()
    for inner, local in forms.products():
        rows = _distributed(space.mesh.comm, local, bs * columns.size_local, numbers)
        count = inner.shape[0]
        first = space.mesh.comm.scan(count) - count
        weight = _distributed(space.mesh.comm, inner, count, first + np.arange(count))
        shares.append(rows.transposeMatMult(weight.matMult(rows)))
    for share in shares[1:]:
        shares[0].axpy(1.0, share)
    return shares[0]


def _distributed(comm: Any, local: sp.csr_matrix, owned: int, numbers: NDArray[Any]) -> Any:
    """Return the PETSc matrix of this rank's rows, from the global numbers of their columns."""
    from petsc4py import PETSc

    sizes = (local.shape[0], PETSc.DETERMINE), (owned, PETSc.DETERMINE)
    csr = (local.indptr.astype(np.int32), numbers[local.indices].astype(np.int32), local.data)
    return PETSc.Mat().createAIJ(sizes, csr=csr, comm=comm)


def cell_modes(space: fem.FunctionSpace) -> sp.csr_matrix:
    """Return H of this rank's cells: from a space to the modes of hexahedra, mode by mode."""
    dofs, bs = space.dofmap.list, space.dofmap.bs
    cells, nodes = dofs.shape
    i, c, a, n = np.meshgrid(*map(np.arange, (bs, cells, nodes, nodes)), indexing="ij")
    rows, columns = bs * (nodes * c + n) + i, bs * dofs[c, a] + i
    values = np.broadcast_to(hadamard(nodes), rows.shape).astype(np.float64)
    size = bs * (space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts)
    entries = (values.ravel(), (rows.ravel(), columns.ravel()))
    return sp.csr_matrix(entries, shape=(nodes * bs * cells, size))


def coordinates_in_modes(domain: mesh.Mesh) -> fem.Function:
    """Return the modes of the coordinates of a mesh of hexahedra."""
    found = fem.Function(fem.functionspace(domain, ("DG", 0, (3 * HEXAHEDRON,))))
    corners = domain.geometry.x[domain.geometry.dofmaps[0]]
    found.x.array[:] = (hadamard(HEXAHEDRON) @ corners).ravel()
    return found


def mean_gradients(space: fem.FunctionSpace) -> sp.csr_matrix:
    """Return D of this rank's cells: from a space to the integrals of the gradient over cells.

    Row ``n c + k`` is component k of the n of the gradient in cell c.
    """
    domain, dofs, bs = space.mesh, space.dofmap.list, space.dofmap.bs
    broken = fem.functionspace(domain, ("DG", 1))
    v, dx = ufl.TestFunction(broken), ufl.dx(metadata={"quadrature_degree": degree_of(domain)})
    slopes = np.stack(
        [fem.assemble_vector(fem.form(v.dx(j) * dx)).array[broken.dofmap.list] for j in range(3)], 2
    )
    cells, nodes = dofs.shape
    i, c, a, j = np.meshgrid(*map(np.arange, (bs, cells, nodes, 3)), indexing="ij")
    rows, columns = 3 * (bs * c + i) + j, bs * dofs[c, a] + i
    values = np.broadcast_to(slopes, (bs, *slopes.shape))
    size = bs * (space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts)
    entries = (values.ravel(), (rows.ravel(), columns.ravel()))
    return sp.csr_matrix(entries, shape=(3 * bs * cells, size))


def _assembled(form: Any) -> sp.csr_matrix:
    return fem.assemble_matrix(form).to_scipy().tocsr()


def volumes(body: Body) -> fem.Function:
    """Return the volume of each cell as a function [m^3]."""
    space = fem.functionspace(body.mesh, ("DG", 0))
    dx = ufl.dx(metadata={"quadrature_degree": degree_of(body.mesh)})
    found = fem.Function(space)
    fem.assemble_vector(found.x.array, fem.form(ufl.TestFunction(space) * dx))
    return found


def _over(parts: Iterable[tuple[MaterialForms, Any]]) -> Any:
    """Return the compiled form of integrands over their materials' cells."""
    terms = [integrand * forms.dx for forms, integrand in parts if integrand is not None]
    return fem.form(sum(terms[1:], terms[0])) if terms else None
