from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import gmsh
import meshio
import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem.grid import Grid, box, read_grid
from lipmat.fem.meshcheck import corner_determinants
from lipmat.fem.mpi import MPI, on_root
from tests.mpi import run_ranks

# isort: split
import ufl
from dolfinx import fem, mesh

CUBE = np.array(
    [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]],
    dtype=float,
)
ABAQUS = """*HEADING
two unit cubes on top of each other, a shell on the lower one, and a node that nothing uses
*NODE
1, 0, 0, 0
2, 1, 0, 0
3, 1, 1, 0
4, 0, 1, 0
5, 0, 0, 1
6, 1, 0, 1
7, 1, 1, 1
8, 0, 1, 1
9, 0, 0, 2
10, 1, 0, 2
11, 1, 1, 2
12, 0, 1, 2
13, 7, 7, 7
*ELEMENT, TYPE=S4
1, 1, 2, 6, 5
*ELEMENT, TYPE=C3D8R, ELSET=lower
2, 1, 2, 3, 4, 5, 6, 7, 8
*Element, type=C3D8R, elset=upper
3, 5, 6, 7, 8, 9, 10, 11, 12
*ELSET, ELSET=both
2, 3
*ELSET, ELSET=front
1
*NSET, NSET=base, GENERATE
1, 4, 1
*NSET, NSET=top
9, 10, 11,
12
*NSET, NSET=middle
5, 6, 7, 8
*NSET, NSET=side
1, 4, 5, 8, 9, 12
"""


def area(grid: Grid, facets: np.ndarray) -> float:
    tags = mesh.meshtags(grid.mesh, 2, np.sort(facets), np.full(len(facets), 1, dtype=np.int32))
    ds = ufl.Measure("ds", domain=grid.mesh, subdomain_data=tags)
    return total(grid, 1.0 * ds(1))


def volume(grid: Grid, cells: np.ndarray | None = None) -> float:
    if cells is None:
        return total(grid, 1.0 * ufl.dx(domain=grid.mesh))
    tags = mesh.meshtags(grid.mesh, 3, np.sort(cells), np.full(len(cells), 1, dtype=np.int32))
    return total(grid, 1.0 * ufl.Measure("dx", domain=grid.mesh, subdomain_data=tags)(1))


def total(grid: Grid, integral: ufl.Form) -> float:
    return grid.mesh.comm.allreduce(fem.assemble_scalar(fem.form(integral)))


def measures(grid: Grid) -> dict[str, float]:
    found = {"volume": volume(grid)}
    found |= {f"region {name}": volume(grid, cells) for name, cells in grid.regions.items()}
    found |= {f"group {name}": area(grid, facets) for name, facets in grid.groups.items()}
    return found


def write_ball(path: Path) -> Path:
    with Gmsh():
        ball = gmsh.model.occ.addSphere(0, 0, 0, 1)
        gmsh.model.occ.synchronize()
        gmsh.model.addPhysicalGroup(3, [ball], name="body")
        skin = [tag for _, tag in gmsh.model.getBoundary([(3, ball)], oriented=False)]
        gmsh.model.addPhysicalGroup(2, skin, name="skin")
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.25)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(path))
    return path


def write_hexahedra(path: Path, version: float = 4.1) -> Path:
    """A box 1 × 2 × 3 m of 2 × 2 × 3 hexahedra."""
    with Gmsh():
        floor = gmsh.model.occ.addRectangle(0, 0, 0, 1, 2)
        made = gmsh.model.occ.extrude([(2, floor)], 0, 0, 3, numElements=[3], recombine=True)
        gmsh.model.occ.synchronize()
        for _, curve in gmsh.model.getEntities(1):
            gmsh.model.mesh.setTransfiniteCurve(curve, 3)
        gmsh.model.mesh.setTransfiniteSurface(floor)
        gmsh.model.mesh.setRecombine(2, floor)
        gmsh.model.addPhysicalGroup(3, [made[1][1]], name="body")
        gmsh.model.addPhysicalGroup(2, [floor], name="base")
        gmsh.model.addPhysicalGroup(2, [made[0][1]], name="top")
        gmsh.option.setNumber("Mesh.MshFileVersion", version)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(path))
    return path


class Gmsh:
    def __enter__(self) -> None:
        gmsh.initialize(interruptible=False)
        gmsh.option.setNumber("General.Terminal", 0)

    def __exit__(self, *_: object) -> None:
        gmsh.finalize()


def write_cells(path: Path, points: np.ndarray, **cells: list[list[int]]) -> Path:
    meshio.Mesh(points, [(name, np.array(rows)) for name, rows in cells.items()]).write(path)
    return path


def write_abaqus(path: Path) -> Path:
    path.write_text(ABAQUS)
    return path


