import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from bench.cli.screen import print_changes
from bench.grids.cells import Cell
from bench.plugins.choices import ROLES, Choice
from bench.records.compare import TIMES, Change, compare, losses, summary
from bench.store.entries import Store
from bench.store.identity import digest
from tests.bench.recorded import write
from tests.conftest import bench


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
    [change] = [one for one in compare(*map(Store, folders)) if one.figure == "latency_ms_p50"]
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
    assert losses([change], 0.15) == [change] and losses([change], 0.25) == []


def test_cells_are_matched_whatever_their_seed_and_however_their_values_were_written():
    names = dict.fromkeys(("embedder", "input", "hasher", "model", "database_codes", "index", "rerank"))
    cell = Cell(protocol="seen", **names, candidates=20, seed=3)
    assert repr(cell).endswith(", seed=3)")
    assert repr(dataclasses.replace(cell, written={"candidates": "n / 10"})) == repr(cell)


def test_the_last_of_several_records_of_a_cell_counts_and_data_sets_are_kept_apart(folders):
    before, after = folders
    write(before, timed=False)
    write(before, timed=False, map=0.7, day=2)
    write(after, timed=False, map=0.7)
    write(after, timed=False, map=0.1, dataset="other")
    found = [(change.dataset, change.figure, change.verdict) for change in compare(*map(Store, folders))]
    assert found == [("d", "map", "same"), ("other", "", "only after")]


@pytest.mark.long
def test_the_command_prints_what_moved_writes_all_and_fails_over_a_share(folders, tmp_path):
    before, after = folders
    for cell in ("Cell(a, seed=0)", "Cell(b, seed=0)"):
        write(before, cell)
    write(after, "Cell(a, seed=0)", factor=1.3, day=2)
    write(after, "Cell(c, seed=0)")
    done = bench("compare", before, after, "--csv", tmp_path / "changes.csv", "--fail-over", "5%")
    assert done.returncode == 1 and "3 losses (worse by more than 5%" in done.stderr
    for words in ("Cell(a", "only before", "only after", "worse", "1 of 2 figures moved", "wrote "):
        assert words in done.stdout, done.stdout
    table = pd.read_csv(tmp_path / "changes.csv")
    assert table["verdict"].tolist() == ["same", "worse", "only before", "only after"]
    assert bench("compare", before, after, "--fail-over", "50%", "--allow-missing").returncode == 0
    assert bench("compare", before, after).returncode == 0


@pytest.mark.long
@pytest.mark.parametrize(("words", "options"), [
    ("'5'", ("--fail-over", "5")), ("'many%'", ("--fail-over", "many%")), ("holds no finished records", ()),
    ("give that too, as in --fail-over 5%", ("--allow-missing",)),
])  # fmt: skip
def test_what_can_not_be_compared_is_refused_in_one_line(folders, words, options):
    if options:
        write(folders[0])
    done = bench("compare", *folders, *options)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1


def lost(folders, allow_missing=False):
    """The losses of any size, each in a line."""
    return [one.describe() for one in losses(compare(*map(Store, folders)), 0.0, allow_missing)]


@pytest.mark.parametrize("status", ["error", "timeout", "memory"])
def test_what_failed_afterwards_is_a_loss_whatever_may_be_missing(folders, status):
    write(folders[0])
    write(folders[1], status=status, reason="boom", map=None, timed=False)
    assert lost(folders) == lost(folders, allow_missing=True) == [f"d, Cell(a, seed=0): {status} after (boom)"]


def test_a_status_of_any_other_name_is_a_failure(folders):
    write(folders[0])
    write(folders[1], status="weird", day=2)
    assert lost(folders) == lost(folders, allow_missing=True) == ["d, Cell(a, seed=0): weird after"]
    for folder in folders:
        write(folder, "Cell(ended so before, seed=0)", status="weird", timed=False)
    assert len(lost(folders)) == 1
    write(folders[1], "Cell(b, seed=0)", status="odd", timed=False)
    assert lost(folders)[1:] == ["d, Cell(b, seed=0): odd after"]


