"""C code that integrates over several cells at once, from the kernels of FFCx.

FFCx writes a kernel for one cell, which a compiler vectorises over quadrature points at best. Here
the same syntax tree is printed with another scalar type: ``lanes``, a vector with one number for
each of eight cells (a vector extension of GCC and Clang), so that every operation acts on eight
cells (Sun et al., Int. J. High Perf. Comput. Appl. 34 (2020) 628). Around the kernels stands the
loop that gathers what the cells need, once for all of them, and adds up what they give. On
hexahedra it passes on sums and differences of nodal values, see :mod:`lipmat.fem.lanes`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ufl
from numpy.typing import NDArray

from lipmat.fem import lanes, ramps
from lipmat.fem.lanes import HEXAHEDRON, LanesFormatter, function

# isort: split
import ffcx.options
from ffcx.analysis import analyze_ufl_objects
from ffcx.codegeneration.backend import FFCXBackend
from ffcx.codegeneration.expression_generator import ExpressionGenerator
from ffcx.codegeneration.integral_generator import IntegralGenerator
from ffcx.ir.representation import compute_ir

LANES = 8
GENERATOR = hashlib.sha256(
    b"".join(Path(file).read_bytes() for file in (__file__, lanes.__file__, ramps.__file__))
).hexdigest()
"""Of what generates: code that another version of it wrote is not taken from the cache."""
ARGUMENTS = (
    "double *const *out, int64_t count, const int32_t *cells, const double *const *fields, "
    "const int32_t *const *dofs, const double *constants"
)
_HEAD = f"""#include <math.h>
#include <stdint.h>
#include <string.h>
#define LANES {LANES}
typedef double lanes __attribute__((vector_size(8 * LANES)));
static const lanes ZERO;
"""
_HADAMARD = """
static inline void hadamard(lanes *restrict x, const int block)
{
  for (int bit = 1; bit < 8; bit *= 2)
    for (int j = 0; j < 8; ++j)
      if (!(j & bit))
        for (int i = 0; i < block; ++i)
        {
          const lanes a = x[block * j + i], b = x[block * (j + bit) + i];
          x[block * j + i] = a + b;
          x[block * (j + bit) + i] = a - b;
        }
}
"""
_GATHER = """
static inline void gather(lanes *restrict to, const double *restrict from,
                          const int32_t *restrict dofs, const int64_t *restrict cell,
                          const int nodes, const int block)
{
  for (int j = 0; j < nodes; ++j)
  {
    const double *p[LANES];
    for (int l = 0; l < LANES; ++l)
      p[l] = from + block * (int64_t)dofs[cell[l] * nodes + j];
    for (int i = 0; i < block; ++i)
      to[block * j + i] = (lanes){p[0][i], p[1][i], p[2][i], p[3][i],
                                  p[4][i], p[5][i], p[6][i], p[7][i]};
  }
}
"""
_ADD = """
static inline void add(double *restrict to, const lanes *restrict from,
                       const int32_t *restrict dofs, const int64_t *restrict cell,
                       const int used, const int nodes, const int block)
{
  for (int l = 0; l < used; ++l)
    for (int j = 0; j < nodes; ++j)
    {
      double *restrict p = to + block * (int64_t)dofs[cell[l] * nodes + j];
      for (int i = 0; i < block; ++i)
        p[i] += from[block * j + i][l];
    }
}
"""
_ADD_NUMBER = """
static inline void add_number(double *restrict to, const lanes *restrict from, const int used)
{
  for (int l = 0; l < used; ++l)
    to[0] += from[0][l];
}
"""
_POINTS = """
#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int64_t mask __attribute__((vector_size(8 * LANES)));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif
#define EXCHANGE(step, ...) \\
  for (int j = 0; j < 8; ++j) \\
    if (!(j & step)) \\
    { \\
      const lanes a = x[j], b = x[j + step]; \\
      x[j] = SHUFFLE(a, b, __VA_ARGS__)
#define WITH(step, ...) \\
      x[j + step] = SHUFFLE(a, b, __VA_ARGS__); \\
    }
