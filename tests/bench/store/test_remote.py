"""An object store behind a folder: fetched whole, uploaded arrays first, created only once; on a real server of S3."""

import errno
import multiprocessing
import random
import socket
import threading
import time
from contextlib import suppress

import numpy as np
import pytest

from bench.store import remote as module
from bench.store.entries import Damaged, Store
from bench.store.remote import ObjectStore, Unreachable

VARIABLES = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def s3():
    """The address of a bucket on a server of S3 on this machine."""
    server = pytest.importorskip("moto.server", reason="the extra [test] brings a server of S3")
    s3fs = pytest.importorskip("s3fs", reason="the extra [cluster] brings a client of S3")
    with pytest.MonkeyPatch.context() as patched:
        for name, value in VARIABLES.items():
            patched.setenv(name, value)
        running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        running.start()
        patched.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*running.get_host_and_port()))
        s3fs.S3FileSystem.clear_instance_cache()
        with suppress(FileExistsError):  # an earlier server of this process had it
            s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket"
        s3fs.S3FileSystem.clear_instance_cache()
        running.stop()


@pytest.fixture(params=["s3", "file", "memory"])
def url(request, tmp_path):
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/{tmp_path.name}"
    return f"file://{tmp_path}/there" if request.param == "file" else f"memory://{tmp_path}"


@pytest.fixture
def hosts(tmp_path, url, monkeypatch):
    """Makes the stores of hosts, each with its own folder, before one object store; what they say."""
    monkeypatch.setattr(module, "LISTED", 0.0)
    said = []

    def host(name):
        return Store(tmp_path / name, said.append, ObjectStore(url, pauses=()))

    host.said = said
    return host


def array(value, size=1000):
    return {"x": np.full(size, value, np.float32)}


def test_what_one_host_writes_another_reads_and_keeps(hosts):
    one, two = hosts("one"), hosts("two")
    one.remote.check()
    assert not two.has("k", "a") and two.keys("k") == [] and two.find("k", "a") is None
    one.write("k", "a", {"v": 1}, {**array(7), "y": np.arange(3)})
    assert two.has("k", "a") and two.keys("k") == ["a"] and two.meta("k", "a") == {"v": 1}
    entry = two.read("k", "a")
    assert entry.arrays["x"].tolist() == [7.0] * 1000 and entry.arrays["y"].tolist() == [0, 1, 2]
    alone = Store(two.root)
    assert alone.is_sound("k", "a") and alone.keys("k") == ["a"]
    assert sorted(path.name for path in two.path("k", "a").iterdir()) == ["entry.json", "x.npy", "y.npy"]
    assert hosts.said == []


def test_what_is_there_is_not_made_again(hosts):
    hosts("one").once("k", "a", lambda: ({"v": 1}, array(1)))
    assert hosts("two").once("k", "a", lambda: pytest.fail("made again")).meta == {"v": 1}
    assert hosts("three").is_sound("k", "a") and len(hosts("four").verify("k", "a")) == 2


def test_of_two_hosts_that_made_an_entry_the_first_one_s_is_kept_by_both(hosts):
    one, two = hosts("one"), hosts("two")

    def make():
        one.write("k", "a", {"by": "one"}, array(1))
        return {"by": "two"}, array(2)

    entry = two.once("k", "a", make)
    assert entry.meta == {"by": "one"} and entry.arrays["x"][0] == 1
    assert Store(two.root).meta("k", "a") == hosts("three").meta("k", "a") == {"by": "one"}


def test_an_entry_that_is_replaced_on_purpose_is_replaced_there(hosts):
    one = hosts("one")
    assert one.write("k", "a", {"status": "error"}, array(1))
    assert one.write("k", "a", {"status": "ok"}, array(2))
    assert hosts("two").read("k", "a").meta == {"status": "ok"} and hosts("two").read("k", "a").arrays["x"][0] == 2


