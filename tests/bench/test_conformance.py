"""Every built-in plugin passes its checks; what comes of a check is a verdict, in a test or on the command line."""

import json
import os
import socket
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass

import h5py
import numba
import numpy as np
import pytest
import torch

from bench import conformance
from bench.conformance import NotAsked, data
from bench.conformance.arrays import array_bytes
from bench.interfaces import Unavailable
from bench.plugins import registry
from tests.clip_files import add_tiny
from tests.conftest import CHECKOUT, bench
from tests.datasets.conftest import encoded, write, write_parquet
from tests.onnx_files import convolution
from tests.test_add_a_method import block

OTHERS = {
    "index": [
        ("hash_tables", {"cut": "asymmetric", "key_bits": 8, "mode": "tables"}),
        ("faiss", {"factory": "IVF20,Flat"}),
        ("faiss", {"factory": "HNSW16"}),
        *[("faiss_binary", {"kind": kind}) for kind in ("hash", "multi_hash", "ivf", "hnsw")],
        ("torch_scan", {"device": "cpu"}),
        ("sharded", {"of": "hamming_scan", "shards": 3}),
        ("sharded", {"of": "faiss", "parameters": "factory=IVF8,Flat", "query": "nprobe=4"}),
        *[("pgvector", {"kind": kind}) for kind in ("ivfflat", "flat")],
        ("qdrant_edge", {"kind": "hnsw_binary"}),
        *[
            (name, {"reorder": 50})
            for name in ("pgvector_binary", "sqlite_vec_binary", "duckdb_binary", "lancedb_binary")
        ],
    ],
    "reranker": [("int8", {"dims": 16})],
}
"""Settings besides the usual ones."""

LISTS = ("nus_wide", "coco", "mirflickr25k")
IMAGES = ("food101", "cub200", "aircraft", "nabirds", "vegfru", *LISTS)
FILES = (*IMAGES, "parquet", "image_folder", "vectors", "hdf5", "codes", "image_lists", "cifar10")
PARAMETERS = {
    "cifar10": {"full": False, "queries_per_class": 1, "train_per_class": 1},
    "onnx": {"image_size": 16, "resize": 16, "pooling": "mean"},
}
SLOW = pytest.mark.skipif("BENCH_SLOW" not in os.environ, reason="compiles for a minute; BENCH_SLOW=1 runs it")


def built_in():
    """Every plugin of this checkout by kind and name, with parameters."""
    for kind in registry.GROUPS:
        for name, point in registry.plugins(kind).items():
            if point.module.split(".")[0] in ("methods", "datasets"):
                yield kind, name, PARAMETERS.get(name, {"full": False} if name in IMAGES else {})
        for name, values in OTHERS.get(kind, ()):
            yield kind, name, values


def is_long(kind, name):
    """Whether it starts an engine or trains a network."""
    return registry.plugins(kind)[name].module.startswith(("methods.search.systems", "methods.hashing.deep"))


