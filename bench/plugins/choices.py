"""The choice of a plugin in a cell: its role, its name and its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.interfaces import IndexName
from bench.plugins import registry
from bench.store.identity import content_identity, source_identity
from bench.system.places import user_path

Role = Literal["embedder", "input", "hasher", "index", "rerank"]


ROLES: dict[Role, registry.Kind] = {
    "embedder": "embedder",
    "input": "embedder",
    "hasher": "hasher",
    "index": "index",
    "rerank": "reranker",
}


@dataclass(frozen=True)
class Choice:
    """The name of a plugin, and its parameters that are not defaults."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> str:
        """The choice in one short line."""
        inside = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.name}({inside})"


def keyed_parameters(kind: registry.Kind, choice: Choice) -> dict[str, Any]:
    """The parameters of a choice as they stand in keys: a file that is there is named by its content, and an index with
    its source.

    A text is the path of a file where the parameter's annotation allows a path. That of a folder stays as it is.
    """
    plugin = registry.load(kind, choice.name)
    known = registry.parameters(plugin)
    indexes = {name: one.default for name, one in known.items() if IndexName in registry.types_of(plugin, name)}
    given = indexes | choice.parameters
    return {name: _keyed(registry.types_of(plugin, name), value) for name, value in given.items()}


def _keyed(types: set[Any], value: Any) -> Any:
    if isinstance(value, str) and Path in types:
        return _content(value)
    if isinstance(value, str) and IndexName in types:
        return [value, source_identity(registry.find("index", value).module)]
    return value


def _content(text: str) -> str | dict[str, str]:
    path = user_path(text)
    return {"content": content_identity(path)} if path.is_file() else text


def settings(role: Role, choice: Choice) -> dict[str, Any]:
    """All parameters that a plugin will run with, defaults included."""
    plugin = registry.build(ROLES[role], choice.name, choice.parameters)
    return {name: getattr(plugin, name, None) for name in registry.parameters(type(plugin))}
