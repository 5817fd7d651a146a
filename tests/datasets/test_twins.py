import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.interfaces import Context, Items
from datasets.train_test import TrainTest
from datasets.twins import Twins, content_hash, twins
from datasets.vectors import Vectors


def items(count, first_id=0, fingerprint="x"):
    return Items(np.arange(first_id, first_id + count), np.arange(count) % 2, fingerprint)


def hashes(contents):
    return [content_hash(str(content).encode()) for content in contents]


def count(database, query, cache=None, fingerprint="q"):
    pair = (hashes(database), hashes(query))
    return twins(items(len(database), 0, "d"), items(len(query), 1000, fingerprint), pair, Context(cache=cache))


@given(st.lists(st.integers(0, 20), min_size=1), st.lists(st.integers(0, 20), min_size=1))
def test_each_query_whose_content_stands_in_the_database_is_counted_and_the_first_is_named(database, query):
    found = count(database, query)
    expected = [(row, database.index(content)) for row, content in enumerate(query) if content in database]
    assert found == Twins(len(expected), len(query), *(expected[0] if expected else ()))


class Toy(TrainTest):
    """Items that hold numbers."""

    def __init__(self, database, query, allowed=None):
        super().__init__(None, allowed)
        self.contents = (database, query)

    def load(self, context):
        pair = tuple(hashes(contents) for contents in self.contents)
        database, query = (len(contents) for contents in self.contents)
        return self._keep("SOURCE", ("a", "b"), items(database), items(query, 5000), pair, context)


@pytest.mark.parametrize(
    ("twin", "said"), [(0, ""), (5, "5 query items also stand"), (6, "0.6%, first query item 994")]
)
def test_twins_are_said_and_more_than_half_a_percent_are_said_to_flatter_the_figures(twin, said):
    contents = (range(10), [*range(100, 1100 - twin), *range(twin)])
    dataset = Toy(*contents).load(Context())
    assert dataset.shared_with_database == twin and len(dataset.remarks) == (twin > 0)
    assert all(said in remark and ("flatter" in remark) == (twin > 5) for remark in dataset.remarks)
    assert Toy(*contents, allowed=0.006).load(Context()).remarks == dataset.remarks
    if twin:
        with pytest.raises(
            ValueError, match=rf"SOURCE: {twin} of 1000 queries .* = database item 0\); twins_allowed ="
        ):
            Toy(*contents, allowed=0.004).load(Context())


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=r"twins_allowed is .*; allowed: 0 to 1"):
        Vectors(twins_allowed=share)


def test_kept_count_saves_the_hashes_but_only_for_the_same_items(tmp_path):
    contents = (range(3), [0, *range(10, 309)])
    assert count(*contents, cache=tmp_path) == Twins(1, 300, 0, 0)

    def untouched():
        pytest.fail("hashed again")
        yield b""

    pair = (untouched(), untouched())
    again = twins(items(3, 0, "d"), items(300, 1000, "q"), pair, Context(cache=tmp_path))
    assert again == Twins(1, 300, 0, 0)
    pair = (hashes(contents[0]), hashes(contents[1]))
    apart = (hashes([9, 1, 2]), hashes(contents[1]))
    for _ in range(2):
        lossy = twins(items(3, 0, "d"), items(300, 1000, "q"), pair, Context(cache=tmp_path), apart)
        assert lossy == Twins(1, 300, 0, 0, exact=0)
        pair, apart = (untouched(), untouched()), (untouched(), untouched())
    assert count(range(3), range(10, 310), tmp_path, "other").count == 0


def test_too_many_twins_are_refused_the_second_time_too(tmp_path):
    for _ in range(2):
        with pytest.raises(ValueError, match=r"1 of 1 queries stand in the database too \(100.0%, first query item 0"):
            Toy([4, 5], [5], allowed=0.5).load(Context(cache=tmp_path))
