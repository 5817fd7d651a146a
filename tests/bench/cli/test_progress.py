"""What stands on the screen while a run goes on."""

import io
import os
import pty
import re
import select
import threading
import time

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live

from bench.cli import bars, progress
from bench.cli.progress import Reporter, about
from bench.plans.durations import FILE, Durations, DurationsFile, Note
from bench.plans.forecast import Forecast
from bench.plans.units import Plan, Planned, Unit, waiting
from bench.system.wording import printable
from tests import warm
from tests.conftest import CHECKOUT, PLUGINS

LAST = Planned(Unit("writing", "writing", {}, title="tables and figures"))
KNOWN = [Note("writing", {}, None, 2.0), Note("fit", {}, None, 60.0)]


class Clock:
    """Tells the time that the test has set."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Shown:
    """A reporter with its clock, and what it has shown so far, without a terminal or (``width``) on one."""

    def __init__(self, notes=(), width=None, elsewhere=(), **options):
        self.clock, self.written = Clock(), io.StringIO()
        terminal = width is not None
        console = Console(file=self.written, width=width or 10_000, force_terminal=terminal, no_color=True)
        self.reporter = Reporter(Forecast(Durations(notes, elsewhere), self.clock.now), console, self.clock, **options)
        if terminal:
            self.reporter.live = Live(console=console, auto_refresh=False, get_renderable=self.reporter.bars)
            self.console = console

    def lines(self):
        return self.written.getvalue().splitlines()

    def bars(self):
        """The bars as they would be drawn now."""
        with self.console.capture() as captured:
            self.console.print(self.reporter.bars())
        return captured.get().splitlines()


def plan(*units, done=0, left_out=0, key="cell"):
    cells = frozenset(f"{key} {number}" for number in range(4))
    return Plan(4 + done + left_out, left_out, cells, tuple(Planned(one, cells=cells) for one in units))


FIT = Unit("fit", "fit", {}, title="exchnet (bits = 32)")
ROUND = Unit("round", "round", {}, title="search and timing", least=100.0)
NEW = Unit("new", "new", {}, title="sdh (bits = 12)")


NEW_HERE = "nothing like it has run here"
NOT_KNOWN = f"how long that takes is not known yet: {NEW_HERE}"


@pytest.mark.parametrize(
    ("plans", "notes", "line"),
    [
        ([plan(FIT)], KNOWN, "4 cells, none done; about 60 s, by earlier runs"),
        ([plan(FIT, done=2)] * 2, KNOWN, "12 cells, 8 done; about 60 s, by earlier runs"),
        ([plan(FIT, NEW)], KNOWN, "4 cells, none done; more than 60 s, by earlier runs; new here: sdh (bits = 12)"),
        ([plan(NEW)], [], f"4 cells, none done; {NOT_KNOWN}"),
        ([plan(NEW)], KNOWN, f"4 cells, none done; {NOT_KNOWN}"),
        ([plan(ROUND)], [], f"4 cells, none done; more than 100 s, how much more is not known yet: {NEW_HERE}"),
        ([Plan(22)], KNOWN, "22 cells, all done; about 2 s, by earlier runs"),
        ([Plan(22)], [], "22 cells, all done"),
        ([plan(NEW, left_out=3)], [], f"7 cells, 3 of them left out, of the others none done; {NOT_KNOWN}"),
        ([Plan(22, 2)], KNOWN, "22 cells, 2 of them left out, of the others all done; about 2 s, by earlier runs"),
    ],
)  # fmt: skip
def test_the_first_line_says_how_much_there_is_to_do_and_how_that_is_known(plans, notes, line):
    shown = Shown(notes)
    shown.reporter.open("grid", plans, LAST)
    assert shown.lines() == [f"[   0.0 s] grid: {line}"]


def test_what_only_another_machine_has_done_is_said_to_be_known_from_there():
    shown = Shown(elsewhere=KNOWN)
    shown.reporter.open("grid", [plan(FIT)], LAST)
    assert shown.lines() == ["[   0.0 s] grid: 4 cells, none done; about 60 s, by a run on another machine"]


def test_times_of_another_machine_are_no_bound_for_what_is_new_here():
    shown = Shown(elsewhere=KNOWN)
    shown.reporter.open("grid", [plan(FIT, NEW)], LAST)
    assert shown.lines()[0].endswith(
        "none done; about 60 s, by a run on another machine, and what is new here: sdh (bits = 12)"
    )


def test_a_least_time_is_not_rounded_up():
    assert [about(seconds, down=True) for seconds in (4.9, 83, 95, 179, 7000)] == [
        "4 s",
        "80 s",
        "90 s",
        "2 min",
        "1.9 h",
    ]


def test_without_a_terminal_a_line_comes_every_25_seconds_however_silent_a_stage_is():
    shown = Shown(KNOWN)
    shown.reporter.open("grid", [plan(FIT, done=1)], LAST)
    with shown.reporter.doing(FIT):
        for _ in range(60):
            shown.clock.now += shown.reporter.tick()
    (_, *later) = shown.lines()
    assert len(later) == 59
    assert later[0] == "[  25.0 s] exchnet (bits = 32); 1 of 5 cells done; about 40 s left"
    assert later[3] == "[ 100.0 s] exchnet (bits = 32); 1 of 5 cells done; more than 2 s left"


def test_a_line_says_how_far_a_stage_is_and_what_it_is_a_part_of():
    shown = Shown(KNOWN)
    shown.reporter.open("grid", [plan(FIT)], LAST)
    shown.reporter.show("train, encode, rank", 1, 4)
    with shown.reporter.doing(FIT):
        shown.reporter.show("epochs", 0, 8)
        shown.clock.now += 10
        shown.reporter.show("epochs", 2, 8)
        shown.clock.now += 15
        shown.reporter.tick()
        shown.reporter.show("epochs", None, 8)
    shown.reporter.ended("cell 3")
    shown.reporter.show("train, encode, rank", None, 4)
    assert shown.lines()[1:] == [
        "[  25.0 s] train, encode, rank 1 of 4: exchnet (bits = 32): epochs, 2 of 8; "
        "0 of 4 cells done; about 40 s left",
        "[  25.0 s] epochs: 25.0 s",
        "[  25.0 s] train, encode, rank: 25.0 s",
    ]
    shown.clock.now += 25
    shown.reporter.tick()
    assert shown.lines()[-1] == "[  50.0 s] at work; 1 of 4 cells done; about 2 s left"


def test_a_stage_that_is_interrupted_is_not_told_as_done():
    shown = Shown()
    steps = shown.reporter.track([5, 6, 7], "epochs")
    assert next(steps) == 5
    shown.clock.now += 30
    steps.close()
    shown.reporter.tick()
    assert len(shown.lines()) == 1 and "epochs" not in shown.lines()[0]


def test_a_stage_of_which_nothing_is_planned_is_shown_too():
    shown = Shown()
    steps = shown.reporter.track([5, 6, 7], "judge what is stored")
    assert next(steps) == 5 and next(steps) == 6
    shown.clock.now += 30
    shown.reporter.tick()
    assert next(steps) == 7 and next(steps, None) is None
    assert shown.lines() == ["[  30.0 s] judge what is stored, 1 of 3", "[  30.0 s] judge what is stored: 30.0 s"]
    assert list(shown.reporter.track(iter([5, 6]), "steps")) == [5, 6] and len(shown.lines()) == 2


def test_while_it_waits_for_others_it_says_so_and_the_time_left_stands_still():
    shown = Shown(KNOWN)
    shown.reporter.open("grid", [plan(FIT)], LAST)
    before = shown.reporter.line().rpartition("; ")[2]
    with shown.reporter.doing(waiting("another run takes times on here (process 12)")):
        assert shown.reporter.line().startswith("wait: another run takes times on here (process 12); 0 of 4 cells")
        for _ in range(30):
            shown.clock.now += 4.0
            told = shown.reporter.line()
        assert told.startswith("wait: another run takes times on here (process 12), for 2 min; 0 of 4 cells done; ")
        assert told.rpartition("; ")[2] == before == "about 60 s left"
    shown.clock.now += 0.5
    assert shown.reporter.line().endswith("; about 60 s left")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_bar_of_what_is_waited_for_says_for_how_long(width):
    shown = Shown(KNOWN, width=width)
    shown.reporter.open("grid", [plan(FIT)], LAST)
    with shown.reporter.doing(waiting("another run takes times")):
        shown.clock.now += 130.0
        assert "for 2 min" in shown.bars()[-1] and cell_len(shown.bars()[-1]) <= width


def test_details_are_said_only_where_all_is_to_be_said():
    for verbose in (False, True):
        shown = Shown(verbose=verbose)
        shown.reporter.detail("log in cache/work")
        assert len(shown.lines()) == verbose


@pytest.mark.parametrize("width", [30, 40, 71, 72, 80, 120, 200])
@pytest.mark.parametrize("title", ["itq", "exchnet (bits = 32, a_long_parameter = value)", "日本語" * 20, "a\x1b[31mb"])
def test_two_bars_fit_the_terminal(width, title):
    shown = Shown(KNOWN, width=width)
    unit = Unit("fit", "fit", {}, title=title)
    shown.reporter.open("grid", [plan(unit, done=18)], LAST)
    with shown.reporter.doing(unit):
        shown.reporter.show("trunk: epochs of classification", 0, 3)
        shown.clock.now += 50
        shown.reporter.show("trunk: epochs of classification", 1, 3)
        rows = shown.bars()
    assert max(map(cell_len, rows)) <= width
    assert rows[0].startswith("run") and not any("\x1b[31m" in one for one in rows)
    bar = re.compile("[━╸╺]+")
    run, *names, stage = rows[next(at for at, row in enumerate(rows) if bar.search(row)) :]
    name = printable(f"{title}: trunk: epochs of classification")
    wide, short = (cell_len(name) <= width - sum(bars.FIGURES[narrow]) - 4 - bars.LEAST_BAR for narrow in (False, True))
    assert (wide or short) == (name in stage) == (not names) and len(names) <= 2
    said = "".join(names).replace(" ", "")
    assert not names or said == name.replace(" ", "") or (said.endswith("…") and cell_len(name) > width)
    if width >= bars.NARROW and (wide or not short):
        assert (
            "18 of 22 cells" in run and "about 2 min left" in run and "1 of 3" in stage and "about 2 min left" in stage
        )
    elif width >= 40:
        assert "18/22" in run and "2 min" in run and "1/3" in stage and "2 min" in stage
    assert bar.search(run) and bar.search(stage)


def test_at_40_columns_no_name_and_no_number_of_a_bar_is_cut():
    shown = Shown(KNOWN, width=40)
    shown.reporter.open("grid", [plan(FIT)], LAST)
    with shown.reporter.doing(FIT):
        shown.reporter.show("timed replicates", 1, 5)
        shown.reporter.show("timed rounds of all that are compared", 60_000, 180_000)
        rows = shown.bars()
    assert "…" not in " ".join(rows)
    assert " ".join(row.strip() for row in rows[1:-1]) == "exchnet (bits = 32): timed rounds of all that are compared"
    assert " 33 % " in rows[-1] and re.match(r" +[━╸╺]+ ", rows[-1])


def test_a_line_that_a_terminal_breaks_has_its_stamp_once_and_stands_beside_it():
    shown = Shown(KNOWN, width=40)
    shown.reporter.open("grid", [plan(FIT, NEW)], LAST)
    first, *others = (re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", line).rstrip() for line in shown.lines())
    assert first.startswith("[   0.0 s] grid: 4 cells") and max(map(len, (first, *others))) <= 40
    assert len(others) > 1 and all(re.match(r" {11}\S", line) for line in others)
    whole = " ".join([first[11:], *(line.strip() for line in others)])
    assert whole == "grid: 4 cells, none done; more than 60 s, by earlier runs; new here: sdh (bits = 12)"
    in_a_file = Shown()
    in_a_file.reporter.say("word " * 100 + "end")
    assert len(in_a_file.lines()) == 1


def test_the_bar_of_a_run_is_full_when_all_is_over_and_is_then_no_grey_of_few_colours():
    shown = Shown(width=80)
    shown.reporter.open("grid", [plan(NEW)], LAST)
    with shown.reporter.doing(NEW):
        shown.clock.now += 5
    for cell in range(4):
        shown.reporter.ended(f"cell {cell}")
    with shown.reporter.doing(LAST.unit):
        shown.clock.now += 30
        run, *_ = shown.bars()
        assert "4 of 4 cells" in run and not re.search("━{11}", run) and "╸" in run
    (run,) = shown.bars()
    assert re.search("━{11}", run) and "╸" not in run
    coloured = Console(width=80, force_terminal=True, color_system="standard", file=io.StringIO())
    coloured.print(shown.reporter.bars())
    assert "\x1b[32m━" in coloured.file.getvalue()  # green


def test_the_bars_say_at_once_what_is_not_known():
    shown = Shown(width=80)
    shown.reporter.open("grid", [plan(NEW)], LAST)
    with shown.reporter.doing(NEW):
        run, stage = shown.bars()
    assert "time left not known" in run and stage.startswith("sdh (bits = 12)") and "left" not in stage


def test_while_a_time_is_measured_the_bars_are_drawn_before_a_round_or_after_ten_seconds():
    shown = Shown(KNOWN, width=80)
    drawn = []
    shown.reporter.live = type("Live", (), {"refresh": lambda self: drawn.append(shown.clock.now - 1000)})()
    round_ = Unit("round", "round", {}, shown=False, timed=True)
    shown.reporter.open("grid", [plan(FIT)], LAST)
    shown.clock.now += 0.5
    assert shown.reporter.tick() == 0.5 and drawn == [0, 0.5]
    for _ in range(8):
        with shown.reporter.doing(round_):
            shown.clock.now += 0.3
            assert shown.reporter.tick() > 8
    assert drawn == pytest.approx([0, 0.5, 1.7])
    with shown.reporter.doing(round_):
        shown.clock.now += 10.1
        shown.reporter.tick()
    assert drawn[3:] == pytest.approx([2.9, 13.0])


def test_what_units_took_is_kept_when_they_are_done_and_when_a_run_is_left(tmp_path):
    file = DurationsFile(tmp_path, "here")
    shown = Shown(keep=file)
    twice = Unit("twice", "twice", {"a": 1}, 10)
    shown.reporter.open("grid", [Plan(1, 0, frozenset("a"), (Planned(FIT), Planned(twice, times=2)))], LAST)
    with pytest.raises(KeyboardInterrupt), shown.reporter.doing(FIT):
        raise KeyboardInterrupt
    with shown.reporter.doing(twice):
        shown.clock.now += 3
    assert file.read() == []
    shown.reporter.close()
    assert file.read() == [Note("twice", {"a": 1}, 10, 3.0)]


def test_a_reader_that_leaves_ends_the_run_and_not_only_the_thread_that_found_out(monkeypatch):
    shown = Shown()

    def gone(*_):
        raise SystemExit(141)

    monkeypatch.setattr(shown.reporter._console, "print", gone)
    shown.clock.now += 30
    shown.reporter.tick()
    with pytest.raises(SystemExit):
        shown.reporter.show("fit", 1, 2)


def test_two_threads_that_show_and_say_lose_no_line(monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    shown = Shown()
    workers = [threading.Thread(target=lambda: [shown.reporter.tick() for _ in range(200)]) for _ in range(2)]
    for worker in workers:
        worker.start()
    for number in range(200):
        shown.reporter.say(f"line {number}")
        shown.reporter.show("stage", number, 200)
    for worker in workers:
        worker.join()
    said = [line for line in shown.lines() if "line" in line]
    assert [line.rpartition(" ")[2] for line in said] == [str(number) for number in range(200)]
    assert all(re.match(r"\[ +\d+\.\d s\] ", line) for line in shown.lines()) and len(shown.lines()) == 600


def test_what_threads_do_beside_each_other_has_a_bar_each_below_that_of_the_run():
    shown = Shown(KNOWN, width=120)
    shown.reporter.open("grid", [plan(FIT, NEW)], LAST)
    begun, over = threading.Barrier(3), threading.Event()

    def do(unit, steps):
        with shown.reporter.doing(unit):
            shown.reporter.show("epochs", steps, 8)
            begun.wait()
            over.wait()
            shown.reporter.show("epochs", None, 8)

    shown.reporter.show("train, encode, rank", 1, 4)
    threads = [threading.Thread(target=do, args=one) for one in ((FIT, 2), (NEW, 3))]
    for thread in threads:
        thread.start()
    begun.wait()
    run, *stages = shown.bars()
    line = shown.reporter.line()
    over.set()
    for thread in threads:
        thread.join()
    assert run.startswith("run") and len(stages) == 2
    assert any("exchnet (bits = 32): epochs" in one and "2 of 8" in one for one in stages)
    assert any("sdh (bits = 12): epochs" in one and "3 of 8" in one for one in stages)
    assert line.startswith("train, encode, rank 1 of 4: ") and "exchnet (bits = 32): epochs, 2 of 8" in line
    assert "sdh (bits = 12): epochs, 3 of 8" in line and " | " in line
    assert len(shown.bars()) == 2 and "train, encode, rank" in shown.bars()[1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (4.4, "4 s"), (12, "10 s"), (59, "60 s"), (95, "2 min"), (250, "4 min"), (5399, "90 min"),
     (7000, "1.9 h"), (3600 * 47, "47.0 h"), (86400 * 3.2, "3 days")],
)  # fmt: skip
def test_a_time_is_told_as_exactly_as_it_is_known(seconds, text):
    assert about(seconds) == text


SLOW = """
title = "A silent build"
dataset = "vectors"
recipe = "r"
layout = "methods"
[measure]
replicates = 2
rounds = 2
queries_per_round = 5
batch_seconds = 0.01
[[cells]]
embedder = "identity"
index = ["linear_scan", "toy_silent"]
[recipes.r]
"""
OFTEN = "from bench.cli import progress; progress.LINE_SECONDS = {}; from bench.__main__ import main; main()"


@pytest.fixture
def command(tmp_path, vectors_dir):
    """The code and arguments that run a grid in which an index builds in silence, with lines every so often."""
    path = tmp_path / "slow.toml"
    path.write_text(SLOW)
    where = ["--data-dir", vectors_dir, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache"]

    def make(seconds, *more):
        return [OFTEN.format(seconds), "run", "--grid", path, *where, *more]

    return make


def run_in(command, **variables):
    environment = {**os.environ, "PYTHONPATH": f"{PLUGINS}{os.pathsep}{CHECKOUT}", **variables}
    return warm.run(*command, environment=environment)


@pytest.mark.long
def test_through_a_pipe_a_run_says_how_far_it_is_while_a_build_is_silent(command, tmp_path):
    done = run_in(command(0.25))
    assert done.returncode == 0, done.stderr
    beginning, first, *lines = [line for line in done.stdout.splitlines() if not line.endswith("at work")]
    assert beginning == "bench: slow: looking at the data and at what is stored of them"
    assert re.fullmatch(rf"\[ +\d+\.\d s\] slow on vectors: 2 cells, none done; {NOT_KNOWN}", first)
    silent = [line for line in lines if "build toy_silent" in line]
    assert silent, done.stdout
    for line in silent:
        assert re.fullmatch(
            r"\[ +\d+\.\d s\] timed replicates \d of 2: build and search \d of 2: build toy_silent; "
            r"0 of 2 cells done; (time left not known|(about|more than) \d+ (s|min) left)",
            line,
        )
    assert "\x1b" not in done.stdout and (tmp_path / "cache" / FILE).is_file()
    again = run_in(command(0.25, "--set", "measure.rounds=4"), TERM="dumb", NO_COLOR="1", COLUMNS="40")
    assert re.search(r"slow on vectors: 2 cells, none done; about \d+ s, by earlier runs\n", again.stdout)
    assert "\x1b" not in again.stdout
    finished = run_in(command(0.25))
    assert re.search(r"slow on vectors: 2 cells, all done; about \d+ s, by earlier runs\n", finished.stdout)


@pytest.mark.long
def test_in_one_process_it_says_the_same(command):
    done = run_in(command(0.25, "--in-process"))
    assert done.returncode == 0, done.stderr
    assert any("build toy_silent; 0 of 2 cells done" in line for line in done.stdout.splitlines())


@pytest.mark.long
@pytest.mark.parametrize("columns", [40, 80])
def test_on_a_terminal_two_bars_stand_below_the_lines_and_none_is_wider(command, columns):
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": f"{PLUGINS}{os.pathsep}{CHECKOUT}", "TERM": "xterm"}
    environment |= {"COLUMNS": str(columns), "LINES": "24"}
    process = warm.start(*command(30), environment=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    read, deadline = b"", time.monotonic() + 300
    while time.monotonic() < deadline:
        if select.select([controller], [], [], 0.1)[0]:
            try:
                read += os.read(controller, 1 << 16)
            except OSError:  # the other end is closed
                break
    os.close(controller)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", read.decode())
    rows = [row.rstrip() for row in re.split(r"[\r\n]+", text)]
    bars = [row for row in rows if "━" in row and not row.startswith(("┏", "┡"))]
    runs = [row for row in bars if row.startswith("run, 0:")]
    stages = [row for row in bars if row not in runs]  # which of them are drawn depends on how long they take
    assert runs and stages and max(map(len, bars)) <= columns, rows
    assert all(re.search(r" [012](/2| of 2 cells) ", row) for row in runs) and "-:--:--" not in text