def test_a_figure_of_too_few_replicates_is_a_loss_unless_what_is_missing_is_allowed(folders):
    record(folders[0], [1.0])
    record(folders[1], [50.0])
    assert lost(folders) == ["d, a: time of a query not known, +4,900.0 % (too few replicates)"]
    assert lost(folders, allow_missing=True) == []


def test_a_rate_is_vague_where_the_time_behind_it_would_be():
    ends = {"latency_ms_p50": (-0.5, 11.0), "throughput_qps": (1 / 12 - 1, 1.0)}
    for figure, (low, high) in ends.items():
        assert Change("d", "a", figure, low=low, high=high).is_vague
        assert not Change("d", "a", figure, low=0.9 * low, high=0.9 * high).is_vague
        assert not Change("d", "a", figure, low=low, high=high, verdict="worse").is_vague


@pytest.mark.long
def test_the_gate_fails_for_figures_that_it_can_not_judge_and_the_page_without_a_gate_calls_none_a_loss(
    folders, tmp_path
):
    for folder, factor in zip(folders, (1.0, 50.0), strict=True):
        record(folder, [factor])
    failed = bench("compare", *folders, "--fail-over", "5%")
    assert failed.returncode == 1 and "1 loss (worse by more than 5%" in failed.stderr
    assert "of too few replicates or seeds" in failed.stderr and "+4,900.0 % (too few replicates)" in failed.stderr
    assert bench("compare", *folders, "--fail-over", "5%", "--allow-missing").returncode == 0
    shown = bench("compare", *folders, "--html", tmp_path / "x.html")
    assert shown.returncode == 0 and "0 losses (worse, failed" in (tmp_path / "x.html").read_text()


def test_what_was_never_finished_before_and_fails_afterwards_is_a_loss(folders):
    write(folders[0])
    write(folders[1], day=2)
    write(folders[1], "Cell(b, seed=0)", status="error", reason="boom", timed=False)
    assert lost(folders, allow_missing=True) == ["d, Cell(b, seed=0): error after (boom)"]


def test_what_failed_on_both_sides_is_none(folders):
    for folder in folders:
        write(folder)
        write(folder, "Cell(b, seed=0)", status="error", reason="boom", timed=False)
    assert lost(folders) == []


@pytest.mark.parametrize("status", ["skipped", "pruned"])
def test_what_was_skipped_afterwards_is_a_loss_unless_that_is_allowed(folders, status):
    write(folders[0])
    write(folders[1], status=status, reason="no library", map=None, timed=False)
    assert lost(folders) == [f"d, Cell(a, seed=0): {status} after (no library)"]
    assert lost(folders, allow_missing=True) == []


@pytest.mark.parametrize("value", [None, float("nan"), "none"])
def test_a_figure_that_is_gone_is_a_loss_and_one_that_is_new_is_none(folders, value):
    write(folders[0], recall_at_10=0.9)
    write(folders[1], recall_at_10=value)
    assert lost(folders) == ["d, Cell(a, seed=0): recall@10 gone after"]
    assert lost(folders, allow_missing=True) == []
    assert verdicts(folders[::-1])["Cell(a, seed=0)", "recall_at_10"] == "new after" and lost(folders[::-1]) == []


def test_times_that_are_gone_are_a_loss(folders):
    write(folders[0])
    write(folders[1], timed=False)
    assert lost(folders) == ["d, Cell(a, seed=0): time of a query gone after"]


def test_seeds_of_one_side_are_losses_and_the_others_are_compared(folders):
    for folder, seeds in zip(folders, ((0, 1, 2), (1, 2, 3)), strict=True):
        for seed in seeds:
            write(folder, f"Cell(a, seed={seed})", seed=seed, day=1, map=0.5 + seed)
    found = lost(folders)
    assert [line.split(", seed ")[1] for line in found] == ["0: only before", "3: only after"]
    assert lost(folders, allow_missing=True) == []
    [same] = [one for one in compare(*map(Store, folders)) if one.figure == "map"]
    assert same.before == same.after == pytest.approx(2.0)


