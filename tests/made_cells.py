"""Made cells, as the records have them and completed as the tables do it, for tests of what is made of these."""

import pandas as pd

from bench.report.tables import complete
from bench.report.words import GridInfo

FOOD = {"dataset": "food101", "dataset_plugin": "food101", "queries": 25_250, "database_items": 75_750}
"""The paper's data, so that what it published stands beside."""


def grid(layout, reference=None, k=10):
    return GridInfo("made", "A made grid", layout, reference, "quick", (), k)


def cells(info, *rows):
    """Tidy cells: a row for each, over what they share."""
    common = {
        **{"dataset": "made", "protocol": "seen", "k": 10, "seed": 0, "status": "ok"},
        **{"queries": 100, "database_items": 1000},
    }
    return complete(pd.DataFrame([common | row for row in rows]), info)


def scan(ms=10.0, precision=0.8, **more):
    """The linear scan, the search that times are compared with."""
    found = {"index": "linear_scan", "recall_at_10": 1.0, "precision_at_10": precision}
    return {"embedder": "triplet", "dim": 512, **found, **times(ms, ms), **more}


def tables(length, candidates, ms=2.0, precision=0.76, exact_ms=10.0, **more):
    """Hash tables with re-ranking."""
    built = f"L = {length}"
    settings = {"build_setting": built, "setting": f"N = {candidates}, {built}", "candidates": candidates}
    coded = {"hasher": "exchnet", "bits": 32, "database_codes": "learned", "model": "last", "key_bits": length}
    found = {"precision_at_10": precision, "recall_at_10": 0.5}
    base = {"embedder": "triplet", "dim": 512, "index": "hash_tables", "rerank": "float32"}
    return {**base, **coded, **settings, **found, **times(ms, exact_ms), **more}


def search(index, recall, ms, setting=None, exact_ms=10.0, **more):
    """Any other index."""
    base = {"embedder": "triplet", "dim": 512, "index": index, "setting": setting, "query_setting": setting}
    found = {"recall_at_10": recall, "precision_at_10": None if recall is None else 0.8 * recall}
    return {**base, **found, **times(ms, exact_ms), **more}


def times(ms, exact_ms):
    """The columns of a time, with intervals of 5 % to either side; the ratio of a search to itself is exact."""
    ratio = ms / exact_ms
    reach = 0.0 if ms == exact_ms else 0.05 * ratio
    return {
        **{"latency_ms_p50": ms, "latency_ms_mean": ms, "latency_ms_low": 0.95 * ms, "latency_ms_high": 1.05 * ms},
        **{"throughput_qps": 1e3 / ms, "throughput_qps_low": 950 / ms, "throughput_qps_high": 1050 / ms},
        **{"ratio": ratio, "ratio_low": ratio - reach, "ratio_high": ratio + reach, "seconds_all_queries": ms},
    }


def ranking(hasher, bits, quality, **more):
    """The codes of a hasher, ranked."""
    coded = {"hasher": hasher, "bits": bits, "model": "last", "database_codes": "encoded"}
    return {**coded, "map": quality, "fit_seconds": 60.0, **more}
