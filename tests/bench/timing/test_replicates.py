from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest

from bench.grids.cells import KeyedCell
from bench.grids.measure import Measure
from bench.interfaces import untracked
from bench.runs.searches import Searches
from bench.timing import places, replicates
from bench.timing.latency import Singles, Sizes
from bench.timing.load import RETAKES
from bench.timing.places import Arm, Built
from bench.timing.replicates import KINDS, UNEVEN, Round
from bench.workers.limits import Failure

QUERIES = 30
TURNS = replicates.TURNS["latency_ms"]


class Machine:
    """Stands in for all children: what they are asked, in order, and how they answer.

    ``deaths``: by (what, cell), how many requests are answered before one ends the process; ``refusals`` likewise, of
    which the process survives. ``others``: the load in the rounds, one after another; none when they are used up.
    ``build_load``: that of all builds. ``spins``: the number of first turns in which another thread is busy.
    """

    def __init__(self, room=100, deaths=None, refusals=None, others=(), build_load=0.0, spins=0):
        self.asked, self.children, self.build_load = [], [], build_load
        self.room, self.deaths, self.refusals, self.others = room, deaths or {}, refusals or {}, list(others)
        self.spins = spins

    def start(self):
        self.children.append(Fake(self, len(self.children)))
        return self.children[-1]

    def ended_by_now(self, faults, what, cell):
        if (what, cell) not in faults:
            return False
        faults[what, cell] -= 1
        return faults[what, cell] < 0

    def alive(self):
        return [child for child in self.children if not child.gone]

    def free(self):
        return self.room - len(self.alive())

    def turns(self, what="one_by_one"):
        """The cells that had turns of a kind, in order."""
        return [cell for asked, cell, _, _ in self.asked if asked == what]

    def load(self, seconds):
        """Stands in for `OtherLoad`."""
        return SimpleNamespace(cores=lambda: self.others.pop(0) if self.others else 0.0)


