"""The bounding operator as matrices, for factorisations and estimates.

With D, the integrals over each cell of the gradient, and S, what they cost, K0 is its share at the
points plus ``D^T S D``. The cells of a body have no ghosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import ufl

from lipmat.fem.body import Body
from lipmat.fem.forms import MaterialForms, degree_of
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
from dolfinx import fem

Weights = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ReferenceForms:
    """Compiled bilinear forms of K0 in a space.

    Attributes:
        space: The space.
        pointwise: The share at the points; None if there is none.
        mean: S; None without means.
    """

    space: fem.FunctionSpace
    pointwise: Any
    mean: Any


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
        return ReferenceForms(space, pointwise, None)
    target = fem.functionspace(body.mesh, ("DG", 0, h.ufl_shape))
    a, b = ufl.TrialFunction(target), ufl.TestFunction(target)
    volume = volumes(body)
    mean = _over((f, f.mean_reference(a / volume, b / volume, w)) for f, w in pairs)
    return ReferenceForms(space, pointwise, mean)


def local_reference(body: Body, space: fem.FunctionSpace, weights: Weights) -> Any:
    """Return this rank's part of K0 in a space as a scipy matrix."""
    forms = reference_forms(body, space, weights)
    shares = [] if forms.pointwise is None else [_assembled(forms.pointwise)]
    if forms.mean is not None:
        d = mean_gradients(space)
        shares.append(d.T @ _assembled(forms.mean) @ d)
    return sum(shares[1:], shares[0]).tocsr()


def petsc_reference(forms: ReferenceForms) -> Any:
    """Return K0 as a PETSc matrix over all ranks."""
    from petsc4py import PETSc

    from dolfinx.fem.petsc import assemble_matrix

    k = None
    if forms.pointwise is not None:
        k = assemble_matrix(forms.pointwise)
        k.assemble()
    if forms.mean is None:
        return k
    local, columns = mean_gradients(forms.space), forms.space.dofmap.index_map
    bs, owned = forms.space.dofmap.bs, forms.space.dofmap.index_map.size_local
    blocks = np.arange(owned + columns.num_ghosts, dtype=np.int32)
    numbers = (columns.local_to_global(blocks)[:, None] * bs + np.arange(bs)).ravel()
    rows = (local.shape[0], PETSc.DETERMINE)
    csr = (local.indptr.astype(np.int32), numbers[local.indices].astype(np.int32), local.data)
    d = PETSc.Mat().createAIJ(
        (rows, (owned * bs, PETSc.DETERMINE)), csr=csr, comm=forms.space.mesh.comm
    )
    s = assemble_matrix(forms.mean)
    s.assemble()
    mean = d.transposeMatMult(s.matMult(d))
    if k is None:
        return mean
    k.axpy(1.0, mean)
    return k


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