EXPECTED: dict[str, tuple[Callable[[Path], Path], dict[str, float]]] = {
    "box.msh": (
        write_hexahedra,
        {"volume": 6.0, "region body": 6.0, "group base": 2.0, "group top": 2.0},
    ),
    "cubes.inp": (
        write_abaqus,
        {
            "volume": 2.0,
            "region lower": 1.0,
            "region upper": 1.0,
            "region both": 2.0,
            "group front": 1.0,
            "group base": 1.0,
            "group top": 1.0,
            "group side": 2.0,
        },
    ),
}


@pytest.mark.parametrize("cell", ["hexahedron", "tetrahedron"])
def test_box_has_its_volume_and_its_six_sides(cell: str) -> None:
    found = measures(box([1.0, 2.0, 0.3], [3, 4, 7], cell))
    sides = {"x-min": 0.6, "x-max": 0.6, "y-min": 0.3, "y-max": 0.3, "z-min": 2.0, "z-max": 2.0}
    expected = {"volume": 0.6} | {f"group {name}": value for name, value in sides.items()}
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", EXPECTED)
def test_named_parts_of_a_file(name: str, tmp_path: Path) -> None:
    write, expected = EXPECTED[name]
    assert measures(read_grid(write(tmp_path / name))) == pytest.approx(expected, rel=1e-12)


def test_gmsh_format_2(tmp_path: Path) -> None:
    found = measures(read_grid(write_hexahedra(tmp_path / "box.msh", version=2.2)))
    assert found == pytest.approx(EXPECTED["box.msh"][1], rel=1e-12)


