"""Many runs of one grid on three hosts, in each of which something goes wrong at some moment.

``python -m tests.hosts.chaos FOLDER --runs 50`` (root, Linux; Debian's ``faketime``). A run goes by workers on a shared
folder, by a Dask cluster, or by workers with folders of their own before an S3 server. Then the same commands run
again, undisturbed. Every record must be as that of an undisturbed run, every entry sound, no comparison of times of two
hosts, and no process left.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from tests.bench.runs.test_work import figures
from tests.hosts import cluster, work
from tests.hosts.machines import NET, Host, hosts, kill

TRAININGS, GROUPS, TRAINING, BUILD = 6, 2, 1.0, 0.3
MOMENTS = 25.0
"""The seconds in which something goes wrong: about as long as an undisturbed run takes."""

ENDED = 400.0
"""Seconds after which what was started must have ended."""

ROOM = "600M"
"""The size of a host's disk."""

AHEAD = {"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "FAKETIME": "+1h"}
S3 = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": f"http://{NET}.1:5000",
}
SERVER = f"""
import boto3, time
from moto.server import ThreadedMotoServer
ThreadedMotoServer("{NET}.1", 5000, verbose=False).start()
boto3.client("s3").create_bucket(Bucket="bucket")
print("up", flush=True)
time.sleep(100000)
"""


