"""A Dask scheduler and its workers, each a process that stands for a machine."""

import os
import signal
import time
from contextlib import contextmanager

from tests import warm
from tests.conftest import PLUGINS, TEST_MARK

SCHEDULER = """
import asyncio, pathlib, sys
from distributed import Scheduler
async def main():
    async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as one:
        pathlib.Path(sys.argv[1]).write_text(one.address)
        await one.finished()
asyncio.run(main())
"""
WORKER = """
import asyncio, sys
from distributed import Worker
async def main():
    async with Worker(sys.argv[1], nthreads=1, resources={"timing": 1}, local_directory=sys.argv[2]) as one:
        await one.finished()
asyncio.run(main())
"""


@contextmanager
def cluster(folder, hosts, mark=""):
    """The address of a scheduler with a worker for each name of a host, and the workers."""
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS), TEST_MARK: mark}
    processes = [warm.start(SCHEDULER, folder / "address", environment=environment)]
    try:
        while not (folder / "address").exists() or not (folder / "address").read_text():
            time.sleep(0.05)
        address = (folder / "address").read_text()
        for name in hosts:
            own = {**environment, "BENCH_HOST": name}
            processes.append(warm.start(WORKER, address, folder / f"local-{name}", environment=own))
        yield address, processes[1:]
    finally:
        for one in processes:
            one.send_signal(signal.SIGKILL)
            one.wait(20)
