"""A grid's TOML file: a product of choices, checked before anything runs, expanded into cells.

The file's keys are on one screen in ``docs/grids.md``. Whatever is wrong in it (or in ``--set``) is a ``ValueError`` of
one line that names the value, the place and what is allowed.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from bench import registry
from bench.grid import ROLES, Cell, Choice, DatabaseCodes, Grid, Layout, Measure, Role, check
from bench.identity import digest
from bench.interfaces import Model
from bench.naming import default_name, given_name
from bench.protocols import ClassSplit, ProtocolName

GRIDS = Path(__file__).parent / "grids"
TOP_KEYS = (
    *("title", "dataset", "dataset_name", "recipe", "layout", "reference", "k", "seeds", "unseen_share", "split_seed"),
    *("measure", "cells", "recipes", "recipes_of", "datasets", "vectors"),
)
AXES = ("protocol", "embedder", "input", "hasher", "model", "database_codes", "index", "rerank", "candidates")


@dataclass(frozen=True)
class Options:
    """What the command line says over the file. ``settings``: ``key=value`` texts, later ones over earlier ones."""

    dataset: str | None = None
    data_dir: Path | None = None
    recipe: str | None = None
    seed: int | None = None
    settings: Sequence[str] = ()
    dataset_name: str | None = None


def names() -> dict[str, str]:
    """The built-in grids with their titles."""
    return {path.stem: str(_parse(path).get("title", "")) for path in sorted(GRIDS.glob("*.toml"))}


def dataset_names(name: str, options: Options = Options()) -> list[str]:
    """The data sets of a grid, or the one that the options name. ValueError: see the module."""
    raw, _, where = _read(name, options)
    names = [options.dataset] if options.dataset is not None else _listed_datasets(raw, where)
    if len(names) > 1 and (given := _given_name(raw, options, where)) is not None:
        raise ValueError(f"dataset_name = {given!r} is one name for {len(names)} data sets: --dataset NAME takes one")
    return names


def load(name: str, options: Options = Options()) -> Grid:
    """The grid of that name, or in that ``.toml`` file, with the options applied; of several data sets, on the first.

    ValueError: see the module.
    """
    raw, plugin_settings, where = _read(name, options)
    recipe_name = options.recipe or _typed(raw["recipe"], str, f"{where}: recipe")
    recipes = raw.get("recipes", {})
    _known_plugins(recipes, where)
    if recipe_name not in recipes:
        raise ValueError(f"{where}: {registry.unknown(f'recipe {recipe_name!r}', recipe_name, recipes)}")
    listed = _listed_datasets(raw, where)
    dataset = _dataset(raw, options.dataset or listed[0], options, plugin_settings, where)
    recipe = {
        plugin: _for_dataset(table, dataset.name, f"{where}: [recipes.{recipe_name}.{plugin}]")
        for plugin, table in recipes[recipe_name].items()
    }
    k = _positive(raw.get("k", 10), f"{where}: k")
    cells: list[Cell] = []
    for number, block in enumerate(_typed(raw["cells"], list[dict[str, Any]], f"{where}: cells"), start=1):
        place = f"{where}: [[cells]] number {number}"
        seeds = _seeds(raw, block, options, where, place)
        cells += _expand(block, seeds, recipe, plugin_settings, dataset, k, place, _stand_ins(raw, where))
    _used(plugin_settings, cells, [dataset.name, *listed])
    return Grid(
        name=Path(where).stem,
        title=_typed(raw["title"], str, f"{where}: title"),
        dataset=dataset,
        dataset_name=_given_name(raw, options, where) or _default_name(dataset),
        recipe=recipe_name,
        layout=_layout(raw, cells, where),
        reference=_typed(raw.get("reference"), str | None, f"{where}: reference"),
        k=k,
        class_split=_class_split(raw, where),
        measure=_measure(raw.get("measure", {}), dataset.name, where),
        cells=tuple(_unique(cells)),
    )


def _read(name: str, options: Options) -> tuple[dict[str, Any], dict[str, dict[str, Any]], str]:
    """The file's tables with ``--set`` in them, what ``--set`` says of single plugins, and the file's name."""
    path = _find(name)
    raw, where = _parse(path), path.name
    _only(raw, TOP_KEYS, where)
    for key in ("title", "dataset", "recipe", "cells"):
        if key not in raw:
            raise ValueError(f"{where}: key {key!r} is missing")
    if "recipes_of" in raw:
        base = _typed(raw["recipes_of"], str, f"{where}: recipes_of")
        if base not in names():
            raise ValueError(f"{where}: recipes_of: {registry.unknown(f'grid {base!r}', base, names())}")
        raw["recipes"] = _over(_parse(GRIDS / f"{base}.toml")["recipes"], raw.get("recipes", {}))
    return raw, _apply(raw, options, where), where


def _over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The tables of both; where both have a key, the own value stands."""
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _over(base[key], value) if both else value
    return merged


