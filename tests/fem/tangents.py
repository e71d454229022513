"""The exact tangent of the internal force, by dolfinx and UFL's derivatives."""

from __future__ import annotations

import scipy.sparse as sp
import ufl

from lipmat.fem.body import Body
from lipmat.fem.forms import JIT, MaterialForms, mean_of, moments_of
from lipmat.fem.matrix import mean_gradients
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
from dolfinx import fem

SIZE = 10  # moments of a gradient: nine integrals and the volume


def force_forms(body: Body, u: fem.Function, m: fem.Function) -> list[ufl.Form]:
    """Return the virtual work of each material, in a displacement and the moments of its gradient.

    Between them stands what :class:`lipmat.fem.assembly.CellIntegrals` computes cell by cell.
    """
    v = ufl.TestFunction(body.space)
    return [f.internal_force(u, v) * f.dx for f in _with_moments(body, u, m)]


def energy_forms(body: Body, u: fem.Function, m: fem.Function) -> list[ufl.Form]:
    """Return the stored energy of each material."""
    return [f.stored_energy(u) * f.dx for f in _with_moments(body, u, m)]


def _with_moments(body: Body, u: fem.Function, m: fem.Function) -> list[MaterialForms]:
    for forms in body.forms:
        forms._moments[u] = m
    return body.forms


def moments_function(body: Body, u: fem.Function) -> fem.Function:
    """Return the moments of the gradient of a displacement."""
    m = fem.Function(fem.functionspace(body.mesh, ("DG", 0, (SIZE,))))
    test = ufl.TestFunction(m.function_space)
    fem.assemble_vector(m.x.array, fem.form(moments_of(ufl.grad(u), test) * body.forms[0].dx))
    for forms in body.forms[1:]:
        fem.assemble_vector(m.x.array, fem.form(moments_of(ufl.grad(u), test) * forms.dx))
    return m


def tangent(body: Body, u: fem.Function) -> sp.csr_matrix:
    """Return the derivative of the internal force of this rank at a displacement [N/m].

    Parts at the points give their own; those of the mean gradient ``D^T S D``.
    """
    m, d = moments_function(body, u), mean_gradients(body.space)
    change = fem.Function(fem.functionspace(body.mesh, ("DG", 0, (3, 3))))
    g, tau = ufl.grad(ufl.TestFunction(body.space)), ufl.TestFunction(change.function_space)
    h, mean, mean_tau = ufl.grad(u), mean_of(m, (3, 3)) + change / m[9], tau / m[9]
    total = sp.csr_matrix((d.shape[1],) * 2)
    for f in body.forms:
        own = [f.work(p, h, g) for p in f.law.parts if not f.meaned[p.name]]
        if f.hourglass:
            own.append(f.hourglass * ufl.inner(h, g))
        for integrand in own:
            total = total + _matrix(ufl.derivative(integrand * f.dx, u))
        means = [f.work(p, mean, mean_tau) for p in f.law.parts if f.meaned[p.name]]
        if f.hourglass:
            means.append(-f.hourglass * ufl.inner(mean, mean_tau))
        for integrand in means:
            total = total + d.T @ _matrix(ufl.derivative(integrand * f.dx, change)) @ d
    return sp.csr_matrix(total)


def _matrix(form: ufl.Form) -> sp.csr_matrix:
    return fem.assemble_matrix(fem.form(form, jit_options=JIT)).to_scipy().tocsr()
