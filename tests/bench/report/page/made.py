"""Made cells: many methods whose quality grows with their cost, with failures, seeds and several data sets."""

import numpy as np
import pandas as pd

from bench.report.page.assemble import page_text
from bench.report.page.facts import About, Facts
from bench.report.page.payload import payload
from bench.report.tables import complete, write_tables
from bench.report.words import GridInfo

PARETO = GridInfo("ann", "Approximate nearest neighbours, side by side", "pareto", None, "quick", ("No labels",))
CODES = GridInfo("hashing_small", "Hashing methods on a small set", "codes", None, "quick", ())
TABLE = GridInfo("supp_table1", "Look-up and re-ranking", "candidates", "supp_table1", "paper", ())
INDEXES = {
    "linear_scan": "exact",
    "hash_tables": "hash tables",
    "hamming_scan": "code scan",
    "faiss": "inverted file",
    "scann": "inverted file",
    "hnswlib": "graph",
    "pynndescent": "graph",
    "annoy": "tree",
}
HASHERS = {"lsh": "unsupervised", "itq": "unsupervised", "sdh": "supervised", "exchnet": "deep", "csq": "deep"}
MACHINE = {"cpu": "Some processor", "cores": 2, "memory_bytes": 25_000_000_000, "system": "Linux", "python": "3.11.7"}


def searches(settings=6, methods=tuple(INDEXES), dataset="clusters", seeds=(0,), dims=(512,), seed=0, builds=1):
    """Finished searches: a linear scan, and of each other method so many settings."""
    random = np.random.default_rng(seed)
    rows = []
    for dim in dims:
        for index in methods:
            for build in range(1 if index == "linear_scan" else builds):
                for step in range(1 if index == "linear_scan" else settings):
                    rows += [_search(random, dataset, dim, index, build, step, settings, one) for one in seeds]
    return _keyed(pd.DataFrame(rows), dataset)


def _search(random, dataset, dim, index, build, step, settings, seed):
    position = list(INDEXES).index(index)
    exact = index == "linear_scan"
    cost = 4.0 if exact else (0.05 + 0.02 * position) * 1.7**step * random.uniform(0.85, 1.15)
    recall = 1.0 if exact else 1 - 0.5 * 0.45 ** (step + random.uniform(0, 1)) - 0.02 * build
    coded = index in ("hash_tables", "hamming_scan")
    spread = random.uniform(1.02, 1.4)
    return {
        **_data(dataset),
        "embedder": "triplet",
        "dim": dim,
        "hasher": "itq" if coded else None,
        "bits": (128 if build == 0 else 64) if coded else None,
        "model": "last" if coded else None,
        "database_codes": "encoded" if coded else None,
        "index": index,
        "build_setting": f"M = {16 * (build + 1)}"
        if index == "hnswlib"
        else (f"factory = F{build}" if build else None),
        "query_setting": None if exact else f"effort = {2**step}",
        "setting": None if exact else f"effort = {2**step}",
        "seed": seed,
        "precision_at_10": 0.8 * recall + 0.001 * position,
        "recall_at_10": recall,
        "latency_ms_p50": cost,
        "latency_ms_low": cost / spread,
        "latency_ms_high": cost * spread,
        "latency_ms_p95": 1.6 * cost,
        "latency_ms_p99": 2.1 * cost,
        "latency_ms_mean": 1.1 * cost,
        "throughput_qps": 1900 / cost,
        "throughput_qps_low": 1700 / cost,
        "throughput_qps_high": 2000 / cost,
        "seconds_all_queries": cost,
        "build_seconds": 0.004 if exact else 1.5 * position,
        "build_seconds_low": 0.003 if exact else 1.4 * position,
        "build_seconds_high": 0.005 if exact else 1.8 * position,
        "index_bytes": 1e8 + 4e6 * position,
        "ratio": cost / 4,
        "ratio_low": cost / spread / 4,
        "ratio_high": cost * spread / 4,
        "ratio_to": "linear_scan()",
        "unstable": bool(random.integers(2)),
        "loaded": False,
        "status": "ok",
    }


