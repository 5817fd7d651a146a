"""How long things took: what equal and similar units are said to take, and a file that survives whatever happens."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.grids import grid_file
from bench.interfaces import Context
from bench.plans.durations import FILE, MOST_BYTES, Durations, DurationsFile, Note, elsewhere
from bench.plans.forecast import Forecast
from bench.plans.units import Unit
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from tests.conftest import CHECKOUT


def unit(family="codes itq", size=100, **settings):
    return Unit("key", family, settings, size)


def note(seconds, family="codes itq", size=100, **settings):
    return Note(family, settings, size, seconds)


def test_nothing_is_known_of_a_family_that_has_not_run():
    assert Durations().of(unit()) is None
    assert Durations([note(3, family="codes sdh")]).of(unit()) is None


def test_an_equal_unit_takes_the_median_of_the_newest_that_ran():
    durations = Durations([note(seconds, bits=16) for seconds in (1000, 1, 5, 2, 4, 3)])
    assert durations.of(unit(bits=16)) == 3


def test_what_took_so_long_in_this_run_stands_over_earlier_runs():
    durations = Durations([note(1, bits=16)] * 5)
    durations.add(unit(bits=16), 40)
    durations.add(unit(bits=16), 20)
    assert durations.of(unit(bits=16)) == 30 and durations.own(unit(bits=16)).seconds == 30
    assert durations.own(unit(bits=32)) is None


def test_another_size_takes_longer_in_proportion():
    durations = Durations([note(10, size=100, data="a", bits=16)])
    assert durations.of(unit(size=400, data="b", bits=16)) == 40
    assert durations.of(unit(size=None, data="b", bits=16)) == 10


def test_the_most_similar_of_a_family_speaks_for_what_has_not_run():
    known = [note(10, epochs=1, bits=16), note(12, epochs=1, bits=32), note(300, epochs=30, bits=16)]
    assert Durations(known).of(unit(epochs=1, bits=48)) == 11
    assert Durations(known).of(unit(epochs=30, bits=48)) == 300


def test_another_machine_speaks_for_equal_units_alone_until_they_have_run_here():
    durations = Durations(elsewhere=[note(10, bits=16), note(40, bits=32)])
    assert durations.of(unit(bits=32)) == 40 and durations.of(unit(bits=48)) is None and not durations.here
    durations.add(unit(bits=16), 5)
    assert durations.of(unit(bits=16)) == 5


def test_a_time_of_another_machine_is_scaled_by_what_this_one_took_for_others():
    durations = Durations(elsewhere=[note(10, bits=16), note(30, bits=32), note(100, family="codes sdh")])
    durations.add(unit(bits=16), 12)
    durations.add(unit(bits=32), 48)
    assert durations.of(unit(family="codes sdh")) == pytest.approx(150)


def test_what_ran_here_stands_over_another_machine():
    durations = Durations([note(3, bits=16)], elsewhere=[note(10, bits=16)])
    assert durations.of(unit(bits=16)) == 3 and durations.here


@pytest.mark.long
def test_the_first_command_of_readme_knows_from_another_machine_how_long_it_takes(tmp_path):
    context = Context(device="auto", cache=tmp_path)
    pipeline = Pipeline(grid_file.load("supp_table1"), Store(tmp_path / "cache"), context, lambda _: None)
    forecast = Forecast(Durations(elsewhere=elsewhere()))
    forecast.plan(Run(pipeline, Store(tmp_path / "out"), lambda _: None).plan().units)
    left = forecast.left(0.0)
    assert left.known, "python docs/make.py --first-run RESULTS CACHE, after such a run"
    assert 60 < left.seconds < 600


def test_the_order_of_settings_and_their_types_in_json_change_nothing():
    durations = Durations([note(7, a=[1, 2], b=None)])
    assert durations.of(unit(b=None, a=(1, 2))) == 7


def test_what_is_appended_is_read_on_the_same_machine_only(tmp_path):
    notes = [note(1.5, bits=16, rate=0.1), note(2, family="start", size=None)]
    DurationsFile(tmp_path / "new", "mine").append(notes[:1])
    DurationsFile(tmp_path / "new", "mine").append(notes[1:])
    assert DurationsFile(tmp_path / "new", "mine").read() == notes
    assert DurationsFile(tmp_path / "new", "another").read() == [] == DurationsFile(tmp_path / "none", "mine").read()


DAMAGED = [
    b"{",
    b"\xff\xfe\x00",
    b"[]",
    b"null",
    b"{}",
    b"[" * 100_000,
    json.dumps({"family": "a", "settings": [], "size": 1, "seconds": 1, "machine": "m"}).encode(),
    json.dumps({"family": 1, "settings": {}, "size": 1, "seconds": 1, "machine": "m"}).encode(),
    json.dumps({"family": "a", "settings": {}, "size": "large", "seconds": 1, "machine": "m"}).encode(),
    json.dumps({"family": "a", "settings": {}, "size": 1, "seconds": -1, "machine": "m"}).encode(),
    b'{"family": "a", "settings": {}, "size": 1, "seconds": NaN, "machine": "m"}',
    b'{"family": "a", "settings": {}, "size": 1, "seconds": 1' + b"0" * 400 + b', "machine": "m"}',
]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_line_is_passed_over(damaged, tmp_path):
    file = DurationsFile(tmp_path, "m")
    file.append([note(1)])
    with (tmp_path / FILE).open("ab") as raw:
        raw.write(b"\n" + damaged)
    file.append([note(2)])
    assert [one.seconds for one in file.read()] == [1, 2]


@given(st.binary(max_size=300))
def test_no_content_of_the_file_is_refused(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    (folder / FILE).write_bytes(content)
    file = DurationsFile(folder, "m")
    assert file.read() == []
    file.append([note(1)])
    assert file.read() == [note(1)]


def test_a_line_that_was_cut_off_takes_no_other_with_it(tmp_path):
    file = DurationsFile(tmp_path, "m")
    file.append([note(1), note(2)])
    with (tmp_path / FILE).open("rb+") as raw:
        raw.truncate((tmp_path / FILE).stat().st_size - 5)
    file.append([note(3)])
    assert [one.seconds for one in file.read()] == [1, 3]


def test_a_long_file_keeps_its_newer_half(tmp_path):
    file = DurationsFile(tmp_path, "m")
    file.append(note(number, text="x" * 1000) for number in range(2 * MOST_BYTES // 1000))
    assert (tmp_path / FILE).stat().st_size <= MOST_BYTES
    seconds = [one.seconds for one in file.read()]
    assert len(seconds) > 400 and seconds == sorted(seconds) and seconds[-1] == 2 * MOST_BYTES // 1000 - 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_of_a_file_that_is_far_too_long_the_end_is_read(tmp_path):
    with (tmp_path / FILE).open("wb") as raw:
        raw.truncate(20 * MOST_BYTES)
    file = DurationsFile(tmp_path, "m")
    file.append([note(1)])
    assert file.read() == [note(1)] and (tmp_path / FILE).stat().st_size <= MOST_BYTES


def test_a_note_that_is_too_long_for_a_line_is_not_kept(tmp_path):
    file = DurationsFile(tmp_path, "m")
    file.append([note(1, text="x" * 5000), note(2)])
    assert [one.seconds for one in file.read()] == [2]


def test_where_nothing_can_be_written_nothing_is_kept_and_nothing_said(tmp_path):
    (tmp_path / "file").write_text("no folder")
    file = DurationsFile(tmp_path / "file", "m")
    file.append([note(1)])
    assert file.read() == []
    (tmp_path / FILE).mkdir()
    file = DurationsFile(tmp_path, "m")
    file.append([note(1)])
    assert file.read() == []


def test_nothing_learned_leaves_no_file(tmp_path):
    DurationsFile(tmp_path / "cache", "m").append([])
    assert not (tmp_path / "cache").exists()


def test_several_runs_that_append_at_once_lose_nothing(tmp_path):
    code = (
        "import sys; from bench.plans.durations import DurationsFile, Note; file = DurationsFile(sys.argv[1], 'm')\n"
        "for number in range(200): file.append([Note('a', {'run': sys.argv[2], 'text': 'x' * 500}, None, number)])"
    )
    code = code.replace("DurationsFile(sys.argv[1]", "DurationsFile(__import__('pathlib').Path(sys.argv[1])")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(run)], env=environment) for run in range(4)
    ]
    assert [run.wait() for run in runs] == [0] * 4
    found = DurationsFile(tmp_path, "m").read()
    assert len(found) == 800
    for run in range(4):
        assert [one.seconds for one in found if one.settings["run"] == str(run)] == list(range(200))
