import errno
import json
import os
import pickle
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.store.entries import Damaged, Store
from bench.system import files
from bench.system.files import DiskFull
from tests.conftest import CHECKOUT


def change(path, **values):
    """The description of an entry with other values, and a checksum that fits them where they give none."""
    entry = json.loads(path.read_text()) | values
    if "checksum" not in values:
        del entry["checksum"]
    path.write_text(json.dumps(entry))


def names(store):
    """All files of a store."""
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def test_what_is_written_is_read(store):
    store.write("features", "abc", {"dim": 3}, {"x": np.arange(6).reshape(2, 3)})
    entry = store.read("features", "abc")
    assert store.has("features", "abc") and entry.meta == {"dim": 3}
    assert entry.arrays["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.text() | st.integers(), st.floats() | st.text() | st.none() | st.lists(st.booleans()), max_size=4
    ),
    st.sampled_from(["float32", "int64", "uint64", "bool"]),
    st.lists(st.integers(0, 4), max_size=3),
)
def test_any_description_and_any_array_come_back_as_json_and_numpy_give_them_back(tmp_path_factory, meta, dtype, shape):
    store = Store(tmp_path_factory.mktemp("any"))
    array = np.asfortranarray(np.random.default_rng(0).integers(0, 9, shape).astype(dtype))
    store.write("k", "a", meta, {"x": array})
    entry = store.read("k", "a")
    assert json.dumps(entry.meta) == json.dumps(json.loads(json.dumps(meta)))
    assert entry.arrays["x"].dtype == array.dtype and np.array_equal(entry.arrays["x"], array)


def test_texts_that_have_no_bytes_in_utf_8_are_read_with_escapes_and_all_others_as_they_are(store):
    texts = {"bad \udcff": ["\ud800 \udcff", {"x": "\U0001f600"}], "plain": "\\ud \\udcff é", "none": None, "n": 1}
    store.write("features", "abc", texts, {})
    read = {r"bad \udcff": [r"\ud800 \udcff", {"x": "\U0001f600"}], "plain": "\\ud \\udcff é", "none": None, "n": 1}
    assert store.meta("features", "abc") == store.read("features", "abc").meta == read


def test_a_second_write_replaces_the_first(store):
    store.write("k", "a", {"v": 1}, {"x": np.zeros(2)})
    store.write("k", "a", {"v": 2}, {})
    assert store.read("k", "a").meta == {"v": 2} and not store.read("k", "a").arrays
    assert names(store) == ["k/a/entry.json"]


def test_a_write_that_dies_half_way_leaves_nothing_to_see(store, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.store.entries.publish", die)
    with pytest.raises(KeyboardInterrupt):
        store.write("k", "a", {}, {"x": np.zeros(2)})
    assert not store.has("k", "a") and not list(store.root.glob("k/*"))


@pytest.mark.parametrize("position", [0, 60, -1])
@pytest.mark.parametrize("name", ["x.npy", "entry.json"])
def test_a_flipped_bit_is_found_and_named(store, name, position):
    store.write("k", "a", {"figure": 0.912, "why": "x" * 60}, {"x": np.zeros(100)})
    path = store.path("k", "a") / name
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=rf"a/{name} is damaged"):
        store.read("k", "a")
    assert not store.is_sound("k", "a")


def test_a_figure_that_was_changed_in_the_description_is_found(store):
    store.write("k", "a", {"figure": 0.912}, {})
    path = store.path("k", "a") / "entry.json"
    path.write_text(path.read_text().replace("0.912", "0.999"))
    with pytest.raises(Damaged, match="checksum"):
        store.meta("k", "a")


