"""Draw the rod: ``python rod_film.py`` writes taylor.png and taylor.mp4 of the reference case.

It draws what ``taylor.py`` left: half of the rod, mirrored from the quarter, cut side in front.
Colours are logarithms of the cells' largest stretches, which is about the plastic strain.

A process of its own: VTK and torch must not share one, see ``lipmat.plotting.process``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import matplotlib
import numpy as np
import pyvista
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lipmat.plotting.draw import DPI, STYLE
from lipmat.plotting.scene import Scene, colour_map, quiet

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]
HERE = Path(__file__).parent
RUN = "reference-run"
TIMES = (0.0, 20e-6, 40e-6, 80e-6)  # of the picture [s]
APART = 16e-3  # axes of the rods of the picture [m]
HIGH = 37e-3  # of the picture and the film [m]
STRAIN = 1.5  # largest of the colours [-]
LINES, BLOCK = 1008, 16  # of picture and film, and of what films are made of [pixels]
FRAMES, FRAMES_PER_SECOND = 121, 25
STONE, INK = "#d9d5cd", "#222222"
SHINE = {"ambient": 0.5, "diffuse": 0.62, "specular": 0.12}


class Rod(Scene):
    """A run whose quarter of a rod is mirrored to a half."""

    def at(self, time: float) -> Any:
        """Return the surface of the half at a time [s], with colours."""
        points, stretch = self._state(
            float(np.interp(time, self.times, np.arange(len(self.times))))
        )
        corners = self._surface.regular_faces
        inside = self._rest[corners][..., 0].max(axis=1) < 1e-9  # the plane of the mirror
        quarter = pyvista.PolyData.from_regular_faces(points, corners[~inside])
        quarter.cell_data["colour"] = np.log(stretch[~inside])
        mirrored = quarter.reflect((1.0, 0.0, 0.0), point=(0.0, 0.0, 0.0))
        return pyvista.merge([quarter, mirrored], merge_points=False)


class Stage:
    """Places on a wall for so many rods, seen from their cut sides."""

    def __init__(self, rods: int) -> None:
        width = APART * (rods + 0.3)
        size = (BLOCK * round(LINES * width / HIGH / BLOCK), LINES)
        self.plotter = pyvista.Plotter(off_screen=True, window_size=size)
        self.plotter.background_color = "white"
        self.plotter.enable_anti_aliasing("ssaa")
        middle, side = (rods - 1) / 2 * APART, width / 2 - 0.5e-3
        wall = pyvista.Box((middle - side, middle + side, -0.2e-3, 9e-3, -1.4e-3, -0.03e-3))
        self.plotter.add_mesh(wall, color=STONE, **SHINE)
        camera, focus = self.plotter.camera, np.array([middle, 0.0, 16e-3])
        camera.focal_point, camera.up = focus, (0.0, 0.0, 1.0)
        camera.position = focus + np.array([0.0, -0.2, 0.035])
        camera.parallel_projection, camera.parallel_scale = True, HIGH / 2
        self._text = self.plotter.add_text(
            "", position=(0.04, 0.92), viewport=True, font_size=14, color=INK
        )

    def put(self, place: int, rod: Any) -> None:
        """Put a rod on a place, instead of the one that is there."""
        self.plotter.add_mesh(
            rod.translate((place * APART, 0.0, 0.0)),
            scalars="colour",
            preference="cell",
            cmap=colour_map(),
            clim=(0.0, STRAIN),
            show_scalar_bar=False,
            show_edges=True,
            edge_color="#101010",
            edge_opacity=0.28,
            line_width=0.6,
            name=f"rod {place}",
            **SHINE,
        )

    def image(self, text: str = "") -> Image:
        """Return the picture."""
        self._text.SetInput(text)
        self.plotter.render()
        shot: Image = self.plotter.screenshot(None, return_img=True)
        return shot


def draw_picture(rod: Rod, path: Path) -> None:
    """Draw the rod at :data:`TIMES`, side by side."""
    stage = Stage(len(TIMES))
    for place, time in enumerate(TIMES):
        stage.put(place, rod.at(time))
    image = stage.image()
    with matplotlib.rc_context(STYLE):
        high = 3.6
        wide = high * image.shape[1] / image.shape[0]
        figure = Figure(figsize=(wide + 0.8, high))
        axes = figure.add_axes((0.0, 0.0, wide / (wide + 0.8), 1.0))
        axes.imshow(image, interpolation="antialiased")
        axes.set_axis_off()
        share = 1.0 / (len(TIMES) + 0.3)
        for place, time in enumerate(TIMES):
            at = (place + 0.65) * share
            axes.text(at, 0.96, f"{1e6 * time:.0f} µs", transform=axes.transAxes, ha="center")
        place = figure.add_axes((wide / (wide + 0.8), 0.12, 0.02, 0.76))
        bar = figure.colorbar(ScalarMappable(Normalize(0.0, STRAIN), colour_map()), cax=place)
        bar.set_label("logarithm of the largest stretch [-]")
        bar.outline.set_visible(False)
        figure.savefig(path, dpi=DPI)


def draw_film(rod: Rod, path: Path) -> None:
    """Draw the rod over time."""
    stage = Stage(1)
    writer: Any = imageio.get_writer(path, fps=FRAMES_PER_SECOND, quality=8)
    with writer:
        for time in np.linspace(0.0, rod.times[-1], FRAMES):
            stage.put(0, rod.at(time))
            writer.append_data(stage.image(f"{1e6 * time:.0f} µs"))


if __name__ == "__main__":
    with quiet(), Rod(HERE / RUN / "fields.vtkhdf") as found:
        draw_picture(found, HERE / "taylor.png")
        draw_film(found, HERE / "taylor.mp4")