def test_one_seed_that_failed_is_named_among_several(folders):
    for seed in (0, 1):
        write(folders[0], f"Cell(a, seed={seed})", seed=seed)
        write(folders[1], f"Cell(a, seed={seed})", seed=seed, status="error" if seed else "ok", reason="boom")
    assert [line.split(", seed ")[1] for line in lost(folders)] == ["1: error after (boom)"]


def test_only_failures_afterwards_are_losses_and_nothing_before_is_refused(folders):
    write(folders[0], status="error", timed=False)
    write(folders[1])
    with pytest.raises(ValueError, match="before holds no finished records, only cells that ended otherwise: 1 error"):
        compare(*map(Store, folders))
    assert lost(folders[::-1]) == ["d, Cell(a, seed=0): error after"]


def test_other_data_of_one_name_are_not_compared_and_the_same_under_two_names_are(folders):
    write(folders[0], dataset_fingerprint="a" * 12, map=0.9)
    write(folders[1], dataset_fingerprint="b" * 12, map=0.1)
    line = f"d, all cells: other data (fingerprint {'a' * 12} before, {'b' * 12} after: nothing of them is compared)"
    assert lost(folders) == lost(folders, allow_missing=True) == [line]
    write(folders[1], dataset="e", dataset_fingerprint="a" * 12, map=0.9)
    assert verdicts(folders)["Cell(a, seed=0)", "map"] == "same"
    assert lost(folders, allow_missing=True) == []


def test_data_whose_content_a_record_does_not_know_go_by_their_name(folders):
    write(folders[0])
    write(folders[1], dataset_fingerprint="b" * 12)
    assert verdicts(folders) == {("Cell(a, seed=0)", "map"): "same", ("Cell(a, seed=0)", "latency_ms_p50"): "same"}


def test_two_contents_in_one_folder_are_two(folders):
    for folder in folders:
        for digit, value in (("a", 0.2), ("b", 0.8)):
            write(folder, dataset=f"d-{digit}", dataset_fingerprint=digit * 12, map=value, timed=False)
    found = {(one.dataset, one.before, one.after) for one in compare(*map(Store, folders))}
    assert found == {("d-a", 0.2, 0.2), ("d-b", 0.8, 0.8)}


@pytest.mark.parametrize(("name", "said"), [("queries", "queries"), ("database_items", "database items")])
def test_other_numbers_of_queries_or_items_are_other_data(folders, name, said):
    write(folders[0], **{name: 100})
    write(folders[1], **{name: 200})
    assert lost(folders, allow_missing=True) == [f"d, Cell(a, seed=0): other data ({said} 100 before, 200 after)"]


@pytest.mark.parametrize(("figure", "array"), [(name, column.array) for name, column in TIMES.items()])
@pytest.mark.parametrize("factor", [1.3, 0.7])
def test_every_kind_of_time_is_compared_the_same_way(folders, figure, array, factor):
    rng = np.random.default_rng(0)
    times = rng.normal(1, 0.01, (2, 5, 4)).astype(np.float32) * np.array([1, factor], np.float32)[:, None, None]
    times = times.mean(axis=2) if array in ("build_seconds", "encode_ms") else times
    row = {"dataset": "d", "k": 10, "seed": 0, "status": "ok"}
    for folder, values in zip(folders, times, strict=True):
        meta = {"row": row, "cell": "Cell(a, seed=0)", "described": "a", "judged": "1"}
        Store(folder).write("records", "a", meta, {array: values})
    [change] = compare(*map(Store, folders))
    rate = "qps" in figure
    medians = [np.median(values.reshape(5, -1), axis=1) for values in times]
    oracle = np.median(medians[1]) / np.median(medians[0])
    means = np.exp(np.diff([np.log(one.astype(float)).mean() for one in medians])[0])
    assert change.figure == figure and change.change == pytest.approx((1 / oracle if rate else oracle) - 1, rel=1e-5)
    assert change.before == pytest.approx(1e3 if rate else 1, rel=0.05)
    assert change.low < (1 / means if rate else means) - 1 < change.high and change.low <= change.change <= change.high
    assert change.after / change.before - 1 == pytest.approx(change.change)
    assert change.verdict == ("worse" if factor > 1 else "better")
    assert len(losses([change], 0.1)) == (factor > 1)