static inline void transpose(lanes *restrict x)
{
  EXCHANGE(1, 0, 8, 2, 10, 4, 12, 6, 14); WITH(1, 1, 9, 3, 11, 5, 13, 7, 15)
  EXCHANGE(2, 0, 1, 8, 9, 4, 5, 12, 13); WITH(2, 2, 3, 10, 11, 6, 7, 14, 15)
  EXCHANGE(4, 0, 1, 2, 3, 8, 9, 10, 11); WITH(4, 4, 5, 6, 7, 12, 13, 14, 15)
}

static inline void recall(lanes *restrict to, const double *restrict from,
                          const int32_t *restrict dofs, const int64_t *restrict cell,
                          const int points, const int block)
{
  const int size = points * block, tiled = size / 8 * 8;
  const double *p[LANES];
  for (int l = 0; l < LANES; ++l)
    p[l] = from + block * (int64_t)dofs[cell[l] * points];
  for (int i = 0; i < tiled; i += 8)
  {
    for (int l = 0; l < LANES; ++l)
      memcpy(to + i + l, p[l] + i, sizeof *to);
    transpose(to + i);
  }
  for (int i = tiled; i < size; ++i)
    for (int l = 0; l < LANES; ++l)
      to[i][l] = p[l][i];
}

static inline void remember(double *restrict to, const lanes *restrict from,
                            const int32_t *restrict dofs, const int64_t *restrict cell,
                            const int used, const int points, const int block, const int given)
{
  const int size = points * block, tiled = size / 8 * 8, first = given - block;
  lanes x[8];
  for (int i = 0; i < tiled; i += 8)
  {
    for (int k = 0; k < 8; ++k)
      x[k] = from[(i + k) / block * given + first + (i + k) % block];
    transpose(x);
    for (int l = 0; l < used; ++l)
      memcpy(to + block * (int64_t)dofs[cell[l] * points] + i, x + l, sizeof *x);
  }
  for (int i = tiled; i < size; ++i)
    for (int l = 0; l < used; ++l)
    {
      double *p = to + block * (int64_t)dofs[cell[l] * points];
      p[i] = from[i / block * given + first + i % block][l];
    }
}
"""
_FETCH = """
static inline void fetch(const double *const *next, const int point, const int block)
{
  for (int l = 0; l < LANES; ++l)
    for (int i = 0; i < block; i += 8)
      __builtin_prefetch(next[l] + block * point + i);
}
"""
"""Brings what the next cells remember of a point into the cache, while a point is computed."""
_KERNEL = """
static inline void {name}(lanes *restrict A, const lanes *restrict w, const double *restrict c,
                          const lanes *restrict coordinate_dofs, const double *const *next)
{{
{body}}}
"""


@dataclass(frozen=True)
class Layout:
    """How many numbers a cell takes from an array: ``nodes`` places with ``block`` numbers each.

    Attributes:
        nodes: Places.
        block: Numbers at each.
        points: Whether the places are the quadrature points of the cell, whose numbers are
            consecutive.
    """

    nodes: int
    block: int
    points: bool = False

    @property
    def size(self) -> int:
        """Numbers of a cell."""
        return self.nodes * self.block


@dataclass(frozen=True)
class Advance:
    """A coefficient that is computed cell by cell at points, and in part remembered.

    Attributes:
        expression: UFL vector of its values at a point.
        points: In the reference cell, shape (p, 3).
        coefficients: Numbers of the fields that those of the expression are.
        field: Number of the field that takes the last of the values, as many as it has.
        constants: Where those of the expression begin among all constants.
    """

    expression: Any
    points: NDArray[np.float64]
    coefficients: tuple[int, ...]
    field: int
    constants: int

    @property
    def size(self) -> int:
        """Values at a point."""
        return int(self.expression.ufl_shape[0])


@dataclass(frozen=True)
class Extremes:
    """An expression at points of which each cell gives the extremes.

    Attributes:
        expression: UFL expression with several components.
        points: In the reference cell, shape (p, 3).
        kept: Component and ``fmax`` or ``fmin`` over the points, for each number that is kept.
    """

    expression: Any
    points: NDArray[np.float64]
    kept: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Program:
    """What the code is generated from.

    Attributes:
        integrand: A UFL form over cells, linear or a functional, whose subdomains number its terms,
            all of one quadrature degree; or extremes.
        outputs: Number of the output of each term.
        fields: Layouts of what is gathered: the coordinates, then functions.
        coefficients: For each coefficient of the integrand, in its order, the number of the field
            it is, or whose modes it is: on hexahedra both are passed on in the same way; or how it
            advances.
        test: Layout of the test function; None without one.
    """

    integrand: ufl.Form | Extremes
    outputs: tuple[int, ...]
    fields: tuple[Layout, ...]
    coefficients: tuple[int | Advance, ...]
    test: Layout | None


def generate(program: Program) -> str:
    """Return C code of ``void assemble(ARGUMENTS)``, which adds to the outputs.

    ``fields`` and ``dofs`` are those of the program's fields; after them in ``dofs`` come those of
    the test function. Extremes are set, not added, in an array of shape (kept, cells).
    """
    formatter = LanesFormatter()
    kernels = _kernels(program, formatter)
    functions = "".join(map(function, sorted({*formatter.functions, "fmin", "fmax"})))
    bodies = "".join(_KERNEL.format(name=name, body=body) for name, body in kernels.items())
    fixed = (_HADAMARD, _GATHER, _ADD, _ADD_NUMBER, _POINTS)
    return "".join((_HEAD, functions, _FETCH, bodies, *fixed, _loop(program)))


def _kernels(program: Program, formatter: LanesFormatter) -> dict[str, str]:
    """Return the bodies of all kernels by name."""
    kernels = {}
    for k, advance in enumerate(program.coefficients):
        if isinstance(advance, Advance):
            block = program.fields[advance.field].block
            fetching = LanesFormatter(f"fetch(next, {lanes.POINT}, {block});\n")
            body = _of_expression(advance.expression, advance.points, fetching)
            formatter.functions |= fetching.functions
            kernels[f"advance_{k}"] = body
    if isinstance(program.integrand, Extremes):
        extremes = program.integrand
        found = [(0, _of_expression(extremes.expression, extremes.points, formatter))]
    else:
        found = _of_form(program.integrand, formatter)
    return kernels | {f"term_{k}": body for k, body in found}


def _of_form(form: ufl.Form, formatter: LanesFormatter) -> list[tuple[int, str]]:
    """Return the number and the body of each term of a form."""
    options = ffcx.options.get_options({})
    ir = compute_ir(analyze_ufl_objects([form], "float64"), {}, "lipmat", options, False)
    (found,) = ir.forms
    assert found.original_coefficient_positions == list(range(len(form.coefficients())))
    bodies = {}
    for integral in ir.integrals:
        (cell,) = {cell for cell, _ in integral.expression.integrand}
        tree = IntegralGenerator(integral, FFCXBackend(integral, options)).generate(cell)
        bodies[integral.expression.name] = formatter(tree)
    pairs = zip(found.subdomain_ids["cell"], found.integral_names["cell"], strict=True)
    return [(max(0, number), bodies[name]) for number, name in pairs]


def _of_expression(expression: Any, points: NDArray[np.float64], formatter: LanesFormatter) -> str:
    options = ffcx.options.get_options({})
    pair = (expression, points)
    ir = compute_ir(analyze_ufl_objects([pair], "float64"), {}, "lipmat", options, False)
    (found,) = ir.expressions
    return formatter(ExpressionGenerator(found, FFCXBackend(found, options)).generate())


def _loop(program: Program) -> str:
    """Return the function that gathers, calls the kernels and adds."""
    size, lines = _placed(program)
    lines = [
        f"lanes w[{size}];",
        "int64_t cell[LANES];",
        "for (int l = 0; l < LANES; ++l)",
        "  cell[l] = cells[first + l < count ? first + l : count - 1];",
        "const int used = count - first < LANES ? count - first : LANES;",
        *lines,
    ]
    if isinstance(program.integrand, Extremes):
        lines += _extremes(program.integrand)
    else:
        lines += _terms(program)
    body = "\n    ".join(lines)
    return (
        f"\nvoid assemble({ARGUMENTS})\n{{\n"
        f"  for (int64_t first = 0; first < count; first += LANES)\n  {{\n    {body}\n  }}\n}}\n"
    )


def _placed(program: Program) -> tuple[int, list[str]]:
    """Return how many numbers coefficients and coordinates are, and the lines that fill them.

    The coefficients of the integrand come first, in its order. What is needed twice is copied.
    """
    offset, place = 0, dict[int, str]()
    lines, advances = list[str](), list[str]()
    numbers = {c for c in program.coefficients if isinstance(c, int)}
    for k, found in enumerate((*program.coefficients, *({0} - numbers))):
        if isinstance(found, Advance):
            advances += _advanced(program.fields, k, f"w + {offset}", found, place)
            offset += len(found.points) * found.size
            continue
        lines += _filled(program.fields, found, f"w + {offset}", place)
        offset += program.fields[found].size
    return offset, [*lines, f"const lanes *X = {place[0]};", *advances]


def _filled(fields: Sequence[Layout], number: int, to: str, place: dict[int, str]) -> list[str]:
    """Return the lines that gather a field, or copy it from its place."""
    field = fields[number]
    if number in place:
        return [f"memcpy({to}, {place[number]}, {field.size} * sizeof *w);"]
    place[number] = to
    places = f"fields[{number}], dofs[{number}], cell, {field.nodes}, {field.block}"
    return [
        f"{'recall' if field.points else 'gather'}({to}, {places});",
        *_transformed(to, field),
    ]


def _advanced(
    fields: Sequence[Layout], number: int, to: str, advance: Advance, place: dict[int, str]
) -> list[str]:
    """Return the lines that compute a coefficient at the points and remember its last values."""
    offset, lines, own = 0, list[str](), f"v{number}"
    for k in advance.coefficients:
        lines += _filled(fields, k, f"{own} + {offset}", place)
        offset += fields[k].size
    field, k, size = fields[advance.field], advance.field, advance.size
    at = f"dofs[{k}], cell, used, {field.nodes}, {field.block}, {size}"
    last = "first + LANES + l < count ? first + LANES + l : count - 1"
    return [
        f"const double *next_{number}[LANES];",
        "for (int l = 0; l < LANES; ++l)",
        f"  next_{number}[l] = fields[{k}]",
        f"    + {field.block} * (int64_t)dofs[{k}][{field.nodes} * (int64_t)cells[{last}]];",
        f"lanes {own}[{offset}];",
        *lines,
        f"memset({to}, 0, {len(advance.points) * size} * sizeof *w);",
        f"advance_{number}({to}, {own}, constants + {advance.constants}, X, next_{number});",
        f"remember((double *)fields[{k}], {to}, {at});",
    ]


def _transformed(name: str, layout: Layout) -> list[str]:
    """Return the line that takes a hexahedron's values to or from the basis of the tables."""
    nodal = layout.nodes == HEXAHEDRON and not layout.points
    return [f"hadamard({name}, {layout.block});"] if nodal else []


