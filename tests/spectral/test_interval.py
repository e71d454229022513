from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from lipmat.spectral.interval import Interval

NUMBER = st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-6)


@st.composite
def interval_with_a_number(draw: st.DrawFn) -> tuple[Interval, float]:
    lo, inside, hi = sorted(draw(st.tuples(NUMBER, NUMBER, NUMBER)))
    return Interval(np.array([lo]), np.array([hi])), inside


def holds(interval: Interval, value: Fraction) -> bool:
    """Compare without rounding."""
    return Fraction(float(interval.lo[0])) <= value <= Fraction(float(interval.hi[0]))


@given(interval_with_a_number(), interval_with_a_number())
def test_the_exact_value_is_inside(a: tuple[Interval, float], b: tuple[Interval, float]) -> None:
    (x, p), (y, q) = a, b
    exact_p, exact_q = Fraction(p), Fraction(q)
    assert holds(x + y, exact_p + exact_q)
    assert holds(x - y, exact_p - exact_q)
    assert holds(x * y, exact_p * exact_q)
    assert holds(-x, -exact_p)
    assert holds(x + q, exact_p + exact_q)
    assert holds(q * x, exact_p * exact_q)
    assert Fraction(float(x.magnitude[0])) >= abs(exact_p)


@given(interval_with_a_number(), interval_with_a_number())
def test_the_exact_quotient_is_inside(a: tuple[Interval, float], b: tuple[Interval, float]) -> None:
    (x, p), (y, q) = a, b
    assume(q != 0)
    quotient = x / y
    if y.lo[0] <= 0 <= y.hi[0]:
        assert quotient.lo[0] == -np.inf
        assert quotient.hi[0] == np.inf
    else:
        assert holds(quotient, Fraction(p) / Fraction(q))


@given(interval_with_a_number(), interval_with_a_number())
def test_the_hull_holds_both(a: tuple[Interval, float], b: tuple[Interval, float]) -> None:
    (x, p), (y, q) = a, b
    hull = x.hull(y)
    assert holds(hull, Fraction(p))
    assert holds(hull, Fraction(q))


def test_the_range_of_a_product_is_tight() -> None:
    product = Interval(np.array([-2.0]), np.array([3.0])) * Interval(
        np.array([-5.0]), np.array([7])
    )
    np.testing.assert_allclose([product.lo[0], product.hi[0]], [-15.0, 21.0], rtol=1e-14)


def test_intersection_rows_and_columns() -> None:
    box = Interval(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[4.0, 5.0], [6.0, 7.0]]))
    both = box.column(0).intersection(box.column(1))
    assert both.lo.tolist() == [1.0, 3.0]
    assert both.hi.tolist() == [4.0, 6.0]
    assert box[np.array([False, True])].lo.tolist() == [[2.0, 3.0]]
