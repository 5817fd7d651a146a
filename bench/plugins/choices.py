"""The choice of a plugin in a cell: its role, its name and its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.plugins import registry
from bench.store.identity import content_identity
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
    """The parameters of a choice as they stand in keys: a file that is there is named by its content.

    A text is the path of a file where the parameter's annotation allows a path. That of a folder stays as it is.
    """
    plugin = registry.load(kind, choice.name)
    return {
        name: _content(value) if isinstance(value, str) and Path in registry.types_of(plugin, name) else value
        for name, value in choice.parameters.items()
    }


def _content(text: str) -> str | dict[str, str]:
    path = user_path(text)
    return {"content": content_identity(path)} if path.is_file() else text


def settings(role: Role, choice: Choice) -> dict[str, Any]:
    """All parameters that a plugin will run with, defaults included."""
    plugin = registry.build(ROLES[role], choice.name, choice.parameters)
    return {name: getattr(plugin, name, None) for name in registry.parameters(type(plugin))}
