"""Which jobs a crew takes, in which order, beside which, and what it leaves."""

import threading
import time
from contextlib import contextmanager

import pytest

from bench.plans.units import Unwatched
from bench.runs import crew
from bench.runs.crew import Crew, Job, Manner
from bench.system.leases import Held
from bench.workers.limits import Failure


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(crew, "LOOK_AGAIN", 0.01)


class Store:
    """What jobs have made, by name, with those of them that run now and those that another process holds."""

    def __init__(self):
        self.made, self.failed, self.running, self.held, self.most = [], [], set(), set(), 0
        self.seen, self.lock, self.threads = [], threading.Lock(), set()

    def job(self, name, kind="stage", needs=(), fault=None, seconds=0.0):
        @contextmanager
        def hold():
            if name in self.held:
                raise Held(f"another run is making {name}")
            self.held.add(name)
            try:
                yield
            finally:
                self.held.remove(name)

        def make(share):
            with self.lock:
                self.running.add(name)
                self.seen.append((name, share, frozenset(self.running)))
                self.threads.add(threading.get_ident())
            time.sleep(seconds)
            with self.lock:
                self.running.remove(name)
            if isinstance(fault, BaseException) and not isinstance(fault, Failure):
                raise fault
            return fault

        def settle(failure):
            assert name in self.held and threading.current_thread() is threading.main_thread()
            (self.made if failure is None else self.failed).append(name)

        def over():
            return name in self.made or name in self.failed

        return Job(kind, hold, over, lambda: {*needs} <= {*self.made}, make, settle)


@pytest.fixture
def store():
    return Store()


def take(jobs, manner=None, shares=(None,)):
    """The jobs that are over, the crew, and what it said."""
    said = []
    with Crew(shares, said.append) as hands:
        return list(hands.take(jobs, manner or Manner())), hands, said


def test_one_at_a_time_jobs_are_made_in_their_order_in_this_thread_and_each_once(store):
    jobs = [store.job("a"), store.job("b", needs="a"), store.job("r", "ranking", needs="b"), store.job("g", "group")]
    over, hands, said = take(jobs)
    assert store.made == ["a", "b", "r", "g"] and over == jobs and not hands.left and not said
    assert store.threads == {threading.get_ident()} and not store.held
    assert hands.made == {"stage": 2, "ranking": 1, "group": 1}
    assert take(jobs)[0] == jobs and len(store.seen) == 4


def test_what_another_process_holds_is_passed_over_and_left_with_what_needs_it(store):
    jobs = [store.job("a"), store.job("b", needs="a"), store.job("c"), store.job("d", needs="c")]
    store.held.add("a")
    over, hands, said = take(jobs, Manner(waits=False))
    assert store.made == ["c", "d"] and over == jobs[2:] and hands.left == jobs[:2] and not said


def test_who_waits_takes_what_another_leaves_and_says_once_for_what_it_waits(store):
    jobs = [store.job("a"), store.job("b", needs="a"), store.job("c")]
    store.held.add("a")
    threading.Timer(0.1, store.held.remove, "a").start()
    over, hands, said = take(jobs)
    assert store.made == ["c", "a", "b"] and len(over) == 3 and not hands.left
    assert said == ["wait: another run is making a"]


def test_what_another_makes_meanwhile_is_not_made_again(store):
    jobs = [store.job("a"), store.job("b", needs="a")]
    store.held.add("a")
    threading.Timer(0.1, lambda: (store.made.append("a"), store.held.remove("a"))).start()
    take(jobs)
    assert store.made == ["a", "b"] and [name for name, *_ in store.seen] == ["b"]


def test_a_failure_is_settled_and_the_others_go_on(store):
    jobs = [store.job("a", fault=Failure("error", "broken")), store.job("b")]
    for shares in ((None,), (1, 2)):
        store.__init__()
        assert len(take(jobs, shares=shares)[0]) == 2
        assert store.failed == ["a"] and store.made == ["b"]