def cases():
    for kind, name, values in built_in():
        for check in conformance.checks(kind):
            label = "-".join([name, *[str(value) for key, value in values.items() if key != "full"], check.__name__])
            marks = [SLOW] if name == "pynndescent" else [pytest.mark.long] if is_long(kind, name) else []
            yield pytest.param(kind, name, values, check, id=label, marks=marks)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A check that connects to anything fails."""

    def refuse(self, address):
        raise AssertionError(f"it connects to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Toy batches are too small to share; SVS's threads spin while they wait for each other.

    numba shares torch's OpenMP, and sets the number of its threads when it is first used.
    """
    numba.get_num_threads()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.search.libraries.svs.threads", lambda rows: 1)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Each data set's files, in a folder of its name: two classes, four train images and two test images."""
    root, names, lists = tmp_path_factory.mktemp("data"), ("Albatross", "Auklet"), defaultdict(list)
    parts = {"train": range(4), "test": range(4, 6)}
    aircraft, birds = "aircraft/fgvc-aircraft-2013b/data", ("cub200/CUB_200_2011", "nabirds/nabirds")
    for part, row in [(part, row) for part, rows in parts.items() for row in rows]:
        image, label = f"{names[row % 2]}/{row}", row % 2
        trees = [f"{place}/images" for place in ("food101/food-101", *birds)]
        for tree in (*trees, "vegfru/vegfru/veg200_images", f"image_folder/{part}"):
            write(root / tree / f"{image}.jpg", encoded(row, "JPEG", (8, 8)))
        write(root / aircraft / f"images/{row:07}.jpg", encoded(row, "JPEG", (8, 30)))
        split = "trainval" if part == "train" else "test"
        lists[f"{aircraft}/images_variant_{split}.txt"].append(f"{row:07} {names[label]}")
        lists[f"vegfru/vegfru/vegfru_list/vegfru_{part}.txt"].append(f"veg200_images/{image}.jpg {label}")
        for place in birds:
            lists[f"{place}/classes.txt"] = [f"{number + 1} {name}" for number, name in enumerate(names)]
            lists[f"{place}/images.txt"].append(f"{row + 1} {image}.jpg")
            lists[f"{place}/image_class_labels.txt"].append(f"{row + 1} {label + 1}")
            lists[f"{place}/train_test_split.txt"].append(f"{row + 1} {int(part == 'train')}")
    lists[f"{aircraft}/variants.txt"] = names
    for part, rows in parts.items():
        images = {name: [f"{name}/{row}" for row in rows if row % 2 == label] for label, name in enumerate(names)}
        lists[f"food101/food-101/meta/{part}.json"] = [json.dumps(images)]
        vectors = np.random.default_rng(len(rows)).standard_normal((len(rows), 5), dtype=np.float32)
        listed = "database" if part == "train" else "test"
        for place in (*LISTS, "image_lists"):
            lists[f"{place}/{listed}.txt"] = [f"{row}.jpg {row % 2} 1" for row in rows]
            for row in rows:
                write(root / f"{place}/images/{row}.jpg", encoded(row, "JPEG", (8, 8)))
        for name in ("parquet", "vectors", "hdf5", "codes"):
            (root / name).mkdir(exist_ok=True)
        contents = [encoded(row) for row in rows]
        write_parquet(root / f"parquet/{part}-00000-of-00001.parquet", contents, [row % 2 for row in rows], "AB")
        np.save(root / f"vectors/{part}.npy", vectors)
        np.save(root / f"vectors/{part}_labels.npy", np.array(rows) % 2)
        name = {"train": "database", "test": "query"}[part]
        np.save(root / f"codes/{name}.npy", np.packbits(vectors > 0, axis=1))
        np.save(root / f"codes/{name}_vectors.npy", vectors)
        with h5py.File(root / "hdf5/small.hdf5", "a") as file:
            file.attrs["distance"] = "angular"
            file[part] = vectors
    for number, name in enumerate((*[f"data_batch_{one}" for one in range(1, 6)], "test_batch")):
        rng = np.random.default_rng(number)
        record = [bytes([label]) + rng.bytes(3072) for label in (0, 1)]
        write(root / f"cifar10/cifar-10-batches-bin/{name}.bin", b"".join(record))
    lists["cifar10/cifar-10-batches-bin/batches.meta.txt"] = names
    for path, lines in lists.items():
        write(root / path, "\n".join(lines).encode())
    return root


@pytest.mark.parametrize(("kind", "name", "values", "check"), cases())
def test_a_built_in_plugin_conforms(kind, name, values, check, request):
    if name in FILES:
        values = {**values, "data_dir": str(request.getfixturevalue("folder") / name)}
    if name == "onnx":
        path = request.getfixturevalue("tmp_path") / "tiny.onnx"
        path.write_bytes(convolution(np.random.default_rng(0).standard_normal((5, 3, 3, 3)), 16))
        values = {**values, "path": str(path)}
    if name == "open_clip":
        values = {**values, "model": add_tiny(request.getfixturevalue("tmp_path"))}
    if name.startswith("pgvector"):  # one server for all
        values = {**values, "address": request.getfixturevalue("postgres")}
    check(conformance.maker(kind, name, values))


@pytest.mark.parametrize("name", FILES)
def test_a_data_set_without_its_files_is_skipped_and_says_what_to_give(name):
    verdicts = list(conformance.verdicts("dataset", conformance.maker("dataset", name, {})))
    assert {verdict.status for verdict in verdicts} == {"skipped"}
    assert f"--set {name}.data_dir=DIR" in verdicts[0].reason


def test_a_network_typed_alone_is_made_small_and_what_is_set_goes_first():
    assert conformance.maker("hasher", "exchnet", {"bits": 24})().choice.weights == "none"
    assert conformance.maker("hasher", "exchnet", {"bits": 24})().bits == 24
    assert conformance.maker("hasher", "exchnet", {})(bits=70).bits == 70


def test_check_parameters_that_are_none_are_refused_by_name(monkeypatch):
    plugin = registry.load("hasher", "lsh")
    for wrong, words in (([1], "check_parameters of LSH"), ({"epoch": 1}, "unknown parameter 'epoch' of lsh")):
        monkeypatch.setattr(plugin, "check_parameters", wrong, raising=False)
        with pytest.raises(ValueError, match=words):
            conformance.maker("hasher", "lsh", {})


