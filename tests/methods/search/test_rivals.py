import contextlib
import inspect
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench import conformance
from bench.conformance import NotAsked
from bench.interfaces import Codes, Corpus, Unavailable
from bench.timing import load
from methods.parameters import Count
from methods.search.common import library
from methods.search.common.library import LibraryIndex
from methods.search.faiss import calls
from methods.search.faiss.codes import HEAP_BELOW, FaissBinary
from methods.search.faiss.features import Faiss
from methods.search.faiss.ivfadc import IVFADC
from methods.search.faiss.ondisk import FaissOnDisk
from methods.search.libraries.annoy import Annoy
from methods.search.libraries.hnswlib import Hnswlib
from methods.search.libraries.lorann import LoRANN
from methods.search.libraries.mrpt import MRPT
from methods.search.libraries.ngt import NGT
from methods.search.libraries.pynndescent import PyNNDescent
from methods.search.libraries.rabitqlib import RaBitQLib
from methods.search.libraries.scann import ScaNN
from methods.search.libraries.svs import SVS
from methods.search.libraries.torch_scan import TorchScan
from methods.search.libraries.usearch import USearch
from methods.search.libraries.voyager import Voyager
from tests.codes import near_centres

ITEMS, QUERIES, BITS = 1500, 50, 48


@dataclass
class Rival:
    """An index with its sweep, from the loosest setting to the tightest.

    ``exact``: the tightest is brute force; ``repeats``: a second build answers the same; ``alike``: a query is answered
    alike alone and in a batch; ``floats``: the index holds the float32 features; ``least``: items it can be built on.
    """

    make: object
    sweep: list = field(default_factory=lambda: [{}])
    exact: bool = False
    repeats: bool = True
    alike: bool = True
    floats: bool = True
    least: int = 1
    tiny: object = None
    dim: int = 24


