"""What decides a result, as a hash: parameters, the plugin's source and the libraries it uses.

A stored result is reused exactly when nothing that made it has changed. The source of a plugin is its module and
every module of the same project that it imports, wherever the import stands; comments, docstrings and formatting do not
count, nor does what a plugin's class is called. Its libraries are the distributions that those modules import, with
their versions.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import blake2b
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

PRINTED = ("label", "family")
"""Members of a plugin's class that are printed and decide nothing (see ``bench.interfaces``)."""


def digest(value: Any) -> str:
    """32 hex digits of a value made of JSON's types: equal values, equal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def source_identity(module: str) -> dict[str, Any]:
    """The hash of a module's source with all it imports from its own project, and the libraries' versions."""
    trees, libraries = _closure(module)
    sources = {name: ast.dump(_without_words(tree)) for name, tree in trees.items()}
    tops = {name.partition(".")[0] for name in libraries}
    return {"source": digest(sources), "libraries": _versions(tops)}


def imports(module: str) -> tuple[set[str], set[str]]:
    """The modules of its own project that a module imports, itself among them, and those of libraries, by full name.

    Whatever those of the project import counts too, wherever the import stands. Nothing is imported to find this.
    """
    trees, libraries = _closure(module)
    return {*trees}, libraries


def _closure(module: str) -> tuple[dict[str, ast.Module], set[str]]:
    """The parsed modules of its own project that a module needs, by name, and the names of the others."""
    trees: dict[str, ast.Module] = {}
    libraries: set[str] = set()
    own = (module.partition(".")[0], "bench")
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in trees:
            continue
        trees[name] = _parse(name)
        for imported in _imports(trees[name], name, own):
            top = imported.partition(".")[0]
            if top in own:
                waiting.append(imported)
            elif top not in sys.stdlib_module_names:
                libraries.add(imported)
    return trees, libraries


def _parse(module: str) -> ast.Module:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ast.Module(body=[], type_ignores=[])
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _imports(tree: ast.Module, module: str, own: tuple[str, ...]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), module.rpartition(".")[0])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if base.partition(".")[0] in own and _holds(base, alias.name) else base


def _holds(package: str, name: str) -> bool:
    """Whether a module of that name stands in a package; found on disk, since importlib would import its parent."""
    spec = importlib.util.find_spec(package)
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    return any((folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file() for folder in folders)


def _without_words(tree: ast.Module) -> ast.Module:
    """The module without what is there for readers alone: docstrings, and the names that classes are printed with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
        if isinstance(node, ast.ClassDef):
            node.body = [statement for statement in node.body if not _is_a_name(statement)]
    return tree


def _is_a_name(statement: ast.stmt) -> bool:
    """Whether a statement of a class says what it is called: a text as its label or family, or a property."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str())):
            return name in PRINTED
        case ast.FunctionDef(name=name, decorator_list=[ast.Name(id="property")]):
            return name in PRINTED
    return False


def _versions(tops: set[str]) -> dict[str, str]:
    known = distributions() if tops else {}
    return {name: version(name) for top in sorted(tops) for name in sorted(set(known.get(top, ())))}


@cache
def distributions() -> Mapping[str, list[str]]:
    """The distributions that provide each top-level module of this environment."""
    return packages_distributions()
