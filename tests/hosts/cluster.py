"""A Dask cluster on hosts, and a run that sends its work there."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from tests.hosts import work
from tests.hosts.machines import Host, kill

PORT = 8786


def scheduler(host: Host, folder: Path, variables: dict[str, str]) -> Popen[bytes]:
    """Start the scheduler on a host."""
    command = ["-m", "distributed.cli.dask_scheduler", "--host", host.address, "--port", str(PORT), "--no-dashboard"]
    return host.start([sys.executable, *command], folder / "scheduler.log", variables)


def worker(host: Host, of: Host, folder: Path, variables: dict[str, str]) -> Popen[bytes]:
    """Start a worker on a host, of the scheduler on another; it tries until that answers."""
    settings = ["--host", host.address, "--nthreads", "1", "--resources", "timing=1", "--no-nanny", "--no-dashboard"]
    command = ["-m", "distributed.cli.dask_worker", address(of), *settings, "--local-directory", "/tmp/dask"]
    return host.start([sys.executable, *command], folder / f"worker-{host.name}.log", variables)


def address(host: Host) -> str:
    """The address of the scheduler on a host."""
    return f"tcp://{host.address}:{PORT}"


@contextmanager
def cluster(machines: Sequence[Host], folder: Path, variables: dict[str, str]) -> Iterator[list[Popen[bytes]]]:
    """A scheduler on the first host and a worker on each; they are killed in the end."""
    folder.mkdir(exist_ok=True)
    processes = [scheduler(machines[0], folder, variables)]
    processes += [worker(host, machines[0], folder, variables) for host in machines]
    try:
        yield processes
    finally:
        for one in processes:
            kill(one)
            one.wait(20)


def clustered(machines: Sequence[Host], grid: Path, folder: Path, variables: dict[str, str]) -> None:
    """A run on the first host that sends its work to workers on all of them."""
    log = folder / "run.log"
    with cluster(machines, folder, variables):
        time.sleep(5)  # the workers come
        command = work.command("run", grid, folder, "--cluster", address(machines[0]))
        assert machines[0].start(command, log, variables).wait(3600) == 0, log.read_text()