@dataclass
class Scene:
    """What may be harmed. ``parts``: the processes by name. ``ahead``: the host whose clock is an hour ahead."""

    machines: Sequence[Host]
    grid: Path
    folder: Path
    variables: dict[str, str]
    ahead: Host | None = None
    parts: dict[str, Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, host: Host, command: Sequence[str], **variables: str) -> None:
        """Start a part."""
        clock = AHEAD if host is self.ahead else {}
        log = self.folder / f"{name}.log"
        self.parts[name] = host.start(command, log, {**self.variables, **clock, **variables})

    def said(self) -> str:
        """What the parts said at last."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)


class Shared:
    """Workers on one shared folder."""

    waited, shared = ("worker",), True

    def start(self, scene: Scene) -> None:
        """Start a worker on each host."""
        for host in scene.machines:
            scene.start(f"worker {host.name}", host, work.command("work", scene.grid, scene.folder, "--wait"))

    def folders(self, scene: Scene) -> list[Path]:
        """The folders of results and caches."""
        return [scene.folder]


class Cluster(Shared):
    """A run that sends its work to a Dask cluster."""

    waited = ("run",)

    def start(self, scene: Scene) -> None:
        """Start a scheduler, a worker on each host, and the run."""
        first, *_ = scene.machines
        scene.parts["scheduler"] = cluster.scheduler(first, scene.folder, scene.variables)
        for host in scene.machines:
            scene.parts[f"worker {host.name}"] = cluster.worker(host, first, scene.folder, scene.variables)
        time.sleep(5)
        command = work.command("run", scene.grid, scene.folder, "--cluster", cluster.address(first))
        scene.start("run", first, command)


class Objects(Shared):
    """Workers with folders of their own before one S3 server."""

    shared = False

    def start(self, scene: Scene) -> None:
        """Start the server, and a worker on each host."""
        serve(scene)
        for host in scene.machines:
            remote = ("--remote", f"s3://bucket/{scene.folder.name}")
            command = work.command("work", scene.grid, Path("/tmp/own"), "--wait", *remote)
            (host.root / "tmp/own").mkdir(exist_ok=True)
            scene.start(f"worker {host.name}", host, command, **S3)

    def folders(self, scene: Scene) -> list[Path]:
        """The folders of all hosts."""
        return [host.root / "tmp/own" for host in scene.machines]


def serve(scene: Scene) -> None:
    """Start the S3 server beside the hosts, unless it runs. One that was killed has lost all that it had."""
    running = scene.parts.get("server")
    if running is None or running.poll() is not None:
        with (scene.folder / "server.log").open("ab") as log:
            environment = {**os.environ, **S3}
            server = Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=log, env=environment)
        assert server.stdout is not None and server.stdout.readline() == b"up\n", scene.said()
        scene.parts["server"] = server


def kill_part(scene: Scene, chance: random.Random, kind: str) -> str:
    """Kill -9 a process of a kind."""
    name = chance.choice([name for name in scene.parts if name.startswith(kind)])
    kill(scene.parts[name])
    return f"{name} killed"


def kill_server(scene: Scene, chance: random.Random) -> str:
    """Kill the S3 server, and start an empty one after some seconds."""
    scene.parts["server"].kill()
    scene.parts["server"].wait()
    time.sleep(chance.uniform(0, 10))
    serve(scene)
    return "the server killed"


def cut(scene: Scene, chance: random.Random) -> str:
    """Cut a host from the network for a minute."""
    host = chance.choice(scene.machines)
    host.reach(False)
    time.sleep(60)
    host.reach(True)
    return f"{host.name} cut off"


def fill(scene: Scene, chance: random.Random) -> str:
    """Fill the disk of a host for some seconds."""
    host, log = chance.choice(scene.machines), scene.folder / "fill.log"
    host.start(["sh", "-c", "cat /dev/zero > /tmp/full"], log, {}).wait(120)
    time.sleep(chance.uniform(1, 10))
    host.start(["rm", "/tmp/full"], log, {}).wait(20)
    return f"the disk of {host.name} full"


def clock(scene: Scene, chance: random.Random) -> str:
    """Kill a worker where the clock of a host is ahead."""
    return f"the clock of {scene.ahead.name if scene.ahead else 'none'} ahead, {kill_part(scene, chance, 'worker')}"


Harm = Callable[[Scene, random.Random], str]
WAYS: list[tuple[Shared, list[Harm]]] = [
    (Shared(), [lambda scene, chance: kill_part(scene, chance, "worker"), fill, clock]),
    (Cluster(), [*(lambda s, c, kind=kind: kill_part(s, c, kind) for kind in ("worker", "run", "scheduler")), cut]),
    (Objects(), [lambda scene, chance: kill_part(scene, chance, "worker"), kill_server, fill, cut]),
]


def one(way: Shared, harm: Harm, scene: Scene, chance: random.Random) -> str:
    """A run that is disturbed, and then one that is not. Returns what happened. AssertionError: it did harm."""
    scene.ahead = chance.choice(scene.machines) if harm is clock else None
    way.start(scene)
    time.sleep(moment := chance.uniform(0, MOMENTS))
    happened = f"{harm(scene, chance)} after {moment:.1f} s"
    ended(way, scene)
    clear(scene)
    way.start(scene)
    for name, code in ended(way, scene).items():
        assert code == 0, f"{happened}; {name} then ended with {code}: {scene.said()}"
    return happened


def ended(way: Shared, scene: Scene) -> dict[str, int]:
    """The exit codes of the parts that end by themselves."""
    parts = {name: part for name, part in scene.parts.items() if name.startswith(way.waited)}
    try:
        return {name: part.wait(ENDED) for name, part in parts.items()}
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"{late}: {scene.said()}") from late


def clear(scene: Scene) -> None:
    """Kill what serves the parts, and look that nothing else is left on the hosts."""
    for name, part in scene.parts.items():
        if name != "server":
            kill(part)
            part.wait(20)
    deadline = time.monotonic() + 20
    while left := [process for host in scene.machines for process in host.processes()]:
        assert time.monotonic() < deadline, f"left: {[process.cmdline() for process in left]}"
        time.sleep(0.2)


def main() -> None:
    """Do the runs, and say what happened in each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder, not below /tmp, which each host has for itself")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="the number of the first run, by which chance is seeded")
    chosen = parser.parse_args()
    folder = chosen.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    variables = work.install(folder / "plugins")
    grid = work.grid(folder, TRAININGS, GROUPS, TRAINING, BUILD)
    alone = folder / "alone"
    alone.mkdir()
    subprocess.run(work.command("run", grid, alone), check=True, env={**os.environ, **variables}, capture_output=True)
    expected, faulty = figures(alone), 0
    assert len(expected) == TRAININGS + 5 * GROUPS
    for number in range(chosen.first, chosen.first + chosen.runs):
        chance = random.Random(number)
        way, harms = WAYS[number % len(WAYS)]
        with hosts(3, ROOM) as machines:
            scene = Scene(machines, grid, folder / f"run-{number}", variables)
            scene.folder.mkdir()
            began = time.monotonic()
            try:
                happened = one(way, harms[number // len(WAYS) % len(harms)], scene, chance)
                for place in way.folders(scene):
                    assert figures(place) == expected, f"{happened}: other figures in {place}"
                    assert not (wrong := work.faults(place, way.shared)), f"{happened}: {wrong}"
                clear(scene)
                said = happened
            except AssertionError as fault:
                said, faulty = f"FAULT: {fault}", faulty + 1
            finally:
                if "server" in scene.parts:
                    scene.parts["server"].kill()
            print(f"{number}: {type(way).__name__}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{chosen.runs - faulty} of {chosen.runs} runs ended as an undisturbed one")
    sys.exit(faulty > 0)


if __name__ == "__main__":
    main()
