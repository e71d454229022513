"""Integrals over cells, compiled for batches of cells and summed into given arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import ufl
from numpy.typing import NDArray

from lipmat.fem.compiler import library
from lipmat.fem.forms import Integrals
from lipmat.fem.kernel import ARGUMENTS, LANES, Layout, Program, generate
from lipmat.fem.mpi import MPI

# isort: split
import ffcx.naming
from dolfinx import la, mesh

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Term:
    """Integrals that add to one output.

    Attributes:
        integrals: Integrands by quadrature degree, linear in one test function or without any.
        output: Number of the array that they add to.
    """

    integrals: Integrals
    output: int = 0


class CellIntegrals:
    """Terms over some cells: one pass over them, one function call.

    Args:
        domain: The mesh.
        cells: Numbers of the cells, owned by this rank.
        terms: What to integrate.
    """

    def __init__(self, domain: mesh.Mesh, cells: NDArray[np.int32], terms: Sequence[Term]) -> None:
        pairs = [(d, x, t.output) for t in terms for d, x in t.integrals.items()]
        form = sum(
            integrand
            * ufl.dx(domain=domain, subdomain_id=k, metadata={"quadrature_degree": degree})
            for k, (degree, integrand, _) in enumerate(pairs)
        )
        self._cells = np.ascontiguousarray(cells, dtype=np.int32)
        self._constants = form.constants()
        coefficients = form.coefficients()
        spaces = [c.function_space for c in coefficients]
        tests = [a.ufl_function_space() for a in form.arguments()]
        self._packed = np.zeros(max(1, sum(np.size(c.value) for c in self._constants)))
        self._fields = [domain.geometry.x, *(c.x.array for c in coefficients)]
        self._dofs = [domain.geometry.dofmaps[0], *(s.dofmap.list for s in (*spaces, *tests))]
        blocks = [3, *(s.dofmap.bs for s in (*spaces, *tests))]
        layouts = [Layout(d.shape[1], b) for d, b in zip(self._dofs, blocks, strict=True)]
        program = Program(
            form,
            tuple(output for *_, output in pairs),
            tuple(layouts[: 1 + len(spaces)]),
            layouts[-1] if tests else None,
        )
        tag = f"{program.outputs} {layouts} {LANES}"
        self._ffi, self._library = library(
            "cells",
            ffcx.naming.compute_signature([form], tag),
            f"void assemble({ARGUMENTS});",
            partial(generate, program),
        )
        self._bind(1 + max(program.outputs))
        self.pack_constants()

    def _bind(self, outputs: int) -> None:
        """Keep the pointers of all arrays but the outputs."""
        new, self._arrays = self._ffi.new, [np.ascontiguousarray(x) for x in self._fields]
        assert all(x is y for x, y in zip(self._arrays, self._fields, strict=True))
        self._tables = [np.ascontiguousarray(d, dtype=np.int32) for d in self._dofs]
        self._out = new("double *[]", outputs)
        self._field_pointers = new("double *[]", [self._doubles(x) for x in self._arrays])
        self._dof_pointers = new("int32_t *[]", [self._integers(d) for d in self._tables])

    def _doubles(self, array: Array) -> Any:
        return self._ffi.from_buffer("double[]", array, require_writable=True)

    def _integers(self, array: NDArray[np.int32]) -> Any:
        return self._ffi.from_buffer("int32_t[]", array)

    def pack_constants(self) -> None:
        """Take over the present values of the constants."""
        if self._constants:
            self._packed[:] = np.concatenate([np.ravel(c.value) for c in self._constants])

    def add(self, *out: Array) -> None:
        """Add the integrals to the outputs, ghosts included."""
        if not len(self._cells):
            return
        for i, array in enumerate(out):
            self._out[i] = self._doubles(array)
        self._library.assemble(
            self._out,
            len(self._cells),
            self._integers(self._cells),
            self._field_pointers,
            self._dof_pointers,
            self._doubles(self._packed),
        )


class Assembler:
    """Sums linear forms over all cells of a body into vectors."""

    def __init__(self, integrals: Iterable[CellIntegrals]) -> None:
        self._integrals = tuple(integrals)

    def pack_constants(self) -> None:
        """Take over the present values of the constants."""
        for integral in self._integrals:
            integral.pack_constants()

    def __call__(self, *out: la.Vector) -> None:
        """Set the vectors to the assembled ones; owned entries are summed over the ranks."""
        arrays = [vector.array for vector in out]
        for array in arrays:
            array[:] = 0.0
        for integral in self._integrals:
            integral.add(*arrays)
        for vector in out:
            vector.scatter_reverse(la.InsertMode.add)


class Summation:
    """Sums functionals over all cells and ranks."""

    def __init__(self, comm: MPI.Intracomm, integrals: Iterable[CellIntegrals]) -> None:
        self._comm, self._integrals = comm, tuple(integrals)
        self._value = np.zeros(1)

    def __call__(self) -> float:
        """Return the value on all ranks."""
        self._value[:] = 0.0
        for integral in self._integrals:
            integral.add(self._value)
        return float(self._comm.allreduce(float(self._value[0])))
