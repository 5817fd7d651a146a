"""Computes the identities in keys: a plugin's source, the content of files that its parameters name, the versions of
the harness's rooms, and those of libraries.

A stored result is reused exactly when nothing that made it has changed. The source of a plugin is its module and every
module of the same project that it imports, wherever the import stands; for a package, all its modules. Comments,
docstrings, imports for type checkers, formatting and printed names do not count. For the harness, and for a room that a
plugin imports, the room's declared version counts and not its source (see `bench.store.rooms`). Libraries are the
distributions that those modules import, with their versions.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from hashlib import blake2b
from importlib.machinery import ModuleSpec, all_suffixes
from itertools import accumulate
from pathlib import Path
from typing import Any

from bench.store.rooms import ROOMS, RoomName, room_of
from bench.system.environment import providers, version_of
from bench.system.files import checksum

PRINTED = ("label", "family", "layer")
"""Members of a plugin's class that are printed and decide nothing (see ``bench.interfaces``)."""


def digest(value: Any) -> str:
    """The hash of a value made of JSON's types, 32 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def content_identity(path: Path) -> str:
    """The hash of a file's content. It is read again only where its size or its time of change is another.

    Raises OSError: it can't be read.
    """
    state = path.stat()
    return _checksum(path.absolute(), state.st_size, state.st_mtime_ns, state.st_ino)


@cache
def _checksum(path: Path, size: int, changed: int, node: int) -> str:
    return checksum(path)


@cache
def source_identity(module: str) -> dict[str, Any]:
    """The identity of a plugin's module: the hash of its source with all that it imports from its own project, and the
    versions of the rooms of the harness and of the libraries that these modules import.

    Raises ValueError: there is no such module, or it has no source.
    """
    trees, libraries = _closure(module)
    rooms = {room for room in map(room_of, trees) if room is not None}
    outside = {name: tree for name, tree in trees.items() if room_of(name) is None}
    return {"source": _digest(outside), "rooms": _room_versions(rooms), "libraries": _versions(libraries)}


def room_identity(*rooms: RoomName) -> dict[str, Any]:
    """The versions of rooms of the harness, and of the libraries that their modules import."""
    return {"rooms": _room_versions(rooms), "libraries": _versions(_room_libraries(frozenset(rooms)))}


def room_modules(room: RoomName) -> list[str]:
    """The modules in a room, by full name.

    Raises ValueError: a module that the room names does not exist.
    """
    return [name for module in ROOMS[room].modules for name in _with_parts(module) if room_of(name) == room]


def imports(module: str) -> tuple[set[str], set[str]]:
    """The modules that a module imports, by full name: those of its own project and of the harness, with itself, and
    those of libraries.

    The imports of its project's modules count too, wherever an import stands. Nothing is imported to find them.

    Raises ValueError: there is no such module.
    """
    trees, libraries = _closure(module)
    return {*trees}, libraries


def _closure(module: str) -> tuple[dict[str, ast.Module], set[str]]:
    """The parsed modules of its own project that a module needs, by name, and the names of the other modules.

    If a module of its own project does not exist, it counts as empty: the import may be meant for other systems.
    """
    own = (module.partition(".")[0], "bench")
    trees: dict[str, ast.Module] = {}
    libraries: set[str] = set()
    waiting = _with_parts(module)
    while waiting:
        name = waiting.pop()
        if name in trees:
            continue
        trees[name] = _parse(name) if _spec(name) else ast.Module(body=[], type_ignores=[])
        inside, outside = _parted(_imports(trees[name], name, own), own)
        waiting += inside
        libraries |= outside
    return trees, libraries


def _parted(imported: Iterable[str], own: tuple[str, ...]) -> tuple[set[str], set[str]]:
    """The names of a project's own modules, and those of libraries, without Python's own."""
    inside, outside = set(), set()
    for name in imported:
        top = name.partition(".")[0]
        if top in own:
            inside.add(name)
        elif top not in sys.stdlib_module_names:
            outside.add(name)
    return inside, outside


@cache
def _room_libraries(rooms: frozenset[RoomName]) -> frozenset[str]:
    names = [name for room in rooms for name in room_modules(room)]
    return frozenset().union(*(_parted(_imports(_parse(name), name, ("bench",)), ("bench",))[1] for name in names))


def _room_versions(rooms: Iterable[RoomName]) -> dict[str, int]:
    return {room: ROOMS[room].version for room in sorted(rooms)}


def _digest(trees: Mapping[str, ast.Module]) -> str:
    return digest({name: _dump(tree) for name, tree in trees.items()})


@cache
def _dump(tree: ast.Module) -> str:
    return ast.dump(_without_words(deepcopy(tree)))


def _spec(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ModuleNotFoundError, ValueError):  # a parent does not exist, or the module was made by hand
        return None


def _with_parts(module: str) -> list[str]:
    """The module's name, and for a package also those of all modules in it."""
    spec = _spec(module)
    if spec is None:
        raise ValueError(f"there is no module {module}: what its source decides can't be known")
    found = [module]
    for folder in spec.submodule_search_locations or ():
        for path in sorted(Path(folder).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found.append(".".join([module, *(parts[:-1] if parts[-1] == "__init__" else parts)]))
    return list(dict.fromkeys(found))


def _parse(module: str) -> ast.Module:
    """A module's syntax tree. A compiled module gives a tree with its bytes as the only constant. A folder without a
    file of its own gives an empty tree.

    Raises ValueError: there is no source.
    """
    spec = _spec(module)
    if spec is not None and spec.submodule_search_locations is not None and not spec.has_location:
        return ast.Module(body=[], type_ignores=[])
    if spec is None or spec.origin is None or not spec.has_location:
        raise ValueError(f"the module {module} has no source: what it decides can't be known")
    if spec.origin.endswith(".py"):
        return _tree(Path(spec.origin).read_text(encoding="utf-8"))
    return ast.Module(body=[ast.Expr(ast.Constant(Path(spec.origin).read_bytes()))], type_ignores=[])


@cache
def _tree(text: str) -> ast.Module:
    tree: ast.Module = _WithoutTypes().visit(ast.parse(text))
    return tree


class _WithoutTypes(ast.NodeTransformer):
    """Leaves out the code that only type checkers read."""

    def visit_If(self, node: ast.If) -> Any:
        """Replace ``if TYPE_CHECKING`` by its other branch."""
        match node.test:
            case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
                return node.orelse
        return self.generic_visit(node)


def _imports(tree: ast.Module, module: str, own: tuple[str, ...]) -> Iterator[str]:
    """The full names of the modules that a module imports, and of the packages around those of its own project."""
    spec = _spec(module)
    is_package = spec is not None and spec.submodule_search_locations is not None
    package = module if is_package else module.rpartition(".")[0]
    for name in _imported(tree, package, own):
        yield name
        if name.partition(".")[0] == own[0] != "bench":
            yield from accumulate(name.split(".")[:-1], lambda *parts: ".".join(parts))


def _imported(tree: ast.Module, package: str, own: tuple[str, ...]) -> Iterator[str]:
    for node in _import_statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if base.partition(".")[0] in own and _holds(base, alias.name) else base


@cache
def _import_statements(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def _holds(package: str, name: str) -> bool:
    """Whether a package has a module of that name. The disk is searched, since importlib would import the parent."""
    spec = _spec(package)
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    files = [f"{name}{suffix}" for suffix in all_suffixes()] + [f"{name}/__init__.py"]
    return any((folder / file).is_file() for folder in folders for file in files)


def _without_words(tree: ast.Module) -> ast.Module:
    """The module without the parts that decide nothing: docstrings, and the printed names of classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
        if isinstance(node, ast.ClassDef):
            node.body = [statement for statement in node.body if not _is_a_name(statement)]
    return tree


def _is_a_name(statement: ast.stmt) -> bool:
    """Whether a statement of a class defines its printed label or family, by a text or by a property."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str())):
            return name in PRINTED
        case ast.FunctionDef(name=name, decorator_list=[ast.Name(id="property")]):
            return name in PRINTED
    return False


def _versions(libraries: Iterable[str]) -> dict[str, str]:
    """The versions of the distributions that provide these modules."""
    tops = {name.partition(".")[0] for name in libraries}
    known = providers() if tops else {}
    return {name: version_of(name) for top in sorted(tops) for name in sorted(set(known.get(top, ())))}
