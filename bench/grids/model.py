"""The model of a grid's file: the keys that it may hold, with their types and checks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.functional_validators import AfterValidator
from pydantic_core import ErrorDetails

from bench.grids import expressions, published, sizes
from bench.grids.cells import DatabaseCodes, Layout
from bench.grids.files import built_in
from bench.grids.measure import Measure, from_percent
from bench.grids.naming import given_name
from bench.grids.protocols import ProtocolName, UnseenChoice, class_numbers
from bench.interfaces import Model
from bench.plugins import registry
from bench.system.wording import shown

DEPTH = 8
"""The most tables and lists inside one another. A file needs five: recipes, recipe, plugin, data set, list."""

LARGEST_SEED = 2**31 - 1
"""The largest seed of faiss's clusterings. numpy and scikit-learn take twice as much."""

LARGEST_K = 10**6
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Table = dict[str, Any]
Plugin = tuple[registry.Kind, str]
MEASURED: Table = {
    **get_type_hints(Measure),
    "split": Literal["all", "tune/report"],
    "precision": Annotated[float, BeforeValidator(from_percent)],
}


def typed(value: Any, kind: Any, key: str) -> Any:
    """The value, checked to be of that kind.

    Raises ValueError: it is of another kind.
    """
    try:
        return TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as fault:
        raise ValueError(f"{key} = {shown(value)}: {_words(fault.errors()[0])}") from fault


def only(table: Table, allowed: Collection[str]) -> None:
    """Raises ValueError: a key of the table is not among the allowed."""
    for key in table:
        if key not in allowed:
            raise ValueError(registry.unknown(f"key {key!r}", key, allowed))


def only_plugins(table: Table, kinds: Collection[registry.Kind], more: Collection[str] = ()) -> None:
    """Raises ValueError: a key of the table names no plugin of one of the kinds, and is not among ``more``."""
    others = {key: value for key, value in table.items() if not any(registry.named(kind, key) for kind in kinds)}
    only(others, [*more, *(name for kind in kinds for name in registry.plugins(kind))])


def _listed(value: Any) -> list[Any]:
    """The values of an axis, each once.

    Raises ValueError: an empty list, which would leave no cell.
    """
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError("an empty list leaves no cell")
    return list({repr(one): one for one in values}.values())


def _parameter(value: Any) -> Any:
    """The values of a plugin's parameter, or of each of them in a plugin's own table."""
    if not isinstance(value, dict):
        return _listed(value)
    if not value:
        raise ValueError("an empty table says nothing")
    return {key: _listed(inner) for key, inner in value.items()}


def _recipes_of(name: str) -> str:
    if name not in built_in():
        raise ValueError(registry.unknown("grid", name, built_in()))
    return name


def _seeds(values: list[Any]) -> list[int]:
    return [typed(seed, Seed, "seed") for seed in _listed(values)]


def _datasets(value: Any) -> list[Any]:
    names = value if isinstance(value, list) else [value]
    if not names or any(name in names[:place] for place, name in enumerate(names)):
        raise ValueError("must name at least one data set, and each once")
    return names


def _dataset_name(name: str) -> str:
    return given_name(name, "the name")


def _reference(name: str) -> str:
    if name not in published.names():
        raise ValueError(registry.unknown("table of published figures", name, published.names()))
    return name


def _measure(table: Table) -> Table:
    only_plugins(table, ["dataset"], MEASURED)
    return {
        key: typed(value, MEASURED[key], key) if key in MEASURED else _of_one(typed(value, Table, key), key)
        for key, value in table.items()
    }


def _of_one(table: Table, dataset: str) -> Table:
    """The amounts of measurement for one data set."""
    only(table, MEASURED)
    return {key: typed(value, MEASURED[key], f"{dataset}.{key}") for key, value in table.items()}


def _of_datasets(tables: dict[str, Table]) -> dict[str, Table]:
    only_plugins(tables, ["dataset"])
    for name, table in tables.items():
        if is_importable("dataset", name):
            registry.check_values("dataset", name, table)
    return tables


def _unseen_numbers(tables: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    only_plugins(tables, ["dataset"])
    for name, table in tables.items():
        for share, numbers in table.items():
            try:
                known = 0 < float(share) < 1
            except ValueError:
                known = False
            if not known:
                raise ValueError(f"{name}: key {shown(share)} must be a share of the classes such as 0.05")
            class_numbers(numbers)
    return tables


def _stand_ins(table: dict[str, str]) -> dict[str, str]:
    only_plugins(table, registry.GROUPS)
    for name, other in table.items():
        kind = next(kind for kind in registry.GROUPS if registry.named(kind, name))
        if other and not registry.named(kind, other):
            raise ValueError(f"{name}: {registry.unknown(f'{kind} {other!r}', other, registry.plugins(kind))}")
    return table


Axis = BeforeValidator(_listed)
Plugins = Annotated[list[str], Axis]
Seeds = Annotated[list[Any], AfterValidator(_seeds)]
Count = Annotated[int, Field(ge=1)]


def _number(value: Any) -> Any:
    """A whole number of at least 1, or an expression."""
    if isinstance(value, str) and expressions.is_meant(value):
        sizes.check_expression(value)
        return value
    try:
        return TypeAdapter(Count).validate_python(value, strict=True)
    except ValidationError as fault:
        raise ValueError(_words(fault.errors()[0])) from fault


NUMBER = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}
Number = Annotated[Any, AfterValidator(_number), WithJsonSchema(NUMBER)]