class Fake:
    def __init__(self, machine, number):
        self.machine, self.number, self.gone = machine, number, False

    def ask(self, what, cell, rows=None):
        if self.gone:
            raise Failure("error", "the process ended with an earlier request")
        self.machine.asked.append((what, cell, self.number, rows))
        if self.machine.ended_by_now(self.machine.deaths, what, cell):
            self.gone = True
            raise Failure("timeout", f"{what} of {cell} hung")
        if self.machine.ended_by_now(self.machine.refusals, what, cell):
            raise Failure("error", f"{what} of {cell} refused")

    def build(self, keyed):
        self.ask("build", keyed.cell)
        return Built(float(self.number), None, 0, 0, self.machine.build_load)

    def warm_up(self, keyed):
        self.ask("warm_up", keyed.cell)
        return Sizes(10 + keyed.cell, 20 + keyed.cell)

    def one_by_one(self, keyed, others, rows):
        self.ask("one_by_one", keyed.cell, [others, rows])
        times = [1.0 + keyed.cell + row / 1000 for row in rows]
        sentinel = 1.0 + len(self.machine.turns()) / 100
        threads = 1100 + 100 * keyed.cell + 1000 * (len(self.machine.turns()) <= self.machine.spins)
        return Singles(times, sentinel, cpu_ns=UNEVEN // TURNS + threads, wall_ns=1000)

    def batch(self, keyed, size, seed, alone):
        self.ask("batch_one_thread_ms" if alone else "batch_ms", keyed.cell, [size, *seed])
        return size + seed[-1] / 10

    def resident_bytes(self):
        return 1

    def end(self):
        self.gone = True


def arms(builds):
    """An arm for each letter, in one process where letters are the same. Its cell is its number."""
    return [Arm(KeyedCell(number, "", ""), build) for number, build in enumerate(builds)]


@dataclass(frozen=True)
class Asked(Searches):
    """Searches that ask the queries as ``ready`` says."""

    ready: Callable = lambda place: None

    def _answer(self, place):
        self.ready(place)


@pytest.fixture
def replicate(monkeypatch):
    """One replicate of arms on a machine, by cell. What failed is there as its reason."""

    def make(machine, arms, number=0, ready=lambda place: None, track=untracked, queries=QUERIES, **measure):
        monkeypatch.setattr(places, "free_memory", machine.free)
        monkeypatch.setattr(replicates, "OtherLoad", machine.load)
        settings = Measure(**{"rounds": 2, "queries_per_round": 4} | measure)
        pipeline = SimpleNamespace(
            grid=SimpleNamespace(measure=settings),
            context=SimpleNamespace(track=track),
            query_rows=lambda cell: range(queries),
        )
        outcomes = Asked(pipeline, None, machine.start, ready)._replicate(arms, number)
        return {
            arm.cell.cell: one.reason if isinstance(one, Failure) else replace(one, reference=one.reference.cell.cell)
            for arm, one in outcomes.items()
        }

    return make


def failures(done):
    return {cell: one for cell, one in done.items() if isinstance(one, str)}


def taken(done):
    return {*done} - {*failures(done)}


@pytest.mark.parametrize("what", ["one_by_one", "batch_one_thread_ms", "batch_ms"])
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_arms_are_asked_in_turns_forwards_and_then_backwards_across_replicates_too(replicate, rounds, what):
    orders = []
    for number in range(6 // rounds):
        machine = Machine()
        done = replicate(machine, arms("abc"), rounds=rounds, number=number, queries_per_round=3)
        assert set(done) == {0, 1, 2} and not machine.alive()
        orders += np.reshape(machine.turns(what), (3 * rounds, 3)).tolist()
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert [order[::-1] for order in orders[::2]] == orders[1::2]


def test_over_many_turns_an_arm_stands_in_each_place_and_follows_each_other_as_often(replicate):
    machine = Machine()
    replicate(machine, arms("abcd"), rounds=150)
    orders = np.reshape(machine.turns(), (600, 4))
    places = [Counter(orders[:, place].tolist()) for place in range(4)]
    follows = Counter(zip(orders[:, 1].tolist(), orders[:, 0].tolist(), strict=True))
    assert all(110 < places[place][arm] < 190 for place in range(4) for arm in range(4))
    assert len(follows) == 12 and all(25 < count < 75 for count in follows.values())


def test_the_kinds_follow_one_another_and_no_arm_waits_for_a_round_of_another(replicate):
    machine = Machine()
    replicate(machine, arms("ab"), rounds=2, queries_per_round=7)
    asked = [what for what, *_ in machine.asked if what in ("one_by_one", *KINDS)]
    assert asked == ["one_by_one"] * 16 + ["batch_one_thread_ms"] * 16 + ["batch_ms"] * 24
    for what in {*asked}:
        assert all({*pair} == {0, 1} for pair in np.reshape(machine.turns(what), (-1, 2)).tolist())


def asked_one_by_one(machine, cell):
    """The rows that a cell is asked to time, turn by turn, and those before them."""
    asked = [one for what, of, _, one in machine.asked if (what, of) == ("one_by_one", cell)]
    return [rows for _, rows in asked], [others for others, _ in asked]


def test_every_arm_of_a_round_is_asked_the_same_queries_and_other_rounds_and_replicates_others(replicate):
    machine = Machine()
    for number in (0, 1):
        replicate(machine, arms("ab"), rounds=3, number=number, queries_per_round=9)
    rows, others = asked_one_by_one(machine, 0)
    assert (rows, others) == asked_one_by_one(machine, 1)
    rounds = [[*chain(*rows[at : at + TURNS])] for at in range(0, len(rows), TURNS)]
    warm = [[*chain(*others[at : at + TURNS])] for at in range(0, len(rows), TURNS)]
    assert len(rounds) == 6 and len({tuple(one) for one in rounds}) == 6
    for timed, before in zip(rounds, warm, strict=True):
        assert len({*timed}) == 9 and len({*before}) == 9 and {*timed, *before} <= {*range(QUERIES)}
        assert not {*timed} & {*before}
    again = Machine()
    replicate(again, arms("ab"), rounds=3, queries_per_round=9)
    assert asked_one_by_one(again, 0)[0] == rows[: 3 * TURNS]


def test_every_arm_searches_batches_of_its_own_sizes_which_one_seed_draws(replicate):
    machine = Machine()
    replicate(machine, arms("ab"), rounds=2, number=3)
    for what, size in (("batch_one_thread_ms", 10), ("batch_ms", 20)):
        asked = [[one for kind, of, _, one in machine.asked if (kind, of) == (what, cell)] for cell in (0, 1)]
        assert asked[0] == [[size, number, turn] for number in (6, 7) for turn in range(4)]
        assert [one[1:] for one in asked[1]] == [one[1:] for one in asked[0]] and {one[0] for one in asked[1]} == {
            size + 1
        }


@pytest.mark.parametrize(("queries", "timed"), [(5, 3), (1, 1), (2, 1), (30, 9)])
def test_a_round_leaves_queries_for_its_warm_up_where_there_are_two(replicate, queries, timed):
    machine = Machine()
    replicate(machine, arms("a"), queries=queries, rounds=1, queries_per_round=9)
    rows, others = asked_one_by_one(machine, 0)
    assert len({*chain(*rows)}) == timed and {*chain(*rows)} <= {*range(queries)}
    assert len(rows) == min(TURNS, timed) and all(0 < len(one) <= len(of) for one, of in zip(others, rows, strict=True))


def test_a_replicate_holds_the_times_by_round_and_those_of_the_first_arm_in_the_same_rounds(replicate):
    machine = Machine(others=[0.0, 0.1, 0.0, 0.2, 0.1, 0.0])
    done = replicate(machine, arms("ab"), number=4)
    rows = np.reshape([*chain(*asked_one_by_one(machine, 1)[0])], (2, 4))
    own = done[1].times
    assert own.latency_ms == pytest.approx(2 + rows / 1000) and np.array_equal(done[1].queries, rows)
    assert own.batch_one_thread_ms == pytest.approx(np.tile(11 + np.arange(TURNS) / 10, (2, 1)))
    assert own.batch_ms == pytest.approx(np.tile(21 + np.arange(TURNS) / 10, (2, 1)))
    assert own.build_seconds == 1.0 and done[1].built.build_seconds == 1.0
    assert {times.dtype for times in vars(own).values()} == {np.dtype(np.float32)}
    assert done[1].reference == done[0].reference == 0
    assert done[1].reference_times is done[0].times
    assert done[1].cpu_per_wall == pytest.approx(1.2) and done[1].others == 0.2


@pytest.mark.parametrize(("rounds_with", "told"), [(0, 1.1), (1, 1.1), (3, 2.1), (4, 2.1)])
def test_the_use_of_the_cpu_is_that_of_most_rounds(replicate, rounds_with, told):
    done = replicate(Machine(spins=rounds_with * TURNS), arms("a"), rounds=4)
    assert done[0].cpu_per_wall == pytest.approx(told)


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_drift_is_that_of_the_least_sentinels_of_the_halves_of_rounds(replicate, rounds):
    done = replicate(Machine(), arms("a"), rounds=rounds)
    last_half = 1.01 + 0.01 * TURNS * (rounds - 0.5)
    assert done[0].sentinel_drift == pytest.approx(last_half / 1.01 - 1)


def test_the_clocks_of_a_round_that_is_over_at_once_tell_nothing_of_threads():
    short = Singles([0.01], 1.0, cpu_ns=30_000, wall_ns=10_000)
    long = Singles([10.0], 1.0, cpu_ns=25 * 10**6 + UNEVEN, wall_ns=10**7)
    assert Round(singles=[short, short]).cpu_per_wall == 0
    assert Round(singles=[long]).cpu_per_wall == pytest.approx(2.5)


def test_load_while_an_index_was_built_is_load(replicate):
    assert replicate(Machine(build_load=0.7), arms("a"))[0].others == 0.7


def test_arms_of_one_build_share_a_process(replicate):
    machine = Machine()
    done = replicate(machine, arms("aba"))
    assert [(what, cell, child) for what, cell, child, _ in machine.asked if what == "build"] == [
        ("build", 0, 0), ("build", 1, 1)
    ]  # fmt: skip
    assert {child for what, cell, child, _ in machine.asked if cell == 2} == {0} and set(done) == {0, 1, 2}


def test_a_group_of_one_arm_is_its_own_reference(replicate):
    done = replicate(Machine(), arms("a"), rounds=1)
    assert done[0].reference == 0 and done[0].times is done[0].reference_times


def test_a_round_under_load_is_taken_again_at_the_end_with_all_arms(replicate):
    machine = Machine(others=[0.0, 2.0, 0.0, 0.0, 0.0, 2.0])
    done = replicate(machine, arms("ab"), rounds=2)
    rows, _ = asked_one_by_one(machine, 0)
    assert len(rows) == 3 * TURNS and rows[2 * TURNS :] == rows[TURNS : 2 * TURNS]
    assert asked_one_by_one(machine, 1)[0] == rows
    assert [len(machine.turns(kind)) for kind in KINDS[1:]] == [4 * TURNS, 6 * TURNS]
    assert done[0].others == done[1].others == 0 and done[0].times.batch_ms.shape == (2, TURNS)


def test_load_that_does_not_end_is_noted_after_so_many_tries(replicate):
    machine = Machine(others=[5.0] * 100)
    done = replicate(machine, arms("ab"), rounds=2)
    assert len(machine.turns()) == 4 * TURNS * (1 + RETAKES) and done[0].others == 5


def test_where_memory_is_short_the_first_arm_is_timed_with_each_batch(replicate):
    machine = Machine(room=4)
    done = replicate(machine, arms("abcde"), rounds=1)
    turns = machine.turns()
    assert [{*turns[: 3 * TURNS]}, {*turns[3 * TURNS :]}] == [{0, 1, 2}, {0, 3, 4}]
    assert set(done) == set(range(5)) and {one.reference for one in done.values()} == {0}
    assert max(child.number for child in machine.children) == 5 and not machine.alive()


def test_where_nothing_fits_beside_the_first_arm_the_others_are_timed_without_it(replicate):
    machine = Machine(room=1)
    done = replicate(machine, arms("abc"), rounds=1)
    assert machine.turns() == [0] * TURNS + [1] * TURNS + [2] * TURNS
    assert {cell: one.reference for cell, one in done.items()} == {0: 0, 1: 1, 2: 2}


def test_the_processes_of_a_batch_end_before_the_next_is_built(replicate):
    machine, alive = Machine(room=3), []
    replicate(machine, arms("abcd"), rounds=1, ready=lambda place: alive.append(len(machine.alive())))
    assert alive == [1, 2, 1, 2, 1, 2]


def test_a_build_that_fails_fails_the_arms_that_share_it_and_no_others(replicate):
    machine, all_arms = Machine(refusals={("build", 1): 0}), arms("abcb")
    done = replicate(machine, all_arms)
    assert failures(done) == {1: "build of 1 refused", 3: "build of 1 refused"}
    assert taken(done) == {0, 2} and not machine.alive()
    assert [cell for what, cell, *_ in machine.asked if what == "build"] == [0, 1, 2]


def test_a_process_that_cannot_be_started_fails_its_arm(replicate):
    machine, all_arms = Machine(), arms("ab")
    start = machine.start

    def start_one():
        if machine.children:
            raise Failure("error", "no process can be started")
        return start()

    machine.start = start_one
    done = replicate(machine, all_arms)
    assert failures(done) == {1: "no process can be started"} and taken(done) == {0}


@pytest.mark.parametrize("what", ["warm_up", "one_by_one", "batch_one_thread_ms", "batch_ms"])
@pytest.mark.parametrize("turn", [0, 1])
def test_an_arm_that_dies_takes_no_other_of_its_process_with_it(replicate, what, turn):
    turn *= what != "warm_up"
    machine, all_arms = Machine(deaths={(what, 1): turn}), arms("abbb")
    done = replicate(machine, all_arms)
    assert failures(done) == {1: f"{what} of 1 hung"} and taken(done) == {0, 2, 3}
    assert all(done[cell].times.latency_ms.shape == (2, 4) for cell in taken(done)) and not machine.alive()
    # The others are timed in a new process, in turns with the first arm.
    assert {child for what, cell, child, _ in machine.asked if (what, cell) == ("build", 2)} == {3}
    last = machine.turns()[-6:]
    assert sorted(last[:3]) == [0, 2, 3] and last[3:] == last[2::-1]
    assert {done[2].reference, done[3].reference} == {0}


def test_an_arm_that_dies_before_it_is_timed_takes_no_other_with_it(replicate):
    machine, all_arms = Machine(deaths={("search", 1): 0}), arms("abbc")
    done = replicate(machine, all_arms, ready=lambda place: place.worker.ask("search", place.arm.cell.cell))
    assert failures(done) == {1: "search of 1 hung"} and taken(done) == {0, 2, 3} and not machine.alive()


def test_arms_of_one_process_that_die_one_after_another_fail_by_themselves(replicate):
    machine, all_arms = Machine(deaths={("one_by_one", cell): 0 for cell in (1, 2, 3)}), arms("abbbb")
    done = replicate(machine, all_arms)
    assert failures(done) == {cell: f"one_by_one of {cell} hung" for cell in (1, 2, 3)} and taken(done) == {0, 4}


def test_an_arm_that_refuses_a_round_leaves_its_process_to_the_others(replicate):
    machine, all_arms = Machine(refusals={("batch_ms", 1): 1}), arms("abb")
    done = replicate(machine, all_arms)
    assert failures(done) == {1: "batch_ms of 1 refused"} and taken(done) == {0, 2}
    assert len(machine.children) == 2


@pytest.mark.parametrize("faults", [{"deaths": {("build", 0): 0}}, {"refusals": {("one_by_one", 0): 0}}])
def test_where_the_first_arm_fails_the_next_that_lives_stands_for_it(replicate, faults):
    machine, all_arms = Machine(**faults), arms("abc")
    done = replicate(machine, all_arms)
    assert set(failures(done)) == {0} and taken(done) == {1, 2}
    assert {done[cell].reference for cell in (1, 2)} == {1}


def test_where_all_fail_nothing_is_done(replicate):
    all_arms = arms("aab")
    machine = Machine(deaths={("build", 0): 0, ("build", 2): 0})
    done = replicate(machine, all_arms)
    assert not taken(done) and len(done) == 3 and not machine.alive()


@pytest.mark.parametrize("moment", ["build and search", "timed rounds", "ready"])
def test_an_interruption_ends_every_process(replicate, moment):
    machine = Machine()

    def track(steps, description, total=None):
        for number, step in enumerate(steps):
            if (description, number) == (moment, 1):
                raise KeyboardInterrupt
            yield step

    def ready(place):
        if moment == "ready" and place.arm.cell.cell == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replicate(machine, arms("abc"), ready=ready, track=track)
    assert machine.children and not machine.alive()