def test_among_many_unchanged_cells_the_one_that_moved_is_found_alone(folders):
    for number in range(40):
        for folder, day in zip(folders, (1, 2), strict=True):
            row = {"dataset": "d", "k": 10, "seed": 0, "status": "ok"}
            meta = {"row": row, "cell": f"Cell({number}, seed=0)", "described": str(number), "judged": "1"}
            noise = np.random.default_rng((number, day)).normal(0, 0.01, (5, 1, 1))
            times = np.exp(noise) * (1.1 if number == 7 and day == 2 else 1)
            Store(folder).write("records", str(number), meta, {"latency_ms": times})
    found = compare(*map(Store, folders))
    assert [one.cell for one in found if one.verdict != "same"] == ["7"]
    assert all((one.low <= 0 <= one.high) == (one.verdict == "same") for one in found)


def test_cells_that_are_described_alike_are_told_apart_by_what_differs_in_how_their_items_are_coded(folders):
    for bits in (16, 32):
        row = {"dataset": "d", "k": 10, "seed": 0, "status": "ok", "hasher": "itq", "bits": bits, "map": 0.5}
        meta = {"row": row, "cell": f"Cell({bits}, seed=0)", "described": "scan()", "judged": "1"}
        for folder in folders if bits == 16 else folders[:1]:
            Store(folder).write("records", str(bits), meta, {})
    assert lost(folders) == ["d, scan(), 32 bits: only before"]


ONE, OTHER = "One CPU, 2 cores, 16 GiB", "Other CPU, 8 cores, 64 GiB"


def test_a_cell_on_other_held_out_classes_is_another_cell(folders):
    before, after = folders
    for folder, split in ((before, "share 0.25"), (after, "share 0.5")):
        write(folder, protocol="unseen", unseen_classes=split, timed=False)
    assert sorted(one.verdict for one in compare(*map(Store, folders))) == ["only after", "only before"]
    write(after, protocol="unseen", unseen_classes="share 0.25", timed=False, day=2)
    found = compare(*map(Store, folders))
    assert sorted(one.verdict for one in found) == ["only after", "same"]
    assert {one.cell for one in found} == {f"Cell(a, seed=0), unseen classes: share {share}" for share in (0.25, 0.5)}


def test_times_of_another_machine_class_are_not_compared_which_one_line_says_and_qualities_are(folders):
    for cell in ("Cell(a, seed=0)", "Cell(b, seed=0)"):
        write(folders[0], cell, machine=ONE)
        write(folders[1], cell, machine=OTHER, factor=3.0, map=0.4)
    found = compare(*map(Store, folders))
    assert [(one.cell, one.figure, one.verdict) for one in found] == [
        ("Cell(a, seed=0)", "map", "worse"),
        ("Cell(b, seed=0)", "map", "worse"),
        ("times of 2 cells", "", "other machine"),
    ]
    line = f"d, times of 2 cells: other machine ({ONE} before, {OTHER} after)"
    assert lost(folders)[-1] == line and line not in lost(folders, allow_missing=True)
    across = compare(*map(Store, folders), across_machines=True)
    assert [one.verdict for one in across if one.figure == "latency_ms_p50"] == ["worse", "worse"]
    assert not [one for one in across if one.verdict == "other machine"]


def test_a_record_that_names_no_machine_compares_with_its_like_alone(folders):
    write(folders[0])
    write(folders[1], machine=ONE)
    assert lost(folders) == [f"d, times of Cell(a, seed=0): other machine (not recorded before, {ONE} after)"]
    write(folders[1])
    assert lost(folders) == []


def test_of_seeds_on_two_machine_classes_those_of_the_larger_number_are_compared(folders):
    for seed, machine in enumerate((ONE, OTHER, ONE)):
        for folder, day in zip(folders, (1, 2), strict=True):
            slow = 10.0 if machine == OTHER else 1.0
            write(folder, f"Cell(a, seed={seed})", seed=seed, day=day, machine=machine, factor=slow, noise=0.0)
    found = {one.verdict: one for one in compare(*map(Store, folders)) if one.figure != "map"}
    assert found["same"].before == pytest.approx(1.0) == found["same"].after
    assert found["other machine"].note == f"seeds on {OTHER}, others on {ONE}"