def shorten(path):
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: shorten(folder / "x.npy"), "x.npy is damaged"),
        (lambda folder: (folder / "x.npy").write_bytes(b""), "x.npy is damaged"),
        (lambda folder: (folder / "x.npy").unlink(), "x.npy is missing"),
        (lambda folder: shorten(folder / "entry.json"), "entry.json is damaged"),
        (lambda folder: (folder / "entry.json").write_bytes(b""), "entry.json is damaged"),
        (lambda folder: (folder / "entry.json").write_bytes(b"\xff\xfe"), "entry.json is damaged"),
        (lambda folder: (folder / "entry.json").write_text("[]"), "names no format"),
        (lambda folder: change(folder / "entry.json", format=0), "describes no entry"),
        (lambda folder: change(folder / "entry.json", meta=[]), "describes no entry"),
        (lambda folder: change(folder / "entry.json", checksum="0" * 32), "checksum"),
        (lambda folder: change(folder / "entry.json", checksums={"../x": "0"}), "'../x' must be a plain name"),
        (lambda folder: change(folder / "entry.json", checksums={"/etc/x": "0"}), "'/etc/x' must be a plain name"),
    ],
)
def test_a_damaged_entry_is_never_read_and_is_made_again_by_one_line(store, said, harm, words):
    def make():
        return {"v": 1}, {"x": np.arange(9)}

    store.once("k", "a", make)
    harm(store.path("k", "a"))
    with pytest.raises(Damaged) as fault:
        store.read("k", "a")
    assert words in str(fault.value) and str(store.path("k", "a")) in str(fault.value)
    assert not said
    again = store.once("k", "a", make)
    assert again.arrays["x"].tolist() == list(range(9)) and store.is_sound("k", "a")
    assert len(said) == 1 and words in said[0] and "made again" in said[0]
    assert names(store) == ["k/a/entry.json", "k/a/x.npy"]


def test_an_array_outside_the_entry_is_not_read_though_its_checksum_is_right(store):
    store.write("k", "other", {}, {"x": np.zeros(3)})
    store.write("k", "a", {}, {})
    total = files.checksum(store.path("k", "other") / "x.npy")
    change(store.path("k", "a") / "entry.json", checksums={"../other/x": total})
    with pytest.raises(Damaged, match="plain name"):
        store.read("k", "a")


def test_an_entry_without_a_checksum_of_its_own_is_read(store):
    store.write("k", "a", {"v": 1}, {"x": np.zeros(2)})
    change(store.path("k", "a") / "entry.json")
    assert store.read("k", "a").meta == {"v": 1}


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a/b", "a\\b", ".hidden", "a\0b"])
def test_names_that_lead_out_of_the_store_are_refused(store, name):
    for kind, key in ((name, "k"), ("k", name)):
        with pytest.raises(ValueError, match="plain name"):
            store.path(kind, key)
    with pytest.raises(ValueError, match="plain name"):
        store.write("k", "a", {}, {name: np.zeros(1)})
    assert not store.has("k", "a")


def test_an_array_that_takes_a_large_share_of_memory_is_mapped(store, monkeypatch):
    store.write("features", "k", {}, {"rows": np.arange(6.0)})
    assert not isinstance(store.read("features", "k").arrays["rows"], np.memmap)
    monkeypatch.setattr("bench.store.entries.MAPPED_SHARE", 0)
    mapped = store.read("features", "k").arrays["rows"]
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, np.arange(6.0))


def test_a_newer_format_is_refused_and_not_made_again(store):
    store.write("k", "a", {}, {})
    path = store.path("k", "a") / "entry.json"
    change(path, format=99, checksums="of another kind")
    for look in (store.meta, store.read, store.find, store.verify):
        with pytest.raises(
            ValueError, match=r"entry.json has format 99, .* reads format 1: use .*--cache-dir"
        ) as fault:
            look("k", "a")
        assert not isinstance(fault.value, Damaged)
    with pytest.raises(ValueError, match="format 99"):
        store.once("k", "a", lambda: ({}, {}))
    assert json.loads(path.read_text())["format"] == 99


def test_objects_are_never_stored_or_unpickled(store):
    with pytest.raises(ValueError, match="allow_pickle"):
        store.write("k", "a", {}, {"x": np.array([{}], dtype=object)})
    assert not store.has("k", "a")


