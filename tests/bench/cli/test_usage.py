"""What is wrong with the words of a command line is one line, whatever the command."""

import pytest
import typer

from bench.cli.commands import app
from tests.conftest import bench

PROGRAM = typer.main.get_command(app)
OPTIONS = [(command, one) for command in PROGRAM.commands.values() for one in command.params if one.opts[0][0] == "-"]
VALUED = [(command, one) for command, one in OPTIONS if not one.is_flag]
NUMBERS = {"--jobs", "--seed", "--timeout", "--memory-limit", "--gallery", "--bits", "--k"}
ARGUMENTS = [
    (command, number)
    for command in PROGRAM.commands.values()
    for number, _ in enumerate(one for one in command.params if one.param_type_name == "argument")
]


def named(case):
    command, what = case
    return f"{command.name} {what if isinstance(what, int) else what.opts[0]}"


def line(capsys, *words):
    """The line on stderr with which a command line is refused."""
    with pytest.raises(SystemExit) as ended:
        PROGRAM.main(list(words))
    told = capsys.readouterr()
    assert ended.value.code == 2 and told.out == ""
    [said] = told.err.splitlines()
    return said


def needed(command):
    """The words that a command can't do without."""
    needs = [one for one in command.params if one.required]
    return [word for one in needs for word in (["x"] if one.param_type_name == "argument" else [one.opts[0], "x"])]


@pytest.mark.parametrize("case", [one for one in VALUED if one[1].opts[0] in NUMBERS], ids=named)
def test_a_value_that_is_no_number_is_named_with_its_option_and_what_would_be_right(case, capsys):
    command, option = case
    for words in ([option.opts[0], "x 1"], [f"{option.opts[0]}=x 1"]):
        said = line(capsys, command.name, *needed(command), *words)
        assert said.startswith(f"bench: {option.opts[0]} 'x 1': expected ")


def test_every_option_that_takes_a_number_refuses_other_words_in_these_tests():
    assert {one.opts[0] for _, one in VALUED if one.metavar in ("N", "SECONDS", "GB")} == NUMBERS


@pytest.mark.parametrize("case", VALUED, ids=named)
def test_an_option_without_its_value_is_named_with_what_it_expects(case, capsys):
    command, option = case
    said = line(capsys, command.name, *needed(command), option.opts[0])
    assert said.startswith(f"bench: {option.opts[0]} has no value; expected ") and len(said.split()) > 6


@pytest.mark.parametrize("case", [one for one in OPTIONS if one[1].is_flag], ids=named)
def test_an_option_that_takes_no_value_refuses_one(case, capsys):
    command, option = case
    said = line(capsys, command.name, *needed(command), f"{option.opts[0]}=1")
    assert said.startswith(f"bench: {option.opts[0]} '1': expected {option.opts[0]} alone")


@pytest.mark.parametrize("case", OPTIONS, ids=named)
def test_a_misspelled_option_is_named_with_the_one_that_was_meant(case, capsys):
    command, option = case
    wrong = f"{option.opts[0]}z"
    said = line(capsys, command.name, *needed(command), wrong, "1")
    assert said.startswith(f"bench: {wrong} is no option of {command.name}; did you mean {option.opts[0]}? known: --")


@pytest.mark.parametrize("case", ARGUMENTS, ids=named)
def test_a_missing_argument_is_named_with_what_it_is(case, capsys):
    command, number = case
    said = line(capsys, command.name, *["x"] * number)
    assert said.startswith(f"bench: {command.name}: ") and " is missing; expected " in said


@pytest.mark.parametrize("name", PROGRAM.commands)
def test_an_argument_too_many_is_named_with_what_the_command_takes(name, capsys):
    said = line(capsys, name, *needed(PROGRAM.commands[name]), "one_more")
    assert "one_more" in said and f"expected python -m bench {name} [OPTIONS]" in said


@pytest.mark.parametrize(("words", "expected"), [("rum", "did you mean 'run'? known: "), ("--oot", "--oot")])
def test_an_unknown_command_and_an_option_before_any_are_named(words, expected, capsys):
    assert expected in line(capsys, words)


def test_without_a_command_the_help_names_all(capsys):
    with pytest.raises(SystemExit) as ended:
        PROGRAM.main([])
    told = capsys.readouterr().out
    assert ended.value.code == 0 and all(name in told for name in PROGRAM.commands)


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"COLUMNS": "40"}])
def test_through_a_pipe_it_is_one_line_without_escapes(variables):
    done = bench("run", "--grid", "ann", "--jobs", "x", variables=variables)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "bench: --jobs 'x': expected a whole number of stages, 1 or more\n"


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", ["", *PROGRAM.commands])
def test_the_help_fits_the_terminal_and_nothing_of_it_is_cut(command, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        PROGRAM.main([*filter(None, [command]), "--help"])
    told = capsys.readouterr().out
    assert all(len(line) <= columns for line in told.splitlines()) and "…" not in told
    words = " ".join(told.split())
    for one in PROGRAM.commands.values() if command == "" else [PROGRAM.commands[command]]:
        assert " ".join(one.help.split("\n\n")[0].split()) in words
        assert command == "" or all(option in words for each in one.params for option in each.opts if option[0] == "-")
