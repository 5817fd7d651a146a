import math
from types import SimpleNamespace

import numpy as np
import pytest

from bench.interfaces import Corpus
from bench.timing.reranked import Reranked
from bench.timing.told import MOST, Told
from bench.workers.limits import Failure

QUERIES = Corpus(np.zeros((2, 3), dtype=np.float32))


def plugin(**members):
    """A plugin whose methods return these values; what ends in ``_`` is a value itself."""
    own = {name: value if name.endswith("_") else lambda *_, value=value: value for name, value in members.items()}
    return Told(SimpleNamespace(**own), "toy")


ASKED = {
    "size_bytes": Told.size_bytes,
    "paper_bytes": Told.paper_bytes,
    "disk_bytes": lambda told: told.engine_bytes("disk_bytes"),
    "server_bytes": lambda told: told.engine_bytes("server_bytes"),
    "load_seconds": Told.load_seconds,
    "complete_share_": Told.complete_share,
    "query_cost": Told.query_cost,
}
SIZES = ("size_bytes", "paper_bytes", "disk_bytes", "server_bytes")
NO_SIZES = (-5, MOST + 1, 10**30, "12", math.nan, math.inf, 1.5, True, [1], np.array([1, 2]), np.float64(3), b"1")
NO_NUMBERS = (-0.1, "x", math.nan, True, 10**30, [0.5], 1j)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *((member, value) for member in SIZES for value in NO_SIZES),
        *(("size_bytes", None), ("paper_bytes", None)),
        *(("load_seconds", value) for value in (*NO_NUMBERS, math.inf)),
        *(("complete_share_", value) for value in (*NO_NUMBERS, 2.0, 1.0001, -1)),
        *(("query_cost", value) for value in ((-1, -1), (1.0, -0.5), (1.0,), (1, 2, 3), ("a", "b"), "ab", None, 5.0)),
        *(("query_cost", value) for value in ((None, None), (True, 1), (10**400, 1), ((1,), (2,)))),
    ],
)
def test_what_can_be_no_cost_is_a_failure_that_names_the_plugin_its_member_the_value_and_what_is_right(member, value):
    with pytest.raises(Failure) as caught:
        ASKED[member](plugin(**{member: value}))
    asked = member if member.endswith("_") else f"{member}()"
    assert caught.value.reason.startswith(f"toy: {asked} is {repr(value)[:100]}")
    assert "; right is " in caught.value.reason and caught.value.status == "error"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *((member, value) for member in SIZES for value in (0, 7, MOST, np.int64(7), np.uint8(7))),
        *(("disk_bytes", None), ("server_bytes", None), ("load_seconds", None), ("complete_share_", None)),
        *(("load_seconds", value) for value in (0, 0.5, np.float32(2), 3600)),
        *(("complete_share_", value) for value in (0, 1, 1.0, 0.25, np.float64(0.5), np.int64(1))),
        *(("query_cost", value) for value in ((0, 0), [1.5, 2], (np.float32(1), 10**12))),
    ],
)
def test_what_may_be_a_cost_is_taken_as_it_is(member, value):
    found = ASKED[member](plugin(**{member: value}))
    assert found == (tuple(value) if member == "query_cost" else value)


def test_a_pair_of_an_array_is_a_cost_and_what_is_not_finite_is_not_known():
    assert plugin(query_cost=np.array([3.0, 4.0])).query_cost() == (3, 4)
    assert np.isnan(plugin(query_cost=(math.nan, math.inf)).query_cost()[0])


def test_an_optional_member_that_is_lacking_is_not_known():
    told = plugin()
    assert [ASKED[member](told) for member in ASKED if member not in ("size_bytes", "query_cost")] == [None] * 5
    assert np.isnan(told.query_cost()).all()


def reranked(index, reranker):
    """An index and a reranker with these members, built."""
    asked = {"reads": ("features",), "query_parameters": (), "build": lambda database: None}
    search = {"search": lambda queries, k: np.zeros((len(queries), k), dtype=np.int64)}
    nearest = {"nearest": lambda queries, candidates, k: candidates[:, :k]}
    parts = SimpleNamespace(**asked, **search, **index), SimpleNamespace(**asked, **nearest, **reranker)
    return Reranked(*parts, 4, ("toy", "order")).build(Corpus(np.zeros((9, 3), dtype=np.float32)))


@pytest.mark.parametrize(
    ("index", "reranker", "ask", "reason"),
    [
        ({"size_bytes": lambda: -5}, {"size_bytes": lambda: 99}, Reranked.size_bytes, "toy: size_bytes() is -5; right"),
        ({"size_bytes": lambda: 5}, {"size_bytes": lambda: None}, Reranked.size_bytes, "order: size_bytes() is None; "),
        (
            {"query_cost": lambda: (-1.0, 2.0)},
            {"query_cost": lambda candidates: (9.0, 9.0)},
            lambda both: both.query_cost(),
            "toy: query_cost() is (-1.0, 2.0); right is (bytes, operations)",
        ),
        (
            {"query_cost": lambda: (1.0, 2.0)},
            {"query_cost": lambda candidates: (1.0, -2.0)},
            lambda both: both.query_cost(),
            "order: query_cost(4) is (1.0, -2.0); right is (bytes, operations)",
        ),
        (
            {"complete_share_": "x"},
            {},
            lambda both: both.complete_share_,
            "toy: complete_share_ is 'x'; right is a share",
        ),
        (
            {"complete_share_": 2.0},
            {},
            lambda both: both.complete_share_,
            "toy: complete_share_ is 2.0; right is a share",
        ),
    ],
)
def test_of_an_index_and_a_reranker_the_one_is_named_that_told_what_is_wrong(index, reranker, ask, reason):
    both = reranked(index, reranker)
    both.search(QUERIES, 2)
    with pytest.raises(Failure) as caught:
        ask(both)
    assert caught.value.reason.startswith(reason)


def test_a_share_that_the_index_does_not_know_is_not_known_behind_a_reranker():
    both = reranked({"complete_share_": None}, {})
    assert both.complete_share_ is None
    both.search(QUERIES, 2)
    assert both.complete_share_ is None and reranked({}, {}).complete_share_ is None
