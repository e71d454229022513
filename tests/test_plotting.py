from __future__ import annotations

from pathlib import Path

import h5py
import imageio.v3 as imageio
import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem.grid import box
from lipmat.fem.vtkhdf import FieldFile
from lipmat.plotting import FitPanel, plot_fit, plot_run

HEADER = "time [s],step,kinetic_energy [J],stored_energy [J],external_work [J],energy_error [-]"
HISTORY = f"""{HEADER}
0.0,0,1000.0,0.0,0.0,0.0
0.001,10,500.0,499.0,0.0,1e-3
0.002,20,0.0,999.0,0.0,1e-3
"""


def write_run(folder: Path, outputs: int = 3, stretch: bool = True) -> Path:
    """A column 1 × 1 × 2 m that is pulled by a tenth."""
    grid = box([1, 1, 2], [2, 2, 4]).mesh
    cells = {"stretch": 1} if stretch else {}
    with FieldFile(folder / "fields.vtkhdf", grid, ["displacement"], cells) as file:
        for output in range(outputs):
            pulled = 0.1 * output / max(outputs - 1, 1)
            moved = grid.geometry.x * [0, 0, pulled]
            values = {"stretch": np.full(16, 1 + pulled)} if stretch else {}
            file.append(1e-3 * output, {"displacement": moved}, values)
    (folder / "history.csv").write_text(HISTORY)
    return folder


def coloured(image: np.ndarray) -> float:
    """Return which part of the pixels is neither white nor black nor grey."""
    return float((np.ptp(image[..., :3].astype(int), axis=2) > 30).mean())


def test_pictures_and_movie_of_a_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written = plot_run(write_run(tmp_path), picture=True, movie=True)
    assert written == [tmp_path / name for name in ("energy.png", "run.png", "movie.mp4")]
    assert capfd.readouterr() == ("", "")
    picture = imageio.imread(written[1])
    assert picture.shape[1] > 1000
    assert 0.2 < coloured(picture) < 0.8
    assert imageio.imread(written[0]).shape[:2] == (960, 1400)
    assert coloured(imageio.imread(written[0])) > 0.002
    frames = imageio.imread(written[2], plugin="FFMPEG")
    assert len(frames) == 25
    assert frames.shape[1] <= 800
    assert frames.shape[2] <= 1000
    assert imageio.immeta(written[2], plugin="FFMPEG")["fps"] == 25
    assert coloured(frames[12]) > 0.1
    assert abs(frames[0].astype(int) - frames[-1]).max() > 50


def test_without_stretch_the_displacement_is_shown(tmp_path: Path) -> None:
    plot_run(write_run(tmp_path, outputs=1, stretch=False))
    assert coloured(imageio.imread(tmp_path / "run.png")) > 0.1


def test_a_run_that_became_non_finite(tmp_path: Path) -> None:
    write_run(tmp_path)
    with h5py.File(tmp_path / "fields.vtkhdf", "a") as file:
        file["VTKHDF/PointData/displacement"][-1] = np.nan
    (tmp_path / "history.csv").write_text(HISTORY + "0.003,30,nan,inf,0.0,nan\n")
    plot_run(tmp_path)
    assert coloured(imageio.imread(tmp_path / "run.png")) > 0.1


def test_a_movie_alone(tmp_path: Path) -> None:
    assert plot_run(write_run(tmp_path, 2), picture=False) == []
    (tmp_path / "history.csv").unlink()
    assert plot_run(tmp_path, picture=False, movie=True) == [tmp_path / "movie.mp4"]
    assert not (tmp_path / "run.png").exists()


def test_a_history_cut_in_its_last_line(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "history.csv").write_text(HISTORY[:-20])
    plot_run(tmp_path)
    assert (tmp_path / "energy.png").is_file()


def test_bad_folders_get_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no fields.vtkhdf, expected the folder"):
        plot_run(tmp_path, picture=False, movie=True)
    write_run(tmp_path)
    (tmp_path / "history.csv").unlink()
    with pytest.raises(InputError, match=r"there is no history.csv, expected the folder of a run"):
        plot_run(tmp_path)
    (tmp_path / "history.csv").write_text("hello\n1\n")
    with pytest.raises(InputError, match=r"history.csv: found no rows under a header"):
        plot_run(tmp_path)
    (tmp_path / "history.csv").write_text(HISTORY.replace("499.0", "many"))
    with pytest.raises(InputError, match=r"history.csv: .*'many', expected numbers"):
        plot_run(tmp_path)
    write_run(tmp_path, outputs=0)
    with pytest.raises(InputError, match=r"fields.vtkhdf: holds no output times"):
        plot_run(tmp_path)


@pytest.mark.parametrize(("count", "shape"), [(1, (640, 720)), (3, (640, 2160)), (4, (1280, 2160))])
def test_plot_of_a_fit(count: int, shape: tuple[int, int], tmp_path: Path) -> None:
    x, curve = np.linspace(1, 2, 9), np.linspace(1, 2, 99)
    names = [f"test {n}" for n in range(count)]
    labels = ("stretch [-]", "nominal stress [MPa]")
    panels = [FitPanel(n, x, x**2, curve, curve**2, *labels, n != "test 2", 0.9991) for n in names]
    path = plot_fit(tmp_path / "fit.png", panels)
    assert imageio.imread(path).shape[:2] == shape
