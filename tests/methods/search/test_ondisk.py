"""faiss's lists on disk: the answers of the same index in memory, and pages that are there or not."""

import os
from pathlib import Path

import faiss
import numpy as np
import pytest

from bench.interfaces import Corpus, Unavailable, Unsuitable
from methods.search.faiss import calls, ondisk
from methods.search.faiss.ondisk import FaissOnDisk, FaissOnDiskCold

RNG = np.random.default_rng(0)
DATABASE, QUERIES = (Corpus(RNG.standard_normal((rows, 32)).astype(np.float32)) for rows in (3000, 20))
both = pytest.mark.parametrize("plugin", [FaissOnDisk, FaissOnDiskCold], ids=["warm", "cold"])


def built(plugin, **parameters):
    try:
        return plugin(centroids=30, **parameters).build(DATABASE)
    except Unavailable as fault:
        pytest.skip(str(fault))


@both
@pytest.mark.parametrize("nprobe", [1, 5, 30])
def test_answers_are_those_of_faiss_in_memory(plugin, nprobe):
    theirs = faiss.index_factory(32, "IVF30,Flat")
    calls.prepare(theirs, 0)
    theirs.train(DATABASE.features)
    theirs.add(DATABASE.features)
    theirs.nprobe = nprobe
    index = built(plugin)
    index.set_query(nprobe=nprobe)
    expected = theirs.search(QUERIES.features, 10)[1]
    np.testing.assert_array_equal(index.search(QUERIES, 10), expected)
    single = [index.search(QUERIES.part(row, row + 1), 10)[0] for row in range(len(QUERIES))]
    np.testing.assert_array_equal(single, expected)


@both
def test_shards_make_the_index_that_is_made_at_once_and_leave_nothing(plugin, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    whole, before = built(plugin, nprobe=5).search(QUERIES, 10), mapped()
    monkeypatch.setattr(ondisk, "SHARD_BYTES", 4 * 32 * 700)
    index = built(plugin, nprobe=5)
    assert int(index._index.ntotal) == len(DATABASE) and index._lists.totsize >= DATABASE.features.nbytes
    np.testing.assert_array_equal(index.search(QUERIES, 10), whole)
    assert len(mapped() - before) == 1 and [*tmp_path.iterdir()] == []
    del index
    assert mapped() <= before


def mapped():
    """The files without a name that this process has mapped."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.split()[4] for line in lines if line.endswith("(deleted)") and "/dev/zero" not in line}


def test_the_sample_that_centroids_are_trained_on_has_a_size(monkeypatch):
    seen = []
    monkeypatch.setattr(ondisk, "SAMPLE_BYTES", 4 * 32 * 30 * 7)
    monkeypatch.setattr(calls, "prepare", lambda made, seed: seen.append(made))
    built(FaissOnDisk)
    assert seen[0].cp.max_points_per_centroid == 7


def test_cold_pages_are_out_of_memory_before_each_search_and_come_back_by_it(monkeypatch):
    index, before = built(FaissOnDiskCold, nprobe=30), []
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
    index = built(FaissOnDisk)
    index.search(QUERIES, 10)
    assert index._share_in_memory() > 0.95


def test_warm_pages_count_as_memory_and_cold_ones_do_not():
    lists = len(DATABASE) * (4 * 32 + 8)
    warm, cold = built(FaissOnDisk).size_bytes(), built(FaissOnDiskCold).size_bytes()
    assert cold < lists <= warm - cold < 2 * lists


@both
def test_the_file_of_lists_has_no_name_and_is_closed_with_the_index(plugin, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write, seen = faiss.write_index, []

    def noted(*arguments):
        write(*arguments)
        seen.extend(tmp_path.iterdir())

    monkeypatch.setattr(faiss, "write_index", noted)
    index = built(plugin)
    assert seen == []  # also where this process is killed in the build
    file = index._file
    assert [*tmp_path.iterdir()] == [] and os.fstat(file).st_nlink == 0
    del index
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)


def test_where_pages_cant_be_dropped_cold_is_unavailable(monkeypatch):
    monkeypatch.setattr(FaissOnDiskCold, "_drop_pages", lambda self: None)
    with pytest.raises(Unavailable, match=r"pages of files in .* stay; set TMPDIR to a disk"):
        FaissOnDiskCold(centroids=30).build(DATABASE)
    monkeypatch.delattr("os.posix_fadvise")
    with pytest.raises(Unavailable, match="no posix_fadvise"):
        FaissOnDiskCold().check(32, None)


@both
def test_few_items_are_refused_in_words(plugin):
    with pytest.raises(Unsuitable, match=f"^{plugin.name}: 20 items are too few for centroids = 300"):
        plugin().build(QUERIES)
