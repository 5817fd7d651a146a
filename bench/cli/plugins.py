"""The commands that run nothing: ``list``, ``schema`` and ``check``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from bench.cli.endings import plain_errors
from bench.cli.options import Settings
from bench.cli.screen import console, errors, print_names
from bench.grids import grid_file
from bench.grids.settings import parse
from bench.plugins import registry
from bench.system.places import default_cache, keep_caches_in


def list_() -> None:
    """List the data sets, embedders, hashers, indexes, rerankers and grids, a line each."""
    with plain_errors():
        for kind in registry.GROUPS:
            plural = "indexes" if kind == "index" else f"{kind}s"
            print_names(plural, {name: registry.describe(point) for name, point in registry.plugins(kind).items()})
        print_names("grids", grid_file.names())


def schema() -> None:
    """Print the JSON schema of a grid's file, with the plugins that are installed here, for editors of TOML."""
    with plain_errors():
        from bench.grids.schema import json_schema

        typer.echo(json.dumps(json_schema(), indent=2))


def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set, embedder, hasher, index or reranker.")],
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="Which of several plugins of that name.")
    ] = None,
    set_: Settings = None,
) -> None:
    """Check whether a plugin keeps to its contract, a line a demand, on small data made on the spot."""
    with plain_errors():
        keep_caches_in(default_cache())
        values = _plugin_settings(name, set_ or ())
        kinds = _kinds(name, kind)
        from bench.conformance import maker, verdicts

        makers = {each: maker(each, name, values) for each in kinds}
        failed = total = 0
        for each, make in makers.items():
            console.print(f"{each} {name}", style="bold")
            for verdict in verdicts(each, make):
                console.print(f"  {verdict}")
                failed += verdict.status == "failed"
                total += 1
        if failed:
            errors.print(f"bench: {failed} of {total} checks failed")
            raise typer.Exit(1)


def _kinds(name: str, kind: str | None) -> list[registry.Kind]:
    """The kinds of the plugins of that name, or the given kind.

    Raises ValueError: there is no such plugin.
    """
    if kind is not None and kind not in registry.GROUPS:
        raise ValueError(registry.unknown(f"kind {kind!r}", kind, registry.GROUPS))
    asked = [one for one in registry.GROUPS if kind in (None, one)]
    found = [one for one in asked if registry.named(one, name)]
    if not found:
        known = [known for one in asked for known in registry.plugins(one)]
        raise ValueError(registry.unknown(f"{kind or 'plugin'} {name!r}", name, known))
    return found


def _plugin_settings(name: str, settings: Sequence[str]) -> dict[str, Any]:
    """The values that ``--set`` gives to one plugin, by parameter. Its name may stand before the parameter or not.

    Raises ValueError: a setting names another plugin.
    """
    values = {}
    for setting in map(parse, settings):
        if setting.owner not in (None, name):
            raise ValueError(f"{setting}: expected parameter=value or {name}.parameter=value")
        values[setting.key] = replace(setting, owner=name).of_plugin()
    return values