def test_ball_of_tetrahedra(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = measures(read_grid(write_ball(tmp_path / "ball.msh")))
    assert capsys.readouterr() == ("", "")
    assert found["region body"] == pytest.approx(found["volume"], rel=1e-12)
    assert found["volume"] == pytest.approx(4 / 3 * math.pi, rel=0.03)
    assert found["group skin"] == pytest.approx(4 * math.pi, rel=0.02)


def test_points_that_no_cell_uses_are_dropped(tmp_path: Path) -> None:
    assert (
        read_grid(write_abaqus(tmp_path / "cubes.inp")).mesh.geometry.index_map().size_global == 12
    )


def test_vtu_without_names(tmp_path: Path) -> None:
    grid = read_grid(write_cells(tmp_path / "cube.vtu", CUBE, hexahedron=[[*range(8)]]))
    assert measures(grid) == pytest.approx({"volume": 1.0})


@pytest.mark.mpi
def test_two_ranks_see_the_same_parts(tmp_path: Path) -> None:
    paths = [write_ball(tmp_path / "ball.msh"), write_abaqus(tmp_path / "cubes.inp")]
    said = run_ranks(__file__, *paths)
    for path in paths:
        for part, value in measures(read_grid(path)).items():
            assert f"{path.name} on 2 ranks: {part} {value:.9f}" in said
    assert said.count("InputError on rank") == 4


def test_unknown_names_get_the_nearest(tmp_path: Path) -> None:
    grid = read_grid(write_abaqus(tmp_path / "cubes.inp"))
    with pytest.raises(InputError, match=r"cubes.inp: no boundary facets .* 'bsae', did .* 'base'"):
        grid.group("bsae")
    with pytest.raises(InputError, match=r"cubes.inp: no boundary facets .* 'middle', did you"):
        grid.group("middle")
    with pytest.raises(InputError, match=r"cubes.inp: no cells .* 'uper', did you mean 'upper'"):
        grid.region("uper")
    with pytest.raises(InputError, match=r"no cells .* 'body', nothing is named"):
        box([1, 1, 1], [1, 1, 1]).region("body")


@pytest.mark.parametrize(
    ("size", "cells", "cell", "found"),
    [
        ([1, 0, 1], [1, 1, 1], "hexahedron", r"size \[1, 0, 1\]"),
        ([1, math.nan, 1], [1, 1, 1], "hexahedron", "size"),
        ([1, 1], [1, 1, 1], "hexahedron", r"size \[1, 1\]"),
        ([1, 1, 1], [1, 1.5, 1], "hexahedron", r"cells \[1, 1.5, 1\]"),
        ([1, 1, 1], [1, 0, 1], "hexahedron", "cells"),
        ([1, 1, 1], [1, 1, 1], "hexahedra", "'hexahedra', did you mean 'hexahedron'"),
    ],
)
def test_bad_boxes(size: list[float], cells: list[int], cell: str, found: str) -> None:
    with pytest.raises(InputError, match=found):
        box(size, cells, cell)


@pytest.mark.parametrize("cell", ["hexahedron", "tetra"])
def test_inverted_and_flat_cells_are_named(cell: str, tmp_path: Path) -> None:
    good = {"hexahedron": [0, 1, 2, 3, 4, 5, 6, 7], "tetra": [0, 1, 2, 4]}[cell]
    inverted = {"hexahedron": [4, 5, 6, 7, 0, 1, 2, 3], "tetra": [0, 2, 1, 4]}[cell]
    path = write_cells(tmp_path / "part.vtu", CUBE, **{cell: [good, inverted, inverted]})
    line = r"part.vtu: cell 1 \(numbered from 0\) is inverted: .* is -\d"
    with pytest.raises(InputError, match=line + r".*expected above 1e-12 \(such cells in all: 2\)"):
        read_grid(path)
    flat = CUBE * [1, 1, 1e-14]
    with pytest.raises(InputError, match=r"cell 0 \(numbered from 0\) is without volume"):
        read_grid(write_cells(tmp_path / "flat.vtu", flat, **{cell: [good]}))


def test_corner_determinants_see_one_pushed_in_corner() -> None:
    pushed = CUBE.copy()
    pushed[6] = 0.3
    assert corner_determinants("hexahedron", CUBE[None]) == pytest.approx(np.ones((1, 8)))
    assert np.argmin(corner_determinants("hexahedron", pushed[None])) == 6
    assert corner_determinants("tetra", CUBE[None, [0, 1, 3, 4]]) == pytest.approx(1.0)


def bad_file(kind: str, path: Path) -> Path:
    prism = [[0, 1, 2, 4, 5, 6]]
    infinite = CUBE.copy()
    infinite[5, 2] = math.inf
    cells: dict[str, tuple[np.ndarray, dict[str, list[list[int]]]]] = {
        "surface": (CUBE, {"quad": [[0, 1, 2, 3]]}),
        "wedge": (CUBE, {"wedge": prism}),
        "mixed": (CUBE, {"hexahedron": [[*range(8)]], "tetra": [[0, 1, 3, 4]]}),
        "quadratic": (np.vstack([CUBE, CUBE[:2] / 2]), {"tetra10": [[*range(10)]]}),
        "infinite": (infinite, {"hexahedron": [[*range(8)]]}),
        "twice": (CUBE, {"hexahedron": [[*range(8)], [1, 2, 3, 0, 5, 6, 7, 4]]}),
    }
    if kind in cells:
        return write_cells(path, cells[kind][0], **cells[kind][1])
    if kind == "sets.inp":
        path.write_text(ABAQUS.replace("2, 3\n*ELSET", "lower, upper\n*ELSET"))
    elif kind == "early.inp":
        early = "*ELSET, ELSET=early\n2\n*Element, type=C3D8R, elset=upper"
        path.write_text(ABAQUS.replace("*Element, type=C3D8R, elset=upper", early))
    elif kind == "short.inp":
        path.write_text(ABAQUS[: ABAQUS.index(", 7, 8\n*Element")])
    elif kind == "garbage.msh":
        path.write_text("what is this?\n")
    elif kind == "unknown.xyz":
        path.write_text("0 0 0\n")
    return path


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("surface", r"no volume cells \(only quad\), expected first-order hexahedra"),
        ("wedge", "found volume cells 1 wedge, expected"),
        ("mixed", "found volume cells 1 hexahedron and 1 tetra, expected .* of one type"),
        ("quadratic", "found volume cells 1 tetra10, expected first-order"),
        ("infinite", r"node 5 \(numbered from 0\) is at \(1, 0, inf\), expected finite"),
        ("twice", r"cell 1 \(numbered from 0\) has the nodes of cell 0"),
        ("missing.msh", "there is no such file"),
        ("garbage.msh", "cannot be read as a mesh"),
        ("unknown.xyz", "cannot be read as a mesh: .*format"),
        ("short.inp", "cannot be read as a mesh: .*number of data"),
        ("sets.inp", "the set 'both' holds 'lower', expected numbers"),
        ("early.inp", "the set 'early' stands before its cells"),
    ],
)
def test_bad_files_get_one_line(
    kind: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / (kind if "." in kind else f"{kind}.vtu")
    with pytest.raises(InputError, match=line) as caught:
        read_grid(bad_file(kind, path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.8, 0.97])
def test_truncated_gmsh_files(kept: float, tmp_path: Path) -> None:
    whole = write_hexahedra(tmp_path / "box.msh").read_bytes()
    path = tmp_path / "cut.msh"
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(InputError, match=r"cut.msh: "):
        read_grid(path)


def test_an_error_that_pickle_cannot_carry_still_arrives() -> None:
    class Odd(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")

    def fail() -> None:
        raise Odd(1, 2)

    with pytest.raises(Odd, match="1 and 2"):
        on_root(MPI.COMM_WORLD, fail)
    assert on_root(MPI.COMM_WORLD, sorted, [2, 1], reverse=True) == [2, 1]


def main(paths: list[str]) -> None:
    """What the ranks of an MPI test run: the parts of files, and errors."""
    comm = MPI.COMM_WORLD
    for path in paths:
        for name, value in measures(grid := read_grid(path)).items():
            if comm.rank == 0:
                print(f"{Path(path).name} on {comm.size} ranks: {name} {value:.9f}", flush=True)
    for call in (lambda: read_grid("missing.msh"), lambda: grid.group("w-max")):
        try:
            call()
        except InputError:
            print(f"InputError on rank {comm.rank}", flush=True)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