def _known_plugins(recipes: dict[str, Any], where: str) -> None:
    """ValueError: a recipe has a table of no plugin and no kind, or one of a kind with a key that none of it has."""
    for recipe, tables in recipes.items():
        _only_plugins(tables, registry.GROUPS, f"{where}: [recipes.{recipe}]", registry.GROUPS)
        for kind in registry.GROUPS:
            if kind in tables:
                have = {key for name in registry.plugins(kind) for key in _parameters(kind, name)}
                _only_plugins(tables[kind], ["dataset"], f"{where}: [recipes.{recipe}.{kind}]", have)


def _parameters(kind: registry.Kind, name: str) -> Collection[str]:
    """A plugin's parameters; none where it can't be imported: whoever uses it is told."""
    try:
        return registry.parameters(registry.load(kind, name))
    except ValueError:
        return ()


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


def _only_plugins(
    table: Collection[str], kinds: Collection[registry.Kind], where: str, more: Collection[str] = ()
) -> None:
    """ValueError: a key is neither what a plugin of one of the kinds may be called nor one of ``more``."""
    unknown = [key for key in table if not any(registry.named(kind, key) for kind in kinds)]
    _only(dict.fromkeys(unknown), [*more, *(name for kind in kinds for name in registry.plugins(kind))], where)


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
        owner, key, value = parse_setting(text)
        if owner == "measure":
            raw.setdefault("measure", {})[key] = value
            for table in raw["measure"].values():
                if isinstance(table, dict):
                    table.pop(key, None)
        elif owner is not None:
            plugin_settings.setdefault(owner, {})[key] = value
        elif key in TOP_KEYS:
            raw[key] = value
            if key == "seeds":  # a block's own would stand over the grid's
                for block in raw["cells"]:
                    block.pop(key, None)
        else:
            blocks = [block for block in raw["cells"] if key in block]
            if not blocks:
                present = sorted({key for block in raw["cells"] for key in block} | set(TOP_KEYS))
                raise ValueError(f"--set {text!r}: {where} has no {registry.unknown(f'key {key!r}', key, present)}")
            for block in blocks:
                block[key] = value
    return plugin_settings


def parse_setting(text: str) -> tuple[str | None, str, Any]:
    """``key=value`` or ``plugin.parameter=value`` in parts: the plugin or None, the key, the value by TOML's syntax.

    ValueError: the text is neither.
    """
    match = re.fullmatch(r"(?:([\w.:-]+)\.)?([\w-]+)=(.*)", text)
    if match is None:
        raise ValueError(f"--set {text!r}: expected key=value or plugin.parameter=value")
    return match[1], match[2], _value(match[3])


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _listed_datasets(raw: dict[str, Any], where: str) -> list[str]:
    value = raw["dataset"]
    names = _typed(value if isinstance(value, list) else [value], list[str], f"{where}: dataset")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{where}: dataset = {value!r} must name at least one data set, and each once")
    return names


def _dataset(
    raw: dict[str, Any], name: str, options: Options, settings: dict[str, dict[str, Any]], where: str
) -> Choice:
    plugin = registry.load("dataset", name)
    _only_plugins(raw.get("datasets", {}), ["dataset"], f"{where}: [datasets]")
    values = {**raw.get("datasets", {}).get(name, {}), **settings.get(name, {})}
    if options.data_dir is not None:
        if "data_dir" not in registry.parameters(plugin):
            raise ValueError(f"--data-dir {str(options.data_dir)!r}: data set {name!r} reads no folder")
        values["data_dir"] = str(options.data_dir)
    registry.build("dataset", name, values)
    return Choice(name, values)


def _given_name(raw: dict[str, Any], options: Options, where: str) -> str | None:
    """The name that the command line, or else the grid, gives the data."""
    if options.dataset_name is not None:
        return given_name(options.dataset_name, "--name")
    name = _typed(raw.get("dataset_name"), str | None, f"{where}: dataset_name")
    return None if name is None else given_name(name, f"{where}: dataset_name")


