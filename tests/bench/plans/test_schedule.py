"""What is planned of a run is what it does, and what a person is shown of it is short."""

import random
from collections import Counter
from contextlib import contextmanager

import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.plans.units import Unit
from bench.runs import tuning
from bench.runs.run import Run
from bench.runs.watched import Watched
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.timing.replicates import KINDS
from bench.workers.in_process import Local
from tests.quick import take_times_quickly

pytestmark = pytest.mark.usefixtures("third_party")

RANKINGS = """
[[cells]]
hasher = "toy_signs"
bits = [12, 24]
seeds = [0, 1]
[[cells]]
embedder = "identity"
"""
FAILING = """
[[cells]]
embedder = "toy_failing"
index = "linear_scan"
[[cells]]
embedder = "identity"
index = "toy_wrong_ids"
"""
SKIPPED = """
[[cells]]
embedder = "identity"
index = "toy_scan"
needed_by = "check"
"""


class Noted:
    """A watch that keeps what it is told."""

    def __init__(self):
        self.plans, self.done, self.details, self.finished, self.unlearned = [], Counter(), [], [], []

    def planned(self, units):
        self.plans.append(list(units))

    @contextmanager
    def doing(self, unit, counts=True):
        self.done[unit.key] += 1
        if not counts:
            self.unlearned.append(unit.title)
        yield

    def ended(self, cell):
        self.finished.append(cell)

    def detail(self, line):
        self.details.append(line)


@pytest.fixture
def make_run(tmp_path, vectors_dir, small_grid, monkeypatch):
    take_times_quickly(monkeypatch.setattr)
    monkeypatch.setattr("bench.timing.replicates.LOADED", 1000)  # no round is taken again

    def make(text="", settings=(), **options):
        if text:
            small_grid.write_text(small_grid.read_text().replace("[recipes.quick]", text + "\n[recipes.quick]"))
        plan = grid_file.load(str(small_grid), Options(data_dir=vectors_dir, dataset="vectors", settings=settings))
        (tmp_path / "cache").mkdir(exist_ok=True)
        context = Context(cache=tmp_path / "cache")
        pipeline = Pipeline(plan, Store(tmp_path / "cache"), context, lambda _: None)
        told = {"say": lambda _: None, "start": Local, "watch": Noted()} | options
        return Run(pipeline, Store(tmp_path / "out"), **told)

    return make


def times(units):
    return {one.unit.key: one.times for one in units}


@pytest.mark.long
def test_what_is_planned_is_what_is_done(make_run):
    run = make_run(RANKINGS)
    plan = run.plan()
    assert plan.cells == len(plan.open) == 10
    assert run.finish() == {}
    seldom = {key: 1 for key in run.watch.done if key.startswith(("exact", "map"))}  # what is known is only read again
    assert times(plan.units) == {**run.watch.done, **seldom}
    assert set(run.watch.finished) == plan.open


def test_a_training_that_several_protocols_read_is_one_unit_whichever_of_them_needs_it(make_run):
    protocols = '["seen", "seen_seen", "seen_all", "unseen", "unseen_all"]'
    run = make_run(f'[[cells]]\nhasher = "toy_signs"\nbits = 12\nprotocol = {protocols}\n')
    units = {}
    for keyed in run.cells:
        for stage in run.pipeline.stages(keyed.cell) if keyed.cell.index is None else ():
            unit = run._schedule.stage(keyed, stage)
            units.setdefault((keyed.cell.protocol == "seen", unit.key), []).append((unit.family, unit.settings))
    assert sorted(map(len, units.values())) == [1, 4]
    assert all(one == same[0] for same in units.values() for one in same)


@pytest.mark.long
def test_a_finished_run_has_nothing_left_and_a_new_cell_only_its_own(make_run):
    make_run().finish()
    again = make_run().plan()
    assert not again.open and not again.units and again.cells == 5
    more = make_run(settings=["candidates=[20,30,50]"])
    plan = more.plan()
    assert len(plan.open) == 2 and {one.unit.family for one in plan.units} == {
        *("start", "build linear_scan", "build hash_tables", "answer", "warm-up", "map", "judge"),
        *("turn latency_ms", "turn batch_one_thread_ms", "turn batch_ms"),
    }
    assert more.finish() == {}
    done = {key: count for key, count in more.watch.done.items() if not key.startswith(("exact", "map"))}
    assert done == {key: count for key, count in times(plan.units).items() if not key.startswith("map")}


