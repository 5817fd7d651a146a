from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from bench.grids.cells import KeyedCell
from bench.grids.measure import Measure
from bench.interfaces import untracked
from bench.runs.searches import Searches
from bench.timing import places
from bench.timing.latency import Round
from bench.timing.load import RETAKES
from bench.timing.places import Arm, Built
from bench.workers.limits import Failure

QUERIES = 30


class Machine:
    """Stands in for all children: what they are asked, in order, and how they answer.

    ``deaths``: by (what, cell), how many requests are answered before one ends the process; ``refusals`` likewise, of
    which the process survives. ``others``: the load that the rounds see, one after another; none when they are used up.
    ``build_load``: that of all builds.
    """

    def __init__(self, room=100, deaths=None, refusals=None, others=(), build_load=0.0):
        self.asked, self.children, self.build_load = [], [], build_load
        self.room, self.deaths, self.refusals, self.others = room, deaths or {}, refusals or {}, list(others)

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

    def rounds(self):
        """The cells asked for rounds, in order."""
        return [cell for what, cell, _, _ in self.asked if what == "round"]


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

    def round(self, keyed, rows):
        self.ask("round", keyed.cell, rows)
        others = self.machine.others.pop(0) if self.machine.others else 0.0
        times = [1.0 + keyed.cell + row / 1000 for row in rows]
        return Round(times, times[0] / 4, times[0] / 2, 1.0 + others, 1.0 + keyed.cell / 10, others)

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


