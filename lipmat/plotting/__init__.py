"""Pictures and movies of runs, plots of fits and of meshes; nothing here needs a display."""

from lipmat.plotting.bands import Band, BandPanel, plot_bands
from lipmat.plotting.draw import FitPanel, plot_fit
from lipmat.plotting.process import plot_cells, plot_run

__all__ = ["Band", "BandPanel", "FitPanel", "plot_bands", "plot_cells", "plot_fit", "plot_run"]
