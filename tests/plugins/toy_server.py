"""An index that asks a server of its own, which misbehaves as servers do."""

import os
import sys
import time

import numpy as np

from methods.search.common.home import Home

SERVER = [sys.executable, "-c", "import os, time; os.fork(); os.setsid(); time.sleep(600)"]


class Server:
    """Brute force beside a server that answers, dies, hangs, or takes the process along."""

    layer = "server"
    reads = ("features",)
    query_parameters = ()

    def __init__(self, *, does: str = "answer"):
        self.does = does

    def start(self):
        self.home = Home()
        if self.does == "refuse":
            self.home.start(["/no/such/server"])
        self.home.start(SERVER)

    def build(self, database):
        if not hasattr(self, "home"):
            self.start()
        began = time.perf_counter()
        time.sleep(0.005)
        self._loaded = time.perf_counter() - began
        time.sleep(0.005)
        (self.home.folder / "data").write_bytes(database.features.tobytes())
        self._rows = database.features
        return self

    def search(self, queries, k):
        if self.does == "die":
            for process in self.home._servers():
                process.kill()
            raise ConnectionError("the server closed the connection")
        if self.does == "hang":
            time.sleep(600)
        if self.does == "crash":
            os.abort()
        distances = ((queries.features[:, None] - self._rows) ** 2).sum(axis=2)
        return np.argsort(distances, axis=1, kind="stable")[:, :k]

    def empty_query(self):
        time.sleep(0.002)

    def load_seconds(self):
        return self._loaded

    def disk_bytes(self):
        return self.home.disk_bytes()

    def server_bytes(self):
        return self.home.server_bytes()

    def size_bytes(self):
        return self._rows.nbytes
