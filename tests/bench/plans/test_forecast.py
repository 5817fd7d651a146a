"""The time left and the share done, by a clock that the test turns."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from bench.plans.durations import Durations, Note
from bench.plans.forecast import Forecast, Steps
from bench.plans.units import Planned, Unit


def unit(name, family="work", shown=True, timed=False, size=None, **settings):
    return Unit(name, family, {"name": name, **settings}, size, title=name, shown=shown, timed=timed)


def known(**seconds):
    return Durations(Note("work", {"name": name}, None, each) for name, each in seconds.items())


def test_what_is_known_exactly_counts_down_to_nothing_and_the_share_is_that_of_the_time():
    forecast = Forecast(known(a=10.0, b=5.0))
    a, b = unit("a"), unit("b")
    forecast.plan([Planned(a), Planned(b, times=2)])
    now = 0.0
    for one, seconds in ((a, 10), (b, 5), (b, 5)):
        forecast.begin(one, now)
        for _ in range(seconds):
            left = forecast.left(now)
            assert left.known and left.seconds == pytest.approx(20 - now)
            assert forecast.share(now) == pytest.approx(now / 20)
            now += 1
        forecast.end(now, well=True)
    assert forecast.left(now).seconds == 0 and forecast.share(now) == 1


def test_what_nobody_knows_is_named_and_what_is_known_is_the_least_that_it_takes():
    forecast = Forecast(known(a=10.0))
    forecast.plan([Planned(unit("a")), Planned(unit("new", family="other"))])
    left = forecast.left(0)
    assert not left.known and left.unknown == ("new",) and left.seconds == 10


def test_what_a_unit_takes_whatever_the_machine_is_the_least_that_is_left():
    forecast = Forecast(Durations())
    round_ = Unit("round", "round", {}, title="round", least=0.5)
    forecast.plan([Planned(round_, times=20), Planned(unit("new"))])
    left = forecast.left(0)
    assert left.seconds == 10 and not left.learned and left.unknown == ("round", "new")
    forecast.begin(round_, 0)
    forecast.end(2, well=True)
    assert forecast.left(2).seconds == 38 and forecast.left(2).learned


def test_a_minor_unit_is_waited_for_only_where_nothing_else_is_known():
    forecast = Forecast(known(a=10.0))
    minor = Unit("judge", "judge", {}, title="judge", minor=True)
    forecast.plan([Planned(unit("a")), Planned(minor)])
    assert forecast.left(0).known and forecast.left(0).seconds == 10
    forecast.begin(unit("a"), 0)
    forecast.end(10, well=True)
    assert forecast.left(10).unknown == ("judge",)


def test_a_unit_of_which_nothing_is_known_is_learned_from_its_first_time():
    forecast = Forecast(Durations())
    one = unit("round")
    forecast.plan([Planned(one, times=5)])
    assert not forecast.left(0).known
    forecast.begin(one, 0)
    assert not forecast.left(2).known
    forecast.end(3, well=True)
    assert forecast.left(3).known and forecast.left(3).seconds == 12


def test_similar_units_are_known_by_their_size():
    forecast = Forecast(Durations())
    small, large = unit("small", size=10), unit("large", size=40)
    forecast.plan([Planned(small), Planned(large)])
    forecast.begin(small, 0)
    forecast.end(3, well=True)
    assert forecast.left(3).seconds == 12


def test_the_steps_of_a_stage_say_what_a_unit_takes_that_is_slower_than_it_was():
    forecast = Forecast(known(fit=10.0))
    one = unit("fit")
    forecast.plan([Planned(one)])
    forecast.begin(one, 0)
    for done in range(6):
        forecast.step("epochs", done, 10, now=4.0 * done)
    assert forecast.left(20).known and forecast.left(20).seconds == pytest.approx(20)
    assert forecast.left(22).seconds == pytest.approx(18)


def test_a_unit_that_is_late_without_steps_takes_nobody_knows_how_long():
    forecast = Forecast(known(fit=10.0, rest=7.0))
    one = unit("fit")
    forecast.plan([Planned(one), Planned(unit("rest"))])
    forecast.begin(one, 0)
    assert forecast.left(11).known and forecast.left(11).seconds == 7
    late = forecast.left(30)
    assert not late.known and late.seconds == 7 and late.unknown == ("fit",)


def test_a_unit_that_failed_teaches_nothing():
    forecast = Forecast(Durations())
    one = unit("fit")
    forecast.plan([Planned(one, times=2)])
    forecast.begin(one, 0)
    forecast.end(1, well=False)
    assert not forecast.left(1).known


def test_a_training_that_is_gone_on_with_teaches_nothing():
    forecast = Forecast(Durations())
    one = unit("fit")
    forecast.plan([Planned(one)])
    forecast.begin(one, 0, counts=False)
    assert forecast.end(1, well=True) is None and forecast.durations.of(one) is None


def test_a_unit_inside_another_is_no_part_of_its_time():
    forecast = Forecast(known(judge=5.0, exact=20.0))
    judge, exact = unit("judge"), unit("exact")
    forecast.plan([Planned(judge, times=2), Planned(exact)])
    forecast.begin(judge, 0)
    forecast.begin(exact, 2)
    assert forecast.left(12).seconds == pytest.approx(10 + 3 + 5)
    forecast.end(22, well=True)
    assert forecast.left(23).seconds == pytest.approx(2 + 5)
    forecast.end(25, well=True)
    assert forecast.durations.of(judge) == 5 and forecast.durations.of(exact) == 20


def test_what_is_not_planned_is_not_waited_for():
    forecast = Forecast(known(a=10.0))
    forecast.begin(unit("a"), 0)
    assert forecast.left(1).seconds == 0 and forecast.left(1).known
    assert forecast.end(2, well=True) is None and forecast.durations.of(unit("a")) == 10


def test_rounds_that_are_taken_again_are_expected_of_those_to_come():
    forecast = Forecast(known(round=2.0))
    one, again = unit("round", timed=True), unit("round again", timed=True)
    forecast.plan([Planned(one, times=4)])
    for now, taken in ((0, one), (2, again), (4, one), (6, again)):
        forecast.begin(taken, now)
        forecast.end(now + 2, well=True)
    assert forecast.left(8).seconds == 2 * 2 * 2


def test_what_only_cells_need_that_have_ended_is_not_done():
    forecast = Forecast(known(shared=10.0, own=5.0))
    forecast.plan([Planned(unit("shared"), cells=frozenset("ab")), Planned(unit("own"), times=3, cells=frozenset("a"))])
    forecast.ended("a")
    assert forecast.left(0).seconds == 10
    forecast.ended("b")
    assert forecast.left(0).seconds == 0
    forecast.ended("another")


def test_what_may_not_be_needed_is_at_most_what_is_left_and_no_part_of_the_least():
    forecast = Forecast(known(a=10.0, b=5.0))
    forecast.plan([Planned(unit("a")), Planned(unit("b"), perhaps=True)])
    assert forecast.left(0).at_most and forecast.left(0).seconds == 15
    forecast.plan([Planned(unit("new", family="other"))])
    assert not forecast.left(0).known and forecast.left(0).seconds == 10
    forecast.plan([Planned(unit("b")), Planned(unit("new", family="work"))])
    assert not forecast.left(0).at_most


def test_a_plan_stands_in_place_of_an_earlier_one():
    forecast = Forecast(known(a=10.0))
    forecast.plan([Planned(unit("a"), times=5)])
    forecast.begin(unit("a"), 0)
    forecast.end(10, well=True)
    forecast.plan([Planned(unit("a"), times=2)])
    assert forecast.left(10).seconds == 20


def test_a_note_is_given_once_when_nothing_of_its_like_is_left():
    forecast = Forecast(Durations())
    units = [Unit(f"judge {number}", "judge", {"k": 10}) for number in range(3)]
    forecast.plan([Planned(one) for one in units])
    given = []
    for number, one in enumerate(units):
        forecast.begin(one, number)
        given.append(forecast.end(number + 1, well=True))
        assert len(forecast.half_done()) == (number < 2)
    assert given[:2] == [None, None] and given[2] == Note("judge", {"k": 10}, None, 1)


def test_a_unit_of_unknown_time_counts_as_done_when_it_is_over_and_no_more_than_the_time_left_allows():
    forecast = Forecast(known(a=10.0, b=90.0))
    new = unit("new", family="other")
    forecast.plan([Planned(new), Planned(unit("newer", family="another")), Planned(unit("b"))])
    forecast.begin(new, 0)
    assert forecast.share(1) == 0
    forecast.end(10, well=True)
    assert not forecast.left(10).known and forecast.share(10) == pytest.approx(10 / 100)


@pytest.mark.parametrize("seed", range(20))
def test_the_share_never_falls_and_ends_at_one_whatever_the_truth(seed):
    truth = random.Random(seed)
    names = [f"unit {number}" for number in range(8)]
    durations = Durations(
        Note("work", {"name": name}, None, truth.uniform(0, 20)) for name in names if truth.random() < 0.7
    )
    forecast = Forecast(durations)
    forecast.plan([Planned(unit(name), times=3) for name in names])
    now, before = 0.0, 0.0
    for name in names * 3:
        forecast.begin(unit(name), now)
        for step in range(5):
            if truth.random() < 0.5:
                forecast.step("steps", step, 5, now)
            share = forecast.share(now)
            assert before <= share <= 1
            before, now = share, now + truth.uniform(0, 6)
        forecast.step("steps", None, 5, now)
        forecast.end(now, well=True)
    assert forecast.share(now) == 1 and forecast.left(now).seconds == 0


@pytest.mark.parametrize("seed", range(20))
def test_what_is_told_is_counted_down_where_the_truth_wavers_a_little(seed):
    truth = random.Random(seed)
    forecast = Forecast(known(round=2.0))
    one = unit("round")
    forecast.plan([Planned(one, times=200)])
    now, told, left = 0.0, [], []
    for _ in range(200):
        forecast.begin(one, now)
        left.append(forecast.left(now).seconds)
        told.append(forecast.told(now).seconds)
        now += truth.uniform(1.9, 2.1)
        forecast.end(now, well=True)
    rises = sum(after > before for before, after in pairwise(told))
    assert rises <= 5
    assert all(one <= true <= 1.1 * one + 1.0 for one, true in zip(told, left, strict=True))


def test_what_is_told_goes_up_where_it_has_become_much_more():
    forecast = Forecast(known(a=10.0))
    forecast.plan([Planned(unit("a"))])
    assert forecast.told(0).seconds == 10
    forecast.plan([Planned(unit("a"), times=10)])
    assert forecast.told(1).seconds == 100


def test_time_left_converges_in_a_run_of_which_nothing_was_known():
    """Three arms in five replicates of four rounds each: after the first replicate all is known."""
    forecast = Forecast(Durations())
    arms = [(unit(f"arm {number}", family="round", timed=True), number + 1.0) for number in range(3)]
    builds = [(unit(f"build {number}", family=f"build {number}"), 3.0) for number in range(3)]
    forecast.plan([*(Planned(arm, times=20) for arm, _ in arms), *(Planned(build, times=5) for build, _ in builds)])
    now, end = 0.0, 5 * (3 * 3.0 + 4 * (1.0 + 2.0 + 3.0))
    for _ in range(5):
        for units in (builds, *[arms] * 4):
            for one, seconds in units:
                forecast.begin(one, now)
                now += seconds
                forecast.end(now, well=True)
                if now >= end / 5:
                    assert forecast.left(now).known and forecast.left(now).seconds == pytest.approx(end - now)
    assert now == end


def test_the_pace_of_steps_leaves_out_the_first_that_compiles():
    steps = Steps(begun=0.0)
    steps.step(0, 100, 0.0)
    steps.step(1, 100, 60.0)
    assert steps.left(60.0) is None
    steps.step(11, 100, 70.0)
    assert steps.left(70.0) == pytest.approx(89)


def test_steps_without_a_number_have_no_share_and_no_end():
    steps = Steps(begun=0.0)
    steps.step(7, None, 3.0)
    assert steps.share is None and steps.left(4.0) is None


def test_a_stage_with_few_steps_is_known_after_the_first():
    steps = Steps(begun=0.0)
    steps.step(0, 3, 0.0)
    assert steps.left(40.0) is None
    steps.step(1, 3, 50.0)
    assert steps.left(50.0) == 100 and steps.left(70.0) == 80 and steps.left(500.0) == 0


def test_what_is_being_done_is_a_unit_with_a_name_or_else_the_stages():
    forecast = Forecast(known(fit=10.0))
    assert forecast.doing(0).name == ""
    forecast.step("train, encode, rank", 1, 4, 0)
    assert forecast.doing(0).name == "train, encode, rank" and forecast.doing(0).done == 1
    forecast.begin(unit("fit"), 0)
    alone = forecast.doing(4)
    assert (alone.name, alone.part_of, alone.done) == ("fit", ("train, encode, rank 1 of 4",), None)
    assert alone.share == pytest.approx(0.4) and alone.left == 6
    forecast.step("epochs", 2, 8, 5)
    inside = forecast.doing(5)
    assert (inside.name, inside.done, inside.total, inside.share) == ("fit: epochs", 2, 8, 0.25)
    forecast.step("epochs", None, 8, 6)
    forecast.end(6, well=True)
    forecast.step("train, encode, rank", None, 4, 6)
    forecast.step("timed replicates", 2, 5, 6)
    forecast.step("timed rounds", 1, 4, 6)
    forecast.begin(unit("round", shown=False, timed=True), 6)
    assert forecast.doing(6).name == "timed replicates 2 of 5: timed rounds" and forecast.measuring


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("triplet, 512 dimensions: epochs", "triplet (dim = 512): epochs"),
        ("trunk: epochs", "triplet (dim = 512): trunk: epochs"),
        ("triplet", "triplet (dim = 512): triplet"),
        ("embed", "triplet (dim = 512): embed"),
    ],
)
def test_a_plugin_is_named_once(stage, name):
    forecast = Forecast(Durations())
    forecast.begin(unit("triplet (dim = 512)"), 0)
    forecast.step(stage, 0, 8, 0)
    assert forecast.doing(0).name == name


def test_stages_that_a_failed_unit_left_open_are_gone_with_it():
    forecast = Forecast(Durations())
    forecast.begin(unit("fit"), 0)
    forecast.step("epochs", 1, 8, 1)
    forecast.end(2, well=False)
    forecast.step("epochs", None, None, 2)
    assert forecast.doing(3).name == ""


def test_looking_up_very_many_units_is_done_seldom():
    looked = []

    class Counted(Durations):
        def of(self, unit):
            looked.append(unit)
            return 1.0

    forecast = Forecast(Counted())
    units = [unit(f"unit {number}") for number in range(3000)]
    forecast.plan([Planned(one) for one in units])
    forecast.left(0)
    assert len(looked) == 3000
    for number in range(10):
        forecast.begin(units[number], 1e-6 * number)
        forecast.end(1e-6 * (number + 1), well=True)
        forecast.left(1e-6 * (number + 1))
    assert len(looked) == 3000


def test_what_is_done_beside_each_other_is_shown_apart_and_shares_the_time_left():
    forecast = Forecast(known(a=10, b=10, c=10, d=10), lanes=2)
    fits = [replace(unit(name), beside=True) for name in "abcd"]
    forecast.plan([*map(Planned, fits)])
    assert forecast.left(0).seconds == 20
    forecast.step("train, encode, rank", 0, 4, 0)
    forecast.begin(fits[0], 0, lane=7)
    forecast.begin(fits[1], 2, lane=8)
    forecast.step("epochs", 1, 4, 4, lane=8)
    first, second = forecast.beside(4)
    assert (first.name, second.name, second.done, first.done) == ("a", "b: epochs", 1, None)
    assert first.part_of == second.part_of == ("train, encode, rank 0 of 4",)
    assert forecast.doing(4).name == "train, encode, rank"
    assert forecast.left(4).seconds == pytest.approx(10 + (6 + 8) / 2)
    forecast.end(11, well=True, lane=7)
    assert [one.name for one in forecast.beside(11)] == ["b: epochs"]
    forecast.end(12, well=True, lane=8)
    assert forecast.beside(12) == [] and forecast.left(12).seconds == pytest.approx(10)
