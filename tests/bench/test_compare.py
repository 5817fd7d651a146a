import math

import numpy as np
import pandas as pd
import pytest

from bench.compare import TIME, compare, regressions
from bench.store import Store
from tests.conftest import bench


def write(folder, cell="Cell(a, seed=0)", factor=1.0, seed=0, day=1, noise=0.02, timed=True, **row):
    """A finished record; the latencies of its four replicates differ by the noise, and are scaled by the factor."""
    row = {"dataset": "d", "k": 10, "seed": seed, "status": "ok", "map": 0.5, "recall_at_10": None, **row}
    about = {"cell": cell, "described": cell, "judged": f"2026-01-0{day}", "quality": ["map"], "grid": "g"}
    replicates = factor * np.exp(np.random.default_rng((seed, day)).normal(0, noise, 4))
    times = {"latency_ms": np.tile(replicates[:, None, None], (1, 2, 5)).astype(np.float32)} if timed else {}
    Store(folder).write("records", f"{row['dataset']}{cell[5]}{seed}{day}", {"row": row, **about}, times)


@pytest.fixture
def folders(tmp_path):
    return tmp_path / "before", tmp_path / "after"


def verdicts(folders):
    return {(change.cell, change.figure): change.verdict for change in compare(*map(Store, folders))}


def test_a_record_set_has_not_moved_from_itself(folders):
    before, _ = folders
    write(before)
    assert set(verdicts((before, before)).values()) == {"same"}


@pytest.mark.parametrize(("factor", "verdict"), [(1.2, "worse"), (0.8, "better"), (1.0, "same")])
def test_a_time_has_moved_where_its_interval_leaves_out_no_change(folders, factor, verdict):
    write(folders[0])
    write(folders[1], factor=factor, day=2)
    [change] = [one for one in compare(*map(Store, folders)) if one.figure == TIME]
    assert change.verdict == verdict and change.low <= change.change <= change.high
    assert abs(change.change - (factor - 1)) < 0.05
    assert (change.low > 0) == (verdict == "worse") and (change.high < 0) == (verdict == "better")


def test_one_replicate_proves_no_change_of_time(folders):
    for folder, factor in zip(folders, (1.0, 3.0), strict=True):
        row = {"dataset": "d", "k": 10, "seed": 0, "status": "ok"}
        meta = {"row": row, "cell": "Cell(a, seed=0)", "described": "a", "judged": "1"}
        Store(folder).write("records", "a", meta, {"latency_ms": np.full((1, 2, 5), factor, np.float32)})
    [change] = compare(*map(Store, folders))
    assert change.verdict == "same" and change.change == pytest.approx(2) and change.high == math.inf


def test_quality_of_one_seed_is_exact_and_of_several_has_an_interval(folders):
    before, after = folders
    write(before, timed=False)
    write(after, timed=False, map=0.5001)
    assert verdicts(folders) == {("Cell(a, seed=0)", "map"): "better"}
    for seed, gain in ((1, -0.02), (2, 0.03)):
        write(before, f"Cell(a, seed={seed})", seed=seed, timed=False)
        write(after, f"Cell(a, seed={seed})", seed=seed, timed=False, map=0.5 + gain)
    [change] = compare(*map(Store, folders))
    assert change.verdict == "same" and change.low < 0 < change.high
    for seed in (0, 1, 2):
        write(after, f"Cell(a, seed={seed})", seed=seed, timed=False, map=0.4 + 0.001 * seed, day=3)
    [change] = compare(*map(Store, folders))
    assert change.verdict == "worse" and change.change == pytest.approx(-0.198)
    assert regressions([change], 0.15) == [change] and regressions([change], 0.25) == []


def test_the_last_of_several_records_of_a_cell_counts_and_data_sets_are_kept_apart(folders):
    before, after = folders
    write(before, timed=False)
    write(before, timed=False, map=0.7, day=2)
    write(after, timed=False, map=0.7)
    write(after, timed=False, map=0.1, dataset="other")
    found = [(change.dataset, change.figure, change.verdict) for change in compare(*map(Store, folders))]
    assert found == [("d", "map", "same"), ("other", "", "only after")]


def test_the_command_prints_what_moved_writes_all_and_fails_over_a_share(folders, tmp_path):
    before, after = folders
    for cell in ("Cell(a, seed=0)", "Cell(b, seed=0)"):
        write(before, cell)
    write(after, "Cell(a, seed=0)", factor=1.3, day=2)
    write(after, "Cell(c, seed=0)")
    done = bench("compare", before, after, "--csv", tmp_path / "changes.csv", "--fail-over", "5%")
    assert done.returncode == 1 and "1 figures are worse by more than 5%" in done.stderr
    for words in ("Cell(a", "only before", "only after", "worse", "3 of 4 figures moved"):
        assert words in done.stdout, done.stdout
    table = pd.read_csv(tmp_path / "changes.csv")
    assert table["verdict"].tolist() == ["same", "worse", "only before", "only after"]
    assert bench("compare", before, after, "--fail-over", "50%").returncode == 0
    assert bench("compare", before, after).returncode == 0


@pytest.mark.parametrize(("words", "options"), [
    ("'5'", ("--fail-over", "5")), ("'many%'", ("--fail-over", "many%")), ("holds no finished records", ()),
])  # fmt: skip
def test_what_can_not_be_compared_is_refused_in_one_line(folders, words, options):
    if options:
        write(folders[0])
    done = bench("compare", *folders, *options)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1
