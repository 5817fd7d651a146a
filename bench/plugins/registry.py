"""Finds plugins by name: through entry points, which are read without imports, and loaded when used.

The built-in plugins register in ``setup.cfg`` as all others do. A package that declares an entry point in one of the
five groups is on the list, in the grids and on the command line, without a change of this repository.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import inspect
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from bench.system.places import user_path
from bench.system.wording import is_text, one_line, shown

Kind = Literal["dataset", "embedder", "hasher", "index", "reranker"]
GROUPS: dict[Kind, str] = {
    "dataset": "bench.datasets",
    "embedder": "bench.embedders",
    "hasher": "bench.hashers",
    "index": "bench.indexes",
    "reranker": "bench.rerankers",
}


@cache
def _offered() -> Mapping[Kind, tuple[tuple[str, EntryPoint], ...]]:
    """The entry points of each kind with the names of their packages, in the order of names. A package counts once."""
    found: dict[str, Any] = {}
    for package in distributions():
        # A half-removed package has no name, and an entry_points.txt may hold anything. Both have no plugins.
        with suppress(Exception):
            found.setdefault(str(package.metadata["Name"]).lower(), package.entry_points)
    return {kind: _in_group(group, found) for kind, group in GROUPS.items()}


def _in_group(group: str, found: Mapping[str, Any]) -> tuple[tuple[str, EntryPoint], ...]:
    offered = [(name, point) for name, points in found.items() for point in points.select(group=group)]
    return tuple(sorted(offered, key=lambda one: one[1].name))


def plugins(kind: Kind) -> dict[str, EntryPoint]:
    """All registered plugins of a kind, by name, or by ``package:name`` if several packages offer the same name."""
    offered = _offered()[kind]
    count = Counter(point.name for _, point in offered)
    return {point.name if count[point.name] == 1 else f"{package}:{point.name}": point for package, point in offered}


def named(kind: Kind, name: str) -> list[tuple[str, EntryPoint]]:
    """The plugins that a name may mean, each with its ``package:name``, which is also a name of it."""
    full = [(f"{package}:{point.name}", point) for package, point in _offered()[kind]]
    return [(own, point) for own, point in full if name in (own, point.name)]


def find(kind: Kind, name: str) -> EntryPoint:
    """The entry point of a plugin.

    Raises ValueError: no plugin has that name, or several have it.
    """
    meant = named(kind, name)
    if not meant:
        raise ValueError(unknown(f"{kind} {name!r}", name, plugins(kind)))
    if len(meant) > 1:
        full = " or ".join(own for own, _ in meant)
        raise ValueError(f"{kind} {name!r} is the name of plugins of several packages: write {full}")
    return meant[0][1]


def unknown(what: str, name: str, known: Any) -> str:
    """One line that names the unknown thing, the one that was probably meant, and the known ones."""
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what}; {hint}known: {', '.join(known) or 'none'}"


def describe(point: EntryPoint) -> str:
    """The first line of a plugin's docstring, or ``broken:`` and the reason why it can't be used.

    The line is read from the source. A plugin is imported only if its class is not in the source.
    """
    try:
        described = _described_in_source(point)
        if described is None:
            described = _imported(point).__doc__ or ""
    except ValueError as fault:
        return f"broken: {fault}"
    return described.strip().split("\n")[0] or "(no description)"


def _described_in_source(point: EntryPoint) -> str | None:
    """The docstring of a plugin's class. None if the class is not in the source.

    Raises ValueError: its module can't be found.
    """
    with _plain_faults(point):
        spec = importlib.util.find_spec(point.module)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {point.module!r}")
        if spec.origin is None or not spec.origin.endswith(".py"):
            return None
        tree = ast.parse(Path(spec.origin).read_bytes())
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == point.attr:
            return ast.get_docstring(node) or ""
    return None


def _imported(point: EntryPoint) -> type:
    """A plugin's class.

    Raises ValueError: its module can't be imported, or has no such class.
    """
    with _plain_faults(point):
        plugin = point.load()
        if not isinstance(plugin, type):
            raise TypeError("it is not a class")
        parameters(plugin)
    return plugin


@contextmanager
def _plain_faults(point: EntryPoint) -> Iterator[None]:
    """Raises a ValueError in place of any exception of a plugin's package, SystemExit included."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as fault:
        if point.pattern.match(point.value) is None:
            raise ValueError(f"{point.value!r} is not of the form module:Class") from fault
        raise ValueError(f"{type(fault).__name__}: {fault}") from fault