def test_verdicts_are_a_line_each_whatever_a_plugin_raises():
    class Odd:
        reads, query_parameters = ("features",), ()

        def build(self, database):
            return self

        def search(self, queries, k):
            raise RuntimeError("out\nof order")

    lines = [str(verdict) for verdict in conformance.verdicts("index", Odd)]
    assert len(lines) == len(conformance.checks("index")) and all("\n" not in line for line in lines)
    assert "skipped  check_is_cheap_and_agrees_with_build: it has no check" in lines
    assert "failed   answers_are_ids: RuntimeError: out of order" in lines


def test_what_is_unavailable_is_skipped_with_its_reason():
    class Missing:
        def fit(self, train, context):
            raise Unavailable("toy_library is not installed: pip install toy_library")

    verdicts = list(conformance.verdicts("embedder", Missing))
    assert {verdict.status for verdict in verdicts} == {"skipped"}
    assert verdicts[0].reason == "toy_library is not installed: pip install toy_library"
    with pytest.raises(NotAsked, match="toy_library"):
        conformance.checks("embedder")[0](Missing)


def test_reachable_arrays_are_counted_once_through_containers_slots_and_views(tmp_path):
    @dataclass
    class Held:
        rows: np.ndarray
        more: dict

    class Slotted:
        __slots__ = ("array", "empty")

    whole, other, slotted = np.zeros(100), np.zeros(50, np.uint8), Slotted()
    slotted.array = np.zeros(7, np.uint8)
    mapped = np.lib.format.open_memmap(tmp_path / "m.npy", "w+", np.float64, (99,))
    held = Held(whole[:3], {"a": [(other, whole)], "b": {1, 2}, "c": slotted, "d": mapped, "e": np.zeros, "f": np})
    held.more["self"] = held
    assert array_bytes(held) == 800 + 50 + 7


def test_data_are_the_same_each_time_and_exact_in_float32():
    database, queries = data.corpora()
    again, _ = data.corpora()
    np.testing.assert_array_equal(database.features, again.features)
    norms = (database.features.astype(np.float64) ** 2).sum(axis=1)
    assert norms.max() < 2**24 and (database.features == np.round(database.features)).all()
    assert (np.abs(database.real_codes) < 2**24).all() and len(np.unique(database.codes.words)) > data.ITEMS / 2
    assert (queries.features[-1] == queries.features[-2]).all()


@pytest.mark.long
def test_the_documented_example_conforms_by_the_documented_test(tmp_path):
    for name in ("my_hasher.py", "test_my_hasher.py"):
        (tmp_path / name).write_text(block(name))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(CHECKOUT)])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout and "skipped" in done.stdout


def test_the_command_prints_a_line_a_check_and_ends_with_1_where_one_fails():
    done = bench("check", "toy_wrong_ids")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "index toy_wrong_ids" and len(lines) == 1 + len(conformance.checks("index"))
    failed = "  failed   answers_are_ids: 24 queries for 1 neighbours of 640 items: search returned ids from 640"
    assert any(line.startswith(failed) for line in lines)
    assert f"of {len(lines) - 1} checks failed" in done.stderr


def test_the_command_names_a_folder_that_is_not_there_in_one_line(tmp_path):
    done = bench("check", "food101", "--set", f"food101.data_dir={tmp_path / 'none'}")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert str(tmp_path / "none") in done.stderr


@pytest.mark.parametrize("setting", ["toy_scan.needed_by=build", "needed_by=build"])
def test_the_command_sets_parameters_and_an_unavailable_plugin_is_no_failure(setting):
    done = bench("check", "toy_scan", "--kind", "index", "--set", setting)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()[1:]} == {"skipped"}
    assert "toy_library is not installed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("toy_scam",), ("unknown plugin 'toy_scam'", "did you mean 'toy_scan'?")),
        (("toy_scan", "--kind", "hasher"), ("unknown hasher 'toy_scan'",)),
        (("toy_scan", "--kind", "idex"), ("unknown kind 'idex'", "did you mean 'index'?")),
        (("toy_scan", "--set", "toy.reach=3"), ("expected parameter=value or toy_scan.parameter=value",)),
        (("toy_scan", "--set", "depth=3"), ("unknown parameter 'depth' of toy_scan",)),
        (("toy_scan", "--set", "toy_scan.depth=3"), ("unknown parameter 'depth' of toy_scan",)),
    ],
)
def test_a_name_or_a_parameter_that_is_unknown_is_one_line_and_exit_code_2(arguments, words):
    done = bench("check", *arguments)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr
