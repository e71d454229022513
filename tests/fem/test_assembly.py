from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lipmat.fem import assembly
from lipmat.fem.assembly import CellIntegrals, Term
from lipmat.fem.body import Body, Material
from lipmat.fem.compiler import library
from lipmat.fem.forms import FORMULATIONS
from lipmat.fem.grid import box
from lipmat.fem.mpi import MPI
from tests.fem import tangents
from tests.fem.laws import law, polyconvex

# isort: split
import dolfinx.jit
import ufl
from dolfinx import fem, la

Array = NDArray[np.float64]
CELLS = ("hexahedron", "tetrahedron")


def body_of(name: str, cell: str, formulation: str = "selective") -> Body:
    """A box whose number of cells is no multiple of the number of lanes."""
    grid = box((1.0, 0.8, 0.9), (3, 3, 1), cell, MPI.COMM_SELF)
    return Body(grid, [Material(law(name), 1000.0)], formulation)


def moved(body: Body, seed: int = 0) -> fem.Function:
    u = fem.Function(body.space)
    u.x.array[:] = 0.03 * np.random.default_rng(seed).standard_normal(len(u.x.array))
    return u


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("name", ["rubber", "linear"])
def test_the_force_is_that_of_dolfinx(name: str, formulation: str, cell: str) -> None:
    body = body_of(name, cell, formulation)
    u, force = moved(body), la.vector(body.space.dofmap.index_map, 3)
    body.internal_force(u)(force)
    expected = tangents.force(body, u)
    assert np.abs(force.array - expected).max() <= 1e-13 * np.abs(expected).max()


@pytest.mark.parametrize("cell", CELLS)
def test_the_energy_is_that_of_dolfinx(cell: str) -> None:
    body = body_of("rubber", cell)
    u = moved(body)
    expected = tangents.stored_energy(body, u)
    assert body.stored_energy(u)() == pytest.approx(expected, rel=1e-13)


def test_one_pass_gives_internal_and_viscous_force() -> None:
    body = body_of("linear", "hexahedron")
    u, increment = moved(body), moved(body, 1)
    internal, viscous = (la.vector(body.space.dofmap.index_map, 3) for _ in range(2))
    body.resistance(u, increment, 0.3)(internal, viscous)
    expected = tangents.force(body, u)
    assert np.abs(internal.array - expected).max() <= 1e-13 * np.abs(expected).max()
    expected = 0.3 * tangents.force(body, increment)  # the bound of a linear law is its stiffness
    assert np.abs(viscous.array - expected).max() <= 1e-6 * np.abs(expected).max()


def test_materials_add_up_over_their_own_cells() -> None:
    grid = box((1.0, 0.8, 0.9), (3, 3, 2), "hexahedron", MPI.COMM_SELF)
    half = np.arange(18, dtype=np.int32) < 7
    grid.regions.update({"a": np.flatnonzero(half), "b": np.flatnonzero(~half)})
    laws = [Material(law("linear"), 1000.0, "a"), Material(law("rubber"), 1000.0, "b")]
    body = Body(grid, laws)
    u, force = moved(body), la.vector(body.space.dofmap.index_map, 3)
    body.internal_force(u)(force)
    expected = tangents.force(body, u)
    assert np.abs(force.array - expected).max() <= 1e-13 * np.abs(expected).max()


def test_new_constants_count_once_they_are_packed() -> None:
    body = body_of("linear", "tetrahedron")
    factor, one = fem.Constant(body.mesh, 1.0), fem.Constant(body.mesh, 1.0)
    volume = CellIntegrals(body.mesh, body.cells[0], [Term(factor * one)])
    out = np.zeros(1)
    volume.add(out)
    assert out[0] == pytest.approx(0.72, rel=1e-12)
    factor.value = 3.0
    volume.pack_constants()
    volume.add(out)
    assert out[0] == pytest.approx(4 * 0.72, rel=1e-12)


def test_one_compilation_serves_two_materials_of_one_architecture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forces = []
    for seed in (1, 2):
        grid = box((1.0, 1.0, 1.0), (2, 1, 1), "hexahedron", MPI.COMM_SELF)
        body = Body(grid, [Material(polyconvex(seed=seed), 1000.0)])
        u, force = moved(body), la.vector(body.space.dofmap.index_map, 3)
        body.internal_force(u)(force)
        forces.append(force.array.copy())
        monkeypatch.setattr(assembly, "generate", lambda program: pytest.fail("compiled again"))
    first, second = forces
    assert np.abs(first - second).max() > 0.01 * np.abs(first).max()


@pytest.mark.parametrize("cell", CELLS)
def test_nan_reaches_the_nodes_of_its_cell(cell: str) -> None:
    body = body_of("rubber", cell)
    u, force = moved(body), la.vector(body.space.dofmap.index_map, 3)
    u.x.array[4] = np.nan
    body.internal_force(u)(force)
    assert np.isnan(force.array[3:6]).all()


def test_conditionals_are_refused() -> None:
    body = body_of("linear", "hexahedron")
    u = moved(body)
    term = Term(ufl.conditional(ufl.gt(u[0], 0.0), u[0], 1.0))
    with pytest.raises(TypeError, match="no conditionals"):
        CellIntegrals(body.mesh, body.cells[0], [term])


class TestCompiler:
    @pytest.fixture(autouse=True)
    def empty_cache(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        monkeypatch.setattr(dolfinx.jit, "get_options", lambda: {"cache_dir": tmp_path})
        return tmp_path

    def answer(self, source: str = "int answer(void) { return 42; }") -> int:
        _, found = library("test", "a signature", "int answer(void);", lambda: source)
        return int(found.answer())

    def test_a_library_is_compiled_once(self, empty_cache: Path) -> None:
        assert self.answer() == 42
        assert self.answer("not C at all") == 42
        assert len(list(empty_cache.iterdir())) == 1

    def test_code_that_does_not_compile_leaves_nothing(self, empty_cache: Path) -> None:
        with pytest.raises(RuntimeError, match=r"C compiler: .* failed: .*error"):
            self.answer("not C at all")
        assert not list(empty_cache.iterdir())

    def test_a_missing_compiler_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CC", "no-such-compiler -O1")
        with pytest.raises(RuntimeError, match="no 'no-such-compiler', expected one; install gcc"):
            self.answer("int answer(void) { return 1; }")

    def test_subnormal_numbers_stay_what_they_are(self) -> None:
        """Code linked with -ffast-math would make zeros of them in the whole process."""
        assert self.answer() == 42
        smallest = np.nextafter(0.0, 1.0)
        assert smallest * np.ones(3)[0] > 0.0
