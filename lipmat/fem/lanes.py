"""FFCx's syntax tree in C with ``lanes``, vectors of one number per cell, for numbers.

On hexahedra the tables of the shape functions are changed to another basis, where half of their
entries are zero: with the Hadamard matrix H (entries +1 and -1, ``H H = 8``) a table T and nodal
values w give ``T w = (T H / 8) (H w)``. The derivatives of trilinear functions then have four
terms instead of eight. Loops over nodes are written out, without the terms that vanish. A table
of values at the quadrature points is the identity: its loop is the term of the point itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard

from lipmat.fem import ramps
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)

# isort: split
import ffcx.codegeneration.lnodes as lnodes
from ffcx.codegeneration.C.formatter import Formatter

HEXAHEDRON = 8
"""Nodes of a cell whose tables are changed."""
POINT = "iq"
"""What FFCx calls the number of a quadrature point."""
_ROUNDING = 1e-14
_NUMBERS = (lnodes.DataType.SCALAR, lnodes.DataType.REAL)
_TWO_ARGUMENTS = {
    "fmin": "a[i] < b[i] ? a[i] : b[i]",
    "fmax": "a[i] > b[i] ? a[i] : b[i]",
    "pow": "pow(a[i], b[i])",
    "atan2": "atan2(a[i], b[i])",
}


def function(name: str) -> str:
    """Return a function of the math library for lanes; the compiler vectorises its loop."""
    if name in ramps.CODE:
        return ramps.CODE[name]
    arguments = "ab" if name in _TWO_ARGUMENTS else "a"
    value = _TWO_ARGUMENTS.get(name, f"{name}(a[i])")
    return (
        f"\nstatic inline lanes lanes_{name}({', '.join(f'lanes {a}' for a in arguments)})\n"
        f"{{\n  lanes out;\n  for (int i = 0; i < LANES; ++i)\n    out[i] = {value};\n"
        "  return out;\n}\n"
    )


class LanesFormatter(Formatter):  # type: ignore[misc]
    """Prints FFCx's syntax tree in C, with lanes for all numbers but tables and constants.

    Args:
        at_points: Line to print before those of each quadrature point, whose number is ``POINT``.

    Attributes:
        functions: Names of the functions of the math library that were printed.
    """

    def __init__(self, at_points: str = "") -> None:
        super().__init__("float64")
        self._at_points = at_points
        self.functions: set[str] = set()
        self._tables: dict[str, NDArray[np.float64]] = {}
        self._identities: set[str] = set()
        self._fixed: dict[str, str] = {}
        self._vanishes = False
        self._point: str | None = None

    def __call__(self, node: Any) -> str:
        """Return a node in C.

        Raises:
            TypeError: A conditional, which lanes do not have.
        """
        if isinstance(node, lnodes.Conditional):
            raise TypeError("kernels over lanes have no conditionals; write them by min and max")
        if isinstance(node, lnodes.ArrayDecl):
            return self._array(node)
        if isinstance(node, lnodes.VariableDecl) and node.symbol.dtype in _NUMBERS:
            return f"lanes {self(node.symbol)} = ZERO + ({self(node.value)});\n"
        if isinstance(node, lnodes.MathFunction):
            return self._call(node)
        if isinstance(node, lnodes.Div):  # so that quotients of one divisor share a division
            return f"(({self(node.lhs)}) * (1.0 / ({self(node.rhs)})))"
        if isinstance(node, lnodes.Symbol) and node.name in self._fixed:
            return self._fixed[node.name]
        if isinstance(node, lnodes.ForRange) and self._is_over_nodes(node):
            return self._written_out(node)
        if isinstance(node, lnodes.ArrayAccess) and node.array.name in self._tables:
            return self._entry(node)
        if isinstance(node, lnodes.ArrayAccess) and node.array.name in self._identities:
            self._point = self(node.indices[-2])
            return "1.0"
        text: str = super().__call__(node)
        if isinstance(node, lnodes.ForRange) and self(node.index) == POINT:
            head, lines = text.split("{\n", 1)
            text = f"{head}{{\n{self._at_points}{lines}"
        return text

    def _array(self, node: Any) -> str:
        if not node.const:
            sizes = "".join(f"[{n}]" for n in node.sizes)
            return f"lanes {self(node.symbol)}{sizes} = {{{{0}}}};\n"
        name, values = node.symbol.name, np.asarray(node.values)
        self._identities.discard(name)
        self._tables.pop(name, None)
        if _is_identity(name, values):
            self._identities.add(name)
            return ""
        if name.startswith("FE") and values.shape[-1] == HEXAHEDRON:
            changed = values @ hadamard(HEXAHEDRON) / HEXAHEDRON
            changed[np.abs(changed) < _ROUNDING] = 0.0
            self._tables[name] = changed
            node = lnodes.ArrayDecl(node.symbol, node.sizes, changed, const=True)
        text: str = super().__call__(node)
        return text

    def _call(self, node: Any) -> str:
        if node.function in ramps.CODE:
            table, z = map(self, node.args)
            self.functions.add(node.function)
            return f"{node.function}(&{table}, ZERO + ({z}))"
        values = [f"({self(argument)})" for argument in node.args]
        if node.function == "power" and values[1] in ("(2)", "(2.0)"):
            return f"({values[0]} * {values[0]})"
        name = str(super().__call__(node)).split("(")[0]
        self.functions.add(name)
        return f"lanes_{name}({', '.join(f'ZERO + {value}' for value in values)})"

    def _is_over_nodes(self, node: Any) -> bool:
        """Tell whether a loop is over the nodes of a hexahedron, and nothing but sums in it."""
        ends = (self(node.begin), self(node.end))
        sums = all(
            isinstance(getattr(s, "expr", None), lnodes.AssignAdd) for s in _statements(node.body)
        )
        return bool(self._tables or self._identities) and ends == ("0", str(HEXAHEDRON)) and sums

    def _written_out(self, node: Any) -> str:
        name, out = self(node.index), []
        for i in range(HEXAHEDRON):
            self._fixed[name] = str(i)
            for statement in _statements(node.body):
                self._vanishes, self._point = False, None
                text = self(statement)
                if self._point is not None:  # the same for every i
                    text = "" if i else self._at(self._point, name, statement)
                out += [] if self._vanishes else [text]
        del self._fixed[name]
        self._vanishes = False
        return "".join(out)

    def _at(self, point: str, index: str, statement: Any) -> str:
        """Return a statement with the number of the point for an index."""
        before, self._fixed[index] = self._fixed[index], point
        text = self(statement)
        self._fixed[index] = before
        return text

    def _entry(self, node: Any) -> str:
        """Return an entry of a table, as a number where it is the same at all points."""
        last = self(node.indices[-1])
        if last.isdigit():
            column = self._tables[node.array.name][..., int(last)]
            self._vanishes |= not column.any()
            if np.ptp(column) < _ROUNDING:
                return f"{column.flat[0]:.17g}" if column.any() else "0.0"
        text: str = super().__call__(node)
        return text


def _is_identity(name: str, values: NDArray[np.float64]) -> bool:
    """Tell whether a table is that of values at the points, of which there are as many as nodes."""
    square = values.shape[-2:] == (HEXAHEDRON, HEXAHEDRON) and values.size == HEXAHEDRON**2
    return name.startswith("FE") and square and bool((values.squeeze() == np.eye(HEXAHEDRON)).all())


def _statements(node: Any) -> list[Any]:
    """Return the statements of nested lists."""
    if isinstance(node, lnodes.StatementList):
        return [s for part in node.statements for s in _statements(part)]
    return [node]
