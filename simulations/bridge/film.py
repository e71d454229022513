"""Draw the two bridges side by side: ``python film.py`` writes bridge.png and bridge.mp4.

It draws what ``bridge.py`` left, displacements 25 times as large as they are.

A process of its own: VTK and torch must not share one, see ``lipmat.plotting.process``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import pyvista
from numpy.typing import NDArray

from lipmat.config import read_case
from lipmat.plotting.scene import Scene, colour_map, quiet

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]
HERE = Path(__file__).parent
RUNS = {"ordinary-run": "ordinary network", "normalised-run": "lipmat"}
EXAGGERATION = 25.0
LARGEST = 1.2  # drawn displacement, beyond which a wreck would leave the picture [m]
STRAIN = 1.0  # largest of the colours [1e-3]
PANEL = (880, 624)
FRAMES, FRAMES_PER_SECOND = 131, 25
STEEL, STONE, INK = "#3d5a6c", "#d9d5cd", "#222222"


@dataclass(frozen=True)
class Engine:
    """The load of the case: where its ends are [m] at a time [s]."""

    length: float
    speed: float
    start: float

    @classmethod
    def of(cls, path: Path) -> Engine:
        """Read it from the expression in the case."""
        case = read_case(path)
        (field,) = [b.traction_field for b in case.boundary if b.traction_field is not None]
        number = r"([\d.]+)"
        found = re.search(rf"x \+ {number} - {number}\*\(t - {number}\)", field[2])
        assert found is not None, field
        return cls(*map(float, found.groups()))

    def ends(self, time: float) -> tuple[float, float]:
        """Return the places of its rear and front."""
        front = self.speed * (time - self.start)
        return front - self.length, front


class Bridge(Scene):
    """A run whose displacements are drawn larger than they are."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "fields.vtkhdf")
        summary = json.loads((folder / "summary.json").read_text())
        self.outcome, self.step = str(summary["outcome"]), float(summary["step"])
        self.completed = self.outcome == "completed"

    @property
    def surface(self) -> Any:
        """The mesh that is drawn; :meth:`move` moves it."""
        return self._surface

    @property
    def rest(self) -> Floats:
        """Its points at rest [m]."""
        return self._rest

    def move(self, time: float) -> None:
        """Bring the surface to a time; after the end it stays as it ended."""
        points, stretch = self._state(
            float(np.interp(time, self.times, np.arange(len(self.times))))
        )
        moved = EXAGGERATION * (points - self._rest)
        size = np.linalg.norm(moved, axis=1, keepdims=True)
        moved *= np.minimum(1.0, LARGEST / np.maximum(size, LARGEST))
        self._surface.points = self._rest + moved
        self._surface.cell_data["colour"] = 1e3 * (stretch - 1.0)

    def sag(self, low: float, high: float) -> float:
        """Return how far the deck is drawn below its place between two places [m]."""
        x, z = self._rest[:, 0], self._rest[:, 2]
        under = (x >= low) & (x <= high) & (z < 0.05)
        drop = self._surface.points[under, 2] - z[under]
        return float(np.clip(np.median(drop), -1.5, 0.5)) if under.any() else 0.0


