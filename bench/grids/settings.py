"""The ``--set`` options of the command line, which replace values of a grid's file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from bench.grids.model import Block, GridFile, Table, check_parameter, is_importable, read
from bench.plugins import registry
from bench.plugins.choices import ROLES
from bench.system.wording import is_text, shown

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """One ``--set``, ``key=value`` or ``owner.key=value``: the value by TOML's syntax, and its text."""

    owner: str | None
    key: str
    value: Any
    text: str

    def __str__(self) -> str:
        whole = f"{self.key}={self.text}" if self.owner is None else f"{self.owner}.{self.key}={self.text}"
        return f"--set {shown(whole)}"

    def taken(self, take: Callable[[Any], T]) -> T:
        """The result of ``take`` for the value, or for its text where ``take`` refuses a number, date or truth value.

        Raises ValueError: ``take`` refuses both.
        """
        try:
            return take(self.value)
        except ValueError as fault:
            if not isinstance(self.value, str | list | dict):
                with suppress(ValueError):
                    return take(self.text)
            if isinstance(self.value, str) and self.text.startswith("["):
                raise ValueError(f'{fault}; a list is written as [4, 8] or ["a", "b"]') from fault
            raise

    def of_plugin(self) -> Any:
        """The value, as the plugins take it that have the owner's name.

        Raises ValueError: none of them takes it.
        """
        named = [(kind, str(self.owner)) for kind in registry.GROUPS if registry.named(kind, str(self.owner))]
        plugins = [plugin for plugin in named if is_importable(*plugin)]

        def take(value: Any) -> Any:
            check_parameter(plugins, self.key, value, str(self))
            return value

        try:
            return self.taken(take)
        except ValueError as fault:
            if not isinstance(self.value, list):
                raise
            several = shown(f"{self.key}={self.text}")
            raise ValueError(f"{fault}; several values are a setting of the cells: --set {several}") from fault


def parse(text: str) -> Setting:
    """The parts of a ``--set``. A value that is not valid TOML is text.

    Raises ValueError: there is no key, or the text is not UTF-8.
    """
    match = re.fullmatch(r"(?:([\w.:-]+)\.)?([\w-]+)=(.*)", text, re.DOTALL)
    if match is None:
        raise ValueError(f"--set {shown(text)}: expected key=value or plugin.parameter=value")
    if not is_text(text):
        raise ValueError(f"--set {shown(text)}: no text in UTF-8")
    return Setting(match[1], match[2], _value(match[3]), match[3])


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


def apply(raw: Table, texts: Sequence[str], where: str) -> tuple[GridFile, dict[str, Table]]:
    """The file with the values that settings replace, and the parameters that settings give to plugins, by plugin.

    Raises ValueError: see ``read``.
    """
    file = read(raw, where)
    of_plugins: dict[str, Table] = {}
    for setting in map(parse, texts):
        if setting.owner is None or setting.owner == "measure":
            raw, file = setting.taken(partial(_over, raw, file, setting, where))
        else:
            of_plugins.setdefault(setting.owner, {})[setting.key] = setting.of_plugin()
    return file, of_plugins


def _over(raw: Table, file: GridFile, setting: Setting, where: str, value: Any) -> tuple[Table, GridFile]:
    """The file's tables with the value of one setting, as they are and as the model."""
    key = setting.key
    if setting.owner == "measure":
        measure = {
            name: {inner: old for inner, old in table.items() if inner != key} if isinstance(table, dict) else table
            for name, table in raw.get("measure", {}).items()
        }
        raw = {**raw, "measure": {**measure, key: value}}
    elif key in GridFile.model_fields:
        raw = {**raw, key: value}
        if key == "seeds":  # a block's own seeds would replace the grid's
            raw["cells"] = [{name: old for name, old in block.items() if name != key} for block in raw["cells"]]
    else:
        present = [name for block in raw["cells"] for name in block]
        if key not in present:
            known = sorted({*present, *GridFile.model_fields})
            raise ValueError(f"{setting}: {where}: {registry.unknown(f'key {key!r}', key, known)}")
        raw = {**raw, "cells": [{**block, key: value} if key in block else block for block in raw["cells"]]}
    after = read(raw, str(setting))
    for block in after.cells:
        _check_in_cells(block, setting, value)
    return raw, after


def _check_in_cells(block: Block, setting: Setting, value: Any) -> None:
    """Raises ValueError: no plugin of the cells takes one of the values for the setting's key."""
    if setting.owner is None and setting.key in (block.model_extra or {}):
        plugins = [(ROLES[role], name) for role in ROLES for name in getattr(block, role)]
        usable = [plugin for plugin in plugins if is_importable(*plugin)]
        for one in value if isinstance(value, list) else [value]:
            check_parameter(usable, setting.key, one, str(setting))
