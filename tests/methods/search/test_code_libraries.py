"""The Hamming modes of other libraries, against distances that numpy counts."""

from functools import cache

import numpy as np
import pytest

from bench.interfaces import Codes, Corpus, Unavailable
from methods.search.libraries.annoy_binary import AnnoyBinary
from methods.search.libraries.ngt_binary import NGTBinary
from methods.search.libraries.usearch_binary import USearchBinary
from tests.codes import near_centres

ITEMS, QUERIES, BITS = 1000, 30, 48
SWEEPS = {
    AnnoyBinary: [{"search_k": value} for value in (1, 300, 10**6)],
    USearchBinary: [{"ef": value} for value in (1, 30, 500)],
    NGTBinary: [{"epsilon": value} for value in (-0.9, 0.1, 1.0)],
}
each = pytest.mark.parametrize("plugin", SWEEPS, ids=lambda plugin: plugin.name)


def made(plugin, **parameters):
    index = plugin(**parameters)
    try:
        index.check(None, BITS)
    except Unavailable as fault:
        pytest.skip(str(fault))
    return index


@cache
def built(plugin):
    return made(plugin).build(near_centres(ITEMS, QUERIES, BITS)[0])


@each
@pytest.mark.parametrize("k", [1, 10])
def test_more_effort_finds_more_of_the_nearest_codes(plugin, k):
    index, (_, queries, distances) = built(plugin), near_centres(ITEMS, QUERIES, BITS)
    farthest = np.sort(distances, axis=1)[:, k - 1 : k]
    shares = []
    for setting in SWEEPS[plugin]:
        index.set_query(**setting)
        ids = index.search(queries, k)
        assert ids.dtype == np.int64 and ids.shape == (QUERIES, k)
        found = np.where(ids >= 0, np.take_along_axis(distances, ids, axis=1), BITS + 1)
        assert (np.diff(found, axis=1) >= 0).all()
        shares.append((found <= farthest).mean())
    assert shares == sorted(shares) and (k > 1 or shares[0] < 1)
    assert shares[-1] == 1 if plugin is AnnoyBinary else shares[-1] > 0.9


@each
def test_single_queries_are_answered_like_the_batch(plugin):
    index, (_, queries, distances) = built(plugin), near_centres(ITEMS, QUERIES, BITS)
    index.set_query(**SWEEPS[plugin][-1])
    single = np.concatenate([index.search(queries.part(row, row + 1), 10) for row in range(QUERIES)])
    away = [np.take_along_axis(distances, ids, axis=1) for ids in (single, index.search(queries, 10))]
    np.testing.assert_array_equal(*away)


@each
@pytest.mark.parametrize("count", [1, 3])
def test_more_neighbours_than_codes_are_padded(plugin, count):
    database, queries, distances = near_centres(ITEMS, QUERIES, BITS)
    index = made(plugin).build(database.part(0, 5))
    index.set_query(**SWEEPS[plugin][-1])
    ids = index.search(queries.part(0, count), 8)
    assert np.sort(ids, axis=1).tolist() == [[-1, -1, -1, 0, 1, 2, 3, 4]] * count
    order = np.take_along_axis(distances[:count, :5], ids[:, :5], axis=1)
    assert (np.diff(order, axis=1) >= 0).all()
    assert index.search(queries.part(0, 0), 8).shape == (0, 8)


@each
def test_the_size_holds_at_least_the_codes(plugin):
    assert built(plugin).size_bytes() >= ITEMS * BITS // 8


@each
@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda plugin, codes: plugin().build(Corpus(np.ones((9, 4), np.float32))), "searches codes"),
        (lambda plugin, codes: plugin().build(codes.part(0, 0)), "empty database"),
        (lambda plugin, codes: built(plugin).search(Corpus(codes=Codes.pack(np.ones((2, 60), bool))), 3), "60 bits"),
        (lambda plugin, codes: built(plugin).search(codes, 0), "k = 0"),
        (lambda plugin, codes: built(plugin).set_query(nprobe=3), "not nprobe"),
    ],
)
def test_misuse_is_a_value_error_in_words(plugin, misuse, message):
    made(plugin)
    with pytest.raises(ValueError, match=message):
        misuse(plugin, near_centres(ITEMS, QUERIES, BITS)[0])
