"""The deforming body of a run, rendered off-screen by pyvista."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.plotting.fields import FieldReader

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]


def colour_map() -> Any:
    """Return magma from light to dark without its ends, so that a body at rest is light."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps["magma_r"](np.linspace(0.04, 0.88, 256)))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep VTK from warning that there is no display, which it then does without."""
    from vtkmodules.vtkCommonCore import vtkLogger

    before = vtkLogger.GetCurrentVerbosityCutoff()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
    try:
        yield
    finally:
        vtkLogger.SetStderrVerbosity(before)


def scaled(largest: float, unit: str) -> tuple[float, str]:
    """Return the factor and the unit that bring a magnitude between 1 and 1000."""
    for power, prefix in ((9, "G"), (6, "M"), (3, "k"), (0, ""), (-3, "m"), (-6, "µ")):
        if largest >= 10.0**power:
            return 10.0**-power, prefix + unit
    return 1.0, unit


class Scene:
    """The deforming surface of a run, coloured, seen from one place in one scale."""

    def __init__(self, path: Path) -> None:
        self._fields = FieldReader(path)
        if not len(self._fields.times):
            raise InputError(f"{path}: holds no output times, expected at least one")
        self._surface = self._fields.grid().extract_surface(algorithm="dataset_surface")
        self._nodes = self._surface["vtkOriginalPointIds"]
        self._cells = self._surface["vtkOriginalCellIds"]
        self._surface.clear_data()
        self._rest = np.array(self._surface.points)
        self._outline = self._surface.extract_feature_edges(
            feature_angle=40, manifold_edges=False, non_manifold_edges=False
        )
        self._stretch = "stretch" in self._fields.names("CellData")
        self.times = self._finite_times()
        if not len(self.times):
            raise InputError(f"{path}: holds no finite output times, expected at least one")
        self._frame(np.unique(np.linspace(0, len(self.times) - 1, 41).round()))

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_: object) -> None:
        self._fields.close()

    def _finite_times(self) -> Floats:
        """Return the output times [s] without those at the end of a run that became non-finite."""
        count = len(self._fields.times)
        while count and not all(np.isfinite(field).all() for field in self._state(count - 1)):
            count -= 1
        return self._fields.times[:count]

    def _frame(self, sampled: Floats) -> None:
        """Choose one view, one scale and one range of colours for all times."""
        size = np.ptp(self._rest, axis=0)
        side = np.array([1.0, -1.9] if size[0] >= size[1] else [1.9, -1.0])
        self._towards = np.array([*side, 0.75]) / np.linalg.norm([*side, 0.75])
        right = np.cross([0.0, 0.0, 1.0], self._towards)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(self._towards, right), self._towards])
        low, high, values = np.full(3, np.inf), np.full(3, -np.inf), []
        for output in sampled:
            points, colours = self._state(output)
            seen = points @ axes.T
            low, high = np.minimum(low, seen.min(axis=0)), np.maximum(high, seen.max(axis=0))
            values.append((colours.min(), np.quantile(colours, 0.998), colours.max()))
        self._centre = (low + high) / 2 @ axes
        half = (high - low)[:2] / 2
        self._half = half + 0.06 * half.max()
        self._depth = high[2] - low[2]
        self._outline.points -= (2 * self._depth) * self._towards  # behind the body, seen the same
        least, most, peak = np.array(values).T
        self.cut = bool(peak.max() > 1.001 * most.max())
        self.limits = (least.min(), max(most.max(), least.min() + 1e-6))
        self.aspect = self._half[0] / self._half[1]

    @property
    def colour_label(self) -> tuple[float, str]:
        """The factor from file to picture, and the label of the colours with their unit."""
        if self._stretch:
            return 1.0, "largest principal stretch [-]"
        factor, unit = scaled(self.limits[1], "m")
        return factor, f"displacement [{unit}]"

    def _state(self, output: float) -> tuple[Floats, Floats]:
        """Return points [m] and colours at an output; between two of them, linear in time."""
        before, part = int(output), output % 1.0
        if part:
            pairs = zip(self._state(before), self._state(before + 1), strict=True)
            points, colours = ((1 - part) * a + part * b for a, b in pairs)
            return points, colours
        moved = self._fields.rows("PointData", "displacement", before)[self._nodes]
        if self._stretch:
            stretch = self._fields.rows("CellData", "stretch", before)
            return self._rest + moved, stretch.reshape(-1)[self._cells]
        return self._rest + moved, np.linalg.norm(moved, axis=1)

    def images(
        self, outputs: Floats, size: tuple[int, int], clock: bool = False
    ) -> Iterator[Image]:
        """Render the body at outputs (0, 1, …, and between them), white around it."""
        import pyvista

        plotter = pyvista.Plotter(off_screen=True, window_size=size)
        plotter.background_color = "white"
        plotter.enable_anti_aliasing("ssaa")
        if self._outline.n_points:
            plotter.add_mesh(self._outline, color="#b0b0b0", line_width=1.2, lighting=False)
        where = "cell" if self._stretch else "point"
        plotter.add_mesh(
            self._surface,
            scalars=self._update(outputs[0]),
            preference=where,
            cmap=colour_map(),
            clim=self.limits,
            show_scalar_bar=False,
            show_edges=self._surface.n_cells < 30_000,
            edge_color="#101010",
            edge_opacity=0.28,
            line_width=0.6,
            ambient=0.5,
            diffuse=0.62,
            specular=0.12,
        )
        self._look(plotter, size)
        text = plotter.add_text("", position="upper_left", font_size=11, color="#222222")
        for output in outputs:
            self._update(output)
            text.set_text("upper_left", self._clock(output) if clock else "")
            plotter.render()
            yield plotter.screenshot(None, return_img=True)
        plotter.close()

    def _clock(self, output: float) -> str:
        factor, unit = scaled(self.times[-1], "s")
        now = factor * np.interp(output, np.arange(len(self.times)), self.times)
        return f"t = {now:.1f} {unit}"

    def _update(self, output: float) -> str:
        points, colours = self._state(output)
        self._surface.points = points
        data = self._surface.cell_data if self._stretch else self._surface.point_data
        data["colour"] = colours
        return "colour"

    def _look(self, plotter: Any, size: tuple[int, int]) -> None:
        """Set a camera without perspective, z up, that sees the body at all times."""
        reach = 10 * (self._half.max() + self._depth)
        camera = plotter.camera
        camera.focal_point = self._centre
        camera.position = self._centre + reach * self._towards
        camera.up = (0.0, 0.0, 1.0)
        camera.parallel_projection = True
        camera.parallel_scale = max(self._half[1], self._half[0] * size[1] / size[0])
        camera.clipping_range = (0.1 * reach, 10 * reach)
