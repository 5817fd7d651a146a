"""Which jobs a run sends to a cluster, when it sends them again, and what it makes of what workers say."""

from types import SimpleNamespace

import pytest

from bench.cluster import afar
from bench.cluster.afar import Afar
from bench.runs.crew import Job, Manner
from bench.system.files import DiskFull

BOTH = ["taken", "answer"]


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(afar, "LOOK_AGAIN", 0.01)
    monkeypatch.setenv("BENCH_STALE", "0.2")


class Store:
    """The jobs that are made, and those that failed with their reasons."""

    def __init__(self):
        self.made, self.failed = [], {}

    def job(self, name, needs=()):
        return Job(
            name.split()[0],
            hold=lambda: pytest.fail("the run holds nothing"),
            over=lambda: name in self.made or name in self.failed,
            ready=lambda: {*needs} <= {*self.made},
            make=lambda share: pytest.fail("the run makes nothing"),
            settle=lambda failure: self.failed.setdefault(name, failure.reason),
            name=name,
        )


class Engine:
    """Workers that make each job as ``script`` says of its next try: an answer, or a function that gives one."""

    def __init__(self, store, script=None, hosts=2, crowded=False):
        self.store, self.script, self.hosts, self.crowded = store, script or {}, hosts, crowded
        self.sent, self.cancelled, self.stopped, self.queue, self.beside = [], [], 0, [], []

    def submit(self, name, kind, request):
        assert request["name"] == name
        self.sent.append(name)
        self.queue.append(name)
        self.beside.append({*self.queue})

    def heard(self, seconds):
        for name in self.queue[:1]:
            yield {"event": "taken", "name": name, "host": "a", "worker": "w"}
            tries = self.script.get(name, [])
            answer = tries.pop(0) if tries else {"over": True}
            answer = answer() if callable(answer) else answer
            if answer.get("over") and not answer.pop("unseen", False):
                self.store.made.append(name)
            self.queue.remove(name)
            yield {"event": "answer", "name": name, "host": "a", "worker": "w", **answer}

    def cancel(self, names):
        self.cancelled += names
        self.queue = [name for name in self.queue if name not in names]

    def stop(self):
        self.stopped += 1


class Screen:
    def __init__(self):
        self.said, self.shown = [], set()

    def say(self, line):
        self.said.append(line)

    def hear(self, event):
        self.shown.add(event["name"])

    def leave(self, name):
        self.shown.discard(name)


def take(engine, jobs, stay=lambda hosts: False):
    """The names of the jobs that are over, and what was said."""
    grid = SimpleNamespace(dataset_name="d", measure=SimpleNamespace(split="all"))
    run = SimpleNamespace(pipeline=SimpleNamespace(grid=grid), results=None, failed=set(), retry_failed=False)
    screen = Screen()
    with Afar(run, engine, screen, stay) as crew:
        over = [job.name for job in crew.take(jobs, Manner())]
    assert not screen.shown and not crew.left
    return over, screen.said


def test_each_job_is_sent_once_as_soon_as_its_input_is_stored_and_what_is_there_never():
    store = Store()
    store.made.append("stage old")
    jobs = [store.job("stage b", ["stage a"]), store.job("stage a"), store.job("stage old")]
    engine = Engine(store)
    over, said = take(engine, [*jobs, store.job("group g", ["stage b"])])
    assert engine.sent == ["stage a", "stage b", "group g"] and not said
    assert sorted(over) == ["group g", "stage a", "stage b", "stage old"]


def test_a_job_whose_process_dies_is_made_again_and_after_three_deaths_it_has_failed_with_the_last_reason():
    store = Store()
    died = {"died": "the process that made it was ended by SIGKILL"}
    engine = Engine(store, {"stage poison": [dict(died) for _ in range(9)], "stage b": [dict(died), dict(died)]})
    over, said = take(engine, [store.job(name) for name in ("stage poison", "stage b", "stage c")])
    assert sorted(over) == ["stage b", "stage c", "stage poison"]
    assert engine.sent.count("stage poison") == engine.sent.count("stage b") == 3
    assert store.failed == {"stage poison": "the process that made it was ended by SIGKILL on a, as 3 times"}
    assert said.count("the process that made it was ended by SIGKILL on a; it is made again") == 4


