"""The cells of a grid: each block is a product of its lists and seeds, and every cell is checked on its own."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.grids.cells import Cell
from bench.grids.checks import check, reads
from bench.grids.model import AXES, Block, Table
from bench.grids.sizes import USUAL_BITS, USUAL_DIM, for_usual_sizes, resolved, written
from bench.plugins import registry
from bench.plugins.choices import ROLES, Choice, Role

MOST_CELLS = 10_000


@dataclass(frozen=True)
class Surroundings:
    """The choices that all blocks of a grid share. ``recipe`` and ``settings`` (of ``--set``) hold a table a plugin;
    ``stand_ins`` the plugins that replace others where the data set holds vectors ("" leaves the cells out).
    """

    recipe: dict[str, Table]
    settings: dict[str, Table]
    dataset: Choice
    k: int
    stand_ins: dict[str, str]


def expand(blocks: Sequence[tuple[Block, Sequence[int]]], around: Surroundings, where: str) -> list[Cell]:
    """The cells of all blocks, with the seeds of each.

    Raises ValueError: a cell is wrong, or there are none or too many.
    """
    count = sum(len(seeds) * math.prod(map(len, block.axes().values())) for block, seeds in blocks)
    if count > MOST_CELLS:
        raise ValueError(f"{where}: the products of [[cells]] are {count:,} cells; at most {MOST_CELLS:,} are run")
    data = registry.build("dataset", around.dataset.name, around.dataset.parameters)
    cells: list[Cell] = []
    for number, (block, seeds) in enumerate(blocks, start=1):
        try:
            cells += _cells(block, seeds, around, data)
        except ValueError as fault:
            raise ValueError(f"{where}: [[cells]] number {number}: {fault}") from fault
    if not cells:
        codes = getattr(data, "content", "images") == "codes"
        out = "[vectors] leaves every cell out" + (", or it reads the real values behind codes" if codes else "")
        raise ValueError(f"{where}: the data set holds {'codes alone' if codes else 'no images'}, and {out}")
    return cells


def _cells(block: Block, seeds: Sequence[int], around: Surroundings, data: Any) -> Iterator[Cell]:
    axes = block.axes()
    content, labelled = getattr(data, "content", "images"), getattr(data, "labelled", True)
    for *values, seed in itertools.product(*axes.values(), seeds):
        said = dict(zip(axes, values, strict=True))
        chosen = _replaced(said, _stand_ins(said, content, getattr(data, "hasher", None), around.stand_ins))
        if chosen is None:
            continue
        cell = _checked(_cell(chosen, seed, around), content, labelled, around.k)
        if cell is not None:
            yield cell


def _checked(cell: Cell, content: str, labelled: bool, k: int) -> Cell | None:
    """The cell, which is right. Until the data are read, its expressions have values for data of a usual size.

    None: it reads the real values behind codes, and the data are codes alone.

    Raises ValueError: it is wrong for all of these.
    """
    cell = dataclasses.replace(cell, written=written(cell))

    def of_size(items: int) -> Cell | None:
        one = resolved(cell, items, None if content == "images" else USUAL_DIM, USUAL_BITS)
        if content == "codes" and "real_codes" in reads(one):
            return None
        check(one, content, labelled, k)
        return one

    return for_usual_sizes(of_size) if cell.written else of_size(0)


def _stand_ins(chosen: Table, content: str, passing: str | None, stand_ins: dict[str, str]) -> dict[Role, str]:
    """The plugins of a cell by role, as the content of the data asks for them; "" leaves the cell out.

    Where the data are codes, every hasher stands for these codes, which no input is read for. ``passing`` is the hasher
    that passes them on.
    """
    plugins: dict[Role, str] = {role: chosen[role] for role in ROLES if role in chosen}
    if content == "images":
        return plugins
    if content == "codes" and passing is not None and "hasher" in plugins:
        plugins.pop("input", None)
        plugins["hasher"] = passing
    return {role: stand_ins.get(name, name) for role, name in plugins.items()}


def _replaced(chosen: Table, after: dict[Role, str]) -> Table | None:
    """A cell's choices with its plugins replaced, without the parameters that the replacements do not have.

    A replaced hasher has its last model and encoded database codes. None: the cell is left out for one of its plugins.
    """
    before: dict[Role, str] = {role: chosen[role] for role in ROLES if role in chosen}
    if after == before:
        return chosen
    if "" in after.values():
        return None
    classes, others = (
        {role: registry.load(ROLES[role], name) for role, name in one.items()} for one in (before, after)
    )
    kept = {}
    for key, value in chosen.items():
        roles, parameter = ([], "") if key in AXES else _owners(key, before, classes)
        if not roles or any(parameter in registry.parameters(others[role]) for role in roles if role in others):
            kept[key] = value
    if before.get("hasher") != after.get("hasher"):
        kept.pop("database_codes", None)
        kept.pop("model", None)
    return {key: value for key, value in kept.items() if key not in before} | {
        str(r): name for r, name in after.items()
    }


def _cell(chosen: Table, seed: int, around: Surroundings) -> Cell:
    plugins: dict[Role, str] = {role: chosen[role] for role in ROLES if role in chosen}
    choices = _choices(chosen, plugins, seed, around)
    model, database_codes = ("last", "encoded") if "hasher" in plugins else (None, None)
    return Cell(
        protocol=chosen.get("protocol", "seen"),
        embedder=choices.get("embedder"),
        input=choices.get("input"),
        hasher=choices.get("hasher"),
        model=chosen.get("model", model),
        database_codes=chosen.get("database_codes", database_codes),
        index=choices.get("index"),
        rerank=choices.get("rerank"),
        candidates=chosen.get("candidates"),
        seed=seed,
    )


def _choices(chosen: Table, plugins: dict[Role, str], seed: int, around: Surroundings) -> dict[Role, Choice]:
    """The plugins with their parameters. A setting replaces the cell's own value, and this replaces the recipe's."""
    classes = {role: registry.load(ROLES[role], name) for role, name in plugins.items()}
    own: dict[Role, Table] = {role: {} for role in plugins}
    for key, value in chosen.items():
        if key not in AXES:
            roles, parameter = _owners(key, plugins, classes)
            for role in roles:
                own[role][parameter] = value
    if "index" in classes and "seed" in registry.parameters(classes["index"]):
        own["index"].setdefault("seed", seed)
    recipe, settings = around.recipe, around.settings
    shared = {
        role: {key: recipe[ROLES[role]][key] for key in registry.parameters(plugin) if key in recipe[ROLES[role]]}
        for role, plugin in classes.items()
        if ROLES[role] in recipe
    }
    return {
        role: Choice(name, {**shared.get(role, {}), **recipe.get(name, {}), **own[role], **settings.get(name, {})})
        for role, name in plugins.items()
    }


def _owners(key: str, plugins: dict[Role, str], classes: dict[Role, type]) -> tuple[list[Role], str]:
    """The roles of the plugin whose parameter a key of a cell names, and the parameter."""
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
