from dataclasses import dataclass, is_dataclass
from typing import Annotated, Literal, get_args

import numpy as np
import pytest
from annotated_types import Ge, MultipleOf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter, ValidationError

from bench.plugins import registry
from methods import parameters
from methods.parameters import Count, NotNegative, Positive, check_values


@dataclass
class Plugin:
    count: Count = 1
    share: NotNegative = 0.5
    rate: Positive = 0.5
    step: Annotated[int, Ge(32), MultipleOf(32)] | None = None
    kind: Literal["a", "b"] = "a"
    rank: Literal[16, 32] = 16
    flag: bool = True
    text: str = ""


NAMES = ("count", "share", "rate", "step", "kind", "rank", "flag", "text")
NUMBERS = st.integers(-3, 70) | st.sampled_from([2**31 - 1, 2**31, 0.0, -0.5, 1e-9, 3e9, float("inf"), float("nan")])


@given(st.sampled_from(NAMES), NUMBERS | st.booleans() | st.none() | st.sampled_from(["a", "b", "c", "16"]))
def test_a_value_is_allowed_where_pydantic_allows_it(name, value):
    adapter = TypeAdapter(parameters._hints(Plugin)[name], config=ConfigDict(strict=True))
    try:
        adapter.validate_python(value)
    except ValidationError:
        with pytest.raises(ValueError, match=f"^{name} = "):
            check_values(Plugin, {name: value})
    else:
        check_values(Plugin, {name: value})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("count", 0, "count = 0 must be an integer of at least 1 and at most 2,147,483,647"),
        ("count", 1.0, "count = 1.0 must be an integer of at least 1 and at most 2,147,483,647"),
        ("share", -0.1, "share = -0.1 must be a number of at least 0 and at most 2,147,483,647"),
        ("rate", 0, "rate = 0 must be a number above 0 and at most 2,147,483,647"),
        ("step", 33, "step = 33 must be an integer of at least 32 and a multiple of 32, or None"),
        ("kind", "c", "kind = 'c' must be one of a, b"),
        ("rank", 8, "rank = 8 must be one of 16, 32"),
        ("flag", 1, "flag = 1 must be True or False"),
        ("text", None, "text = None must be a text"),
    ],
)
def test_a_wrong_value_is_told_with_its_name_and_with_what_would_be_right(name, value, words):
    with pytest.raises(ValueError) as fault:
        check_values(Plugin, {name: value})
    assert str(fault.value) == words


BUILT_IN = [
    (kind, name) for kind in ("embedder", "hasher", "index", "reranker") for name in registry.plugins(kind)
    if registry.find(kind, name).module.startswith("methods.")
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_each_number_among_the_parameters_of_a_built_in_plugin_has_a_bound(kind, name):
    plugin = registry.load(kind, name)
    hints = parameters._hints(plugin if is_dataclass(plugin) else plugin.__init__)
    plain = {one for one in registry.parameters(plugin) if {int, float} & {hints[one], *get_args(hints[one])}}
    assert {one for one in plain if not hasattr(hints[one], "__metadata__")} == set()


def test_numbers_of_numpy_are_numbers():
    check_values(Plugin, {"count": np.int64(3), "share": np.float32(0.5), "rate": np.float64(1)})
