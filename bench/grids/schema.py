"""The keys of a grid's file as a JSON schema, by which editors complete and check TOML files."""

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
"""The keys whose value is a list; any other that may be a list may also be one value."""


def json_schema() -> dict[str, Any]:
    """The schema, with the plugins that are installed here as the values of the keys that name them."""
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
    """A list with at least one value, or one value."""
    said = {name: value for name, value in described.items() if name in ("title", "description", "default")}
    several = {name: value for name, value in described.items() if name not in said}
    return {**said, "anyOf": [described["items"], {**several, "minItems": 1}]}
