"""Surface groups of a body as UFL measures and as nodal areas."""

from __future__ import annotations

from typing import Any

import numpy as np
import ufl

from lipmat.fem.body import Array, Body
from lipmat.fem.forms import JIT
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
from dolfinx import fem, la


def surface(body: Body, group: str) -> Any:
    """Return the UFL measure over a surface group; raise InputError if there is none."""
    facets = body.grid.group(group)
    entities = fem.compute_integration_domains(
        fem.IntegralType.exterior_facet, body.mesh.topology, facets
    )
    ds = ufl.Measure("ds", domain=body.mesh, subdomain_data=[(1, entities)])
    return ds(1, metadata={"quadrature_degree": 2})


def nodal_areas(body: Body, group: str) -> Array:
    """Return the reference area ``int v ds`` of each owned node on a surface group [m^2]."""
    v, ones = ufl.TestFunction(body.space), fem.Constant(body.mesh, np.ones(3))
    vector = la.vector(body.space.dofmap.index_map, 3)
    SurfaceAssembler(ufl.inner(ones, v) * surface(body, group))(vector)
    return np.array(vector.array[: body.owned : 3])


class SurfaceAssembler:
    """Sums a linear form over a surface into a vector."""

    def __init__(self, form: ufl.Form) -> None:
        self._form = fem.form(form, jit_options=JIT)
        self._constants = fem.pack_constants(self._form)

    def __call__(self, out: la.Vector) -> None:
        """Set the vector to the assembled one; owned entries are summed over the ranks."""
        out.array[:] = 0.0
        coefficients = fem.pack_coefficients(self._form)
        fem.assemble_vector(out.array, self._form, self._constants, coefficients)
        out.scatter_reverse(la.InsertMode.add)
