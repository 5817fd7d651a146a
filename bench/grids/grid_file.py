"""Loads a grid's TOML file: checks it with the options of the command line and expands it into cells.

``docs/grids.md`` lists the file's keys. Each fault in the file (or in ``--set``) is a ``ValueError`` of one line that
names the value, the place and the allowed values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.grids.cells import RANKED, Cell, Grid, Layout, unique
from bench.grids.expansion import Surroundings, expand
from bench.grids.files import built_in, find, parse
from bench.grids.measure import Measure
from bench.grids.model import GridFile, Seed, Table, typed
from bench.grids.naming import default_name, given_name
from bench.grids.protocols import ClassSplit, class_numbers
from bench.grids.settings import apply
from bench.plugins import registry
from bench.plugins.choices import Choice
from bench.system.wording import one_line, shown


@dataclass(frozen=True)
class Options:
    """The command line's values, which replace the file's. ``settings``: ``key=value`` texts; the last counts."""

    dataset: str | None = None
    data_dir: Path | None = None
    recipe: str | None = None
    seed: int | None = None
    settings: Sequence[str] = ()
    dataset_name: str | None = None


def names() -> dict[str, str]:
    """The built-in grids with their titles."""
    return {name: str(parse(path).get("title", "")) for name, path in built_in().items()}


def dataset_names(name: str, options: Options = Options()) -> list[str]:
    """The data sets of a grid, or the one that the options name.

    Raises ValueError: see the module.
    """
    with _one_line():
        file, _, _ = _read(name, options)
        names = file.dataset if options.dataset is None else [options.dataset]
        if len(names) > 1 and (given := _given_name(file, options)) is not None:
            one_for = f"dataset_name = {given!r} is one name for {len(names)} data sets"
            raise ValueError(f"{one_for}: --dataset NAME takes one")
        return names


def load(name: str, options: Options = Options()) -> Grid:
    """The grid of that name, or of that ``.toml`` file, with the options applied, on the first of its data sets.

    Raises ValueError: see the module.
    """
    with _one_line(), _with_settings(options):
        return _load(name, options)


@contextmanager
def _with_settings(options: Options) -> Iterator[None]:
    """Adds the values that the command line gave in place of the file's to an error that names none of them."""
    try:
        yield
    except ValueError as fault:
        if not options.settings or "--set" in str(fault):
            raise
        given = ", ".join(f"--set {shown(text)}" for text in options.settings)
        raise ValueError(f"{fault} (with {given})") from fault


@contextmanager
def _one_line() -> Iterator[None]:
    """Puts the message of a ``ValueError`` on one line, whatever the keys and messages of plugins hold."""
    try:
        yield
    except ValueError as fault:
        raise ValueError(one_line(str(fault))) from fault


def _read(name: str, options: Options) -> tuple[GridFile, dict[str, Table], str]:
    """The file with ``--set`` applied, the parameters that ``--set`` gives to single plugins, and the file's name."""
    path = find(name)
    file, settings = apply(parse(path), options.settings, path.name)
    return file, settings, path.name


def _load(name: str, options: Options) -> Grid:
    file, settings, where = _read(name, options)
    seed = None if options.seed is None else typed(options.seed, Seed, "--seed")
    dataset = _dataset(file, options, settings, where)
    recipe = options.recipe if options.recipe is not None else file.recipe
    named_in = where if options.recipe is None else f"--recipe: {where}"
    around = Surroundings(_recipe(file, recipe, dataset.name, named_in), settings, dataset, file.k, file.vectors)
    blocks = [(block, [seed] if seed is not None else block.seeds or file.seeds) for block in file.cells]
    cells = unique(expand(blocks, around, where), sizes_known=False)
    _used(settings, cells, [dataset.name, *file.dataset])
    class_split = _class_split(file, dataset.name, where)
    return Grid(
        name=Path(where).stem,
        title=file.title,
        dataset=dataset,
        dataset_name=_given_name(file, options) or _default_name(dataset),
        recipe=recipe,
        layout=_layout(file, cells, where),
        reference=file.reference,
        k=file.k,
        class_split=class_split,
        measure=_measure(file.measure, dataset.name, where),
        cells=tuple(cells),
        sizes_known=not any(cell.written for cell in cells),
    )