@pytest.mark.long
def test_an_interrupted_run_goes_on_with_what_it_had_planned_less_what_is_done(make_run, tmp_path):
    class Interrupting(Noted):
        @contextmanager
        def doing(self, unit, counts=True):
            with super().doing(unit, counts):
                if unit.family.startswith("turn") and sum(self.done.values()) > 30:
                    raise KeyboardInterrupt
                yield

    first = make_run(watch=Interrupting())
    with pytest.raises(KeyboardInterrupt):
        first.finish()
    second = make_run()
    plan = second.plan()
    kinds = {one.unit.family.split()[0] for one in plan.units}
    assert "labels" not in kinds and "codes" not in kinds and "turn" in kinds
    assert second.finish() == {}
    turns = {key: count for key, count in second.watch.done.items() if key.startswith("turn")}
    assert turns == {key: count for key, count in times(plan.units).items() if key.startswith("turn")}


@pytest.mark.long
def test_after_the_labels_are_read_the_sizes_are_known(make_run):
    run = make_run()
    before = {one.unit.key: one.unit.size for one in run.plan().units}
    assert set(before.values()) == {None}
    run.finish()
    after, _ = run.watch.plans
    sizes = {one.unit.family.split()[0]: one.unit.size for one in after}
    assert sizes["build"] == 400 and sizes["answer"] == 400 * 60 and sizes["start"] is None and "labels" not in sizes


@pytest.mark.long
def test_cells_that_fail_end_and_what_cannot_run_is_not_planned(make_run):
    run = make_run(FAILING + SKIPPED)
    plan = run.plan()
    assert (plan.cells, plan.left_out, len(plan.open)) == (8, 1, 7)
    assert all(any(key in one.cells for one in plan.units) for key in plan.open)
    assert len(run.finish()) == 2
    assert len(set(run.watch.finished)) == 8 and set(run.watch.finished) > plan.open
    assert (make_run().plan().left_out, make_run().plan().units) == (1, ())


@pytest.mark.long
def test_once_a_training_has_failed_nothing_is_planned_for_its_cells(make_run):
    run = make_run('[[cells]]\nembedder = "toy_failing"\nindex = "linear_scan"\n')
    assert len(run.finish()) == 1
    before, after = (
        {key: count for key, count in times(plan).items() if key.startswith("start")} for plan in run.watch.plans
    )
    (key,) = before
    assert (before[key], after[key]) == (2 * 4, 2 * 3) and run.watch.done[key] == 2 * 3


def test_runs_on_other_data_or_another_half_count_their_processes_apart(make_run, monkeypatch):
    run = make_run(settings=['measure.split="tune/report"'])
    starts = [one.unit.key for one in tuning.Tuned(run).plan().units if one.unit.family == "start"]
    assert len({*starts}) == len(starts) == 2


@pytest.mark.long
def test_of_a_grid_with_two_halves_the_second_is_only_perhaps_done(make_run):
    run = make_run(settings=['measure.split="tune/report"'])
    plan = tuning.Tuned(run).plan()
    assert len(plan.open) == plan.cells == 5
    perhaps = [one for one in plan.units if one.perhaps]
    assert {one.unit.family for one in perhaps} >= {"turn batch_ms", "judge"}
    assert all(one.cells <= plan.open for one in perhaps)
    assert not any(
        one.cells & plan.open for one in plan.units if one.unit.family.startswith("turn") and not one.perhaps
    )
    assert tuning.Tuned(run).finish() == {}
    assert all(run.watch.done[one.unit.key] >= one.times for one in plan.units if not one.perhaps)
    assert not tuning.Tuned(make_run(settings=['measure.split="tune/report"'])).plan().units


def test_equal_units_have_equal_settings_and_other_seeds_change_none(make_run):
    def settings(run):
        return sorted((one.unit.family, str(one.unit.settings)) for one in run.plan().units)

    assert settings(make_run()) == settings(make_run(settings=["seeds=[7]"]))
    assert settings(make_run()) != settings(make_run(settings=["measure.queries_per_round=11"]))


