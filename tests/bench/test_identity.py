import importlib
import subprocess
import sys

import pytest

from bench.identity import digest, source_identity


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "some_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "a.py").write_text("def f():\n    from some_package import b\n    return b.g()\n")
    (folder / "b.py").write_text("import numpy\n\ndef g():\n    'Says one.'\n    return 1  # one\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "some_package", raising=False)  # that of an earlier test
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
from bench.identity import source_identity
found = source_identity("methods.hashing.deep.exchnet")
sys.exit("torch" in sys.modules or "torch" not in found["libraries"])
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_digest_depends_on_values_and_not_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