RIVALS = {
    "annoy": Rival(lambda: Annoy(n_trees=20), [{"search_k": k} for k in (10, 200, 10**6)], exact=True),
    "faiss Flat": Rival(Faiss, exact=True),
    "faiss IVF": Rival(lambda: Faiss(factory="IVF30,Flat"), [{"nprobe": n} for n in (1, 4, 30)], exact=True, least=30),
    "faiss HNSW": Rival(
        lambda: Faiss(factory="HNSW16"), [{"ef_search": n} for n in (1, 20, 500)], tiny=lambda: Faiss(factory="HNSW4")
    ),
    "faiss PQ": Rival(
        lambda: Faiss(factory="IVF30,PQ12x4fs,RFlat"),
        [{"nprobe": 1, "k_factor": 1}, {"nprobe": 30, "k_factor": 5}, {"nprobe": 30, "k_factor": 150}],
        exact=True,
        least=30,
    ),
    "faiss PCA": Rival(
        lambda: Faiss(factory="PCA16,IVF30,PQ8x4fs,RFlat"),
        [{"nprobe": 1, "k_factor": 1}, {"nprobe": 30, "k_factor": 5}, {"nprobe": 30, "k_factor": 150}],
        exact=True,
        least=30,
    ),
    "faiss RaBitQ": Rival(
        lambda: Faiss(factory="IVF30,RaBitQ,RFlat"),
        [{"nprobe": 1, "qb": 1}, {"nprobe": 30, "qb": 1, "k_factor": 4}, {"nprobe": 30, "qb": 8, "k_factor": 30}],
        least=30,
    ),
    "faiss RaBitQ6": Rival(
        lambda: Faiss(factory="RR,IVF30,RaBitQ6"), [{"nprobe": 1}, {"nprobe": 30}], floats=False, least=30
    ),
    "faiss RaBitQfs6": Rival(
        lambda: Faiss(factory="RR,IVF30,RaBitQfs6"), [{"nprobe": 1}, {"nprobe": 30}], floats=False, least=30
    ),
    "faiss on disk": Rival(
        lambda: FaissOnDisk(centroids=30), [{"nprobe": n} for n in (1, 4, 30)], exact=True, least=30
    ),
    "hnswlib": Rival(
        lambda: Hnswlib(ef_construction=100), [{"ef": n} for n in (1, 30, 500)], tiny=lambda: Hnswlib(m=2)
    ),
    "voyager": Rival(
        lambda: Voyager(ef_construction=100), [{"ef": n} for n in (1, 30, 500)], tiny=lambda: Voyager(m=2)
    ),
    "usearch f32": Rival(USearch, [{"ef": n} for n in (1, 30, 500)]),
    "usearch f16": Rival(lambda: USearch(dtype="f16"), [{"ef": n} for n in (1, 30, 500)], floats=False),
    "scann": Rival(
        lambda: ScaNN(leaves=20),
        [{"leaves_to_search": 1, "reorder": 10}, {"leaves_to_search": 20, "reorder": 10**4}],
        exact=True,
        repeats=False,
        alike=False,
        least=20,
        tiny=lambda: ScaNN(leaves=1),
    ),
    "pynndescent": Rival(
        lambda: PyNNDescent(n_neighbors=15),
        [{"epsilon": e} for e in (0, 0.1, 1)],
    ),
    "svs": Rival(lambda: SVS(degree=16, build_window=50), [{"search_window": n} for n in (1, 30, 500)]),
    "rabitqlib ivf": Rival(
        lambda: RaBitQLib(clusters=30, nbits=7),
        [{"nprobe": n} for n in (1, 8, 30)],
        repeats=False,
        floats=False,
        least=30,
        dim=64,
    ),
    "rabitqlib hnsw": Rival(
        lambda: RaBitQLib(kind="hnsw", clusters=8, nbits=7),
        [{"ef": n} for n in (1, 30, 500)],
        repeats=False,
        floats=False,
        least=8,
        dim=64,
    ),
    "rabitqlib symphony": Rival(
        lambda: RaBitQLib(kind="symphony"), [{"ef": n} for n in (1, 30, 500)], repeats=False, least=33, dim=64
    ),
    "ngt": Rival(NGT, [{"epsilon": e} for e in (0, 0.1, 0.5)]),
    "lorann": Rival(
        lambda: LoRANN(clusters=30),
        [{"clusters_to_search": 1, "points_to_rerank": 10}, {"clusters_to_search": 30, "points_to_rerank": ITEMS}],
        exact=True,
        repeats=False,
        least=30,
        tiny=lambda: LoRANN(clusters=1),
        dim=64,
    ),
    "mrpt": Rival(
        lambda: MRPT(depth=3, n_trees=20),
        [{"votes": v} for v in (15, 6, 1)],
        repeats=False,
        least=8,
        tiny=lambda: MRPT(depth=1, n_trees=20, votes=1),
    ),
    "torch_scan": Rival(lambda: TorchScan(device="cpu"), exact=True),
}
SLOW = pytest.mark.skipif(
    "BENCH_SLOW" not in os.environ, reason="pynndescent compiles for half a minute; BENCH_SLOW=1 tests it"
)
each = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=SLOW if name == "pynndescent" else ()) for name in RIVALS]
)


@cache
def data(dim):
    """The database and the queries, and the ids of all items by distance, in float64."""
    rng = np.random.default_rng(0)
    database, queries = (rng.standard_normal((n, dim)).astype(np.float32) for n in (ITEMS, QUERIES))
    return Corpus(database), Corpus(queries), by_distance(database, queries)


def by_distance(database, queries):
    differences = queries[:, None].astype(np.float64) - database[None]
    return np.argsort((differences**2).sum(2), axis=1)


def made(name, tiny=False):
    """A new index; the test is skipped where its library is not installed."""
    rival = RIVALS[name]
    index = (rival.tiny if tiny and rival.tiny else rival.make)()
    try:
        if hasattr(index, "check"):
            index.check(rival.dim, None)
    except Unavailable as fault:
        pytest.skip(str(fault))
    return index


@cache
def built(name):
    with load.one_thread():  # of several that build a graph beside other work, one may lose a region of it
        return made(name).build(data(RIVALS[name].dim)[0])


def tightest(name):
    index = built(name)
    index.set_query(**RIVALS[name].sweep[-1])
    return index


def recall(ids, truth):
    return np.mean([len(set(some) & set(best)) / len(best) for some, best in zip(ids.tolist(), truth, strict=True)])


def assert_neighbours(ids, shape, n):
    """int64 of that shape, no item twice in a row, -1 at the end alone."""
    assert ids.dtype == np.int64 and ids.shape == shape
    for row in ids:
        found = row[row >= 0]
        assert len(set(found.tolist())) == len(found) and (found < n).all()
        assert (row[len(found) :] == -1).all()