def _default_name(choice: Choice) -> str:
    return default_name(choice.name, registry.build("dataset", choice.name, choice.parameters))


def _for_dataset(table: dict[str, Any], dataset: str, where: str) -> dict[str, Any]:
    """The table's own values, and over them those of its sub-table that is named as the data set."""
    _only_plugins([key for key, value in table.items() if isinstance(value, dict)], ["dataset"], where)
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    return {**own, **table.get(dataset, {})}


def _measure(table: dict[str, Any], dataset: str, where: str) -> Measure:
    values = _for_dataset(table, dataset, f"{where}: [measure]")
    _only(values, [f.name for f in fields(Measure)], f"{where}: [measure]")
    types: dict[str, Any] = {"split": Literal["all", "tune/report"]}
    try:
        return Measure(
            **{key: _typed(value, types.get(key, int), f"{where}: [measure] {key}") for key, value in values.items()}
        )
    except ValueError as fault:
        raise ValueError(str(fault) if where in str(fault) else f"{where}: [measure] {fault}") from fault


def _class_split(raw: dict[str, Any], where: str) -> ClassSplit:
    share = _typed(raw.get("unseen_share", ClassSplit.share), float, f"{where}: unseen_share")
    seed = _typed(raw.get("split_seed", ClassSplit.seed), int, f"{where}: split_seed")
    try:
        return ClassSplit(share, seed)
    except ValueError as fault:
        raise ValueError(f"{where}: {fault}") from fault


def _seeds(raw: dict[str, Any], block: dict[str, Any], options: Options, where: str, place: str) -> list[int]:
    """The seeds of a block of cells: the command line's, or its own, or the grid's."""
    if options.seed is not None:
        return [options.seed]
    values, owner = (block["seeds"], place) if "seeds" in block else (raw.get("seeds", [0]), where)
    seeds: list[int] = _typed(values, list[int], f"{owner}: seeds")
    return seeds


def _layout(raw: dict[str, Any], cells: list[Cell], where: str) -> Layout:
    """The layout, which must have something to show; by default the one that has."""
    searches = any(cell.index is not None for cell in cells)
    rankings = any(cell.index is None for cell in cells)
    layout: Layout = _typed(raw.get("layout", "methods" if searches else "codes"), Layout, f"{where}: layout")
    if not (rankings if layout == "codes" else searches):
        wanted = "without" if layout == "codes" else "with"
        raise ValueError(f"{where}: layout = {layout!r} shows cells {wanted} an index, and there are none")
    return layout


def _stand_ins(raw: dict[str, Any], where: str) -> dict[str, str]:
    """What stands for the plugins that read images, where the data set holds vectors; "" for what is left out."""
    table = _typed(raw.get("vectors", {}), dict[str, str], f"{where}: [vectors]")
    _only_plugins(table, registry.GROUPS, f"{where}: [vectors]")
    for name, other in table.items():
        kind = next(kind for kind in registry.GROUPS if registry.named(kind, name))
        if other and not registry.named(kind, other):
            of_kind = registry.plugins(kind)
            raise ValueError(f"{where}: [vectors] {name}: {registry.unknown(f'{kind} {other!r}', other, of_kind)}")
    return table


def _expand(
    block: dict[str, Any],
    seeds: list[int],
    recipe: dict[str, Any],
    settings: dict[str, dict[str, Any]],
    dataset: Choice,
    k: int,
    place: str,
    stand_ins: dict[str, str],
) -> Iterator[Cell]:
    flat = {
        (f"{key}.{inner}" if inner else key): value if isinstance(value, list) else [value]
        for key, outer in block.items()
        if key != "seeds"
        for inner, value in (outer.items() if isinstance(outer, dict) else [("", outer)])
    }
    data = registry.build("dataset", dataset.name, dataset.parameters)
    content, labelled = getattr(data, "content", "images"), getattr(data, "labelled", True)
    for *values, seed in itertools.product(*flat.values(), seeds):
        chosen = dict(zip(flat, values, strict=True))
        try:
            if content == "vectors" and "" in (chosen := _replaced(chosen, stand_ins)).values():
                continue
            cell = _cell(chosen, seed, recipe, settings)
            check(cell, content, labelled, k)
        except ValueError as fault:
            raise ValueError(f"{place}: {fault}") from fault
        yield cell