@pytest.mark.parametrize("rounds", [1, 2, 3, 4])
def test_arms_are_asked_in_turns_forwards_and_then_backwards_across_replicates_too(replicate, rounds):
    orders = []
    for number in range(12 // rounds):
        machine = Machine()
        done = replicate(machine, arms("abc"), rounds=rounds, number=number)
        assert set(done) == {0, 1, 2} and not machine.alive()
        orders += np.reshape(machine.rounds(), (rounds, 3)).tolist()
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert [order[::-1] for order in orders[::2]] == orders[1::2]


def test_over_many_rounds_an_arm_stands_in_each_place_and_follows_each_other_as_often(replicate):
    machine = Machine()
    replicate(machine, arms("abcd"), rounds=600)
    orders = np.reshape(machine.rounds(), (600, 4))
    places = [Counter(orders[:, place].tolist()) for place in range(4)]
    follows = Counter(zip(orders[:, 1].tolist(), orders[:, 0].tolist(), strict=True))
    assert all(110 < places[place][arm] < 190 for place in range(4) for arm in range(4))
    assert len(follows) == 12 and all(25 < count < 75 for count in follows.values())


def test_every_arm_of_a_round_is_asked_the_same_queries_and_other_rounds_and_replicates_others(replicate):
    machine = Machine()
    for number in (0, 1):
        replicate(machine, arms("ab"), rounds=3, number=number)
    rows = [tuple(rows) for what, *_, rows in machine.asked if what == "round"]
    assert Counter(rows).most_common(1)[0][1] == 2 and len(set(rows)) == 6
    assert all(len(set(asked)) == 4 and set(asked) <= set(range(QUERIES)) for asked in rows)
    again = Machine()
    replicate(again, arms("ab"), rounds=3)
    assert [one[-1] for one in again.asked if one[0] == "round"] == [list(asked) for asked in rows[:6]]


@pytest.mark.parametrize(("queries", "timed"), [(5, 3), (1, 1), (2, 1), (30, 9)])
def test_a_round_leaves_queries_for_its_warm_up_where_there_are_two(replicate, queries, timed):
    machine = Machine()
    replicate(machine, arms("a"), queries=queries, rounds=1, queries_per_round=9)
    assert len(set(machine.asked[-1][-1])) == timed and set(machine.asked[-1][-1]) <= {*range(queries)}


def test_a_replicate_holds_the_times_by_round_and_those_of_the_first_arm_in_the_same_rounds(replicate):
    machine = Machine(others=[0.0, 0.1, 0.2, 0.0])
    done = replicate(machine, arms("ab"))
    rows = [np.array(rows) for what, cell, _, rows in machine.asked if what == "round" and cell == 0]
    own = done[1].times
    assert own.latency_ms == pytest.approx(np.stack([2 + row / 1000 for row in rows]))
    assert own.batch_ms == pytest.approx(own.latency_ms[:, 0] / 4)
    assert own.batch_one_thread_ms == pytest.approx(own.latency_ms[:, 0] / 2)
    assert own.build_seconds == 1.0 and done[1].built.build_seconds == 1.0
    assert {times.dtype for times in vars(own).values()} == {np.dtype(np.float32)} and own.latency_ms.shape == (2, 4)
    assert done[1].reference == done[0].reference == 0
    assert done[1].reference_times is done[0].times
    assert done[1].cpu_per_wall == pytest.approx(1.1) and done[1].others == 0.2
    assert done[1].sentinel_drift == pytest.approx(1.2 / 1.1 - 1)


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
    machine = Machine(others=[0.0, 0.0, 2.0, 0.0, 0.0, 0.0])
    done = replicate(machine, arms("ab"), rounds=3)
    assert machine.rounds() == [0, 1, 1, 0, 0, 1, 1, 0]
    rows = [one[-1] for one in machine.asked if one[0] == "round"]
    assert rows[6] == rows[7] == rows[2]
    assert done[0].others == done[1].others == 0


def test_load_that_does_not_end_is_noted_after_so_many_tries(replicate):
    machine = Machine(others=[5.0] * 100)
    done = replicate(machine, arms("ab"), rounds=2)
    assert len(machine.rounds()) == 4 * (1 + RETAKES) and done[0].others == 5


def test_where_memory_is_short_the_first_arm_is_timed_with_each_batch(replicate):
    machine = Machine(room=4)
    done = replicate(machine, arms("abcde"), rounds=1)
    assert [{*machine.rounds()[:3]}, {*machine.rounds()[3:]}] == [{0, 1, 2}, {0, 3, 4}]
    assert set(done) == set(range(5)) and {one.reference for one in done.values()} == {0}
    assert max(child.number for child in machine.children) == 5 and not machine.alive()


def test_where_nothing_fits_beside_the_first_arm_the_others_are_timed_without_it(replicate):
    machine = Machine(room=1)
    done = replicate(machine, arms("abc"), rounds=1)
    assert machine.rounds() == [0, 1, 2]
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


@pytest.mark.parametrize("round_", [0, 1])
def test_an_arm_that_dies_takes_no_other_of_its_process_with_it(replicate, round_):
    machine, all_arms = Machine(deaths={("round", 1): round_}), arms("abbb")
    done = replicate(machine, all_arms)
    assert failures(done) == {1: "round of 1 hung"} and taken(done) == {0, 2, 3}
    assert all(done[cell].times.latency_ms.shape == (2, 4) for cell in taken(done)) and not machine.alive()
    # The others are timed in a new process, in turns with the first arm.
    assert {child for what, cell, child, _ in machine.asked if (what, cell) == ("build", 2)} == {3}
    last = machine.rounds()[-6:]
    assert sorted(last[:3]) == [0, 2, 3] and last[3:] == last[2::-1]
    assert {done[2].reference, done[3].reference} == {0}


def test_an_arm_that_dies_before_it_is_timed_takes_no_other_with_it(replicate):
    machine, all_arms = Machine(deaths={("search", 1): 0}), arms("abbc")
    done = replicate(machine, all_arms, ready=lambda place: place.worker.ask("search", place.arm.cell.cell))
    assert failures(done) == {1: "search of 1 hung"} and taken(done) == {0, 2, 3} and not machine.alive()


def test_arms_of_one_process_that_die_one_after_another_fail_by_themselves(replicate):
    machine, all_arms = Machine(deaths={("round", cell): 0 for cell in (1, 2, 3)}), arms("abbbb")
    done = replicate(machine, all_arms)
    assert failures(done) == {cell: f"round of {cell} hung" for cell in (1, 2, 3)} and taken(done) == {0, 4}


def test_an_arm_that_refuses_a_round_leaves_its_process_to_the_others(replicate):
    machine, all_arms = Machine(refusals={("round", 1): 1}), arms("abb")
    done = replicate(machine, all_arms)
    assert failures(done) == {1: "round of 1 refused"} and taken(done) == {0, 2}
    assert len(machine.children) == 2


@pytest.mark.parametrize("faults", [{"deaths": {("build", 0): 0}}, {"refusals": {("round", 0): 0}}])
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