def test_what_another_host_has_put_in_place_of_an_entry_is_not_replaced_by_one_who_has_not_seen_it(hosts):
    one, two = hosts("one"), hosts("two")
    one.write("k", "a", {"status": "skipped"}, {})
    assert two.meta("k", "a") == {"status": "skipped"}
    assert two.write("k", "a", {"status": "ok"}, array(2))
    assert not one.write("k", "a", {"status": "skipped", "again": True}, {})
    assert one.meta("k", "a") == hosts("three").meta("k", "a") == {"status": "ok"}


def test_an_entry_that_lacks_something_grows_though_another_host_has_let_it_grow_meanwhile(hosts):
    one, two = hosts("one"), hosts("two")
    one.once("codes", "a", lambda: ({"made": ["x"]}, array(1)))
    two.read("codes", "a")

    def grow():
        if "z" not in two.meta("codes", "a")["made"]:
            one.write("codes", "a", {"made": ["x", "z"]}, {**array(1), "z": np.ones(2)})
        return {"made": sorted({*two.meta("codes", "a")["made"], "y"})}, two.read("codes", "a").arrays

    entry = two.once("codes", "a", grow, holds=lambda meta: "y" in meta["made"])
    assert entry.meta["made"] == ["x", "y", "z"] and {*entry.arrays} == {"x", "z"}
    assert hosts("three").meta("codes", "a")["made"] == ["x", "y", "z"]


def test_a_damaged_entry_is_fetched_again_and_not_made_again(hosts):
    one = hosts("one")
    one.write("k", "a", {"v": 1}, array(1))
    (one.path("k", "a") / "x.npy").write_bytes(b"")
    assert one.once("k", "a", lambda: pytest.fail("made again")).arrays["x"][0] == 1
    assert len(hosts.said) == 1 and "x.npy is damaged" in hosts.said[0] and "fetched again" in hosts.said[0]


@pytest.mark.parametrize("harm", ["array", "description"])
def test_what_is_damaged_there_is_never_used_and_is_replaced_by_who_makes_it_again(hosts, harm):
    one, two = hosts("one"), hosts("two")
    one.write("k", "a", {"v": 1}, array(1))
    files, root = one.remote._opened
    path = next(path for path in files.find(root) if path.endswith(".npy" if harm == "array" else "entry.json"))
    content = bytearray(files.cat_file(path))
    content[-9] ^= 1
    files.pipe_file(path, bytes(content))
    with pytest.raises(FileNotFoundError):
        two.read("k", "a")
    assert not list(two.root.rglob("*.npy")) and two.remote.url in hosts.said[0] and "damaged" in hosts.said[0]
    assert two.once("k", "a", lambda: ({"v": 1}, array(1))).meta == {"v": 1}
    assert hosts("three").read("k", "a").arrays["x"][0] == 1


