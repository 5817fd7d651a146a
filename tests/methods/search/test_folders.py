"""Libraries that write an index into a folder: a process that is killed meanwhile leaves none."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import CHECKOUT

WRITE = """
import numpy as np
from bench.interfaces import Corpus
from bench.plugins import registry
rows = Corpus(np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32))
while True:
    index = registry.build("index", "{name}", {{}}).build(rows)
    index.size_bytes()
"""


@pytest.mark.parametrize(("name", "module"), [("ngt", "ngtpy"), ("svs", "svs")])
def test_a_process_that_is_killed_while_it_writes_an_index_leaves_no_folder(name, module, tmp_path):
    pytest.importorskip(module)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", WRITE.format(name=name)], env=environment) as process:
        until = time.monotonic() + 60
        while not [*tmp_path.glob("bench-*/*")] and process.poll() is None and time.monotonic() < until:
            time.sleep(0.0005)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while [*tmp_path.iterdir()] and time.monotonic() < until:
        time.sleep(0.02)
    assert [*tmp_path.iterdir()] == []