def _data(dataset):
    return {
        "dataset": dataset,
        "dataset_plugin": "vectors",
        "protocol": "seen",
        "k": 10,
        "queries": 1000,
        "database_items": 20_000,
    }


def failures(dataset="clusters"):
    """What has no result: an error, a timeout, a lack of memory, something skipped, pruned and not run yet."""
    cells = searches(2, ("annoy", "hnswlib", "faiss"), dataset, seed=7)
    figures = [
        name for name in cells.columns if name.startswith(("latency", "throughput", "build_s", "ratio", "recall"))
    ]
    cells[[*figures, "precision_at_10", "index_bytes", "seconds_all_queries"]] = np.nan
    cells["status"] = ["error", "timeout", "memory", "skipped", "pruned", None]
    cells["reason"] = [
        "ValueError: n < 1",
        "stopped after 600 s",
        "needed more than 20 GB",
        "no GPU here",
        "dominated",
        None,
    ]
    cells["query_setting"] = cells["setting"] = [f"other = {number}" for number in range(len(cells))]
    cells["key"] = [f"{place:032x}" for place in range(900, 900 + len(cells))]
    return cells


def rankings(seeds=(0, 1), bits=(12, 24, 48), dataset="birds"):
    """Finished rankings by codes, and one by the features themselves."""
    random = np.random.default_rng(3)
    rows = [{**_data(dataset), "embedder": "pretrained", "dim": 64, "seed": 0, "map": 0.55, "precision_at_10": 0.7}]
    for place, hasher in enumerate(HASHERS):
        for length in bits:
            for seed in seeds:
                quality = 0.15 + 0.08 * place + 0.03 * np.log2(length) + random.uniform(0, 0.02)
                rows.append(
                    {
                        **_data(dataset),
                        "hasher": hasher,
                        "bits": length,
                        "model": "last",
                        "database_codes": "encoded",
                        "seed": seed,
                        "map": quality,
                        "precision_at_10": quality + 0.1,
                        "fit_seconds": 2.0 + 10 * place,
                        "code_bytes": 20_000 * -(-length // 8),
                    }
                )
    return _keyed(pd.DataFrame(rows).assign(status="ok", index=None), dataset)


def _keyed(cells, dataset):
    return cells.assign(key=[f"{place:024x}{abs(hash_of(dataset)):08x}" for place in range(len(cells))])


def hash_of(text):
    """A number of a text that is the same in every process."""
    return sum(place * ord(letter) for place, letter in enumerate(text, 1)) % 2**31


def about(cells):
    """What is known of the cells beside their figures."""
    return {
        str(name): About({row["key"]: _facts(row) for _, row in own.iterrows()}, ["20,000 vectors, drawn for a test"])
        for name, own in cells.groupby("dataset", dropna=False)
    }


def _facts(row):
    index, hasher = row.get("index"), row.get("hasher")
    family = INDEXES.get(index) or HASHERS.get(hasher) or "other"
    settings = {"embedder": {"plugin": "triplet"} | {f"option_{number}": number for number in range(24)}}
    if isinstance(index, str):
        settings["index"] = {"plugin": index, "effort": 8, "depth": len(str(row["build_setting"]))}
    libraries = {"numpy": "2.0", "scipy": "1.13"}
    return Facts(settings, family, MACHINE | {"libraries": libraries}, "2026-11-25T10:00:00.000+00:00")


def data_of(cells, grid=PARETO):
    """The data of the cells' page."""
    return payload(grid, complete(cells, grid), about(cells))


def write(cells, folder, grid=PARETO):
    """``cells.csv`` and ``report.html`` in a folder. Returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tables(cells, grid, folder)
    path = folder / "report.html"
    path.write_text(page_text(data_of(cells, grid)), encoding="utf-8")
    return path
