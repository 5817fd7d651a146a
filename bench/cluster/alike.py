"""Whether a worker has the same harness, plugins, libraries and folders as the run, so that all make the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.grids.cells import Grid
from bench.plugins import registry
from bench.plugins.choices import ROLES
from bench.store.identity import room_identity, source_identity
from bench.store.rooms import ROOMS
from bench.system.files import room_for


@dataclass(frozen=True)
class Needed:
    """A plugin of a grid as it is installed: its package with its version, and the identity of its source."""

    kind: registry.Kind
    name: str
    package: str
    version: str
    identity: dict[str, Any]


def needed(plans: Sequence[Grid]) -> list[dict[str, Any]]:
    """What the grids need, as `unlike` takes it.

    Raises ValueError: a plugin is unknown, or its source is not there.
    """
    asked: dict[tuple[registry.Kind, str], None] = {}
    for plan in plans:
        asked[("dataset", plan.dataset.name)] = None
        asked |= {(ROLES[role], choice.name): None for cell in plan.cells for role, choice in cell.choices()}
    return [asdict(_installed(kind, name)) for kind, name in asked]


def harness() -> dict[str, Any]:
    """The rooms of the harness and the libraries that they import, with their versions."""
    return room_identity(*ROOMS)


def unlike(plugins: Iterable[Mapping[str, Any]], rooms: Mapping[str, Any]) -> str | None:
    """The first difference between this machine and what a run ``needed`` and has as its ``harness``; None: there is
    none. It names the package.
    """
    if (told := _differing(rooms, harness(), "the package bench")) is not None:
        return told
    for one in (Needed(**given) for given in plugins):
        package = f"the package {one.package}"
        try:
            here = _installed(one.kind, one.name)
        except ValueError:
            return f"{package} {one.version} with the {one.kind} {one.name!r} is not installed there"
        if (here.package, here.version) != (one.package, one.version):
            found = f"{here.package} {here.version} there, {one.package} {one.version} here"
            return f"the {one.kind} {one.name!r} is of the package {found}"
        if (told := _differing(one.identity, here.identity, package)) is not None:
            return told
    return None


def _differing(ours: Mapping[str, Any], theirs: Mapping[str, Any], package: str) -> str | None:
    for name, version in ours["libraries"].items():
        if theirs["libraries"].get(name) != version:
            found = theirs["libraries"].get(name, "missing")
            return f"the package {name} is {found} there, {version} here"
    return None if dict(ours) == dict(theirs) else f"{package} has another source there than here"


def _installed(kind: registry.Kind, name: str) -> Needed:
    point = registry.find(kind, name)
    package, version = ("bench", "") if point.dist is None else (point.dist.name, point.dist.version)
    return Needed(kind, name, package, version, source_identity(point.module))


@contextmanager
def shared(folders: Iterable[Path]) -> Iterator[dict[str, str]]:
    """A text in a new file in each of the folders, by its path, which a worker reads if it sees the same folders.

    Raises DiskFull.
    """
    tokens = {folder.absolute() / f".cluster-{uuid4().hex}": uuid4().hex for folder in dict.fromkeys(folders)}
    try:
        for path, text in tokens.items():
            with room_for(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        yield {str(path): text for path, text in tokens.items()}
    finally:
        for path in tokens:
            path.unlink(missing_ok=True)


def apart(tokens: Mapping[str, str]) -> str | None:
    """The first folder that this machine does not share with the run that wrote the tokens; None: it shares all."""
    for name, text in tokens.items():
        path = Path(name)
        try:
            same = path.read_text() == text
        except (OSError, ValueError):
            same = False
        if not same:
            return f"the folder {path.parent} is not the same there: share it, or give --remote"
    return None
