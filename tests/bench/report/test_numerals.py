import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.numerals import deviation, difference, fraction, percent, significant

ordinary = st.floats(1e-5, 1e9)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(9553.2, "9,550"), (1_234_567, "1,230,000"), (97.84, "97.8"), (99.96, "100"), (5.0, "5.00"), (0.04119, "0.0412"),
     (0, "0"), (-2.345, "-2.34"), (1e-9, "1.00e-9"), (math.inf, "inf"), (math.nan, "unknown")],
)  # fmt: skip
def test_three_digits_count_and_none_stands_in_an_exponent(value, shown):
    assert significant(value) == shown


@given(ordinary)
def test_a_number_is_within_half_of_its_third_digit(value):
    text = significant(value)
    assert "e" not in text and len(text.replace(",", "").replace(".", "").strip("0")) <= 3
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.00501)


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.9496, "94.9"),
        (0.95, "95.0"),
        (0.29, "29.0"),
        (1.0, "100"),
        (0.99999, "99.9"),
        (1.0404, "104"),
        (0.0853, "8.53"),
    ],
)
def test_a_quality_is_rounded_down(share, shown):
    assert percent(share) == shown


@given(st.floats(0.001, 1.0))
def test_no_quality_is_shown_above_itself(share):
    assert float(percent(share)) <= 100 * share * (1 + 1e-8)


def test_a_difference_and_a_spread_end_where_the_number_beside_them_does():
    assert difference(-365.48, 10.0) == "−365" and difference(0, 76.0) == "+0.0"
    assert (
        difference(-1.69, 76.0) == "−1.7" and difference(0.0123, 1.234) == "+0.01" and difference(-1e-9, 5) == "+0.00"
    )
    assert deviation(0.1234, 76.0) == "0.1" and deviation(0.0123, 76.0) == "<0.1" and deviation(0.0, 76.0) == "0.0"


@pytest.mark.parametrize(("value", "text"), [
    (1.0, "1.000"), (0.9996, "0.999"), (0.29, "0.290"), (0.0004, "0.000"), (1.0213, "1.021"), (0.7, "0.700"),
])  # fmt: skip
def test_a_fraction_has_three_decimals_and_is_never_rounded_up(value, text):
    assert fraction(value) == text


def test_more_digits_are_printed_where_they_are_asked_for():
    assert significant(12345.6, digits=4) == "12,350" and significant(69.958, down=True, digits=4) == "69.95"