def _replaced(chosen: dict[str, Any], stand_ins: dict[str, str]) -> dict[str, Any]:
    """A cell's choices with what stands for its plugins, without the parameters that this does not have.

    Codes that only the replaced hasher would have learned are encoded.
    """
    before: dict[Role, str] = {role: chosen[role] for role in ROLES if role in chosen}
    after: dict[Role, str] = {role: stand_ins.get(name, name) for role, name in before.items()}
    renamed: dict[str, Any] = {str(role): name for role, name in after.items()}
    if after == before or "" in after.values():
        return chosen | renamed
    classes, others = (
        {role: registry.load(ROLES[role], name) for role, name in one.items()} for one in (before, after)
    )
    kept = {}
    for key, value in chosen.items():
        roles, parameter = ([], "") if key in AXES else _owners(key, before, classes)
        if not roles or any(parameter in registry.parameters(others[role]) for role in roles):
            kept[key] = value
    if before.get("hasher") != after.get("hasher"):
        kept.pop("database_codes", None)
    return kept | renamed


def _cell(chosen: dict[str, Any], seed: int, recipe: dict[str, Any], settings: dict[str, dict[str, Any]]) -> Cell:
    plugins: dict[Role, str] = {role: chosen[role] for role in ROLES if role in chosen}
    classes = {role: registry.load(ROLES[role], name) for role, name in plugins.items()}
    own: dict[Role, dict[str, Any]] = {role: {} for role in plugins}
    for key, value in chosen.items():
        if key not in AXES:
            roles, parameter = _owners(key, plugins, classes)
            for role in roles:
                own[role][parameter] = value
    if "index" in classes and "seed" in registry.parameters(classes["index"]):
        own["index"].setdefault("seed", seed)
    shared = {
        role: {key: recipe[ROLES[role]][key] for key in registry.parameters(plugin) if key in recipe[ROLES[role]]}
        for role, plugin in classes.items()
        if ROLES[role] in recipe
    }
    choices = {
        role: Choice(name, {**shared.get(role, {}), **recipe.get(name, {}), **own[role], **settings.get(name, {})})
        for role, name in plugins.items()
    }
    hashed = "hasher" in plugins
    return Cell(
        protocol=_one_of("protocol", chosen.get("protocol", "seen"), ProtocolName),
        embedder=choices.get("embedder"),
        input=choices.get("input"),
        hasher=choices.get("hasher"),
        model=_one_of("model", chosen.get("model", "last" if hashed else None), Model),
        database_codes=_one_of(
            "database_codes", chosen.get("database_codes", "encoded" if hashed else None), DatabaseCodes
        ),
        index=choices.get("index"),
        rerank=choices.get("rerank"),
        candidates=_typed(chosen.get("candidates"), int | None, "candidates"),
        seed=seed,
    )


def _owners(key: str, plugins: dict[Role, str], classes: dict[Role, type]) -> tuple[list[Role], str]:
    """The roles of the plugin that a key of a cell speaks of, and the parameter it names there."""
    name, _, parameter = key.rpartition(".")
    owners = [
        role
        for role, plugin in classes.items()
        if (not name or plugins[role] == name) and parameter in registry.parameters(plugin)
    ]
    names = sorted({plugins[role] for role in owners})
    if len(names) > 1:
        both = " or ".join(f"{name}.{parameter}" for name in names)
        raise ValueError(f"key {key!r} is a parameter of several plugins; write {both}")
    if not owners:
        known = [*AXES, "seeds", *(p for plugin in classes.values() for p in registry.parameters(plugin))]
        raise ValueError(registry.unknown(f"key {key!r}", parameter, known))
    return owners, parameter


def _one_of(key: str, value: Any, kind: Any) -> Any:
    allowed = get_args(kind)
    if value is not None and value not in allowed:
        raise ValueError(f"{key} = {value!r}: allowed are {', '.join(map(repr, allowed))}")
    return value


def _used(settings: dict[str, dict[str, Any]], cells: list[Cell], datasets: list[str]) -> None:
    used = {*datasets, *(choice.name for cell in cells for _, choice in cell.choices())}
    for owner in settings:
        if owner not in used:
            raise ValueError(
                f"--set {owner}.…: {registry.unknown(f'plugin {owner!r}', owner, ['measure', *sorted(used)])}"
            )


def _unique(cells: list[Cell]) -> list[Cell]:
    seen: dict[str, Cell] = {}
    for cell in cells:
        seen.setdefault(digest(dataclasses.asdict(cell)), cell)
    return list(seen.values())
