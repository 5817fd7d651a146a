"""Which parts may import which: the contracts of setup.cfg, by import-linter."""

from importlinter.cli import lint_imports

from tests.conftest import CHECKOUT


def test_imports_run_one_way(monkeypatch):
    monkeypatch.chdir(CHECKOUT)
    assert lint_imports(config_filename=str(CHECKOUT / "setup.cfg"), no_cache=True) == 0
