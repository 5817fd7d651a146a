import dataclasses
import importlib.machinery
import subprocess
import sys

import pytest

from bench.store.identity import digest, source_identity
from bench.store.rooms import ROOMS


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "some_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "a.py").write_text("def f():\n    from some_package import b\n    return b.g()\n")
    (folder / "b.py").write_text("import numpy\n\ndef g():\n    'Says one.'\n    return 1  # one\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "some_package"]:  # those of an earlier test
        del sys.modules[name]
    importlib.invalidate_caches()
    source_identity.cache_clear()
    yield folder
    source_identity.cache_clear()


def identity():
    source_identity.cache_clear()
    return source_identity("some_package.a")


def test_a_change_in_what_a_module_imports_changes_its_identity(package):
    before = identity()
    (package / "b.py").write_text("import numpy\n\ndef g():\n    return 2\n")
    assert identity()["source"] != before["source"]


def test_comments_and_docstrings_do_not_count(package):
    before = identity()
    (package / "b.py").write_text("import numpy\n\n\ndef g():\n    'Says the same.'\n    return 1\n")
    assert identity() == before


NAMED = "class C:\n{}    x = 1\n    def label_of(self):\n        return self.x\n"
LABELLED = NAMED.format("    label = 'C of B'\n    family = 'tree'\n")
PROPERTY = NAMED.format("    @property\n    def family(self):\n        return 'tree'\n")


@pytest.mark.parametrize("source", [LABELLED, PROPERTY], ids=["texts", "property"])
def test_what_a_class_is_called_does_not_count(package, source):
    (package / "b.py").write_text(NAMED.format(""))
    before = identity()
    (package / "b.py").write_text(source)
    assert identity() == before


@pytest.mark.parametrize("change", ["x = 2", "label = 2", "label, x = '', 1", "labels = 'x'"])
def test_whatever_else_a_class_holds_counts(package, change):
    (package / "b.py").write_text(NAMED.format(""))
    before = identity()
    (package / "b.py").write_text(NAMED.format(f"    {change}\n"))
    assert identity() != before


def test_the_libraries_that_are_imported_stand_with_their_versions(package):
    import numpy

    assert identity()["libraries"] == {"numpy": numpy.__version__}


def test_finding_the_identity_of_a_deep_method_does_not_import_torch():
    code = """
import sys
from bench.store.identity import source_identity
found = source_identity("methods.hashing.deep.exchnet")
sys.exit("torch" in sys.modules or "torch" not in found["libraries"])
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_digest_depends_on_values_and_not_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


def test_a_module_that_is_not_there_has_no_identity(package):
    with pytest.raises(ValueError, match=r"no module some_package\.c: what its source decides can't be known"):
        source_identity("some_package.c")
    with pytest.raises(ValueError, match="no module no_such_package"):
        source_identity("no_such_package")


def test_a_package_has_the_identity_of_all_its_modules(package):
    def found():
        source_identity.cache_clear()
        return source_identity("some_package")

    before = found()
    (package / "inner").mkdir()
    (package / "inner" / "c.py").write_text("x = 1\n")
    after = found()
    assert before["source"] != after["source"]
    (package / "inner" / "c.py").write_text("x = 2\n")
    assert found()["source"] != after["source"]


def test_relative_imports_are_followed_also_from_the_package_itself(package):
    (package / "__init__.py").write_text("from .b import g\n")
    (package / "a.py").write_text("from . import g\n")
    before = identity()
    (package / "b.py").write_text("def g():\n    return 2\n")
    assert identity() != before


def test_the_packages_around_an_imported_module_count(package):
    before = identity()
    (package / "__init__.py").write_text("x = 1\n")
    assert identity() != before


def test_imports_for_type_checkers_do_not_count(package):
    before = identity()
    (package / "c.py").write_text("x = 1\n")
    source = (package / "b.py").read_text()
    guarded = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import scipy\n    from some_package.c import x\n"
    )
    (package / "b.py").write_text(guarded + source)
    found = identity()
    assert found["libraries"] == before["libraries"]
    (package / "c.py").write_text("x = 2\n")
    assert identity() == found


def test_an_import_of_the_own_project_that_leads_nowhere_is_passed_over(package):
    (package / "a.py").write_text("try:\n    import some_package.fast\nexcept ImportError:\n    pass\n")
    before = identity()
    (package / "fast.py").write_text("x = 1\n")
    assert identity() != before


def test_a_compiled_module_has_the_identity_of_its_bytes(package):
    (package / "a.py").write_text("from some_package import fast\n")
    compiled = package / f"fast{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    found = []
    for content in (b"one", b"two", b"one"):
        compiled.write_bytes(content)
        importlib.invalidate_caches()
        found.append(identity())
    assert found[0] == found[2] != found[1]


def test_a_plugin_depends_on_the_version_of_the_rooms_that_it_imports_and_not_on_their_source(package, monkeypatch):
    (package / "b.py").write_text("from bench.quality.ranking import mean_average_precision\n")
    before = identity()
    assert before["rooms"] == {room: ROOMS[room].version for room in ("contracts", "given", "metrics")}
    monkeypatch.setitem(ROOMS, "metrics", dataclasses.replace(ROOMS["metrics"], version=-1))
    assert identity()["rooms"] == {**before["rooms"], "metrics": -1} and identity()["source"] == before["source"]
