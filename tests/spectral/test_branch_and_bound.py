from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from lipmat.spectral.branch_and_bound import maximise
from lipmat.spectral.interval import Interval

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]


def of_intervals(x: Interval, y: Interval) -> Interval:
    """Return x y (3 - x - y), largest at (1, 1)."""
    return x * y * (-(x + y) + 3.0)


def upper(box: Interval, problem: Numbers) -> Array:
    return of_intervals(box.column(0), box.column(1)).hi


def sample(points: Array, problem: Numbers) -> Array:
    x, y = points.T
    return x * y * (3.0 - x - y)


@pytest.mark.parametrize("tolerance", [0.1, 0.01, 1e-3])
def test_the_maximum_is_enclosed_within_the_tolerance(tolerance: float) -> None:
    lo, hi = np.zeros((1, 2)), np.array([[2.7, 3.1]])
    (found,) = maximise(upper, sample, lo, hi, tolerance)
    assert found.sampled <= 1.0 <= found.bound
    assert found.bound <= found.sampled * (1 + tolerance)


def test_problems_are_searched_side_by_side() -> None:
    hi = np.array([[0.5, 0.5], [1.0, 0.25], [3.0, 3.0]])
    maxima = [0.5, 0.4375, 1.0]
    together = maximise(upper, sample, np.zeros((3, 2)), hi, 1e-3)
    for k, (found, maximum) in enumerate(zip(together, maxima, strict=True)):
        assert found.sampled <= maximum * (1 + 1e-14)
        assert maximum <= found.bound <= 1.001 * found.sampled
        alone = maximise(upper, sample, np.zeros((1, 2)), hi[k : k + 1], 1e-3)
        assert alone == [found]


def test_points_that_are_not_admissible_do_not_count() -> None:
    """On the disc of radius 1/2 the function x y (3 - x - y) is largest at x = y."""
    side = 0.5 / math.sqrt(2.0)

    def upper_on_disc(box: Interval, problem: Numbers) -> Array:
        x, y = box.column(0), box.column(1)
        return np.where((x * x + y * y).lo > 0.25, -np.inf, of_intervals(x, y).hi)

    def sample_on_disc(points: Array, problem: Numbers) -> Array:
        return np.where((points**2).sum(1) > 0.25, -np.inf, sample(points, problem))

    (found,) = maximise(upper_on_disc, sample_on_disc, np.zeros((1, 2)), np.ones((1, 2)), 1e-2)
    maximum = side * side * (3 - 2 * side)
    assert found.sampled <= maximum <= found.bound <= 1.01 * found.sampled


def test_negative_maxima() -> None:
    (found,) = maximise(
        lambda box, _: (-(box.column(0) * box.column(0)) - 2.0).hi,
        lambda points, _: -(points[:, 0] ** 2) - 2.0,
        np.array([[-1.0]]),
        np.array([[0.7]]),
        1e-3,
    )
    assert found.sampled <= -2.0 <= found.bound <= -1.997


def test_the_bound_is_valid_when_the_search_is_cut_short() -> None:
    lo, hi = np.zeros((1, 2)), np.array([[2.7, 3.1]])
    (found,) = maximise(upper, sample, lo, hi, 1e-6, max_boxes=50)
    assert found.bound > 1.01
    assert found.sampled <= 1.0


def test_a_domain_without_admissible_points_is_refused() -> None:
    def nothing(points: Array | Interval, problem: Numbers) -> Array:
        return np.full(len(problem), -np.inf)

    with pytest.raises(ValueError, match="no admissible point"):
        maximise(nothing, nothing, np.zeros((1, 2)), np.ones((1, 2)))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_bound_that_is_no_number_is_refused() -> None:
    def unknown(box: Interval, problem: Numbers) -> Array:
        return np.full(len(problem), np.nan)

    with pytest.raises(ValueError, match="not finite"):
        maximise(unknown, sample, np.zeros((1, 2)), np.ones((1, 2)), max_boxes=100)