def _class_split(file: GridFile, dataset: str, where: str) -> ClassSplit:
    """The choice of the unseen classes. Numbers that are given for the data set and the share stand for the last."""
    named = [text for share, text in file.unseen_numbers.get(dataset, {}).items() if float(share) == file.unseen_share]
    numbers = class_numbers(named[0]) if named and file.unseen_classes == "last" else ()
    try:
        return ClassSplit(file.unseen_share, file.split_seed, file.unseen_classes, numbers)
    except ValueError as fault:
        raise ValueError(f"{where}: {fault}") from fault


def _recipe(file: GridFile, recipe: str, dataset: str, where: str) -> dict[str, Table]:
    """The recipe's table for each plugin, with the values for the data set.

    Raises ValueError: there is no such recipe.
    """
    recipes: Table = file.recipes
    if file.recipes_of is not None:
        recipes = _over(parse(built_in()[file.recipes_of])["recipes"], recipes)
    if recipe not in recipes:
        if not recipes:
            expected = f'recipes_of = "supp_table1" for those of that grid, or an empty table [recipes.{recipe}]'
            raise ValueError(f"{where}: recipe = {recipe!r}, and the file has no recipes: expected {expected}")
        raise ValueError(f"{where}: {registry.unknown(f'recipe {recipe!r}', recipe, recipes)}")
    return {plugin: _for_dataset(table, dataset) for plugin, table in recipes[recipe].items()}


def _over(base: Table, own: Table) -> Table:
    """The two tables merged, also inside; where both have a key, the value of ``own`` counts."""
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _over(base[key], value) if both else value
    return merged


def _for_dataset(table: Table, dataset: str) -> Table:
    """The table's own values, replaced by those of its inner table that has the data set's name."""
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    return {**own, **table.get(dataset, {})}


def _dataset(file: GridFile, options: Options, settings: dict[str, Table], where: str) -> Choice:
    name, said = (options.dataset, "--dataset") if options.dataset is not None else (file.dataset[0], where)
    try:
        plugin = registry.load("dataset", name)
        values = {**file.datasets.get(name, {}), **settings.get(name, {})}
        if options.data_dir is not None:
            said = f"--data-dir {str(options.data_dir)!r}"
            if "data_dir" not in registry.parameters(plugin):
                raise ValueError(f"data set {name!r} reads no folder")
            values["data_dir"] = str(options.data_dir)
        registry.build("dataset", name, values)
    except ValueError as fault:
        raise ValueError(f"{said}: {fault}") from fault
    return Choice(name, values)


def _given_name(file: GridFile, options: Options) -> str | None:
    """The name that the command line or else the grid gives to the data."""
    return file.dataset_name if options.dataset_name is None else given_name(options.dataset_name, "--name")


def _default_name(choice: Choice) -> str:
    return default_name(choice.name, registry.build("dataset", choice.name, choice.parameters))


def _measure(table: Table, dataset: str, where: str) -> Measure:
    try:
        return Measure(**_for_dataset(table, dataset))
    except ValueError as fault:
        raise ValueError(f"{where}: [measure] {fault}") from fault


def _layout(file: GridFile, cells: Collection[Cell], where: str) -> Layout:
    """The file's layout, or else the one for its cells. Raises ValueError: the layout has no cell to show."""
    searches = any(cell.index is not None for cell in cells)
    rankings = any(cell.index is None for cell in cells)
    layout: Layout = file.layout or ("methods" if searches else "codes")
    if not (rankings if layout in RANKED else searches):
        wanted = "without" if layout in RANKED else "with"
        raise ValueError(f"{where}: layout = {layout!r} shows cells {wanted} an index, and there are none")
    return layout


def _used(settings: dict[str, Table], cells: Collection[Cell], datasets: list[str]) -> None:
    used = {*datasets, *(choice.name for cell in cells for _, choice in cell.choices())}
    for owner in settings:
        if owner not in used:
            raise ValueError(
                f"--set {owner}.…: {registry.unknown(f'plugin {owner!r}', owner, ['measure', *sorted(used)])}"
            )