def test_stages_are_made_beside_each_other_each_on_a_share_of_its_own_and_a_group_alone(store):
    stages = [store.job(f"s{number}", seconds=0.02) for number in range(8)]
    rankings = [store.job(f"r{number}", "ranking", needs=[f"s{number}"]) for number in range(8)]
    jobs = [one for pair in zip(stages, rankings, strict=True) for one in pair]
    over, hands, _ = take([*jobs, store.job("g", "group", needs=["r7"])], shares=("x", "y", "z"))
    assert len(over) == 17 and not hands.left and hands.made == {"stage": 8, "ranking": 8, "group": 1}
    assert {share for name, share, _ in store.seen if name[0] == "s"} == {"x", "y", "z"}
    beside = {name: {one for one in running if one[0] == "s"} for name, _, running in store.seen}
    assert max(len(running) for name, running in beside.items()) == 3 and beside["g"] == set()
    assert store.made.index("s0") < store.made.index("r0") and store.made[-1] == "g"


def test_a_stage_waits_for_its_input_while_others_are_made(store):
    jobs = [store.job("a", seconds=0.1), store.job("b", needs="a"), store.job("c"), store.job("d")]
    take(jobs, shares=("x", "y"))
    assert store.made.index("a") < store.made.index("b") and store.made[:2] == ["c", "d"]


@pytest.mark.parametrize("shares", [(None,), ("x", "y")])
def test_after_its_time_a_crew_begins_nothing(store, shares):
    jobs = [store.job("a", seconds=0.2), store.job("b", needs="a"), store.job("c", needs="a")]
    over, hands, _ = take(jobs, Manner(until=time.monotonic() + 0.1), shares)
    assert store.made == ["a"] and over == jobs[:1] and hands.left == jobs[1:]


@pytest.mark.parametrize(("only", "made"), [("train", ["s", "r", "j"]), ("time", ["j", "g"]), (None, [*"srjg"])])
def test_only_one_kind_is_taken_where_that_is_asked_for(store, only, made):
    kinds = {"s": "stage", "r": "ranking", "j": "judging", "g": "group"}
    _, hands, _ = take([store.job(*one) for one in kinds.items()], Manner(only=only))
    assert store.made == made and not hands.left


def test_a_fault_of_the_run_ends_what_runs_and_holds_nothing_any_more(store):
    def until_over():
        while not hands.over.is_set():
            time.sleep(0.01)

    endless = store.job("a")
    endless = Job("stage", endless.hold, endless.over, endless.ready, lambda _: until_over(), endless.settle)
    with pytest.raises(OSError, match="full"), Crew(("x", "y"), print) as hands:
        list(hands.take([endless, store.job("b", fault=OSError("full"))], Manner()))
    assert not store.held and not store.made
    assert take([store.job("a"), store.job("b")])[1].made["stage"] == 2


class Listening(Unwatched):
    """A watch that keeps what a crew begins and ends."""

    def __init__(self):
        self.heard = []

    @contextmanager
    def doing(self, unit, counts=True):
        self.heard.append(f"begin {unit.title}")
        yield
        self.heard.append(f"end {unit.title}")


@pytest.mark.parametrize("names", [["a"], ["a", "b"]])
def test_while_a_crew_waits_its_watch_is_told_for_what_and_no_longer(names, store, monkeypatch):
    watch = Listening()
    store.held.update(names)
    looks = []

    def rest(since):
        looks.append([*watch.heard])
        if len(looks) % 3 == 0:
            store.held.remove(sorted(store.held)[0])

    monkeypatch.setattr(crew, "rest", rest)
    with Crew((None,), print, watch) as hands:
        assert len([*hands.take([store.job(name) for name in names], Manner())]) == len(names)
    told = [[f"{what} wait: another run is making {name}" for what in ("begin", "end")] for name in names]
    assert watch.heard == [line for lines in told for line in lines]
    assert [len(heard) for heard in looks] == [1, 1, 1, 3, 3, 3][: len(looks)]