class Block(BaseModel):
    """The keys of a ``[[cells]]`` block, a product of lists. Any other key is a parameter of one of its plugins."""

    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=(), use_attribute_docstrings=True)
    __pydantic_extra__: dict[str, Annotated[Any, BeforeValidator(_parameter)]] = Field(init=False)
    protocol: Annotated[list[ProtocolName], Axis] = []
    """The classes that are trained on and asked for; `"seen"` by default."""
    embedder: Plugins = []
    """The plugin that makes the features."""
    input: Plugins = []
    """The embedder whose features the hasher reads, where it takes no images."""
    hasher: Plugins = []
    """The plugin that makes the codes."""
    model: Annotated[list[Model], Axis] = []
    """The model of the hasher's training; `"last"` by default."""
    database_codes: Annotated[list[DatabaseCodes], Axis] = []
    """The codes of the database: learned with the hasher, or encoded by it; `"encoded"` by default."""
    index: Plugins = []
    """The plugin that searches; a block without it is a ranking of the whole database."""
    rerank: Plugins = []
    """The plugin that orders the neighbours of the index by the features."""
    candidates: Annotated[list[Number], Axis] = []
    """The number of neighbours of the index that are re-ranked, or an expression for it."""
    seeds: Seeds | None = None
    """The seeds of this block, in place of the grid's."""
    _order: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _in_the_files_order(cls, table: Any, handler: ModelWrapValidatorHandler[Block]) -> Block:
        block = handler(table)
        block._order = tuple(table)
        return block

    def axes(self) -> dict[str, list[Any]]:
        """The values of each key, in the file's order. A key of a plugin's own table is ``plugin.parameter``."""
        flat: dict[str, list[Any]] = {}
        for key in self._order:
            values = getattr(self, key)
            if isinstance(values, dict):
                flat |= {f"{key}.{inner}": listed for inner, listed in values.items()}
            elif key != "seeds":
                flat[key] = values
        return flat


AXES = tuple(name for name in Block.model_fields if name != "seeds")


class GridFile(BaseModel):
    """The keys of a grid's file. The texts below them are the reference in ``docs/grids.md``."""

    model_config = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)
    title: str
    """The subject of the table."""
    dataset: Annotated[list[str], BeforeValidator(_datasets)]
    """The data set, or a list of several; `--dataset` takes one."""
    dataset_name: Annotated[str, AfterValidator(_dataset_name)] | None = None
    """The name of the data in tables and records; `--name` replaces it."""
    recipe: str
    """The recipe by which networks are trained; `--recipe` replaces it."""
    recipes_of: Annotated[str, AfterValidator(_recipes_of)] | None = None
    """A built-in grid whose recipes stand behind those of this file."""
    layout: Layout | None = None
    """The layout of the table."""
    reference: Annotated[str, AfterValidator(_reference)] | None = None
    """The published values: `results/reference/NAME.csv`."""
    k: Annotated[int, Field(ge=1, le=LARGEST_K)] = 10
    """The number of neighbours that are asked for."""
    seeds: Seeds = [0]
    """The seeds of the methods; `--seed` replaces them."""
    unseen_share: float = 0.25
    """The share of the classes that protocols with unseen classes hold out of training."""
    unseen_classes: UnseenChoice = "drawn"
    """The unseen classes: drawn by `split_seed`, or the last by their number."""
    unseen_numbers: Annotated[dict[str, dict[str, str]], AfterValidator(_unseen_numbers)] = {}
    """In tables by data set, the numbers of the classes that stand for the last at a share, as `"190-199, 287-291"`."""
    split_seed: int = 0
    """The seed that draws the unseen classes."""
    measure: Annotated[Table, AfterValidator(_measure)] = {}
    """The amounts of measurement, and in tables inside it those for one data set."""
    cells: Annotated[list[Block], Field(min_length=1)]
    """The blocks of cells, each a product of its lists."""
    recipes: dict[str, dict[str, Table]] = {}
    """The parameters that each recipe gives to plugins, or to all plugins of a kind."""
    datasets: Annotated[dict[str, Table], AfterValidator(_of_datasets)] = {}
    """The parameters of data sets."""
    vectors: Annotated[dict[str, str], AfterValidator(_stand_ins)] = {}
    """The plugin that replaces another where the data set holds vectors; `""` leaves its cells out."""


