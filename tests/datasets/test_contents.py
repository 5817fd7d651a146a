"""Hashes of contents against those of the bytes that were written, with and without what is remembered of them."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import pytest

from datasets import contents
from datasets.contents import content_hashes
from datasets.image_folder import ImageFolder
from datasets.image_lists import ImageLists
from datasets.parquet import Parquet
from tests.datasets.test_parquet import write as write_shard


@pytest.fixture(autouse=True)
def memory(tmp_path, monkeypatch):
    """The file that remembers, of a user whom no other test knows; files of this moment are remembered too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(contents, "SETTLED_NS", -(10**18))
    monkeypatch.setattr(contents, "_seen", {})
    return tmp_path / "home" / "bench" / contents.FILE


@pytest.fixture
def read(monkeypatch):
    """The names of the files whose contents were read, as they are read."""
    names, checksum = [], contents.checksum
    monkeypatch.setattr(contents, "checksum", lambda path: names.append(path.name) or checksum(path))
    return names


def files(folder, count):
    folder.mkdir()
    for number in range(count):
        (folder / str(number)).write_bytes(f"content {number}".encode())
    return [folder / str(number) for number in range(count)]


def expected(paths):
    return [blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in paths]


def new_process(monkeypatch):
    monkeypatch.setattr(contents, "_seen", {})


def settle(path):
    """Wait until a change of the file has another time than its last one."""
    probe, before = path.with_name("probe"), path.stat().st_ctime_ns
    while True:
        probe.write_bytes(b"")
        if probe.stat().st_ctime_ns > before:
            return probe.unlink()
        time.sleep(0.001)


def plant_folder(root, image):
    for part in ("train", "test"):
        for label in "ab":
            image(root / part / label / "0.png", part + label)


def plant_lists(root, image):
    for number, name in enumerate(("database", "test", "train")):
        rows = [f"images/{number}{row}.png {row} {1 - row}" for row in (0, 1)]
        for row in (0, 1):
            image(root / "images" / f"{number}{row}.png", name + str(row))
        (root / f"{name}.txt").write_text("\n".join(rows) + "\n")


def plant_beside(root, image):
    import pyarrow as pa

    for name in ("train", "test"):
        for row in (0, 1):
            image(root / f"{name}{row}.png", name + str(row))
        rows = [{"path": f"{name}{row}.png"} for row in (0, 1)]
        write_shard(root / f"{name}-0.parquet", pa.array(rows), [0, 1])


LAYOUTS = {"folder": (ImageFolder, plant_folder), "lists": (ImageLists, plant_lists), "beside": (Parquet, plant_beside)}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("settled", [-(10**18), contents.SETTLED_NS])
def test_a_folder_has_the_fingerprint_of_its_pixels_whatever_its_place_sizes_and_times(
    tmp_path, make, monkeypatch, layout, settled
):
    monkeypatch.setattr(contents, "SETTLED_NS", settled)
    plugin, plant = LAYOUTS[layout]

    def planted(place, salt, changed=10**9):
        def image(path, seed):
            pixels = make.encoded(list(f"{seed}{salt}".encode()), "BMP")
            make.write(path, pixels)
            os.utime(path, (changed, changed))

        root = tmp_path / place / "data"
        root.mkdir(parents=True)
        plant(root, image)
        return plugin(data_dir=root).fingerprint()

    first = planted("one", "")
    assert planted("two", "other") != first
    assert planted("three", "", changed=10**9 + 1) == first
    shutil.copytree(tmp_path / "one", tmp_path / "four", copy_function=shutil.copy2)
    assert plugin(data_dir=tmp_path / "four" / "data").fingerprint() == first
    shutil.rmtree(tmp_path / "one")
    assert planted("one", "other") != first


def test_a_content_is_hashed_once_and_by_the_next_process_not_at_all(tmp_path, read, monkeypatch):
    paths = files(tmp_path / "data", 300)
    assert content_hashes(paths) == expected(paths) and sorted(read) == sorted(path.name for path in paths)
    read.clear()
    assert content_hashes(paths) == expected(paths) and not read
    new_process(monkeypatch)
    assert content_hashes(paths[::-1]) == expected(paths)[::-1] and not read
    assert content_hashes([]) == []


def test_a_file_that_is_named_twice_is_read_once(tmp_path, read):
    path, other = files(tmp_path / "data", 2)
    assert content_hashes([path, other, path]) == expected([path, other, path]) and len(read) == 2


def test_a_changed_file_alone_is_read_again_also_where_its_size_and_time_are_kept(tmp_path, read, monkeypatch):
    paths = files(tmp_path / "data", 5)
    content_hashes(paths)
    before = paths[3].stat()
    settle(paths[3])
    with paths[3].open("r+b") as file:
        file.write(b"CONTENT")
    os.utime(paths[3], ns=(before.st_atime_ns, before.st_mtime_ns))
    after = paths[3].stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    read.clear()
    assert content_hashes(paths) == expected(paths) and read == ["3"]


