"""A sharded index: exact shards make the exact answer; its keys and parameters are those of what it is made of."""

import gc
import socket
import time

import numpy as np
import pytest

from bench.conformance import data
from bench.interfaces import Codes, Corpus, Unavailable, Unsuitable
from bench.plugins import choices, registry
from bench.plugins.choices import Choice
from methods.search import shards
from methods.search.sharded import Sharded
from tests.workers import cluster

RNG = np.random.default_rng(0)
DATABASE, QUERIES = data.corpora()


def by_distance(distances, k):
    """By (distance, id), -1 padded."""
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.pad(order, ((0, 0), (0, k - order.shape[1])), constant_values=-1)


@pytest.mark.parametrize("shards", [1, 3, 7])
@pytest.mark.parametrize("k", [1, 10, 300, 700])
def test_exact_shards_make_the_exact_answer_with_ties_by_id(shards, k):
    features = ((QUERIES.features[:, None].astype("f8") - DATABASE.features) ** 2).sum(axis=2)
    codes = (QUERIES.codes.unpack()[:, None] != DATABASE.codes.unpack()).sum(axis=2)
    for of, distances in (("linear_scan", features), ("hamming_scan", codes)):
        index = Sharded(of=of, shards=shards).build(DATABASE)
        np.testing.assert_array_equal(index.search(QUERIES, k), by_distance(distances, k))


def test_each_shard_is_built_on_its_part_and_asked_as_it_would_be_alone():
    index = Sharded(of="faiss", parameters="factory=IVF8,Flat", query="nprobe=2", shards=2).build(DATABASE)
    halves = [registry.build("index", "faiss", {"factory": "IVF8,Flat", "nprobe": 2}) for _ in range(2)]
    found = [
        half.build(DATABASE.part(at, at + 320)).search(QUERIES, 5) for half, at in zip(halves, (0, 320), strict=True)
    ]
    merged = np.hstack([found[0], found[1] + 320])
    for query, row, ids in zip(QUERIES.features, merged, index.search(QUERIES, 5), strict=True):
        distances = ((DATABASE.features[row] - query) ** 2).sum(axis=1)
        assert ids.tolist() == [row[i] for i in np.lexsort((row, distances))[:5]]


def test_query_parameters_reach_all_shards_and_what_is_left_out_is_as_by_default():
    index = Sharded(of="faiss", parameters="factory=IVF8,Flat", shards=2).build(DATABASE)
    by_default = index.search(QUERIES, 100)
    index.set_query(query="nprobe=8")
    assert index.query == "nprobe=8"
    exact = Sharded(of="linear_scan").build(DATABASE).search(QUERIES, 100)
    np.testing.assert_array_equal(index.search(QUERIES, 100), exact)
    assert (by_default != exact).any()
    index.set_query(query="")
    np.testing.assert_array_equal(index.search(QUERIES, 100), by_default)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"of": "no_such"}, "of = 'no_such' must be the name of one other index"),
        ({"of": "sharded"}, "of = 'sharded' must be the name of one other index"),
        ({"of": "asymmetric_scan"}, "orders by real codes"),
        ({"shards": 0}, "shards = 0 must be an integer of at least 1"),
        ({"scheduler": "localhost:8786"}, "scheduler = 'localhost:8786' must be the address of a Dask scheduler"),
        ({"scheduler": "tcp://"}, "scheduler = 'tcp://' must be the address of a Dask scheduler"),
        ({"query": "nprobe"}, "query = 'nprobe': 'nprobe' must be NAME=VALUE"),
        ({"of": "faiss", "query": "nprobe=none"}, "query = 'nprobe=none': nprobe = 'none'"),
        ({"of": "faiss", "query": "factory=Flat"}, "faiss has the query parameters .*, not factory"),
        ({"of": "faiss", "parameters": "factor=Flat"}, "parameters = 'factor=Flat', .*factor"),
        ({"of": "faiss", "parameters": 'factory="Flat"; seed=-1'}, "seed = -1 must be"),
    ],
)
def test_what_it_cannot_be_made_of_is_refused_by_name(parameters, words):
    with pytest.raises(ValueError, match=words):
        Sharded(**parameters)


