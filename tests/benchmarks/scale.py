"""Cost of exact candidates against the number of codes: by a scan, by the tables, and by what `auto` chooses.

``python -m tests.benchmarks.scale`` measures on one thread, one query at a time, and writes the table and the figure
of `docs/results/scale.md`. It needs about 2 GB and some minutes of an idle machine.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.interfaces import Codes, Words
from bench.timing.load import one_thread, quiet
from bench.timing.machine import machine_rates

RESULTS = Path(__file__).parents[2] / "docs" / "results"
BITS, KEY_BITS, N, QUERIES, ROUNDS = 64, 16, 1000, 40, 3
BLOCK = 2**20
CLUSTERS, FLIPPED = 200, 0.12
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
FITTED_FROM = 300_000


def uniform(count: int, rng: np.random.Generator) -> Words:
    """Independent bits."""
    return rng.integers(0, 2**64, count, dtype=np.uint64)


def clustered(count: int, rng: np.random.Generator) -> Words:
    """Around CLUSTERS centres, each bit flipped with probability FLIPPED."""
    centres = np.random.default_rng(0).integers(0, 2**64, CLUSTERS, dtype=np.uint64)
    flips = np.zeros(count, dtype=np.uint64)
    for bit in range(BITS):
        flips |= (rng.random(count, dtype=np.float32) < FLIPPED).astype(np.uint64) << np.uint64(bit)
    return centres[rng.integers(0, CLUSTERS, count)] ^ flips


def made(kind: Callable[[int, np.random.Generator], Words], count: int, seed: int) -> Codes:
    """Codes, in blocks, so that nothing larger than the codes themselves is held."""
    rng = np.random.default_rng(seed)
    words = np.empty((count, 1), dtype=np.uint64)
    for start in range(0, count, BLOCK):
        block = words[start : start + BLOCK]
        block[:, 0] = kind(len(block), rng)
    return Codes(words, BITS)


def microseconds(search: Callable[[Codes], Any], queries: Codes) -> float:
    """The median over queries, the best of some rounds."""
    singles = [Codes(queries.words[i : i + 1], BITS) for i in range(len(queries))]
    rounds = []
    with one_thread(), quiet():
        search(singles[0])
        for _ in range(ROUNDS):
            taken = []
            for query in singles:
                start = time.perf_counter_ns()
                search(query)
                taken.append(time.perf_counter_ns() - start)
            rounds.append(float(np.median(taken)) / 1e3)
    return min(rounds)


def rows(sizes: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """A row for each kind of codes, size and way of searching."""
    from methods.search.codes.layout import as_they_are
    from methods.search.codes.lookup import build_tables, candidates

    for kind in (uniform, clustered):
        for size in sizes:
            queries = made(kind, QUERIES, seed=2)
            start = time.perf_counter()
            tables = build_tables(as_they_are(made(kind, size, seed=1)), KEY_BITS)
            built = time.perf_counter() - start
            for mode in ("scan", "tables", "auto"):
                found = candidates(queries, tables, N, mode)
                taken = microseconds(
                    lambda query, tables=tables, mode=mode: candidates(query, tables, N, mode), queries
                )
                yield {
                    "codes": kind.__name__,
                    "n": size,
                    "mode": mode,
                    "us": taken,
                    "scanned": found.scans / QUERIES,
                    "build_s": built,
                    "bytes": tables.nbytes(),
                }


def exponent(points: pd.DataFrame) -> float:
    """Slope of log time over log n where fixed costs no longer matter."""
    large = points[points["n"] >= FITTED_FROM]
    return float(np.polyfit(np.log(large["n"]), np.log(large["us"]), 1)[0]) if len(large) > 1 else float("nan")


def crossing(scan: pd.DataFrame, tables: pd.DataFrame) -> float:
    """The n from which on the tables are faster, between measured sizes on log axes; NaN where there is none."""
    gap = np.log(scan["us"].to_numpy()) - np.log(tables["us"].to_numpy())
    sizes = np.log(scan["n"].to_numpy())
    for i in range(len(gap) - 1, 0, -1):
        if gap[i] > 0 >= gap[i - 1]:
            return float(np.exp(np.interp(0, gap[i - 1 : i + 1], sizes[i - 1 : i + 1])))
    return float("nan")


def report(cells: pd.DataFrame, bytes_per_second: float) -> str:
    """The measurements as Markdown."""
    wide = cells.pivot_table(index=["codes", "n"], columns="mode", values="us", sort=False).reset_index()
    wide["GB/s"] = wide["n"] * BITS / 8 / wide["scan"] / 1e3
    wide["of read rate"] = wide["GB/s"] * 1e9 / bytes_per_second
    shares = cells[cells["mode"] == "auto"].set_index(["codes", "n"])["scanned"]
    lines = [
        "| codes | n | scan, us | tables, us | auto, us | auto scans | scan reads, GB/s | of the memory's rate |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in wide.to_dict("records"):
        share = shares[row["codes"], row["n"]]
        lines.append(
            f"| {row['codes']} | {row['n']:,} | {row['scan']:.0f} | {row['tables']:.0f} | {row['auto']:.0f} "
            f"| {share:.0%} | {row['GB/s']:.1f} | {row['of read rate']:.0%} |"
        )
    lines.append("")
    for kind, group in cells.groupby("codes", sort=False):
        by_mode = dict(iter(group.groupby("mode")))
        meet = crossing(by_mode["scan"], by_mode["tables"])
        meeting = f"the tables are faster from n = {meet:,.0f} on" if np.isfinite(meet) else "the curves do not cross"
        slopes = [f"n^{exponent(by_mode[mode]):.2f}" for mode in ("scan", "tables")]
        lines.append(
            f"* {kind}: from n = {FITTED_FROM:,} on, time grows as {slopes[0]} by scan, {slopes[1]} by tables; "
            f"{meeting}."
        )
    lines.append(f"* The memory reads {bytes_per_second / 1e9:.1f} GB/s on one thread.")
    return "\n".join(lines)


def draw(cells: pd.DataFrame, path: Path) -> None:
    """Time over n, both logarithmic."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(9, 4), layout="constrained")
    for axes, (kind, group) in zip(figure.subplots(1, 2, sharey=True), cells.groupby("codes", sort=False), strict=True):
        for mode, points in group.groupby("mode", sort=False):
            axes.loglog(points["n"], points["us"], marker="o", label=str(mode))
        axes.set(title=f"{kind} codes", xlabel="codes n")
    figure.axes[0].set(ylabel=f"us for the {N:,} nearest of {BITS}-bit codes")
    figure.axes[0].legend()
    figure.savefig(path)


def main() -> None:
    """Measure, and write into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    cells = pd.DataFrame(rows(tuple(size for size in SIZES if size <= chosen.largest)))
    text = report(cells, machine_rates().bytes_per_second)
    print(text)
    cells.to_csv(chosen.out / "scale.csv", index=False)
    draw(cells, chosen.out / "scale.svg")
    page = chosen.out / "scale.md"
    if page.exists():
        marked = re.compile(r"(<!-- scale -->\n).*?(<!-- /scale -->)", re.DOTALL)
        page.write_text(marked.sub(lambda match: match[1] + text + "\n" + match[2], page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
