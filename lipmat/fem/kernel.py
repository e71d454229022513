"""C code that integrates over several cells at once, from the kernels of FFCx.

FFCx writes a kernel for one cell, which a compiler vectorises over quadrature points at best. Here
the same syntax tree is printed with another scalar type: ``lanes``, a vector with one number for
each of eight cells (a vector extension of GCC and Clang), so that every operation acts on eight
cells (Sun et al., Int. J. High Perf. Comput. Appl. 34 (2020) 628). Around the kernels stands the
loop that gathers what the cells need, once for all of them, and adds up what they give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ufl

# isort: split
import ffcx.codegeneration.lnodes as lnodes
import ffcx.options
from ffcx.analysis import analyze_ufl_objects
from ffcx.codegeneration.backend import FFCXBackend
from ffcx.codegeneration.C.formatter import Formatter
from ffcx.codegeneration.integral_generator import IntegralGenerator
from ffcx.ir.representation import compute_ir

LANES = 8
ARGUMENTS = (
    "double *const *out, int64_t count, const int32_t *cells, const double *const *fields, "
    "const int32_t *const *dofs, const double *constants"
)
_NUMBERS = (lnodes.DataType.SCALAR, lnodes.DataType.REAL)
_TWO_ARGUMENTS = {
    "fmin": "a[i] < b[i] ? a[i] : b[i]",
    "fmax": "a[i] > b[i] ? a[i] : b[i]",
    "pow": "pow(a[i], b[i])",
    "atan2": "atan2(a[i], b[i])",
}
_HEAD = f"""#include <math.h>
#include <stdint.h>
#define LANES {LANES}
typedef double lanes __attribute__((vector_size(8 * LANES)));
static const lanes ZERO;
"""
_GATHER = """
static inline void gather(lanes *restrict to, const double *restrict from,
                          const int32_t *restrict dofs, const int64_t *restrict cell,
                          const int nodes, const int block)
{
  for (int l = 0; l < LANES; ++l)
    for (int j = 0; j < nodes; ++j)
    {
      const double *restrict p = from + block * (int64_t)dofs[cell[l] * nodes + j];
      for (int i = 0; i < block; ++i)
        to[block * j + i][l] = p[i];
    }
}

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