def read(raw: Table, where: str) -> GridFile:
    """The file's table, checked.

    Raises ValueError: a value is wrong; the message names the first such value and the right ones.
    """
    _simple(raw, where)
    try:
        file = GridFile.model_validate(raw)
    except ValidationError as fault:
        raise ValueError(f"{where}: {_sentence(fault.errors(include_url=False)[0])}") from fault
    for recipe, tables in file.recipes.items():
        _check_recipe(tables, f"{where}: [recipes.{recipe}")
    return file


def _simple(raw: Table, where: str) -> None:
    """Raises ValueError: tables and lists are more than ``DEPTH`` deep, or a whole number has more than 64 bits."""
    level: list[Any] = [raw]
    for _ in range(DEPTH):
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
        if any(isinstance(one, int) and abs(one) >= 2**63 for one in level):
            raise ValueError(f"{where}: a whole number of more than 64 bits")
        level = [one for one in level if isinstance(one, dict | list)]
    if level:
        raise ValueError(f"{where}: tables and lists more than {DEPTH} deep")


def _check_recipe(tables: dict[str, Table], where: str) -> None:
    """Raises ValueError: a table names no plugin and no kind, or holds a key or a value that none of them takes."""
    with _at(f"{where}]"):
        only_plugins(tables, registry.GROUPS, registry.GROUPS)
    for owner, table in tables.items():
        meant: list[Plugin] = [
            (kind, name)
            for kind in registry.GROUPS
            for name in (registry.plugins(kind) if kind == owner else [owner] if registry.named(kind, owner) else [])
        ]
        usable = [plugin for plugin in meant if is_importable(*plugin)]
        _check_shared(table, usable, f"{where}.{owner}]")


def _check_shared(table: Table, plugins: list[Plugin], where: str) -> None:
    """Raises ValueError: the table, or its table for a data set, holds a value that none of the plugins takes."""
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    of_datasets = {key: value for key, value in table.items() if isinstance(value, dict)}
    with _at(where):
        only_plugins(of_datasets, ["dataset"])
    for values in (own, *of_datasets.values()):
        for key, value in values.items():
            check_parameter(plugins, key, value, where)


def check_parameter(plugins: Sequence[Plugin], key: str, value: Any, where: str) -> None:
    """Raises ValueError: none of the plugins has that parameter and takes the value. Without plugins all may pass."""
    known = {name: plugin for plugin in plugins for name in registry.parameters(registry.load(*plugin))}
    if plugins and key not in known:
        what = f"parameter {key!r} of {plugins[0][1]}" if len(plugins) == 1 else f"key {key!r}"
        raise ValueError(f"{where}: {registry.unknown(what, key, known)}")
    faults: list[ValueError] = []
    for plugin in plugins:
        if key in registry.parameters(registry.load(*plugin)):
            try:
                return sizes.check_value(*plugin, key, value)
            except ValueError as fault:
                faults.append(fault)
    if faults:
        raise ValueError(f"{where}: {faults[0]}") from faults[0]


def is_importable(kind: registry.Kind, name: str) -> bool:
    """Whether the plugin can be imported. If not, a use of it raises the error."""
    try:
        registry.load(kind, name)
    except ValueError:
        return False
    return True


@contextmanager
def _at(where: str) -> Iterator[None]:
    try:
        yield
    except ValueError as fault:
        raise ValueError(f"{where}: {fault}") from fault


def _sentence(error: ErrorDetails) -> str:
    """The place of an error in the file, the wrong value, and the right ones."""
    place, value, words = error["loc"], error["input"], _words(error)
    if error["type"] in ("missing", "extra_forbidden"):
        return words
    block = f"[[cells]] number {int(place[1]) + 1}" if place[0] == "cells" and len(place) > 1 else ""
    keys = [part for part in place[1 if block else 0 :] if isinstance(part, str)]
    if error["type"] == "value_error" and isinstance(value, dict):
        return f"{block or _bracketed(keys)}: {words}"
    *tables, key = keys or [""]
    place_of_key = block or _bracketed(tables)
    return ": ".join(filter(None, [place_of_key, f"{key} = {shown(value)}".lstrip(" ="), words]))


def _bracketed(tables: list[str]) -> str:
    return f"[{'.'.join(tables)}]" if tables else ""


def _words(error: ErrorDetails) -> str:
    """The words of an error that name the right values."""
    match error["type"]:
        case "value_error":
            return str(error["ctx"]["error"])
        case "missing":
            return f"key {error['loc'][-1]!r} is missing"
        case "extra_forbidden":
            key = str(error["loc"][-1])
            return registry.unknown(f"key {key!r}", key, GridFile.model_fields)
        case "literal_error":
            return f"allowed are {error['ctx']['expected'].replace(' or ', ', ')}"
        case "dict_type" | "model_type":
            return "Input should be a table"
    return error["msg"]
