"""Records as a run would write them, made in a moment."""

import numpy as np

from bench.store.entries import Store


def write(folder, cell="Cell(a, seed=0)", factor=1.0, seed=0, day=1, noise=0.02, timed=True, environment=None, **row):
    """A finished record; the latencies of its four replicates differ by the noise, and are scaled by the factor."""
    row = {"dataset": "d", "k": 10, "seed": seed, "status": "ok", "map": 0.5, "recall_at_10": None, **row}
    about = {"cell": cell, "described": cell, "judged": f"2026-01-0{day}", "quality": ["map"], "grid": "g"}
    machine = {"finished": f"2026-01-0{day}T10:00:00.000+00:00", "environment": environment or {}}
    replicates = factor * np.exp(np.random.default_rng((seed, day)).normal(0, noise, 4))
    times = {"latency_ms": np.tile(replicates[:, None, None], (1, 2, 5)).astype(np.float32)} if timed else {}
    key = f"{abs(hash_of(row['dataset'] + cell)):08x}{seed}{day}"
    Store(folder).write("records", key, {"row": row, **about, **machine}, times)


def hash_of(text):
    """A number of a text that is the same in every process."""
    return sum(place * ord(letter) for place, letter in enumerate(text, 1)) % 2**31
