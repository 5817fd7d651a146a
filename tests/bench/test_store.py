import json

import numpy as np
import pytest

from bench.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_what_is_written_is_read(store):
    store.write("features", "abc", {"dim": 3}, {"x": np.arange(6).reshape(2, 3)})
    entry = store.read("features", "abc")
    assert store.has("features", "abc") and entry.meta == {"dim": 3}
    assert entry.arrays["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_second_write_replaces_the_first(store):
    store.write("k", "a", {"v": 1}, {"x": np.zeros(2)})
    store.write("k", "a", {"v": 2}, {})
    assert store.read("k", "a").meta == {"v": 2} and not store.read("k", "a").arrays


def test_a_write_that_dies_half_way_leaves_nothing_to_see(store, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.store._replace", die)
    with pytest.raises(KeyboardInterrupt):
        store.write("k", "a", {}, {"x": np.zeros(2)})
    assert not store.has("k", "a") and not list(store.root.glob("k/*"))


def test_a_flipped_bit_is_found_and_named(store):
    store.write("k", "a", {}, {"x": np.zeros(100)})
    path = store.path("k", "a") / "x.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npy is damaged"):
        store.read("k", "a")


def test_an_array_that_takes_a_large_share_of_memory_is_mapped(store, monkeypatch):
    store.write("features", "k", {}, {"rows": np.arange(6.0)})
    assert not isinstance(store.read("features", "k").arrays["rows"], np.memmap)
    monkeypatch.setattr("bench.store.MAPPED_SHARE", 0)
    mapped = store.read("features", "k").arrays["rows"]
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, np.arange(6.0))


def test_a_newer_format_is_refused(store):
    store.write("k", "a", {}, {})
    path = store.path("k", "a") / "entry.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(ValueError, match="format 99"):
        store.meta("k", "a")


def test_objects_are_never_stored_or_unpickled(store):
    with pytest.raises(ValueError, match="allow_pickle"):
        store.write("k", "a", {}, {"x": np.array([{}], dtype=object)})
    assert not store.has("k", "a")