class Stage:
    """Both bridges in two panels, with abutments and the engine."""

    def __init__(self, bridges: dict[str, Bridge], engine: Engine) -> None:
        self.bridges, self.engine = bridges, engine
        size = (PANEL[0] * len(bridges), PANEL[1])
        self.plotter = pyvista.Plotter(
            shape=(1, len(bridges)), off_screen=True, window_size=size, border=False
        )
        self._engines, self._lines = {}, {}
        for column, (name, bridge) in enumerate(bridges.items()):
            self.plotter.subplot(0, column)
            self._furnish(name, bridge)
        self.plotter.background_color = "white"
        self.plotter.enable_anti_aliasing("ssaa")

    def _furnish(self, name: str, bridge: Bridge) -> None:
        """Fill a panel."""
        bridge.move(0.0)
        shine = {"ambient": 0.45, "diffuse": 0.65, "specular": 0.15}
        self.plotter.add_mesh(
            bridge.surface,
            scalars="colour",
            preference="cell",
            cmap=colour_map(),
            clim=(0.0, STRAIN),
            show_scalar_bar=False,
            **shine,
        )
        low, high = bridge.rest.min(axis=0), bridge.rest.max(axis=0)
        for block in _abutments(low, high):
            self.plotter.add_mesh(block, color=STONE, **shine)
        self._engines[name] = self.plotter.add_mesh(
            _engine(self.engine.length), color=STEEL, **shine
        )
        self.plotter.add_text(
            RUNS[name], position=(0.05, 0.9), viewport=True, font_size=15, color=INK
        )
        self._lines[name] = self.plotter.add_text(
            "", position=(0.05, 0.84), viewport=True, font_size=10, color=INK
        )
        _look(self.plotter.camera, low, high)

    def image(self, time: float) -> Image:
        """Return the picture at a time."""
        rear, front = self.engine.ends(time)
        for name, bridge in self.bridges.items():
            bridge.move(time)
            low = 0.0 if rear > bridge.rest[:, 0].max() else bridge.sag(rear, front)
            self._engines[name].SetPosition(rear, 0.0, low + 0.2)
            over = time >= bridge.times[-1] and not bridge.completed
            now = f"t = {min(time, bridge.times[-1]):.3f} s"
            said = f"{now}   {bridge.outcome.replace('_', ' ')}" if over else now
            self._lines[name].SetInput(said)
        self.plotter.render()
        shot: Image = self.plotter.screenshot(None, return_img=True)
        return shot


def _box(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> Any:
    return pyvista.Box((*x, *y, *z))


def _engine(length: float) -> Any:
    """Return a locomotive whose rear is at the origin, on rails at z = 0."""
    frame = _box((0.2, length - 0.2), (-1.2, 1.2), (0.35, 0.9))
    hood = _box((2.6, length - 2.6), (-0.95, 0.95), (0.9, 2.6))
    cabs = [_box((a, a + 2.2), (-1.25, 1.25), (0.9, 3.2)) for a in (0.4, length - 2.6)]
    wheels = [
        pyvista.Cylinder(
            center=(x, 0.0, 0.45), direction=(0, 1, 0), radius=0.45, height=1.7, resolution=24
        )
        for x in (1.6, 3.2, 4.8, length - 4.8, length - 3.2, length - 1.6)
    ]
    return pyvista.merge([frame, hood, *cabs, *wheels])


def _abutments(low: Floats, high: Floats) -> Iterator[Any]:
    """Yield a block of stone at each end of the bridge, and what carries the bearings."""
    y = (low[1] - 0.6, high[1] + 0.6)
    for end, out in ((low[0], -1.0), (high[0], 1.0)):
        near, far = sorted((end + 0.05 * out, end + 5.0 * out))
        yield _box((near, far), y, (-3.5, 0.2))
        near, far = sorted((end - 0.6 * out, end + 5.0 * out))
        yield _box((near, far), y, (-3.5, -0.02))


def _look(camera: Any, low: Floats, high: Floats) -> None:
    """See the bridge from the side of its left end."""
    middle, span = (low + high) / 2, high[0] - low[0]
    camera.focal_point = middle + np.array([0.0, 0.0, -0.02 * span])
    camera.position = middle + span * np.array([-0.95, -1.45, 0.62])
    camera.up = (0.0, 0.0, 1.0)
    camera.view_angle = 27.0


def draw(folder: Path) -> None:
    """Draw the picture at the end of the run that ends first, and the film of both."""
    bridges = {name: Bridge(folder / name) for name in RUNS}
    stage = Stage(bridges, Engine.of(folder / "case.toml"))
    first = min(b.times[-1] for b in bridges.values())
    imageio.imwrite(folder / "bridge.png", stage.image(first))
    last = max(b.times[-1] for b in bridges.values())
    writer: Any = imageio.get_writer(folder / "bridge.mp4", fps=FRAMES_PER_SECOND, quality=8)
    with writer:
        for time in np.linspace(0.0, last, FRAMES):
            writer.append_data(stage.image(time))


if __name__ == "__main__":
    with quiet():
        draw(HERE)