def load(kind: Kind, name: str) -> type:
    """The plugin's class.

    Raises ValueError: the name is unknown, or its module can't be imported.
    """
    point = find(kind, name)
    try:
        return _imported(point)
    except ValueError as fault:
        package = "" if point.dist is None else f" of {point.dist.name} {point.dist.version}"
        raise ValueError(f"{kind} {name!r} ({point.value}{package}) can't be used: {fault}") from fault


def parameters(plugin: type) -> Mapping[str, inspect.Parameter]:
    """The constructor's parameters, by name."""
    return _parameters(plugin)


@cache
def _parameters(plugin: type) -> Mapping[str, inspect.Parameter]:
    signature = inspect.signature(plugin)
    return {p.name: p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD}


@cache
def _schema(plugin: type) -> type[BaseModel]:
    # A dataclass's hints are read from its class, because inherited ones were written in another module.
    hints = get_type_hints(plugin if is_dataclass(plugin) else plugin.__init__, include_extras=True)  # type: ignore[misc]
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in parameters(plugin).items()
    }
    config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=(), extra="forbid")
    return create_model(plugin.__name__, __config__=config, **fields)


def check_values(kind: Kind, name: str, values: dict[str, Any]) -> None:
    """Raises ValueError: the plugin has no such parameter, or a value is not of the annotated type."""
    _checked(load(kind, name), name, values)


def types_of(plugin: type, key: str) -> set[Any]:
    """The types that a parameter of a plugin may have: those of its annotation, without bounds.

    A parameter that the plugin does not have has none.
    """
    fields = _schema(plugin).model_fields
    return _plain_types(fields[key].annotation) if key in fields else set()


def _plain_types(annotation: Any) -> set[Any]:
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return _plain_types(inner[0])
    if kind is Literal:
        return {type(value) for value in inner}
    if kind in (Union, UnionType):
        return {one for part in inner for one in _plain_types(part)}
    return {annotation}


def _as_typed(value: Any) -> Any:
    """The value of a parameter, with a leading ``~`` of a path replaced by the home folder."""
    return user_path(str(value)) if isinstance(value, Path) else value


def build(kind: Kind, name: str, values: dict[str, Any]) -> Any:
    """An instance of a plugin with these parameters. A ValueError names the parameter that is unknown or wrong.

    Values have JSON's types (a path is a string), and are checked against the constructor's annotations.
    """
    plugin = load(kind, name)
    checked = _checked(plugin, name, values)
    try:
        return plugin(**{key: _as_typed(getattr(checked, key)) for key in values})
    except (ValueError, TypeError, ArithmeticError, OSError) as fault:
        raise ValueError(f"{name}: {one_line(str(fault))}") from fault


def _checked(plugin: type, name: str, values: dict[str, Any]) -> BaseModel:
    known = parameters(plugin)
    for key, value in values.items():
        if key not in known:
            raise ValueError(unknown(f"parameter {key!r} of {name}", key, known))
        if fault := _no_json(value):
            raise ValueError(f"{name}: {key} = {shown(value)}: {fault}")
    try:
        return _schema(plugin).model_validate_json(json.dumps(values), strict=True)
    except ValidationError as fault:
        first = fault.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "?"
        raise ValueError(f"{name}: {key} = {shown(values.get(key))}: {first['msg']}") from fault


def _no_json(value: Any) -> str:
    """The reason why a value can't be written to a record or sent to another process; "" if it can."""
    match value:
        case bool() | None:
            return ""
        case int():
            return "" if abs(value) < 2**63 else "a whole number of more than 64 bits"
        case float():
            return "" if math.isfinite(value) else "no finite number"
        case str():
            return "" if is_text(value) else "no text in UTF-8"
        case list() | tuple():
            return next(filter(None, map(_no_json, value)), "")
        case dict():
            return next(filter(None, map(_no_json, [*value, *value.values()])), "")
    return "neither text, number, true or false, nor a list or table of these"
