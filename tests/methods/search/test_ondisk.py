"""faiss's lists on disk: the answers of the same index in memory, and pages that are there or not."""

import os

import faiss
import numpy as np
import pytest

from bench.interfaces import Corpus, Unavailable, Unsuitable
from methods.search.faiss import calls
from methods.search.faiss.ondisk import FaissOnDisk

RNG = np.random.default_rng(0)
DATABASE, QUERIES = (Corpus(RNG.standard_normal((rows, 32)).astype(np.float32)) for rows in (3000, 20))


def built(pages, **parameters):
    try:
        return FaissOnDisk(centroids=30, pages=pages, **parameters).build(DATABASE)
    except Unavailable as fault:
        pytest.skip(str(fault))


@pytest.mark.parametrize("pages", ["warm", "cold"])
@pytest.mark.parametrize("nprobe", [1, 5, 30])
def test_answers_are_those_of_faiss_in_memory(pages, nprobe):
    theirs = faiss.index_factory(32, "IVF30,Flat")
    calls.prepare(theirs, 0)
    theirs.train(DATABASE.features)
    theirs.add(DATABASE.features)
    theirs.nprobe = nprobe
    index = built(pages)
    index.set_query(nprobe=nprobe)
    expected = theirs.search(QUERIES.features, 10)[1]
    np.testing.assert_array_equal(index.search(QUERIES, 10), expected)
    single = [index.search(QUERIES.part(row, row + 1), 10)[0] for row in range(len(QUERIES))]
    np.testing.assert_array_equal(single, expected)


def test_cold_pages_are_out_of_memory_before_each_search_and_come_back_by_it(monkeypatch):
    index, before = built("cold", nprobe=30), []
    search = calls.search

    def noted(*arguments):
        before.append(index._share_in_memory())
        return search(*arguments)

    monkeypatch.setattr(calls, "search", noted)
    for _ in range(3):
        index.search(QUERIES.part(0, 1), 10)
        assert index._share_in_memory() > 0.95
    index.search(QUERIES, 10)
    assert before == [0.0] * 4


def test_warm_pages_stay():
    index = built("warm")
    index.search(QUERIES, 10)
    assert index._share_in_memory() > 0.95


def test_warm_pages_count_as_memory_and_cold_ones_do_not():
    lists = len(DATABASE) * (4 * 32 + 8)
    warm, cold = built("warm").size_bytes(), built("cold").size_bytes()
    assert cold < lists <= warm - cold < 2 * lists


def test_the_file_of_lists_has_no_name_and_goes_with_the_index(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    index = built("warm")
    assert [*tmp_path.iterdir()] == [] and os.fstat(index._file).st_nlink == 0


def test_where_pages_cant_be_dropped_cold_is_unavailable(monkeypatch):
    monkeypatch.setattr(FaissOnDisk, "_drop_pages", lambda self: None)
    with pytest.raises(Unavailable, match=r"pages of files in .* stay; set TMPDIR to a disk"):
        FaissOnDisk(centroids=30, pages="cold").build(DATABASE)
    monkeypatch.delattr("os.posix_fadvise")
    with pytest.raises(Unavailable, match="no posix_fadvise"):
        FaissOnDisk(pages="cold").check(32, None)


def test_few_items_and_wrong_values_are_refused_in_words():
    with pytest.raises(Unsuitable, match="20 items are too few for centroids = 300"):
        FaissOnDisk().build(QUERIES)
    with pytest.raises(ValueError, match="pages = 'hot' must be one of warm, cold"):
        FaissOnDisk(pages="hot")
    with pytest.raises(ValueError, match="not pages"):
        built("warm").set_query(pages="cold")
