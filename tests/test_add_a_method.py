"""The example of docs/add_a_method.md, installed as a package of its own and run."""

import csv
import re
import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT, bench


def block(name: str) -> str:
    """The code block of the document that is named in the comment above it."""
    text = (CHECKOUT / "docs/add_a_method.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {re.escape(name)} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert found is not None, name
    return found[1]


@pytest.mark.long
def test_the_documented_example_is_installed_found_and_run(tmp_path, vectors_dir):
    package, site = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    (package / "my_hasher.py").write_text(block("my_hasher.py"))
    metadata = "[metadata]\nname = my-hasher\nversion = 1\n[options]\npy_modules = my_hasher\n"
    (package / "setup.cfg").write_text(metadata + block("entry_points.txt"))
    (package / "setup.py").write_text("import setuptools\nsetuptools.setup()\n")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", site, package], check=True, capture_output=True)
    grid = tmp_path / "my_grid.toml"
    grid.write_text(block("my_grid.toml"))

    listed = bench("list", path=[site])
    assert "median_lsh" in listed.stdout and "cut at its median" in listed.stdout
    options = ["--data-dir", vectors_dir, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache"]
    ran = bench("run", "--grid", grid, *options, path=[site])
    assert ran.returncode == 0, ran.stderr
    with (tmp_path / "out/my_grid/vectors/cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted((row["hasher"], row["bits"]) for row in rows) == [
        ("lsh", "16"), ("lsh", "32"), ("median_lsh", "16"), ("median_lsh", "32")
    ]  # fmt: skip
    assert all(row["status"] == "ok" and 0.2 < float(row["map"]) <= 1 for row in rows)


def test_the_example_is_about_40_lines():
    assert len(block("my_hasher.py").splitlines()) <= 45