@pytest.mark.long
@each
def test_recall_rises_along_the_sweep_up_to_brute_force(name):
    rival, index = RIVALS[name], built(name)
    _, queries, order = data(rival.dim)
    recalls = []
    for setting in rival.sweep:
        index.set_query(**setting)
        ids = index.search(queries, 10)
        recalls.append(recall(ids, order[:, :10].tolist()))
    assert recalls == sorted(recalls)
    assert recalls[-1] >= 0.9
    if len(recalls) > 1:
        assert recalls[0] < 0.9
    if rival.exact:
        np.testing.assert_array_equal(ids, order[:, :10])


@each
def test_one_query_at_a_time_gives_what_the_batch_gives(name):
    index, (_, queries, _) = tightest(name), data(RIVALS[name].dim)
    index.set_query(**RIVALS[name].sweep[len(RIVALS[name].sweep) // 2])
    single = np.concatenate([index.search(queries.part(i, i + 1), 10) for i in range(QUERIES)])
    if RIVALS[name].alike:
        np.testing.assert_array_equal(index.search(queries, 10), single)
    else:
        assert recall(index.search(queries, 10), single.tolist()) > 0.9


@each
@pytest.mark.parametrize("queries", [1, 3])
def test_more_neighbours_than_items_are_padded(name, queries):
    rival = RIVALS[name]
    n = max(5, rival.least)
    database, asked, _ = data(rival.dim)
    few = database.part(0, n)
    index = made(name, tiny=True).build(few)
    index.set_query(**rival.sweep[-1])
    ids = index.search(asked.part(0, queries), n + 4)
    assert_neighbours(ids, (queries, n + 4), n)
    assert np.sort(ids, axis=1).tolist() == [[-1] * 4 + list(range(n))] * queries


@each
def test_one_item_is_found_or_too_few_in_words(name):
    rival = RIVALS[name]
    database, queries, _ = data(rival.dim)
    one = database.part(0, 1)
    if rival.least > 1:
        with pytest.raises(ValueError, match=r"1 items? (are too few|of)"):
            made(name).build(one)
    else:
        assert made(name, tiny=True).build(one).search(queries.part(0, 2), 2).tolist() == [[0, -1]] * 2


@each
@pytest.mark.parametrize("queries", [1, 4])
def test_of_equal_items_each_is_an_answer_once(name, queries, one_thread):
    rival = RIVALS[name]
    rows = np.tile(data(rival.dim)[0].features[:1], (300, 1))
    index = made(name, tiny=True).build(Corpus(rows))
    assert_neighbours(index.search(Corpus(rows[:queries]), 300), (queries, 300), 300)
    assert_neighbours(index.search(Corpus(rows[:queries] + 1), 300), (queries, 300), 300)


@each
def test_no_queries_give_no_neighbours_and_no_items_are_refused(name):
    database, queries, _ = data(RIVALS[name].dim)
    assert tightest(name).search(queries.part(0, 0), 10).shape == (0, 10)
    with pytest.raises(ValueError, match="empty database"):
        made(name).build(database.part(0, 0))


@pytest.fixture
def one_thread(monkeypatch):
    """Graphs that are built in the items' order."""
    for module in (Hnswlib, Voyager, USearch, SVS, NGT):
        monkeypatch.setattr(sys.modules[module.__module__], "threads", lambda rows: 1)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


@each
def test_the_same_build_answers_the_same(name, one_thread):
    if not RIVALS[name].repeats:
        pytest.skip("the library takes no seed and draws its own")
    database, queries, _ = data(RIVALS[name].dim)
    first, second = (made(name).build(database).search(queries, 10) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["annoy", "hnswlib", "voyager", "faiss HNSW", "faiss IVF"])
def test_another_seed_builds_another_index(name, one_thread):
    database, queries, _ = data(24)
    indexes = [made(name) for _ in range(2)]
    for seed, index in enumerate(indexes):
        index.seed = seed
        index.build(database).set_query(**RIVALS[name].sweep[0])
    assert (indexes[0].search(queries, 10) != indexes[1].search(queries, 10)).any()


@pytest.mark.long
@each
def test_inputs_may_be_read_only_or_strided_and_are_not_changed(name, one_thread):
    rival = RIVALS[name]
    database, queries, order = data(rival.dim)
    rows, asked = (np.repeat(part.features, 2, axis=1)[:, ::2] for part in (database, queries))
    rows.flags.writeable = asked.flags.writeable = False
    before = rows.copy(), asked.copy()
    index = made(name).build(Corpus(rows))
    index.set_query(**rival.sweep[-1])
    ids = index.search(Corpus(asked), 10)
    assert recall(ids, order[:, :10].tolist()) >= 0.9
    np.testing.assert_array_equal(rows, before[0])
    np.testing.assert_array_equal(asked, before[1])


@each
def test_size_is_more_than_the_features_take_where_the_index_holds_them(name):
    features = data(RIVALS[name].dim)[0].features.nbytes
    size = tightest(name).size_bytes()
    assert size >= features if RIVALS[name].floats else features / 8 < size
    assert size < 6 * features


@pytest.mark.parametrize(
    "name", ["hnswlib", "voyager", "usearch f32", "scann", "svs", "ngt", "pynndescent", "lorann", "mrpt"]
)
def test_a_library_that_is_not_installed_is_unavailable_and_says_what_to_install(name, monkeypatch):
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda module: None)
    with pytest.raises(Unavailable, match=r"is not installed: pip install -e '\.\[ann(-source)?\]'"):
        RIVALS[name].make().check(None, None)
    with pytest.raises(Unavailable, match="is not installed"):
        RIVALS[name].make().build(data(RIVALS[name].dim)[0])


@given(st.integers(1, 60), st.integers(0, 60))
def test_a_graph_search_that_finds_too_few_is_asked_for_as_many_as_it_finds(k, there):
    def ask(wanted):
        if wanted > there:
            raise RuntimeError("too few")
        return np.arange(wanted, dtype=np.uint64)

    found = min(k, there)
    assert library.most(ask, k, RuntimeError).tolist() == [*range(found), *[-1] * (k - found)]


CHOSEN = [
    (Annoy, {"n_trees": 3, "search_k": 4, "seed": 5}),
    (Faiss, {"factory": "IVF9,Flat", "nprobe": 2, "ef_search": 3, "k_factor": 4, "qb": 5, "device": "cuda", "seed": 6}),
    (FaissBinary, {"kind": "multi_hash", "tables": 3, "key_bits": 7, "nflip": 0, "m": None, "seed": 6}),
    (FaissBinary, {"kind": "ivf", "centroids": 3, "nprobe": 2}),
    (FaissBinary, {"kind": "hnsw", "m": 3, "ef_search": 2}),
    (Hnswlib, {"m": 3, "ef_construction": 4, "ef": 5, "seed": 6}),
    (Voyager, {"m": 3, "ef_construction": 4, "ef": 5, "seed": 6}),
    (USearch, {"dtype": "f16", "m": 3, "ef_construction": 4, "ef": 5}),
    (ScaNN, {"leaves": 3, "leaves_to_search": 2, "reorder": 5}),
    (PyNNDescent, {"n_neighbors": 3, "epsilon": 0.4, "seed": 5}),
    (SVS, {"degree": 3, "build_window": 4, "search_window": 5}),
    (NGT, {"edges": 3, "epsilon": 0.4}),
    (LoRANN, {"clusters": 3, "global_dim": 96, "rank": 16, "clusters_to_search": 2, "points_to_rerank": 5}),
    (MRPT, {"depth": 3, "n_trees": 4, "votes": 2}),
    (TorchScan, {"device": "cpu"}),
]


@pytest.mark.parametrize(("plugin", "chosen"), CHOSEN)
def test_parameters_are_attributes_and_setting_what_is_set_changes_nothing(plugin, chosen):
    index = plugin(**chosen)
    every = {name: getattr(index, name) for name in inspect.signature(plugin).parameters}
    assert chosen.items() <= every.items()
    index.set_query(**{name: every[name] for name in index.query_parameters})
    assert {name: getattr(index, name) for name in every} == every


@dataclass(kw_only=True, eq=False)
class Sorted(LibraryIndex):
    """A library's index as its wrapper states it: the nearest of the first ``seen`` items, by numpy."""

    name = "sorted"
    module = "numpy"
    query_parameters = ("seen",)
    seen: Count = 10**6

    def _build(self, features):
        return features

    def _ask(self, vectors, k):
        found = by_distance(self._index[: self.seen], vectors)[:, :k]
        return np.pad(found, ((0, 0), (0, k - found.shape[1])), constant_values=-1)

    def size_bytes(self):
        return self._index.nbytes


def test_a_wrapper_of_a_library_states_its_parameters_and_calls_and_is_an_index():
    for check in conformance.checks("index"):
        with contextlib.suppress(NotAsked):
            check(Sorted)
    database, queries, order = data(24)
    index = Sorted(seen=ITEMS).build(database)
    np.testing.assert_array_equal(index.search(queries, 10), order[:, :10])
    index.set_query(seen=3)
    assert (index.search(queries, 5)[:, 3:] == -1).all()
    with pytest.raises(ValueError, match="sorted has the query parameters seen, not ef"):
        index.set_query(seen=4, ef=3)
    assert index.seen == 3


class Seen:
    """An index of faiss's make that notes the settings under which it is asked."""

    def search(self, queries, k):
        self.settings = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
        if k == 0:
            raise RuntimeError("k = 0")
        return None, np.zeros((len(queries), k), dtype=np.int64)


def test_faiss_answers_a_query_on_one_thread_and_a_batch_as_matrix_products_and_is_left_as_it_was():
    own = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    default = faiss.cvar.distance_compute_blas_threshold
    index = Seen()
    try:
        for queries, expected in ((1, (1, default)), (2, (2, default)), (20, (2, 1)), (240, (2, 1))):
            calls.search(index, np.zeros((queries, 512), dtype=np.float32), 3)
            assert index.settings == expected
            assert (faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold) == (2, default)
            with pytest.raises(RuntimeError):
                calls.search(index, np.zeros((queries, 512), dtype=np.float32), 0)
            assert (faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold) == (2, default)
    finally:
        faiss.omp_set_num_threads(own)


def test_query_parameters_of_faiss_reach_the_inner_index_and_none_is_its_default():
    index = Faiss(factory="PCA16,IVF30,PQ8x4fs,RFlat", nprobe=7).build(data(24)[0])
    inner = faiss.extract_index_ivf(index._index)
    assert (inner.nprobe, index._index.k_factor) == (7, 1)
    index.set_query(nprobe=None, k_factor=9)
    assert (inner.nprobe, index._index.k_factor) == (1, 9)
    index.set_query(k_factor=None)
    assert index._index.k_factor == 1
    coarse = Faiss(factory="IVF30_HNSW8,Flat", ef_search=77).build(data(24)[0])
    assert faiss.downcast_index(coarse._index.quantizer).hnsw.efSearch == 77
    bits = Faiss(factory="IVF30,RaBitQ,RFlat", qb=2).build(data(24)[0])
    assert faiss.downcast_index(bits._index.base_index).qb == 2


def test_flat_scans_alone_state_their_cost():
    database, _, _ = data(24)
    size = 4.0 * ITEMS * 24
    for index in (Faiss(), TorchScan(device="cpu")):
        assert index.build(database).query_cost() == (size, size / 2)
    flat = FaissBinary().build(near_centres(ITEMS, QUERIES, BITS)[0])
    assert flat.query_cost() == (8.0 * ITEMS, 0)
    assert not any(hasattr(one, "query_cost") for one in (Faiss(factory="HNSW16"), FaissBinary(kind="hash"), SVS()))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("make", [TorchScan, lambda: Faiss(device="cuda")])
def test_without_a_gpu_an_index_for_one_is_unavailable(make):
    with pytest.raises(Unavailable, match=r"device = 'cuda': .* finds no GPU"):
        make().check(24, None)
    with pytest.raises(Unavailable, match="finds no GPU"):
        make().build(data(24)[0])


def test_torch_scans_in_blocks(monkeypatch):
    monkeypatch.setattr("methods.search.libraries.torch_scan.BLOCK_BYTES", 7 * 4 * ITEMS)
    database, queries, order = data(24)
    before = torch.get_num_threads()
    index = TorchScan(device="cpu").build(database)
    np.testing.assert_array_equal(index.search(queries, 10), order[:, :10])
    index.search(queries.part(0, 1), 3)
    assert torch.get_num_threads() == before


def test_i8_is_for_features_of_one_length():
    pytest.importorskip("usearch")
    database, queries, _ = data(24)
    with pytest.raises(ValueError, match="dtype = 'i8' keeps directions alone"):
        USearch(dtype="i8").build(database)
    units = [3 * part.features / np.linalg.norm(part.features, axis=1, keepdims=True) for part in (database, queries)]
    index = USearch(dtype="i8", ef=500).build(Corpus(units[0]))
    assert recall(index.search(Corpus(units[1]), 10), by_distance(*units)[:, :10].tolist()) > 0.9


def test_soar_is_for_features_of_one_length_and_finds_more_in_as_many_leaves():
    pytest.importorskip("scann")
    database, queries, _ = data(24)
    with pytest.raises(ValueError, match="soar_lambda is for inner products: features need one length, not"):
        ScaNN(leaves=20, soar_lambda=1.5).build(database)
    units = [part.features / np.linalg.norm(part.features, axis=1, keepdims=True) for part in (database, queries)]
    nearest = by_distance(*units)[:, :10].tolist()
    found = {}
    for amplification in (None, 1.5):
        index = ScaNN(leaves=20, leaves_to_search=4, reorder=ITEMS, soar_lambda=amplification).build(Corpus(units[0]))
        found[amplification] = recall(index.search(Corpus(units[1]), 10), nearest)
        index.set_query(leaves_to_search=20)
        assert recall(index.search(Corpus(units[1]), 10), nearest) == 1
    assert found[1.5] > found[None]


BINARY = {
    "flat": (FaissBinary, [{}]),
    "hash": (lambda: FaissBinary(kind="hash", key_bits=8), [{"nflip": n} for n in (0, 2, 8)]),
    "multi_hash": (
        lambda: FaissBinary(kind="multi_hash", tables=6, key_bits=8),
        [{"nflip": n} for n in (0, 1, 8)],
    ),
    "ivf": (lambda: FaissBinary(kind="ivf", centroids=30), [{"nprobe": n} for n in (1, 4, 30)]),
    "hnsw": (lambda: FaissBinary(kind="hnsw", m=16), [{"ef_search": n} for n in (1, 30, 500)]),
}
kinds = pytest.mark.parametrize("kind", BINARY)


@kinds
@pytest.mark.parametrize("k", [1, HEAP_BELOW - 1, HEAP_BELOW, 200])
def test_codes_at_their_tightest_setting_are_as_near_as_those_of_brute_force(kind, k):
    make, sweep = BINARY[kind]
    database, queries, distances = near_centres(ITEMS, QUERIES, BITS)
    index, best = make().build(database), np.sort(distances, axis=1)[:, :k]
    shares = []
    for setting in sweep:
        index.set_query(**setting)
        ids = index.search(queries, k)
        assert_neighbours(ids, (QUERIES, k), ITEMS)
        found = np.where(ids >= 0, np.take_along_axis(distances, ids, axis=1), BITS + 1)
        assert (np.diff(found, axis=1) >= 0).all()
        shares.append((found <= best[:, -1:]).mean())
    assert shares == sorted(shares)
    assert shares[-1] == 1 if kind != "hnsw" else shares[-1] >= 0.9
    single = [index.search(queries.part(i, i + 1), k)[0] for i in range(QUERIES)]
    np.testing.assert_array_equal(np.take_along_axis(distances, np.array(single), axis=1), found)


@kinds
def test_codes_of_48_bits_are_searched_as_64(kind):
    assert BINARY[kind][0]().build(near_centres(ITEMS, QUERIES, BITS)[0])._index.d == 64


@kinds
def test_a_binary_index_of_equal_codes_pads_and_repeats_and_knows_its_size(kind):
    make, sweep = BINARY[kind]
    database, queries, _ = near_centres(ITEMS, QUERIES, BITS)
    equal = Corpus(codes=Codes(np.repeat(database.codes.words[:1], 40, axis=0), BITS))
    index = make().build(equal)
    index.set_query(**sweep[-1])
    ids = index.search(queries.part(0, 3), 50)
    assert_neighbours(ids, (3, 50), 40)
    assert kind == "hnsw" or (ids[:, :40] >= 0).all()
    assert index.search(queries.part(0, 0), 5).shape == (0, 5)
    np.testing.assert_array_equal(make().build(equal).search(queries, 9), make().build(equal).search(queries, 9))
    size = make().build(database).size_bytes()
    assert size >= ITEMS * 8 * (1 + {"flat": 0, "hash": 1, "multi_hash": 6}.get(kind, 1))
    assert make().build(database).paper_bytes() == ITEMS * BITS // 8


MISUSE = [
    (lambda c: Annoy(n_trees=0), "n_trees = 0"),
    (lambda c: Annoy(search_k=-1), "search_k = -1"),
    (lambda c: Annoy().set_query(ef=3), "annoy has the query parameters search_k, not ef"),
    (lambda c: Annoy().build(c).search(c, 0), "k = 0"),
    (lambda c: Annoy().build(c).search(Corpus(c.features[:, :9]), 3), "the queries have 9 dimensions, annoy"),
    (lambda c: Annoy().build(Corpus(codes=Codes.pack(c.features))), "annoy searches features"),
    (lambda c: Faiss(factory="Nonsense").check(24, None), "factory = 'Nonsense' with 24 dimensions: could not parse"),
    (lambda c: Faiss(factory="IVF9,PQ7").check(24, None), "factory = 'IVF9,PQ7' with 24 dimensions: "),
    (lambda c: Faiss(factory="PCA99,Flat").build(c), "factory = 'PCA99,Flat' with 300 items of 24 dimensions: "),
    (lambda c: Faiss(factory="IVF301,Flat").build(c), "factory = 'IVF301,Flat' with 300 items of 24 dim"),
    (lambda c: Faiss(nprobe=3).check(24, None), "nprobe = 3: the index 'Flat' has none"),
    (lambda c: Faiss(factory="IVF9,Flat", k_factor=3).check(24, None), "k_factor = 3: the index 'IVF9,Flat' has none"),
    (lambda c: Faiss().build(c).set_query(ef_search=5), "ef_search = 5: the index 'Flat' has none"),
    (lambda c: Faiss(nprobe=0), "nprobe = 0"),
    (lambda c: Faiss(factory="RaBitQ", qb=9), "qb = 9 must be an integer of at least 1 and at most 8, or None"),
    (lambda c: Faiss(device="tpu"), "device = 'tpu' must be one of cpu, cuda"),
    (lambda c: Faiss().set_query(ef=3), "faiss has the query parameters nprobe, ef_search, k_factor, qb, not ef"),
    (lambda c: FaissBinary(kind="tree"), "kind = 'tree' must be one of flat, hash"),
    (lambda c: FaissBinary(nprobe=3), "nprobe = 3: kind = 'flat' takes no parameters"),
    (lambda c: FaissBinary(kind="ivf", m=3), "m = 3: kind = 'ivf' takes centroids, nprobe"),
    (lambda c: FaissBinary(kind="hash", key_bits=4, nflip=5), "nflip = 5 must be at most key_bits = 4"),
    (lambda c: FaissBinary(kind="hash").set_query(nflip=-1), "nflip = -1"),
    (lambda c: FaissBinary(kind="hash").set_query(key_bits=8), "query parameters nflip, not key_bits"),
    (lambda c: FaissBinary(kind="hnsw", m=1), "m = 1 must be an integer of at least 2"),
    (lambda c: FaissBinary(kind="multi_hash", tables=4).check(None, 48), "tables = 4 of key_bits = 16 need longer"),
    (lambda c: FaissBinary(kind="ivf", centroids=301).build(codes_of(c)), "300 items are too few, kind = 'ivf' needs"),
    (lambda c: FaissBinary().build(Corpus(codes=Codes.pack(c.features[:0]))), "0 items"),
    (lambda c: FaissBinary().build(c), "faiss_binary searches codes"),
    (lambda c: FaissBinary().build(codes_of(c)).search(Corpus(codes=Codes.pack(c.features[:, :9])), 3), "9 bits"),
    (lambda c: FaissBinary().build(codes_of(c)).search(codes_of(c), 0), "k = 0"),
    (lambda c: Hnswlib(m=1), "m = 1 must be an integer of at least 2"),
    (lambda c: Hnswlib(ef=0), "ef = 0"),
    (lambda c: Hnswlib(ef_construction=0), "ef_construction = 0"),
    (lambda c: Voyager(m=1), "m = 1"),
    (lambda c: Voyager().set_query(ef=0.5), "ef = 0.5"),
    (lambda c: USearch(dtype="f8"), "dtype = 'f8' must be one of f32, f16, i8"),
    (lambda c: USearch(m=1), "m = 1"),
    (lambda c: ScaNN(leaves=0), "leaves = 0"),
    (lambda c: ScaNN(reorder=0), "reorder = 0"),
    (lambda c: ScaNN(soar_lambda=0), "soar_lambda = 0 must be a number above 0"),
    (lambda c: RaBitQLib(kind="tree"), "kind = 'tree' must be one of ivf, hnsw, symphony"),
    (lambda c: RaBitQLib(kind="hnsw", nprobe=3), "nprobe = 3: kind = 'hnsw' takes nbits, clusters, m"),
    (lambda c: RaBitQLib(degree=32), "degree = 32: kind = 'ivf' takes nbits, clusters, nprobe"),
    (lambda c: RaBitQLib(nbits=10), "nbits = 10 must be an integer of at least 1 and at most 9"),
    (lambda c: RaBitQLib().set_query(ef=3), "ef = 3: kind = 'ivf' takes"),
    (lambda c: RaBitQLib().check(63, None), "rabitqlib needs at least 64 dimensions, not 63"),
    (lambda c: PyNNDescent(n_neighbors=1), "n_neighbors = 1"),
    (lambda c: PyNNDescent(epsilon=-0.1), "epsilon = -0.1"),
    (lambda c: SVS(degree=0), "degree = 0"),
    (lambda c: SVS().set_query(search_window="all"), "search_window = 'all'"),
    (lambda c: NGT(edges=0), "edges = 0"),
    (lambda c: NGT(epsilon=-2), "epsilon = -2"),
    (lambda c: LoRANN(rank=8), "rank = 8 must be one of 16, 32, 64"),
    (
        lambda c: LoRANN(global_dim=100),
        "global_dim = 100 must be an integer of at least 32 and a multiple of 32, or None",
    ),
    (lambda c: MRPT(n_trees=10, votes=11), "votes = 11 must be at most n_trees = 10"),
    (lambda c: TorchScan(device="tpu"), "device = 'tpu' must be one of cuda, cpu"),
    (lambda c: TorchScan().set_query(ef=3), "torch_scan has no query parameters, not ef"),
    (lambda c: IVFADC(centroids=0.5), "centroids = 0.5 must be an integer"),
]


def codes_of(corpus):
    return Corpus(codes=Codes.pack(corpus.features))


@pytest.mark.parametrize(("misuse", "message"), MISUSE)
def test_misuse_is_a_value_error_in_words(misuse, message):
    with pytest.raises(ValueError, match=message):
        misuse(data(24)[0].part(0, 300))


def test_lorann_needs_long_features():
    pytest.importorskip("lorann", reason="lorann is not installed: pip install -e '.[ann-source]'")
    with pytest.raises(ValueError, match=r"rank = 32, global_dim = None needs 64 dimensions, not 24"):
        LoRANN().check(24, None)
    with pytest.raises(ValueError, match=r"rank = 64, global_dim = 128 needs 128 dimensions, not 96"):
        LoRANN(rank=64, global_dim=128).check(96, None)


def test_training_on_few_items_is_silent(capfd):
    Faiss(factory="PCA16,IVF30,PQ8x4fs,RFlat").build(data(24)[0].part(0, 300))
    FaissBinary(kind="ivf", centroids=30).build(codes_of(data(24)[0].part(0, 300)))
    assert capfd.readouterr() == ("", "")


def test_importing_the_plugins_imports_none_of_the_libraries():
    libraries = "annoy hnswlib voyager usearch scann pynndescent svs ngt lorann mrpt torch_scan"
    plugins = ["faiss.features", "faiss.codes", *(f"libraries.{name}" for name in libraries.split())]
    heavy = "annoy faiss hnswlib voyager usearch scann pynndescent svs ngtpy lorann mrpt torch numba sklearn"
    program = (
        f"import sys; {'; '.join(f'import methods.search.{name}' for name in plugins)}; "
        f"print(set({heavy!r}.split()) & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    answer = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