def test_a_file_of_this_moment_is_not_remembered(tmp_path, read, monkeypatch):
    monkeypatch.setattr(contents, "SETTLED_NS", 2 * 10**9)
    (path,) = files(tmp_path / "data", 1)
    content_hashes([path])
    path.write_bytes(b"CONTENT 0")  # perhaps within one tick of the clock
    assert content_hashes([path]) == expected([path]) and len(read) == 2


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, monkeypatch, memory):
    (path,) = files(tmp_path / "data", 1)
    checksum = contents.checksum

    def slow(path):
        found = checksum(path)
        settle(path)
        path.write_bytes(b"CONTENT 0")
        return found

    monkeypatch.setattr(contents, "checksum", slow)
    content_hashes([path])
    monkeypatch.setattr(contents, "checksum", checksum)
    assert content_hashes([path]) == expected([path])


@pytest.mark.parametrize(
    "damage",
    [
        lambda held: b"",
        lambda held: held[:-1],
        lambda held: held[:-32],
        lambda held: held + bytes(32),
        lambda held: held[:40] + bytes([held[40] ^ 1]) + held[41:],
        lambda held: b"\x80\x04nonsense" * 9,
    ],
)
def test_a_damaged_memory_is_read_past_and_made_again(tmp_path, read, memory, monkeypatch, damage):
    paths = files(tmp_path / "data", 4)
    content_hashes(paths)
    right = memory.read_bytes()
    memory.write_bytes(damage(right))
    new_process(monkeypatch)
    read.clear()
    assert content_hashes(paths) == expected(paths) and len(read) == 4
    assert memory.read_bytes() == right


@pytest.mark.parametrize("fault", ["folder is a file", "memory is a folder", "no home", "disk is full"])
def test_a_memory_that_cannot_be_written_does_no_harm(tmp_path, read, memory, monkeypatch, fault):
    paths = files(tmp_path / "data", 3)
    if fault == "folder is a file":
        (tmp_path / "home").write_bytes(b"")
    elif fault == "memory is a folder":
        (memory / "full").mkdir(parents=True)
    elif fault == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    else:
        monkeypatch.setattr(contents, "replace_file", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    for _ in range(2):
        assert content_hashes(paths) == expected(paths)
    assert len(read) == 3  # this process remembers by itself
    assert not memory.is_file()


def test_the_memory_keeps_the_newest_and_those_that_were_used_last(tmp_path, read, memory, monkeypatch):
    monkeypatch.setattr(contents, "MOST", 3)
    paths = files(tmp_path / "data", 5)
    for some in (paths[:3], [paths[0], paths[3]]):  # 1, 2, 0, 3, of which 1 is forgotten
        content_hashes(some)
    assert memory.stat().st_size == 16 + 3 * 32
    for path, again in ((paths[0], 0), (paths[3], 0), (paths[2], 0), (paths[1], 1)):
        new_process(monkeypatch)
        read.clear()
        assert content_hashes([path]) == expected([path]) and len(read) == again
    assert memory.stat().st_size == 16 + 3 * 32


def test_writers_side_by_side_leave_a_whole_memory(tmp_path, memory):
    paths = files(tmp_path / "data", 64)
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(content_hashes, (paths[start : start + 8] for start in range(0, 64, 8)))]
    assert [one for some in found for one in some] == expected(paths)
    held = contents._remembered()
    right = {one.hex() for one in held.values()}
    assert 8 <= len(held) <= 64 and right <= {*expected(paths)}
    assert [path.name for path in memory.parent.iterdir()] == [memory.name]


def test_what_was_read_before_a_fault_is_remembered(tmp_path, read, monkeypatch):
    monkeypatch.setattr(contents, "CHUNK", 1)
    monkeypatch.setattr(contents.os, "cpu_count", lambda: 1)
    paths = files(tmp_path / "data", 4)
    checksum = contents.checksum

    def broken(path):
        if path == paths[2]:
            raise OSError(5, "Input/output error")
        return checksum(path)

    monkeypatch.setattr(contents, "checksum", broken)
    with pytest.raises(ValueError, match=r"data/2: cannot be read \(Input/output error\)"):
        content_hashes(paths)
    monkeypatch.setattr(contents, "checksum", checksum)
    new_process(monkeypatch)
    assert {*expected(paths[:2])} <= {one.hex() for one in contents._remembered().values()}
    assert content_hashes(paths) == expected(paths)


def test_what_is_no_file_is_named(tmp_path):
    for path, why in ((tmp_path, "not a file"), (tmp_path / "gone", "No such file")):
        with pytest.raises(ValueError, match=rf"{path}: cannot be read \({why}"):
            content_hashes([path])