static inline void add_number(double *restrict to, const lanes *restrict from, const int used)
{
  for (int l = 0; l < used; ++l)
    to[0] += from[0][l];
}
"""


@dataclass(frozen=True)
class Layout:
    """How many numbers a cell takes from an array: ``nodes`` places with ``block`` numbers each."""

    nodes: int
    block: int

    @property
    def size(self) -> int:
        """Numbers of a cell."""
        return self.nodes * self.block


@dataclass(frozen=True)
class Program:
    """What the code is generated from.

    Attributes:
        form: UFL form over cells, linear or a functional; its subdomains number the terms, each of
            one quadrature degree.
        outputs: Number of the output of each term.
        fields: Layouts of the coordinates and of the form's coefficients.
        test: Layout of the test function; None for a functional.
    """

    form: ufl.Form
    outputs: tuple[int, ...]
    fields: tuple[Layout, ...]
    test: Layout | None


def generate(program: Program) -> str:
    """Return C code of ``void assemble(ARGUMENTS)``, which adds the form's terms to the outputs.

    ``fields`` and ``dofs`` are those of the coordinates, of the coefficients, and at last the dofs
    of the test function.
    """
    options = ffcx.options.get_options({})
    analysis = analyze_ufl_objects([program.form], options["scalar_type"])
    ir = compute_ir(analysis, {}, "lipmat", options, False)
    (form,) = ir.forms
    assert form.original_coefficient_positions == list(range(len(program.fields) - 1))
    numbers = dict(zip(form.integral_names["cell"], form.subdomain_ids["cell"], strict=True))
    formatter = LanesFormatter()
    kernels = [
        (numbers[integral.expression.name], _kernel(integral, options, formatter))
        for integral in ir.integrals
    ]
    functions = "".join(_function(name) for name in sorted(formatter.functions))
    bodies = "".join(_KERNEL.format(number=k, body=body) for k, body in kernels)
    return _HEAD + functions + bodies + _GATHER + _loop(program, sorted(k for k, _ in kernels))


_KERNEL = """
static inline void kernel_{number}(lanes *restrict A, const lanes *restrict w,
                            const double *restrict c, const lanes *restrict coordinate_dofs)
{{
{body}}}
"""


def _kernel(integral: Any, options: Any, formatter: LanesFormatter) -> str:
    (domain,) = {cell for cell, _ in integral.expression.integrand}
    backend = FFCXBackend(integral, options)
    return formatter(IntegralGenerator(integral, backend).generate(domain))


def _loop(program: Program, terms: Sequence[int]) -> str:
    """Return the function that gathers, calls the kernels of the terms and adds."""
    coordinates, *coefficients = program.fields
    size = sum(f.size for f in coefficients)
    gathered, offset = [("X", 0, coordinates)], 0
    for field in coefficients:
        gathered.append(("w", offset, field))
        offset += field.size
    outputs = sorted(set(program.outputs))
    entries = 1 if program.test is None else program.test.size
    lines = [
        *(f"lanes A{o}[{entries}] = {{{{0}}}};" for o in outputs),
        f"lanes X[{coordinates.size}], w[{max(size, 1)}];",
        "int64_t cell[LANES];",
        "for (int l = 0; l < LANES; ++l)",
        "  cell[l] = cells[first + l < count ? first + l : count - 1];",
        *(
            f"gather({to} + {at}, fields[{k}], dofs[{k}], cell, {f.nodes}, {f.block});"
            for k, (to, at, f) in enumerate(gathered)
        ),
        *(f"kernel_{k}(A{program.outputs[k]}, w, constants, X);" for k in terms),
        "const int used = count - first < LANES ? count - first : LANES;",
        *(_addition(o, program) for o in outputs),
    ]
    body = "\n    ".join(lines)
    return (
        f"\nvoid assemble({ARGUMENTS})\n{{\n"
        f"  for (int64_t first = 0; first < count; first += LANES)\n  {{\n    {body}\n  }}\n}}\n"
    )


def _addition(output: int, program: Program) -> str:
    test = program.test
    if test is None:
        return f"add_number(out[{output}], A{output}, used);"
    place = f"dofs[{len(program.fields)}], cell, used, {test.nodes}, {test.block}"
    return f"add(out[{output}], A{output}, {place});"


def _function(name: str) -> str:
    """Return a function of the math library for lanes; the compiler vectorises its loop."""
    arguments = "ab" if name in _TWO_ARGUMENTS else "a"
    value = _TWO_ARGUMENTS.get(name, f"{name}(a[i])")
    return (
        f"\nstatic inline lanes lanes_{name}({', '.join(f'lanes {a}' for a in arguments)})\n"
        f"{{\n  lanes out;\n  for (int i = 0; i < LANES; ++i)\n    out[i] = {value};\n"
        "  return out;\n}\n"
    )


class LanesFormatter(Formatter):  # type: ignore[misc]
    """Prints FFCx's syntax tree in C, with lanes for all numbers but tables and constants.

    Attributes:
        functions: Names of the functions of the math library that were printed.
    """

    def __init__(self) -> None:
        super().__init__("float64")
        self.functions: set[str] = set()

    def __call__(self, node: Any) -> str:
        """Return a node in C.

        Raises:
            TypeError: A conditional, which lanes do not have.
        """
        if isinstance(node, lnodes.Conditional):
            raise TypeError("kernels over lanes have no conditionals; write them by min and max")
        if isinstance(node, lnodes.ArrayDecl) and not node.const:
            sizes = "".join(f"[{n}]" for n in node.sizes)
            return f"lanes {self(node.symbol)}{sizes} = {{{{0}}}};\n"
        if isinstance(node, lnodes.VariableDecl) and node.symbol.dtype in _NUMBERS:
            return f"lanes {self(node.symbol)} = ZERO + ({self(node.value)});\n"
        if isinstance(node, lnodes.MathFunction):
            return self._call(node)
        text: str = super().__call__(node)
        return text

    def _call(self, node: Any) -> str:
        values = [f"({self(argument)})" for argument in node.args]
        if node.function == "power" and values[1] in ("(2)", "(2.0)"):
            return f"({values[0]} * {values[0]})"
        name = str(super().__call__(node)).split("(")[0]
        self.functions.add(name)
        return f"lanes_{name}({', '.join(f'ZERO + {value}' for value in values)})"
