"""Every command in README and on the pages: it parses, and what it names (grids, data sets, options, extras) exists."""

import configparser
import dataclasses
import functools
import importlib.util
import re
import shlex

import pytest
import typer

from bench.cli.commands import app
from bench.grids import grid_file
from bench.plugins import registry
from tests.conftest import CHECKOUT, bench

DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
TEXTS = {str(path.relative_to(CHECKOUT)): path.read_text(encoding="utf-8") for path in DOCUMENTS}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PROGRAM = typer.main.get_command(app)
ANY_GRID = "ann"
"""Stands for ``GRID``: it runs on images and on vectors."""
OTHERS = {"--no-deps", "--dist", "--benchmark-save", "--benchmark-compare", "--benchmark-compare-fail"}
"""Options of pip and pytest."""


def shell_commands(text):
    """The commands of the shell blocks, as lists of words."""
    for kind, block in FENCE.findall(text):
        if kind == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                while "&&" in words:
                    yield words[: words.index("&&")]
                    words = words[words.index("&&") + 1 :]
                if words:
                    yield words


def spans(text):
    """The code between single backticks, each on one line."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCE.sub("", text))]


def commands(start):
    """All documented commands that begin with some words, without these, and where they stand."""
    start = start.split()
    for name, text in TEXTS.items():
        inline = [shlex.split(span) for span in spans(text) if span.startswith(" ".join(start))]
        for words in [*shell_commands(text), *inline]:
            while words and "=" in words[0]:  # a variable of the environment
                words = words[1:]
            if words[: len(start)] == start and len(words) > len(start):
                yield pytest.param(words[len(start) :], id=f"{name}: {' '.join(words)}")


def parsed(words):
    """The name of a command and its parameters, as the command line itself reads them."""
    whole = PROGRAM.make_context("bench", list(words))
    name, command, rest = PROGRAM.resolve_command(whole, list(words))
    return name, command.make_context(name, rest, parent=whole).params


loaded = functools.cache(grid_file.load)
"""Many commands name the same grid."""


def own_plugins():
    """The names that the examples of the pages register."""
    return {name for text in TEXTS.values() for name in re.findall(r"^ +(\w+) = \w+:\w+$", text, re.MULTILINE)}


@pytest.mark.parametrize("words", commands("python -m bench"))
def test_a_documented_command_of_bench_parses_and_names_what_there_is(words):
    if len(words) == 1 or words[-1] == "--help":
        assert words[0] in (*PROGRAM.commands, "COMMAND")
        return
    name, values = parsed(words)
    if name == "check":
        known = {plugin for kind in registry.GROUPS for plugin in registry.plugins(kind)} | own_plugins()
        assert values["name"] in {*known, "NAME"}
    elif "grid" in values and not values["grid"].endswith(".toml"):
        grid, options = meant(values)
        for dataset in grid_file.dataset_names(grid, options):
            assert loaded(grid, dataclasses.replace(options, dataset=dataset)).cells


def meant(values):
    """The grid of a command and what it says over it; whatever a placeholder stands for is there."""
    chosen = {key: values[key] for key in ("data_dir", "recipe", "seed")}
    dataset = "parquet" if values["dataset"] == "NAME" else values["dataset"]
    options = grid_file.Options(
        dataset=dataset, settings=tuple(values["settings"] or ()), dataset_name=values["name"], **chosen
    )
    return ANY_GRID if values["grid"] == "GRID" else values["grid"], options


@pytest.mark.parametrize("words", commands("python -m pip install"))
def test_a_documented_extra_is_one_of_the_packages(words):
    setup = configparser.RawConfigParser()
    setup.read(CHECKOUT / "setup.cfg")
    for extra in re.findall(r"\.\[([\w-]+)\]", " ".join(words)):
        assert setup.has_option("options.extras_require", extra), extra


@pytest.mark.parametrize("words", commands("python -m"))
def test_a_documented_module_can_be_run(words):
    assert words[0] in ("pip", "pytest", "mkdocs") or importlib.util.find_spec(words[0]) is not None


@pytest.mark.parametrize("document", TEXTS)
def test_a_documented_option_is_one_of_a_commands(document):
    known = {option for command in PROGRAM.commands.values() for one in command.params for option in one.opts} | OTHERS
    for span in spans(TEXTS[document]):
        if span.startswith("--"):
            for option in re.findall(r"--[a-z-]+", span):
                assert option in {*known, "--help"}, span


def named_settings():
    for document, text in TEXTS.items():
        for span in spans(text):
            if span.startswith("--set "):
                settings = [one for one in shlex.split(span) if one != "--set"]
                yield from (pytest.param(one, id=f"{document}: {one}") for one in settings if not one[:4].isupper())


@pytest.mark.parametrize("setting", named_settings())
def test_a_documented_setting_is_taken_by_a_grid(setting):
    owner = setting.partition(".")[0]
    if owner in own_plugins():
        return
    dataset = owner if registry.named("dataset", owner) else None
    faults = []
    for grid in grid_file.names():
        try:
            grid_file.load(grid, grid_file.Options(dataset, settings=[setting]))
            return
        except ValueError as fault:
            faults.append(str(fault))
    pytest.fail("\n".join(faults))


def test_every_command_is_documented():
    documented = {words.values[0][0] for words in commands("python -m bench")}
    assert documented >= set(PROGRAM.commands)


def test_the_list_names_the_grids_of_the_pages():
    listed = bench("list").stdout
    page = TEXTS["docs/commands.md"]
    for name, title in grid_file.names().items():
        assert re.search(rf"^ +{name} +{re.escape(title)}$", listed, re.MULTILINE)
        assert f"| `{name}` | {title} |" in page