class Malicious:
    def __reduce__(self):
        return os.system, ("touch executed",)


def as_object_array(value):
    file = BytesIO()
    np.save(file, np.array([value], dtype=object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("content", [pickle.dumps(Malicious()), as_object_array(Malicious())])
def test_a_pickle_named_as_an_array_is_refused_even_with_the_right_checksum(store, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store.write("k", "a", {}, {"x": np.zeros(2)})
    path = store.path("k", "a") / "x.npy"
    path.write_bytes(content)
    change(path.with_name("entry.json"), checksums={"x": files.checksum(path)})
    with pytest.raises(Damaged, match=r"x\.npy is damaged"):
        store.read("k", "a")
    assert store.find("k", "a") is None and not (tmp_path / "executed").exists()


def test_what_is_not_an_entry_is_passed_over(store):
    store.write("k", "a", {}, {"x": np.zeros(2)})
    (store.root / "k" / "notes.txt").write_text("mine")
    (store.root / "k" / "folder").mkdir()
    (store.root / "reports").mkdir()
    (store.path("k", "a") / "notes.txt").write_text("mine")
    assert store.kinds() == ["k"] and store.keys("k") == ["a"] and set(store.read("k", "a").arrays) == {"x"}
    assert Store(store.root / "nothing").kinds() == []


def test_an_entry_of_a_missing_key_is_none(store):
    assert store.find("k", "a") is None and not store.is_sound("k", "a")
    with pytest.raises(FileNotFoundError):
        store.read("k", "a")


WRITER = """
import sys
from pathlib import Path
import numpy as np
from bench.store.entries import Store
store = Store(Path(sys.argv[1]))
for number in range(40):
    store.write("k", "a", {"number": number}, {"x": np.full(1000, number), "y": np.full(10, number)})
"""


def test_writers_of_one_key_at_once_end_with_one_whole_entry(store):
    command = [sys.executable, "-c", WRITER, str(store.root)]
    processes = [subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[1] for process in processes] == [""] * 3
    entry = store.read("k", "a")
    assert (entry.arrays["x"] == 39).all() and (entry.arrays["y"] == 39).all() and entry.meta == {"number": 39}
    assert names(store) == ["k/a/entry.json", "k/a/x.npy", "k/a/y.npy"]


FAULTS = [errno.ENOSPC, errno.EDQUOT]


@pytest.mark.parametrize("number", FAULTS)
@pytest.mark.parametrize("call", ["fsync", "mkdir", "rename"])
def test_a_full_disk_is_one_line_and_leaves_the_earlier_entry_and_nothing_else(store, monkeypatch, call, number):
    store.write("k", "a", {"v": 1}, {"x": np.zeros(5)})

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(DiskFull) as fault:
            store.write("k", "a", {"v": 2}, {"x": np.ones(5)})
    assert str(store.path("k", "a")) in str(fault.value) and "bytes are free" in str(fault.value)
    assert store.read("k", "a").meta == {"v": 1} and names(store) == ["k/a/entry.json", "k/a/x.npy"]


def test_other_faults_of_the_disk_are_passed_on(store, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="input/output") as fault:
        store.write("k", "a", {}, {"x": np.zeros(5)})
    assert not files.is_full(fault.value) and names(store) == []


def test_on_a_disk_that_is_really_full_nothing_is_lost_and_what_fits_is_still_stored(small_disk):
    store = Store(small_disk(1) / "store")
    store.write("k", "small", {"v": 1}, {"x": np.zeros(1000)})
    before = names(store)
    for size in (100_000, 200_000):
        with pytest.raises(DiskFull, match=r"no space is left to write .*k/large"):
            store.write("k", "large", {}, {"x": np.zeros(size, np.float64)[: size // 2], "y": np.zeros(size)})
        assert names(store) == before and store.is_sound("k", "small")
    store.write("k", "large", {}, {"x": np.zeros(100_000)})
    assert store.is_sound("k", "large")
