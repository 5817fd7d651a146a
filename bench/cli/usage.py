"""Says in one line what is wrong with the words of a command line: the option, its value, and what would be right."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import typer
from typer.core import TyperGroup

from bench.cli.endings import INTERRUPTED
from bench.cli.screen import console, errors
from bench.plugins.registry import unknown
from bench.system.wording import one_line, shown

T = TypeVar("T")
WRONG: type[Any] = typer.BadParameter.__mro__[1]
"""The error of which all others of a command line are kinds. Only this way it has one name in all versions of typer."""


def whole(name: str, expected: str, text: str) -> Any:
    """An option of a whole number. ``expected`` says which, with its unit; ``text`` is its help."""
    return typer.Option(name, parser=_parser(int, expected), metavar="N", help=text)


def number(name: str, unit: str, text: str) -> Any:
    """An option of a number above 0 of this unit. ``text`` is its help."""
    return typer.Option(name, parser=_parser(float, f"{unit}, above 0"), metavar=unit.upper(), help=text)


def _parser(kind: Callable[[Any], T], expected: str) -> Callable[[Any], T]:
    def parse(text: Any) -> T:
        try:
            return kind(text)
        except ValueError as fault:
            raise typer.BadParameter(f"expected {expected}") from fault

    return parse


class Commands(TyperGroup):
    """The commands of the program. What is wrong in a command line ends with one line on stderr and exit code 2."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command, and exit with its code. Without words the program shows its help."""
        words = [*(sys.argv[1:] if args is None else args)] or ["--help"]
        extra = {"terminal_width": console.table_width} | extra
        start = partial(super().main, words, prog_name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return start()
        try:
            code = start()
        except WRONG as fault:
            errors.print(f"bench: {one_line(said(fault, words, self._meant(words)))}")
            code = 2
        except (KeyboardInterrupt, typer.Abort):
            errors.print(f"bench: {INTERRUPTED}")
            code = 130
        sys.exit(code or 0)

    def _meant(self, words: Sequence[str]) -> Any:
        """The command that the words name. None: they name none."""
        return next((self.commands.get(word) for word in words if not word.startswith("-")), None)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands in the help, each with the whole first paragraph of its own."""
        paragraphs = {name: (self.commands[name].help or "").split("\n\n")[0] for name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl([(name, " ".join(words.split())) for name, words in paragraphs.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the words name. Raises a usage error: there is none of that name."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise WRONG(unknown(f"command {shown(args[0])}", args[0], self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)


def said(fault: Any, words: Sequence[str], command: Any) -> str:
    """What is wrong in the words of a command line, and what would be right, in one line.

    ``command``: the command that the words name. None: they name none.
    """
    if command is None:
        return _as_a_part(str(fault.message))
    option, parameter = (getattr(fault, name, None) for name in ("option_name", "param"))
    if option is not None:
        return _of_option(option, command, _value([option], words))
    if parameter is None:
        usage = " ".join(["python -m bench", command.name, "[OPTIONS]", *map(_named, _arguments(command))])
        return f"{command.name}: {_as_a_part(fault.message)}; expected {usage}"
    value = _value(parameter.opts, words)
    if value is None:
        return f"{command.name}: {_named(parameter)} is missing; expected {_as_a_part(parameter.help)}"
    return f"{_named(parameter)} {shown(value)}: {_as_a_part(fault.message)}"


def _of_option(option: str, command: Any, value: str | None) -> str:
    """What is wrong with an option: the command has none of that name, it has a value and takes none, or has none."""
    known = {own: one for one in command.params for own in one.opts if own.startswith("-")}
    if option not in known:
        near = difflib.get_close_matches(option, list(known), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return f"{option} is no option of {command.name}; {hint}known: {', '.join(known) or 'none'}"
    meaning = _as_a_part(known[option].help)
    if known[option].is_flag:
        return f"{option} {shown(value)}: expected {option} alone, without a value: {meaning}"
    return f"{option} has no value; expected {meaning}"


def _arguments(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "argument"]


def _named(parameter: Any) -> str:
    """An option as it is written, or an argument as the help names it."""
    return str(parameter.metavar if parameter.param_type_name == "argument" else parameter.opts[0])


def _as_a_part(sentence: str) -> str:
    """A sentence as a part of another one."""
    plain = sentence.rstrip(".")
    return plain if plain[1:2].isupper() else plain[:1].lower() + plain[1:]


def _value(options: Sequence[str], words: Sequence[str]) -> str | None:
    """The last value that the words give to an option. None: they give none."""
    value = None
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word in options:
            value = following
        elif word.partition("=")[0] in options:
            value = word.partition("=")[2]
    return value