def test_a_title_says_the_plugin_and_in_what_it_differs(make_run):
    run = make_run(RANKINGS)
    titles = {one.unit.title for one in run.plan().units}
    assert "toy_signs (bits = 12, seed = 1)" in titles and "rank by toy_signs (bits = 24, seed = 0)" in titles
    assert "build hash_tables (key_bits = 8)" in titles and "build linear_scan" in titles
    assert max(map(len, titles)) < 60


def test_a_long_value_in_a_title_is_cut_and_stays_one_line(make_run):
    text = f'[[cells]]\nembedder = "identity"\nindex = "toy_scan"\nfield = ["features", "{"long " * 30}\\n"]\n'
    titles = [one.unit.title for one in make_run(text).plan().units if "toy_scan" in one.unit.title]
    assert titles and max(map(len, titles)) < 80 and not any("\n" in title for title in titles)


@pytest.mark.long
def test_the_place_of_a_log_is_a_detail_unless_the_training_fails(make_run, tmp_path, monkeypatch):
    said = []
    run = make_run(say=said.append)
    run.finish()
    assert "fit toy_signs (bits = 16)" in said and not any(str(tmp_path) in line for line in said)
    assert any(str(tmp_path / "cache" / "work") in line for line in run.watch.details)


@pytest.mark.long
def test_a_training_that_was_begun_is_gone_on_with_and_not_learned_from(make_run, tmp_path):
    said = []
    run = make_run(say=said.append)
    (number,) = [at for at, one in enumerate(run.pipeline.grid.cells) if one.hasher is not None][:1]
    *_, codes = run.pipeline.stages(run.pipeline.grid.cells[number])
    folder = run.pipeline.store.work(codes.key)
    folder.mkdir(parents=True)
    (folder / "log.csv").write_text("step\n")
    run.finish()
    assert "go on with toy_signs (bits = 16)" in said and run.watch.unlearned == ["toy_signs (bits = 16)"]


@pytest.mark.long
def test_a_training_that_fails_says_where_its_log_is(make_run, tmp_path, monkeypatch):
    def failing(self, train, context):
        (context.folder / "log.csv").write_text("step\n")
        raise RuntimeError("on purpose")

    said = []
    monkeypatch.setattr("toy_plugins.Failing.fit", failing)
    run = make_run(FAILING, say=said.append)
    run.finish()
    (line,) = [line for line in said if "log in" in line]
    assert line.startswith(f"toy_failing: failed, log in {tmp_path / 'cache' / 'work'}")


def test_a_turn_that_is_taken_again_is_a_unit_of_its_own():
    class Answering:
        def build(self, cell):
            return f"built {cell}"

        def settle(self, cell):
            return f"settled {cell}"

        def warm_up(self, cell):
            return f"warm {cell}"

        def one_by_one(self, cell, others, rows):
            return cell, others, rows

        def batch(self, cell, size, seed, alone):
            return cell, size, seed, alone

    class Schedule:
        def build(self, cell):
            return Unit(f"build {cell}", "build", {})

        def warm_up(self, cell):
            return Unit(f"warm-up {cell}", "warm-up", {})

        def turn(self, cell, kind):
            return Unit(f"{kind} {cell}", "turn", {})

    watch = Noted()
    worker = Watched(Answering(), Schedule(), watch)
    order = [(cell, turn) for cell in (0, 1) for turn in ([1, 2], [3, 4])] * 2
    random.Random(0).shuffle(order)
    assert (worker.build(0), worker.settle(0), worker.warm_up(0)) == ("built 0", "settled 0", "warm 0")
    for cell, turn in order:
        assert worker.one_by_one(cell, [9], turn) == (cell, [9], turn)
        for alone in (True, False):
            assert worker.batch(cell, 64, turn, alone) == (cell, 64, turn, alone)
    turns = {f"{kind} {cell}{again}": 2 for kind in KINDS for cell in (0, 1) for again in ("", " again")}
    assert watch.done == {"build 0": 1, "warm-up 0": 1} | turns