def test_fewer_items_than_shards_and_what_the_index_refuses_are_unsuitable():
    with pytest.raises(Unsuitable, match="2 items are too few for shards = 3"):
        Sharded(shards=3).build(DATABASE.part(0, 2))
    with pytest.raises(Unsuitable, match="centroids = 300"):
        Sharded(of="faiss_ondisk", shards=3).build(DATABASE)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The address of a scheduler with two workers."""
    distributed = pytest.importorskip("distributed")
    with cluster(tmp_path_factory.mktemp("cluster"), ["one", "two"]) as (address, _):
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2)
        yield address


@pytest.mark.parametrize(
    ("of", "parameters", "query"), [("faiss", "factory=IVF8,Flat", "nprobe=2"), ("hamming_scan", "", "")]
)
def test_shards_on_workers_answer_as_shards_here(scheduler, of, parameters, query):
    made = [Sharded(of=of, parameters=parameters, query=query, shards=3, scheduler=at) for at in ("", scheduler)]
    here, afar = (one.build(DATABASE) for one in made)
    for asked in (QUERIES, QUERIES.part(0, 1)):
        np.testing.assert_array_equal(afar.search(asked, 10), here.search(asked, 10))
    assert afar.size_bytes() == here.size_bytes()
    for one in (here, afar) if query else ():
        one.set_query(query="nprobe=8")
    np.testing.assert_array_equal(afar.search(QUERIES, 100), here.search(QUERIES, 100))


def test_shards_are_on_all_workers_and_end_with_the_index(scheduler):
    distributed = pytest.importorskip("distributed")
    index = Sharded(shards=3, scheduler=scheduler).build(DATABASE)
    with distributed.Client(scheduler, set_as_default=False) as client:

        def held():
            return sum(bool(keys) for keys in client.has_what().values())

        assert held() == 2
        del index
        gc.collect()
        deadline = time.monotonic() + 20
        while held() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert held() == 0


def test_what_a_shard_on_a_worker_refuses_comes_through(scheduler):
    with pytest.raises(Unsuitable, match="centroids = 300"):
        Sharded(of="faiss_ondisk", shards=3, scheduler=scheduler).build(DATABASE)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(shards, "CONNECT_SECONDS", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ValueError, match=f"scheduler = '{address}' does not answer"):
        Sharded(scheduler=address).start()


def test_without_dask_a_scheduler_is_unavailable(monkeypatch):
    monkeypatch.setattr(shards.importlib.util, "find_spec", lambda module: None)
    Sharded().check(8, None)
    with pytest.raises(Unavailable, match=r"pip install -e '\.\[cluster\]'"):
        Sharded(scheduler="tcp://somewhere:8786").check(8, None)


def test_equal_codes_of_two_words_come_by_id():
    codes = Codes.pack(np.repeat(RNG.random((3, 70)) < 0.5, 4, axis=0))
    found = Sharded(of="hamming_scan", shards=5).build(Corpus(codes=codes)).search(Corpus(codes=codes), 4)
    assert found.tolist() == [list(range(row // 4 * 4, row // 4 * 4 + 4)) for row in range(12)]


def test_its_key_holds_the_source_of_the_index_that_it_is_made_of(monkeypatch):
    asked = []
    monkeypatch.setattr(choices, "source_identity", lambda module: asked.append(module) or f"source of {module}")
    given = choices.keyed_parameters("index", Choice("sharded", {"of": "hamming_scan", "shards": 3}))
    assert given == {"of": ["hamming_scan", "source of methods.search.codes.scans"], "shards": 3}
    choices.keyed_parameters("index", Choice("sharded"))
    assert asked == ["methods.search.codes.scans", "methods.search.features.linear_scan"]
    assert choices.keyed_parameters("index", Choice("faiss", {"factory": "Flat"})) == {"factory": "Flat"}