def test_encoding_is_of_the_machine_that_trained(folders):
    for folder, machine in zip(folders, (ONE, OTHER), strict=True):
        row = {"dataset": "d", "k": 10, "seed": 0, "status": "ok", "machine": machine, "training_machine": ONE}
        meta = {"row": row, "cell": "Cell(a, seed=0)", "described": "a", "judged": "1"}
        times = {"encode_ms": np.ones(5), "build_seconds": np.ones(5)}
        Store(folder).write("records", "a", meta, times)
    assert verdicts(folders) == {
        ("a", "encode_ms"): "same",
        ("times of a", ""): "other machine",
    }


def record(folder, replicates, name="a", **row):
    """A finished record with the medians of its replicates, and with figures of its tables."""
    row = {"dataset": "d", "k": 10, "seed": 0, "status": "ok", **row}
    meta = {"row": row, "cell": f"Cell({name}, seed={row['seed']})", "described": name, "judged": "1"}
    times = np.tile(np.asarray(replicates, np.float32)[:, None, None], (1, 2, 5))
    Store(folder).write("records", f"{name}{row['seed']}", meta, {"latency_ms": times})


def test_before_and_after_are_the_figures_of_the_records_and_the_change_is_their_ratio(folders):
    record(folders[0], [1.0, 1.01, 1.02, 0.99], latency_ms_p50=1.005)
    record(folders[1], [1.5, 1.51, 1.7, 1.49], latency_ms_p50=1.6)
    [change] = compare(*map(Store, folders))
    assert (change.before, change.after) == (1.005, 1.6) and change.change == pytest.approx(1.6 / 1.005 - 1)
    assert change.low <= change.change <= change.high and change.verdict == "worse"


def test_several_seeds_show_the_mean_of_their_figures(folders):
    for seed, figure in ((0, 1.0), (1, 3.0)):
        record(folders[0], [figure, 1.01 * figure], seed=seed, latency_ms_p50=figure)
        record(folders[1], [figure, 1.01 * figure], seed=seed, latency_ms_p50=figure)
    [change] = compare(*map(Store, folders))
    assert (change.before, change.after, change.verdict) == (2.0, 2.0, "same")


def test_a_change_of_the_shown_figures_that_contradicts_the_interval_has_not_moved_and_stands_inside(folders):
    record(folders[0], [1.0, 1.01, 1.0, 1.01], latency_ms_p50=1.3)
    record(folders[1], [1.2, 1.21, 1.2, 1.21], latency_ms_p50=1.2)
    [change] = compare(*map(Store, folders))
    assert change.verdict == "same" and change.change < 0 and change.low <= change.change <= change.high
    assert change.low <= 0 <= change.high


def test_an_interval_that_says_nothing_is_said_in_words_and_counted(folders):
    record(folders[0], [1.0, 2.0, 0.5])
    record(folders[1], [3.0, 0.2, 1.1])
    record(folders[0], [1.0, 1.1, 0.9, 1.0, 1.1], name="b", precision_at_10=0.5)
    record(folders[1], [1.0, 1.0, 0.9, 1.0, 1.1], name="b", precision_at_10=0.4)
    changes = compare(*map(Store, folders))
    vague, told, exact = (
        next(one for one in changes if (one.cell, one.figure) == place)
        for place in (("a", "latency_ms_p50"), ("b", "latency_ms_p50"), ("b", "precision_at_10"))
    )
    assert vague.is_vague and vague.interval == "too few replicates" and vague.high > 10
    assert not told.is_vague and told.interval == f"{100 * told.low:+,.1f} to {100 * told.high:+,.1f} %"
    assert exact.interval == "exact" and exact.describe() == "d, b: P@10 worse, -20.0 % (exact)"
    assert "of 1 there are too few replicates or seeds to tell" in summary(changes)
    assert "too few" not in summary([told, exact])


def choice(name, **parameters):
    return Choice(name, parameters)