def test_a_job_that_killed_its_workers_is_not_tried_again():
    store = Store()
    engine = Engine(store, {"stage a": [{"died": "3 workers died while they made it, the last w", "final": True}]})
    take(engine, [store.job("stage a")])
    assert engine.sent == ["stage a"] and "3 workers died" in store.failed["stage a"]


def test_what_another_process_holds_is_sent_again_and_costs_no_try():
    store = Store()
    engine = Engine(store, {"stage a": [{"over": False}] * 5})
    assert take(engine, [store.job("stage a")]) == (["stage a"], []) and len(engine.sent) == 6


def test_what_a_worker_made_may_become_visible_later():
    store = Store()

    def make_in_the_dark():
        import threading

        threading.Timer(0.05, store.made.append, ["stage a"]).start()
        return {"over": True, "unseen": True}

    engine = Engine(store, {"stage a": [make_in_the_dark]})
    assert take(engine, [store.job("stage a")])[0] == ["stage a"] and engine.sent == ["stage a"]


def test_what_is_never_seen_fails_after_three_tries():
    store = Store()
    engine = Engine(store, {"stage a": [{"over": True, "unseen": True} for _ in range(9)]})
    take(engine, [store.job("stage a")])
    assert "is not seen here after 0.2 s" in store.failed["stage a"] and len(engine.sent) == 4


def test_where_a_machine_has_several_workers_groups_run_when_nothing_else_does_one_a_machine():
    store = Store()
    jobs = [store.job(name) for name in ("stage a", "stage b", "group g", "group h", "ranking r")]
    engine = Engine(store, hosts=1, crowded=True)
    take(engine, jobs)
    assert all(len(beside) == 1 for beside in engine.beside if any(name.startswith("group") for name in beside))
    assert {"stage a", "stage b", "ranking r"} in engine.beside
    engine = Engine(Store(), hosts=2, crowded=False)
    take(engine, [engine.store.job(name) for name in ("stage a", "stage b", "group g", "group h", "ranking r")])
    assert len(engine.beside[-1]) == 5


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        ({"unlike": "the package x is missing"}, ValueError, "worker w on a: the package x is missing"),
        ({"full": "no space left"}, DiskFull, "a: no space left"),
    ],
)
def test_a_worker_that_is_not_as_it_must_be_ends_the_run(answer, error, told):
    store = Store()
    engine = Engine(store, {"stage a": [answer]})
    with pytest.raises(error, match=told):
        take(engine, [store.job("stage a")])
    assert engine.stopped == 1 and not store.failed


def interrupted():
    raise KeyboardInterrupt


class Interrupted(Engine):
    """Ctrl-C while the first job runs and the second is not begun; the first ends at the second look."""

    def heard(self, seconds):
        if not hasattr(self, "looks"):
            self.looks = 0
            yield {"event": "taken", "name": "stage a", "host": "a", "worker": "w"}
            raise KeyboardInterrupt
        yield from super().heard(seconds)


@pytest.mark.parametrize("stays", [True, False])
def test_ctrl_c_takes_back_what_is_not_begun_and_the_rest_finishes_or_not_as_is_answered(stays):
    store, asked = Store(), []
    engine = Interrupted(store)
    with pytest.raises(KeyboardInterrupt):
        take(engine, [store.job("stage a"), store.job("stage b"), store.job("stage c", ["stage b"])],
             lambda hosts: asked.append(hosts) or stays)  # fmt: skip
    assert engine.cancelled[:1] == ["stage b"] and asked == [["a"]] and engine.sent == ["stage a", "stage b"]
    assert store.made == (["stage a"] if stays else []) and engine.stopped == 1


def test_a_second_ctrl_c_leaves_at_once():
    store = Store()
    engine = Interrupted(store, {"stage a": [interrupted]})
    with pytest.raises(KeyboardInterrupt):
        take(engine, [store.job("stage a")], lambda hosts: True)
    assert engine.stopped == 1 and not store.made and not store.failed


def test_a_worker_that_is_gone_is_named_when_another_takes_its_job():
    store = Store()

    class Moved(Engine):
        def heard(self, seconds):
            yield {"event": "taken", "name": "stage a", "host": "lost", "worker": "w"}
            yield from super().heard(seconds)

    over, said = take(Moved(store), [store.job("stage a")])
    assert over == ["stage a"] and said == ["lost: its worker is gone; what it was making is made again on a"]
