"""Expressions in grids, against Python's own arithmetic, and what is refused in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.grids.expressions import LONGEST, filled, number

VALUES = {"n": 75_750, "d": 512, "bits": 64}
NAMESPACE = {"__builtins__": {}, "sqrt": math.sqrt, "log2": math.log2, "min": min, "max": max, **VALUES}

leaves = st.one_of(
    st.floats(0, 1e6).map(repr),
    st.sampled_from([*VALUES]),
)


def around(inner):
    pairs = st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner)
    return st.one_of(
        pairs.map(lambda parts: "({} {} {})".format(*parts)),
        inner.map("-{}".format),
        st.tuples(st.sampled_from(["sqrt", "log2"]), inner).map(lambda parts: "{}({})".format(*parts)),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda parts: "{}({}, {})".format(*parts)),
    )


@given(st.recursive(leaves, around, max_leaves=6).filter(lambda text: len(text) <= LONGEST))
def test_the_value_is_that_of_pythons_arithmetic_in_floats_rounded_half_up_and_at_least_1(text):
    floats = {name: float(value) for name, value in VALUES.items()}
    try:
        exact = eval(text, {**NAMESPACE, **floats})
    except (ArithmeticError, ValueError, TypeError):  # TypeError: of a complex number
        exact = math.nan
    if isinstance(exact, complex) or not math.isfinite(exact):
        with pytest.raises(ValueError, match=r"value"):
            number(text, VALUES)
    elif abs(exact) < 1e15:
        found = number(text, VALUES)
        assert isinstance(found, int) and found >= 1
        assert found == 1 if exact < 1.5 else abs(found - exact) <= 0.5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4 * sqrt(n)", 1101),
        ("min(n / 252.5, 4 * sqrt(n))", 300),
        (" d / 8 ", 64),
        ("bits / 4 - 0.5", 16),
        ("2.5", 3),
        ("0.4", 1),
        ("-n", 1),
        ("max(8, log2(n), bits - 60)", 16),
        ("2 ** 3 ** 2", 512),
    ],
)
def test_values_are_rounded_halves_up_and_are_at_least_1(text, value):
    assert number(text, VALUES) == value


REFUSED = [
    "",
    "fast",
    "n n",
    "4 sqrt(n)",
    "cells",
    "__import__('os').system('true')",
    "n.real",
    "[n][0]",
    "'4'",
    "True",
    "1j",
    "n if n else d",
    "n > 4",
    "n // 4",
    "n % 7",
    "~n",
    "sqrt(n, 2)",
    "min(n)",
    "min(*n)",
    "max(n, key=4)",
    "sqrt",
    "exp(n)",
    "(lambda: n)()",
    "x := 4",
    "n\0",
    "\udcff",
    "(" * 150,
    "1 +" * 60,
    "n" * (LONGEST + 1),
    "1e999",
    "1 / 0",
    "0 ** -1",
    "sqrt(-n)",
    "log2(0)",
    "(-n) ** 0.5",
    "n ** n",
    "1e308 * 10",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_expression_or_has_no_value_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match=r"expression|value") as caught:
        number(text, VALUES)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


@pytest.mark.parametrize("name", VALUES)
def test_a_name_without_a_value_is_refused_where_it_is_used_alone(name):
    unknown = {**VALUES, name: None}
    assert number("4", unknown) == 4
    with pytest.raises(ValueError, match=f"^{name}, .* is not known before the run"):
        number(f"2 * {name}", unknown)


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_text_keeps_what_stands_around_its_expressions(before, after):
    doubled = [part.replace("{", "{{").replace("}", "}}") for part in (before, after)]
    assert filled(f"{doubled[0]}{{4 * sqrt(n)}}{doubled[1]}", VALUES) == f"{before}1101{after}"


@pytest.mark.parametrize("text", ["IVF{", "IVF}", "IVF{}", "IVF{n:d}", "IVF{n!r}", "IVF{x}", "IVF{n[0]}", "IVF{{n}"])
def test_braces_that_hold_no_expression_are_refused(text):
    with pytest.raises(ValueError, match=r"brace|expression"):
        filled(text, VALUES)


def test_a_value_has_at_most_63_bits():
    assert number("2 ** 62", VALUES) == 2**62
    for text in ("2 ** 63", "n ** 40"):
        with pytest.raises(ValueError, match="is beyond that of a whole number of 64 bits, 9223372036854775807"):
            number(text, VALUES)
