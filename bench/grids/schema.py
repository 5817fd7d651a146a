"""The JSON schema of a grid's file, by which editors complete and check TOML files."""

from __future__ import annotations

from typing import Any

from bench.grids.model import GridFile
from bench.plugins import registry

KINDS: dict[str, registry.Kind] = {
    "embedder": "embedder",
    "input": "embedder",
    "hasher": "hasher",
    "index": "index",
    "rerank": "reranker",
}
"""The keys of a block that name a plugin."""

LISTS = ("cells", "seeds")
"""The keys whose value is always a list. Another key that may be a list may also be one value."""


def json_schema() -> dict[str, Any]:
    """The schema, with the installed plugins as the values of the keys that name plugins."""
    schema = GridFile.model_json_schema()
    block = schema["$defs"]["Block"]
    block["additionalProperties"] = {"description": "A parameter of a plugin of this block, or a list of its values."}
    for name, kind in KINDS.items():
        block["properties"][name]["items"] = {"enum": [*registry.plugins(kind)]}
    schema["properties"]["dataset"]["items"] = {"enum": [*registry.plugins("dataset")]}
    for properties in (schema["properties"], block["properties"]):
        for name, described in properties.items():
            if described.get("type") == "array" and name not in LISTS:
                properties[name] = _one_or_several(described)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _one_or_several(described: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list, widened to one value or a list of at least one."""
    said = {name: value for name, value in described.items() if name in ("title", "description", "default")}
    several = {name: value for name, value in described.items() if name not in said}
    return {**said, "anyOf": [described["items"], {**several, "minItems": 1}]}