def _terms(program: Program) -> list[str]:
    """Return the lines that call the kernels of a form and add what they give."""
    outputs = sorted(set(program.outputs))
    entries = 1 if program.test is None else program.test.size
    return [
        *(f"lanes A{o}[{entries}] = {{{{0}}}};" for o in outputs),
        *(f"term_{k}(A{o}, w, constants, X, 0);" for k, o in enumerate(program.outputs)),
        *(x for o in outputs if program.test for x in _transformed(f"A{o}", program.test)),
        *(_addition(o, program) for o in outputs),
    ]


def _addition(output: int, program: Program) -> str:
    test = program.test
    if test is None:
        return f"add_number(out[{output}], A{output}, used);"
    place = f"dofs[{len(program.fields)}], cell, used, {test.nodes}, {test.block}"
    return f"add(out[{output}], A{output}, {place});"


def _extremes(extremes: Extremes) -> list[str]:
    """Return the lines that evaluate an expression and keep its extremes over the points."""
    points, kept = len(extremes.points), extremes.kept
    size = extremes.expression.ufl_shape[0]
    lines = [f"lanes A[{points * size}] = {{{{0}}}};", "term_0(A, w, constants, X, 0);"]
    for k, (component, extreme) in enumerate(kept):
        lines += [
            f"lanes best_{k} = A[{component}];",
            f"for (int p = 1; p < {points}; ++p)",
            f"  best_{k} = lanes_{extreme}(best_{k}, A[{size} * p + {component}]);",
            "for (int l = 0; l < used; ++l)",
            f"  out[0][{k} * count + first + l] = best_{k}[l];",
        ]
    return lines
