"""A grid: a TOML file that declares a product of choices, checked before anything runs, expanded into cells.

The file's keys are on one screen in ``docs/grids.md``. Whatever is wrong in it (or in ``--set``) is a ``ValueError`` of
one line that names the value, the place and what is allowed.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from bench import registry
from bench.identity import digest

GRIDS = Path(__file__).parent / "grids"
Layout = Literal["candidates", "methods"]
DatabaseCodes = Literal["encoded", "learned"]
TOP_KEYS = (
    "title",
    "dataset",
    "recipe",
    "layout",
    "reference",
    "k",
    "seeds",
    "measure",
    "cells",
    "recipes",
    "datasets",
)
AXES = ("embedder", "hasher", "database_codes", "index")


@dataclass(frozen=True)
class Choice:
    """A plugin and the parameters that are not its defaults."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> str:
        """The choice in one short line."""
        inside = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.name}({inside})"


@dataclass(frozen=True)
class Cell:
    """One row of the results: how items are coded and how they are searched."""

    embedder: Choice
    hasher: Choice | None
    database_codes: DatabaseCodes | None
    index: Choice
    seed: int


@dataclass(frozen=True)
class Measure:
    """How much is measured. ``queries``: how many queries are searched, drawn by seed (0: all of them)."""

    queries: int = 0
    rounds: int = 5
    queries_per_round: int = 100
    warm_up: int = 20

    def __post_init__(self) -> None:
        for name, least in (("queries", 0), ("rounds", 1), ("queries_per_round", 1), ("warm_up", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least {least}")


@dataclass(frozen=True)
class Grid:
    """A checked grid, expanded."""

    name: str
    title: str
    dataset: Choice
    recipe: str
    layout: Layout
    reference: str | None
    k: int
    measure: Measure
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Options:
    """What the command line says over the file. ``settings``: ``key=value`` texts, later ones over earlier ones."""

    dataset: str | None = None
    data_dir: Path | None = None
    recipe: str | None = None
    seed: int | None = None
    settings: Sequence[str] = ()


def names() -> dict[str, str]:
    """The built-in grids with their titles."""
    return {path.stem: str(_parse(path).get("title", "")) for path in sorted(GRIDS.glob("*.toml"))}


def load(name: str, options: Options = Options()) -> Grid:
    """The grid of that name, or in that ``.toml`` file, with the options applied. ValueError: see the module."""
    path = _find(name)
    raw = _parse(path)
    where = path.name
    _only(raw, TOP_KEYS, where)
    for key in ("title", "dataset", "recipe", "cells"):
        if key not in raw:
            raise ValueError(f"{where}: key {key!r} is missing")
    plugin_settings = _apply(raw, options, where)
    recipe_name = options.recipe or _typed(raw["recipe"], str, f"{where}: recipe")
    recipes = raw.get("recipes", {})
    _known_plugins(recipes, where)
    if recipe_name not in recipes:
        raise ValueError(f"{where}: {registry.unknown(f'recipe {recipe_name!r}', recipe_name, recipes)}")
    dataset = _dataset(raw, options, plugin_settings, where)
    recipe = {
        plugin: _for_dataset(table, dataset.name, f"{where}: [recipes.{recipe_name}.{plugin}]")
        for plugin, table in recipes[recipe_name].items()
    }
    seeds = [options.seed] if options.seed is not None else raw.get("seeds", [0])
    cells: list[Cell] = []
    for number, block in enumerate(_typed(raw["cells"], list[dict[str, Any]], f"{where}: cells"), start=1):
        place = f"{where}: [[cells]] number {number}"
        seed_axis = _typed(seeds, list[int], f"{where}: seeds")
        cells += _expand(block, recipe, plugin_settings, seed_axis, place)
    _used(plugin_settings, cells, dataset)
    return Grid(
        name=path.stem,
        title=_typed(raw["title"], str, f"{where}: title"),
        dataset=dataset,
        recipe=recipe_name,
        layout=_typed(raw.get("layout", "methods"), Layout, f"{where}: layout"),
        reference=_typed(raw.get("reference"), str | None, f"{where}: reference"),
        k=_positive(raw.get("k", 10), f"{where}: k"),
        measure=_measure(raw.get("measure", {}), dataset.name, where),
        cells=tuple(_unique(cells)),
    )


def _known_plugins(recipes: dict[str, Any], where: str) -> None:
    known = [name for kind in registry.GROUPS for name in registry.plugins(kind)]
    for recipe, tables in recipes.items():
        _only(tables, known, f"{where}: [recipes.{recipe}]")


def _find(name: str) -> Path:
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ValueError(f"there is no grid file {name!r}")
        return path
    known = [path.stem for path in sorted(GRIDS.glob("*.toml"))]
    if name not in known:
        raise ValueError(registry.unknown(f"grid {name!r}", name, known) + " (or the path of a .toml file)")
    return GRIDS / f"{name}.toml"


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ValueError(f"{path}: not valid TOML: {fault}") from fault


def _only(table: dict[str, Any], allowed: Collection[str], where: str) -> None:
    for key in table:
        if key not in allowed:
            raise ValueError(f"{where}: {registry.unknown(f'key {key!r}', key, allowed)}")


def _typed(value: Any, kind: Any, where: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as fault:
        raise ValueError(f"{where} = {value!r}: {fault.errors()[0]['msg']}") from fault


def _positive(value: Any, where: str) -> int:
    number: int = _typed(value, int, where)
    if number < 1:
        raise ValueError(f"{where} = {number} must be at least 1")
    return number


def _apply(raw: dict[str, Any], options: Options, where: str) -> dict[str, dict[str, Any]]:
    """Put ``--set`` into the file's tables; what is meant for one plugin (``plugin.parameter``) is returned."""
    plugin_settings: dict[str, dict[str, Any]] = {}
    for text in options.settings:
        match = re.fullmatch(r"(?:([\w-]+)\.)?([\w-]+)=(.*)", text)
        if match is None:
            raise ValueError(f"--set {text!r}: expected key=value or plugin.parameter=value")
        owner, key, value = match[1], match[2], _value(match[3])
        if owner == "measure":
            raw.setdefault("measure", {})[key] = value
            for table in raw["measure"].values():
                if isinstance(table, dict):
                    table.pop(key, None)
        elif owner is not None:
            plugin_settings.setdefault(owner, {})[key] = value
        elif key in TOP_KEYS:
            raw[key] = value
        else:
            blocks = [block for block in raw["cells"] if key in block]
            if not blocks:
                present = sorted({key for block in raw["cells"] for key in block} | set(TOP_KEYS))
                raise ValueError(f"--set {text!r}: {where} has no {registry.unknown(f'key {key!r}', key, present)}")
            for block in blocks:
                block[key] = value
    return plugin_settings


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _dataset(raw: dict[str, Any], options: Options, settings: dict[str, dict[str, Any]], where: str) -> Choice:
    name = options.dataset or _typed(raw["dataset"], str, f"{where}: dataset")
    plugin = registry.load("dataset", name)
    _only(raw.get("datasets", {}), registry.plugins("dataset"), f"{where}: [datasets]")
    values = {**raw.get("datasets", {}).get(name, {}), **settings.get(name, {})}
    if options.data_dir is not None:
        if "data_dir" not in registry.parameters(plugin):
            raise ValueError(f"--data-dir {str(options.data_dir)!r}: data set {name!r} reads no folder")
        values["data_dir"] = str(options.data_dir)
    registry.build("dataset", name, values)
    return Choice(name, values)


def _for_dataset(table: dict[str, Any], dataset: str, where: str) -> dict[str, Any]:
    """The table's own values, and over them those of its sub-table that is named as the data set."""
    _only({key: value for key, value in table.items() if isinstance(value, dict)}, registry.plugins("dataset"), where)
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    return {**own, **table.get(dataset, {})}


def _measure(table: dict[str, Any], dataset: str, where: str) -> Measure:
    values = _for_dataset(table, dataset, f"{where}: [measure]")
    _only(values, [f.name for f in fields(Measure)], f"{where}: [measure]")
    try:
        return Measure(**{key: _typed(value, int, f"{where}: [measure] {key}") for key, value in values.items()})
    except ValueError as fault:
        raise ValueError(str(fault) if where in str(fault) else f"{where}: [measure] {fault}") from fault


def _expand(
    block: dict[str, Any],
    recipe: dict[str, Any],
    settings: dict[str, dict[str, Any]],
    seeds: list[int],
    place: str,
) -> Iterator[Cell]:
    flat = {
        (f"{key}.{inner}" if inner else key): value if isinstance(value, list) else [value]
        for key, outer in block.items()
        for inner, value in (outer.items() if isinstance(outer, dict) else [("", outer)])
    }
    for key in ("embedder", "index"):
        if key not in flat:
            raise ValueError(f"{place}: key {key!r} is missing")
    for values in itertools.product(*flat.values(), seeds):
        chosen = dict(zip(flat, values[:-1], strict=True))
        yield _cell(chosen, recipe, settings, int(values[-1]), place)


def _cell(
    chosen: dict[str, Any], recipe: dict[str, Any], settings: dict[str, dict[str, Any]], seed: int, place: str
) -> Cell:
    kinds: tuple[registry.Kind, ...] = ("embedder", "hasher", "index")
    plugins = {kind: chosen[kind] for kind in kinds if kind in chosen}
    try:
        classes = {kind: registry.load(kind, name) for kind, name in plugins.items()}
        own: dict[str, dict[str, Any]] = {kind: {} for kind in plugins}
        for key, value in chosen.items():
            if key not in AXES:
                kind, parameter = _owner(key, plugins, classes)
                own[kind][parameter] = value
        if "index" in classes and "seed" in registry.parameters(classes["index"]):
            own["index"].setdefault("seed", seed)
        choices = {
            kind: Choice(name, {**recipe.get(name, {}), **own[kind], **settings.get(name, {})})
            for kind, name in plugins.items()
        }
        cell = Cell(
            embedder=choices["embedder"],
            hasher=choices.get("hasher"),
            database_codes=_database_codes(chosen),
            index=choices["index"],
            seed=seed,
        )
        _check(cell)
    except ValueError as fault:
        raise ValueError(f"{place}: {fault}") from fault
    return cell


def _owner(key: str, plugins: dict[Any, str], classes: dict[Any, type]) -> tuple[str, str]:
    """The kind of plugin that a key of a cell speaks of, and the parameter it names there."""
    name, _, parameter = key.rpartition(".")
    owners = [
        kind
        for kind, plugin in classes.items()
        if (not name or plugins[kind] == name) and parameter in registry.parameters(plugin)
    ]
    if len(owners) == 1:
        return owners[0], parameter
    if owners:
        both = " or ".join(f"{plugins[kind]}.{parameter}" for kind in owners)
        raise ValueError(f"key {key!r} is a parameter of several plugins; write {both}")
    known = [*AXES, *(p for plugin in classes.values() for p in registry.parameters(plugin))]
    raise ValueError(registry.unknown(f"key {key!r}", parameter, known))


def _database_codes(chosen: dict[str, Any]) -> DatabaseCodes | None:
    value = chosen.get("database_codes")
    if "hasher" not in chosen:
        if value is not None:
            raise ValueError(f"database_codes = {value!r} without a hasher")
        return None
    if value not in (None, *get_args(DatabaseCodes)):
        raise ValueError(f"database_codes = {value!r}: allowed are 'encoded' and 'learned'")
    return value or "encoded"


def _check(cell: Cell) -> None:
    embedder = registry.build("embedder", cell.embedder.name, cell.embedder.parameters)
    bits = None
    if cell.hasher is not None:
        bits = registry.build("hasher", cell.hasher.name, cell.hasher.parameters).bits
    index = registry.build("index", cell.index.name, cell.index.parameters)
    try:
        index.check(dim=getattr(embedder, "dim", None), bits=bits)
    except ValueError as fault:
        raise ValueError(f"{cell.index.name}: {fault}") from fault


def _used(settings: dict[str, dict[str, Any]], cells: list[Cell], dataset: Choice) -> None:
    used = {dataset.name}
    for cell in cells:
        used |= {choice.name for choice in (cell.embedder, cell.hasher, cell.index) if choice is not None}
    for owner in settings:
        if owner not in used:
            raise ValueError(
                f"--set {owner}.…: {registry.unknown(f'plugin {owner!r}', owner, ['measure', *sorted(used)])}"
            )


def _unique(cells: list[Cell]) -> list[Cell]:
    seen: dict[str, Cell] = {}
    for cell in cells:
        seen.setdefault(
            digest([cell.embedder.describe(), str(cell.hasher), cell.database_codes, str(cell.index), cell.seed]),
            cell,
        )
    return list(seen.values())
