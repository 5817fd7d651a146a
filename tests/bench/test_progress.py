"""What stands on the terminal while a run goes on."""

import io
from types import SimpleNamespace

from rich.console import Console
from rich.progress import Progress

from bench.cli.progress import Reporter


def test_a_bar_is_shown_while_a_stage_runs_and_a_line_where_it_took_long(monkeypatch):
    now = [10.0]
    monkeypatch.setattr("bench.cli.progress.time", SimpleNamespace(perf_counter=lambda: now[0]))
    written = io.StringIO()
    with Progress(console=Console(file=written, width=100), auto_refresh=False) as progress:
        reporter = Reporter(progress)
        reporter.show("fit", 0, None)
        reporter.show("fit", 3, 7)
        (bar,) = progress.tasks
        assert (bar.description, bar.completed, bar.total) == ("fit", 3, 7)
        reporter.show("encode", None, None)
        now[0] += 2.5
        reporter.show("fit", None, 7)
        assert not progress.tasks
    lines = written.getvalue()
    assert "fit: 2.5 s" in lines and "encode" not in lines


def test_the_bar_of_steps_goes_when_they_end_or_are_left():
    with Progress(console=Console(file=io.StringIO()), auto_refresh=False) as progress:
        reporter = Reporter(progress)
        for left_after in (6, 7):
            steps = reporter.track([5, 6, 7], "steps")
            for step in steps:
                assert (progress.tasks[0].completed, progress.tasks[0].total) == (step - 5, 3)
                if step == left_after:
                    break
            steps.close()
            assert not progress.tasks
        assert list(reporter.track([5, 6, 7], "steps")) == [5, 6, 7] and not progress.tasks
