"""The choice of a plugin in a cell: its role, its name and its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bench.plugins import registry

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


def settings(role: Role, choice: Choice) -> dict[str, Any]:
    """All parameters that a plugin will run with, defaults included."""
    plugin = registry.build(ROLES[role], choice.name, choice.parameters)
    return {name: getattr(plugin, name, None) for name in registry.parameters(type(plugin))}
