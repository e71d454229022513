"""Integrals over cells, compiled for batches of cells and summed into given arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import basix
import numpy as np
import ufl
from numpy.typing import NDArray

from lipmat.fem.compiler import library
from lipmat.fem.forms import degree_of, is_hexahedral
from lipmat.fem.hexahedra import COORDINATES, Hexahedra, coordinate_modes
from lipmat.fem.history import Advancing
from lipmat.fem.kernel import ARGUMENTS, GENERATOR, Advance, Extremes, Layout, Program, generate
from lipmat.fem.mpi import MPI

# isort: split
import ffcx.naming
from dolfinx import fem, la, mesh
from ufl.checks import is_cellwise_constant

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Term:
    """An integral that adds to one output.

    Attributes:
        integrand: UFL scalar, linear in one test function or without any.
        output: Number of the array that it adds to.
    """

    integrand: Any
    output: int = 0


class _Fields:
    """What a program gathers: coordinates and functions.

    Args:
        domain: The mesh.
        coefficients: UFL coefficients of the integrand in its order: functions, modes of them, or
            what is computed at the points of a cell.
        arguments: The test function, if any, or its modes.
        constants: Numbers that the constants of the integrand hold; those of what is computed come
            after them.
    """

    def __init__(
        self,
        domain: mesh.Mesh,
        coefficients: Sequence[Any],
        arguments: Sequence[Any],
        constants: int,
    ) -> None:
        gathered = dict.fromkeys(f for c in coefficients for f in _sources(c))
        functions = [f for f in gathered if f is not COORDINATES]
        tests = [v.ufl_function_space() for v in arguments]
        tests = [getattr(space, "modes_of", space) for space in tests]
        spaces = [f.function_space for f in functions] + list(tests)
        self.arrays = [domain.geometry.x, *(f.x.array for f in functions)]
        self.tables = [
            np.ascontiguousarray(d, dtype=np.int32)
            for d in (domain.geometry.dofmaps[0], *(s.dofmap.list for s in spaces))
        ]
        blocks = [3, *(s.dofmap.bs for s in spaces)]
        points = [False, *(_is_at_points(s) for s in spaces)]
        shapes = zip((d.shape[1] for d in self.tables), blocks, points, strict=True)
        layouts = [Layout(*shape) for shape in shapes]
        self.layouts = tuple(layouts[: 1 + len(functions)])
        self.test = layouts[-1] if tests else None
        self.constants: list[Any] = []
        """Constants of what is computed."""
        self._first = constants
        self._numbers = {COORDINATES: 0} | {f: 1 + k for k, f in enumerate(functions)}
        self.coefficients = tuple(
            self._advance(c.advance) if hasattr(c, "advance") else self._number(c)
            for c in coefficients
        )

    def _number(self, coefficient: Any) -> int:
        number: int = self._numbers[getattr(coefficient, "modes_of", coefficient)]
        return number

    def _advance(self, advance: Advancing) -> Advance:
        coefficients, constants = _parts(advance.expression)
        start = self._first + _size(self.constants)
        self.constants += constants
        numbers = tuple(map(self._number, coefficients))
        field = self._number(advance.history)
        return Advance(advance.expression, advance.points, numbers, field, start)

    def tag(self) -> str:
        """Return what the generated code depends on besides the integrand."""
        numbers = [_tag(c) if isinstance(c, Advance) else c for c in self.coefficients]
        return f"{GENERATOR} {self.layouts} {self.test} {numbers}"


def _sources(coefficient: Any) -> list[Any]:
    """Return the functions that a coefficient is computed from."""
    if hasattr(coefficient, "advance"):
        inner, _ = _parts(coefficient.advance.expression)
        return [*(f for c in inner for f in _sources(c)), coefficient.advance.history]
    return [getattr(coefficient, "modes_of", coefficient)]


def _parts(expression: Any) -> tuple[list[Any], list[Any]]:
    """Return coefficients and constants of a UFL expression, in its order."""
    coefficients = ufl.algorithms.extract_coefficients(expression)
    return coefficients, ufl.algorithms.analysis.extract_constants(expression)


def _tag(advance: Advance) -> str:
    pair = advance.expression, advance.points
    tag = f"{advance.coefficients} {advance.field} {advance.constants}"
    return str(ffcx.naming.compute_signature([pair], tag))


def _is_at_points(space: fem.FunctionSpace) -> bool:
    """Tell whether a function has values at quadrature points, which are numbered cell by cell."""
    found = str(space.ufl_element().family_name) == "quadrature"
    assert not found or bool((np.diff(space.dofmap.list, axis=1) == 1).all())
    return found


def _size(constants: Sequence[Any]) -> int:
    return sum(int(np.size(c.value)) for c in constants)


class _Call:
    """The compiled function of a program with its arrays, which stay where they are."""

    def __init__(
        self, program: Program, signature: str, fields: _Fields, cells: NDArray[np.int32]
    ) -> None:
        declaration = f"void assemble({ARGUMENTS});"
        self._ffi, found = library("cells", signature, declaration, partial(generate, program))
        self._assemble = found.assemble
        self._cells = np.ascontiguousarray(cells, dtype=np.int32)
        self._out = self._ffi.new("double *[]", 1 + max(program.outputs))
        self._keep = (
            [self._doubles(x) for x in fields.arrays],
            [self._integers(d) for d in fields.tables],
        )
        doubles, integers = self._keep
        self._fields = self._ffi.new("double *[]", doubles)
        self._dofs = self._ffi.new("int32_t *[]", integers)
        self._cell_pointer = self._integers(self._cells)

    def _doubles(self, array: Array) -> Any:
        return self._ffi.from_buffer("double[]", array, require_writable=True)

    def _integers(self, array: NDArray[np.int32]) -> Any:
        return self._ffi.from_buffer("int32_t[]", array)

    def __call__(self, constants: Array, *out: Array) -> None:
        if not len(self._cells):
            return
        for i, array in enumerate(out):
            self._out[i] = self._doubles(array)
        arguments = (self._cell_pointer, self._fields, self._dofs, self._doubles(constants))
        self._assemble(self._out, len(self._cells), *arguments)


class _Constants:
    """The values of UFL constants in one array."""

    def __init__(self, constants: Sequence[Any]) -> None:
        self._constants = constants
        self.values = np.zeros(max(1, _size(constants)))
        self.pack()

    def pack(self) -> None:
        """Take over their present values."""
        if self._constants:
            self.values[:] = np.concatenate([np.ravel(c.value) for c in self._constants])


def _form(domain: mesh.Mesh, integrands: Sequence[Any]) -> ufl.Form:
    """Return the integrals, numbered by subdomains.

    What is the same all over each cell is evaluated once and multiplied by the cell's volume.
    """
    degree, factor = degree_of(domain), 1
    if is_hexahedral(domain) and all(is_cellwise_constant(i) for i in integrands):
        cells = Hexahedra(coordinate_modes(domain))
        degree, factor = 1, abs(cells.volume) / abs(cells.centre)
    dx = ufl.Measure("dx", domain=domain, metadata={"quadrature_degree": degree})
    return sum(factor * integrand * dx(k) for k, integrand in enumerate(integrands))


class CellIntegrals:
    """Terms over some cells: one pass over them, one function call.

    Args:
        domain: The mesh.
        cells: Numbers of the cells, owned by this rank.
        terms: What to integrate.
    """

    def __init__(self, domain: mesh.Mesh, cells: NDArray[np.int32], terms: Sequence[Term]) -> None:
        form = _form(domain, [term.integrand for term in terms])
        constants = form.constants()
        fields = _Fields(domain, form.coefficients(), form.arguments(), _size(constants))
        outputs = tuple(term.output for term in terms)
        program = Program(form, outputs, fields.layouts, fields.coefficients, fields.test)
        signature = ffcx.naming.compute_signature([form], f"{outputs} {fields.tag()}")
        self._call = _Call(program, signature, fields, cells)
        self._constants = _Constants([*constants, *fields.constants])
        self.pack_constants = self._constants.pack

    def add(self, *out: Array) -> None:
        """Add the integrals to the outputs, ghosts included."""
        self._call(self._constants.values, *out)


class CellExtremes:
    """Extremes of expressions over the quadrature points of each cell.

    Args:
        domain: The mesh.
        cells: Numbers of the cells, owned by this rank.
        values: UFL scalars.
        kept: Number of a value and ``fmax`` or ``fmin``, for each row of :attr:`values`.

    Attributes:
        values: What :meth:`evaluate` found, shape (kept, cells).
    """

    def __init__(
        self,
        domain: mesh.Mesh,
        cells: NDArray[np.int32],
        values: Sequence[Any],
        kept: Sequence[tuple[int, str]],
    ) -> None:
        kind = getattr(basix.CellType, str(domain.topology.cell_name()))
        points = basix.make_quadrature(kind, degree_of(domain))[0]
        expression = ufl.as_vector(list(values))
        coefficients, constants = _parts(expression)
        fields = _Fields(domain, coefficients, (), 0)
        extremes = Extremes(expression, points, tuple(kept))
        program = Program(extremes, (0,), fields.layouts, fields.coefficients, None)
        tag = f"{extremes.kept} {fields.tag()}"
        signature = ffcx.naming.compute_signature([(expression, points)], tag)
        self._call = _Call(program, signature, fields, cells)
        self._constants = _Constants(constants)
        self.values = np.zeros((len(kept), len(cells)))

    def evaluate(self) -> Array:
        """Set :attr:`values` to those of the present functions, and return them."""
        self._call(self._constants.values, self.values)
        return self.values


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