def written(folder, **fields):
    """The record of a cell as a run writes it, with all that names it."""
    cell = Cell(
        "seen",
        **{**dict.fromkeys(ROLES), "model": None, "database_codes": None, "candidates": None, "seed": 0, **fields},
    )
    row = {"dataset": "d", "k": 10, "seed": cell.seed, "status": "ok", "map": 0.5}
    row |= {role: one.name for role, one in cell.choices()}
    row |= {
        "dim": cell.embedder and cell.embedder.parameters.get("dim"),
        "bits": cell.hasher and cell.hasher.parameters["bits"],
    }
    meta = {"row": row, "cell": repr(cell), "described": cell.describe(), "judged": "1"}
    Store(folder).write("records", digest(repr(cell)), meta, {})


def test_cells_are_named_as_the_tables_name_them_and_sorted_by_their_numbers(folders):
    for folder in folders:
        for dim in (1024, 512):
            triplet = choice("triplet", dim=dim)
            written(folder, embedder=triplet, index=choice("linear_scan"))
            for candidates in (5000, 1000):
                tables = choice("hash_tables", key_bits=16, mode="tables")
                written(folder, embedder=triplet, index=tables, rerank=choice("float32"), candidates=candidates)
        for bits in (64, 32):
            written(folder, hasher=choice("itq", bits=bits), database_codes="encoded", model="last")
    assert [one.cell for one in compare(*map(Store, folders))] == [
        "Hash tables (N = 1000, L = 16), 512-d features",
        "Hash tables (N = 1000, L = 16), 1024-d features",
        "Hash tables (N = 5000, L = 16), 512-d features",
        "Hash tables (N = 5000, L = 16), 1024-d features",
        "ITQ, 32 bits",
        "ITQ, 64 bits",
        "Linear scan, 512-d features",
        "Linear scan, 1024-d features",
    ]


def test_seeds_of_a_cell_are_taken_together_where_its_index_has_the_seed_too(folders):
    for seed, only in ((0, False), (1, True)):
        for m in (4, 8):
            index = choice("hnswlib", m=m, ef=10, seed=seed)
            for folder in folders[only and m == 8 :]:
                written(folder, embedder=choice("identity"), index=index, seed=seed)
    assert [(one.cell, one.verdict) for one in compare(*map(Store, folders))] == [
        ("hnswlib (m = 4)", "same"),
        ("hnswlib (m = 8), seed 1", "only after"),
        ("hnswlib (m = 8)", "same"),
    ]


def test_a_cell_whose_plugin_is_not_installed_goes_by_its_short_line(folders):
    for folder in folders:
        written(folder, index=choice("no_such_index", lists=3))
    assert [one.cell for one in compare(*map(Store, folders))] == ["no_such_index(lists=3)"]


def test_on_a_narrow_screen_each_group_of_columns_names_cell_and_figure(folders, capsys, monkeypatch):
    for size, folder in enumerate(folders, start=1):
        times = [size * one for one in (1.0, 1.01, 1.02, 0.99)]
        record(folder, times, latency_ms_p50=float(size), precision_at_10=0.7 / size)
    changes = compare(*map(Store, folders))
    monkeypatch.setenv("COLUMNS", "40")
    print_changes(changes)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 40 for line in lines)
    shown = " ".join(lines)
    assert "before" in shown and "verdict" in shown
    assert shown.count("P@10, %") == shown.count("cell ") > 1, lines


def test_the_screen_has_the_names_and_units_of_tables_and_no_empty_columns(folders, capsys):
    record(folders[0], [1.0, 1.01, 1.02, 0.99], latency_ms_p50=12345.6, precision_at_10=0.69958)
    record(folders[1], [2.0, 2.01, 2.02, 1.99], latency_ms_p50=24691.2, precision_at_10=0.6)
    print_changes(compare(*map(Store, folders)))
    shown = capsys.readouterr().out
    for words in ("P@10, %", "69.95", "60.00", "-14.2 %", "time of a query, ms", "12,350", "+100.0 %"):
        assert words in shown, shown
    assert "data set" not in shown and "latency_ms_p50" not in shown
    print_changes([Change("d", "one cell", verdict="only after")])
    assert capsys.readouterr().out.splitlines()[0].split() == ["cell", "verdict"]