def test_an_upload_that_was_cut_off_is_no_entry_and_the_next_one_completes_it(hosts, monkeypatch):
    one = hosts("one")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(ObjectStore, "create", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        one.write("k", "a", {"v": 1}, array(1))
    files, root = one.remote._opened
    assert [path.rpartition(".")[2] for path in files.find(root)] == ["npy"]
    assert not hosts("two").has("k", "a") and one.is_sound("k", "a")
    one.share("k", "a")
    assert hosts("two").meta("k", "a") == {"v": 1}


def test_what_was_made_before_there_was_an_object_store_is_shared(hosts):
    one = hosts("one")
    Store(one.root).write("k", "a", {"v": 1}, array(1))
    Store(one.root).write("k", "damaged", {"v": 1}, array(1))
    (one.path("k", "damaged") / "x.npy").write_bytes(b"")
    for key in ("a", "damaged", "missing"):
        one.share("k", key)
    assert hosts("two").keys("k") == ["a"] and hosts("two").read("k", "a").arrays["x"][0] == 1


def test_names_from_there_do_not_lead_out_of_the_store(hosts):
    one = hosts("one")
    one.write("k", "a", {}, array(1))
    text = one.remote.description("k", "a").replace('"x"', '"../x"')
    text = text[: text.rindex(",")] + "\n}"  # without a checksum of its own
    one.remote.overwrite("k", "a", text)
    with pytest.raises((FileNotFoundError, Damaged)):
        hosts("two").read("k", "a")
    assert "plain name" in hosts.said[0] and not list(hosts("two").root.rglob("*.npy"))


@pytest.mark.parametrize("url", ["memory"], indirect=True)
def test_a_request_that_fails_is_made_again_and_in_the_end_is_one_line_with_the_address(hosts, monkeypatch, url):
    failing = []

    def fail(files, *_, **__):
        failing.append(1)
        if len(failing) <= times:
            raise ConnectionError("reset by peer\nand more")
        return b""

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.cat_file", fail)
    times = 2
    assert ObjectStore(url, pauses=(0.0, 0.0)).description("k", "a") == "" and len(failing) == 3
    failing.clear()
    times = 3
    with pytest.raises(Unreachable, match=rf"{url}.* can't be reached \(tried 3 times\): reset by peer") as fault:
        ObjectStore(url, pauses=(0.0, 0.0)).description("k", "a")
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("url", ["memory"], indirect=True)
def test_a_full_disk_here_is_a_full_disk_and_no_fault_of_the_network(hosts, monkeypatch):
    hosts("one").write("k", "a", {}, array(1))

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.get_file", full)
    with pytest.raises(OSError, match=r"no space is left to write .*two/k/a"):
        hosts("two").read("k", "a")


def test_a_wrong_address_is_one_line_before_anything_is_made(s3):
    for url, words in (
        ("bucket/folder", "is no address: expected one such as s3://bucket/folder"),
        ("s4://bucket", "Protocol not known: s4"),
        ("s3://no-such-bucket/x", "can't be written: The specified bucket does not exist"),
    ):
        with pytest.raises((ValueError, Unreachable), match=words) as fault:
            ObjectStore(url, pauses=()).check()
        assert url in str(fault.value)


KEYS = 8


def write_all(root, url, seed):
    """Make all entries, in an order of one's own."""
    store = Store(root, lambda line: None, ObjectStore(url, pauses=()))
    for key in np.random.default_rng(seed).permutation(KEYS):
        store.once("k", str(key), lambda key=key: ({"key": int(key)}, {**array(key), "y": np.full(50_000, key)}))


def started(*arguments):
    process = multiprocessing.get_context("fork").Process(target=write_all, args=arguments)
    process.start()
    return process


@pytest.mark.parametrize("url", ["file"], indirect=True)
def test_after_any_kill_every_entry_that_is_seen_is_whole(hosts, url, tmp_path):
    began = time.monotonic()
    started(tmp_path / "undisturbed", f"{url}-undisturbed", 0).join()
    duration = time.monotonic() - began
    moments, seen = random.Random(0), 0
    for turn in range(12):
        process = started(tmp_path / f"host{turn % 3}", url, turn)
        process.join(moments.uniform(0.1, 0.6) * duration)
        process.kill()
        process.join()
        reader = hosts(f"reader{turn}")
        for key in reader.keys("k"):
            arrays = reader.read("k", key).arrays
            assert (arrays["x"] == int(key)).all() and (arrays["y"] == int(key)).all()
            seen += 1
    last = started(tmp_path / "host0", url, 0)
    last.join()
    assert last.exitcode == 0 and seen > 0 and len(hosts("last").keys("k")) == KEYS and hosts.said == []


def test_a_server_that_is_gone_for_a_while_loses_nothing(s3, tmp_path):
    server = pytest.importorskip("moto.server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
        store = Store(tmp_path / "one", pytest.fail, ObjectStore(f"{s3}/gone", pauses=(1.0,) * 20))
        writing = threading.Thread(target=lambda: store.write("k", "a", {"v": 1}, array(1)))
        writing.start()
        time.sleep(1)
        assert writing.is_alive() and store.is_sound("k", "a")
        running = server.ThreadedMotoServer("127.0.0.1", port, verbose=False)
        running.start()
        writing.join(60)
        assert not writing.is_alive()
        other = Store(tmp_path / "two", pytest.fail, ObjectStore(f"{s3}/gone", pauses=()))
        assert other.read("k", "a").meta == {"v": 1}
        running.stop()
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()


def test_the_pauses_outlast_a_minute_without_a_network():
    assert 60 <= sum(module.PAUSES) < 90
