"""The internal force and its exact tangent by dolfinx, with UFL's derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import ufl
from numpy.typing import NDArray

from lipmat.fem.body import Body
from lipmat.fem.forms import JIT, MaterialForms
from lipmat.fem.hexahedra import COORDINATES
from lipmat.fem.matrix import (
    cell_modes,
    coordinates_in_modes,
    hourglass_form,
    hourglass_matrix,
    mean_gradients,
    volumes,
)
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
from dolfinx import fem

Array = NDArray[np.float64]


def force(body: Body, u: fem.Function) -> Array:
    """Return the internal force of this rank [N]."""
    v = ufl.TestFunction(body.space)
    total = np.zeros(len(u.x.array))
    for f in _plain(body):
        form = _known(f.internal_force(u, v) * f.dx, u)
        total += _rows(body, form.arguments()[0]).T @ fem.assemble_vector(_compiled(form)).array
    return total


def stored_energy(body: Body, u: fem.Function) -> float:
    """Return the stored energy of this rank [J]."""
    forms = (_compiled(_known(f.stored_energy(u) * f.dx, u)) for f in _plain(body))
    return float(sum(fem.assemble_scalar(form) for form in forms))


def tangent(body: Body, u: fem.Function) -> sp.csr_matrix:
    """Return the derivative of the internal force of this rank at a displacement [N/m].

    Parts at the points give their own; those of the mean gradient ``D^T S D``; hourglass stiffness
    is linear, and as in K0.
    """
    d, volume = mean_gradients(body.space), volumes(body)
    mean = fem.Function(fem.functionspace(body.mesh, ("DG", 0, (3, 3))))
    mean.x.array[:] = d @ u.x.array / np.repeat(volume.x.array, 9)
    w, tau = ufl.TrialFunction(mean.function_space), ufl.TestFunction(mean.function_space)
    g = ufl.grad(ufl.TestFunction(body.space))
    total = sp.csr_matrix((d.shape[1],) * 2)
    for f in _plain(body):
        for p in f.law.parts:
            if f.meaned[p.name]:
                work = ufl.inner(f.stress(p, mean), tau / volume) * f.dx
                total = total + d.T @ _matrix(ufl.derivative(work, mean, w / volume)) @ d
            else:
                work = ufl.inner(f.stress(p, ufl.grad(u)), g) * f.dx
                total = total + _matrix(ufl.derivative(work, u))
    if (form := hourglass_form(body)) is not None:
        h = cell_modes(body.space)
        total = total + h.T @ hourglass_matrix(form, body.space) @ h
    return sp.csr_matrix(total)


def _matrix(form: ufl.Form) -> sp.csr_matrix:
    return fem.assemble_matrix(_compiled(form)).to_scipy().tocsr()


def _plain(body: Body) -> list[MaterialForms]:
    """Return the forms of the materials in plain UFL, which dolfinx compiles."""
    plain = []
    for f in body.forms:
        plain.append(object.__new__(MaterialForms))
        vars(plain[-1]).update(vars(f), compact=False, _modes={})
    return plain


def _known(form: ufl.Form, u: fem.Function) -> ufl.Form:
    """Return a form with functions for what kernels over lanes take from the nodal values."""
    known: dict[Any, fem.Function] = {}
    for c in form.coefficients():
        of = getattr(c, "modes_of", None)
        if of is COORDINATES:
            known[c] = coordinates_in_modes(u.function_space.mesh)
        elif of is u:
            known[c] = fem.Function(_modes_functions(u))
            known[c].x.array[:] = cell_modes(u.function_space) @ u.x.array
    for v in form.arguments():
        if hasattr(v.ufl_function_space(), "modes_of"):
            known[v] = ufl.Argument(_modes_functions(u), v.number())
    return ufl.replace(form, known)


def _modes_functions(u: fem.Function) -> fem.FunctionSpace:
    return fem.functionspace(u.function_space.mesh, ("DG", 0, (24,)))


def _rows(body: Body, test: Any) -> Any:
    """Return the map from a displacement to what a test function stands for."""
    same = test.ufl_function_space() == body.space
    return (
        sp.identity(body.space.dofmap.index_map.size_local * 3) if same else cell_modes(body.space)
    )


def _compiled(form: ufl.Form) -> Any:
    return fem.form(form, jit_options=JIT)
