"""The scripts of examples/ run as they stand, and what they print is right."""

import os
import re
import subprocess
import sys
import tomllib

import pytest

from tests.conftest import CHECKOUT

pytestmark = pytest.mark.long

EXAMPLES = CHECKOUT / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))


def run(name, *arguments, path=(CHECKOUT,), **variables):
    """The lines that an example prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "COLUMNS": "200", **variables}
    command = [sys.executable, EXAMPLES / name, *arguments]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What the run of the own hasher prints, and its results. Its package is installed, as far as entry points go."""
    folder = tmp_path_factory.mktemp("examples")
    project = tomllib.loads((EXAMPLES / "my_hasher/pyproject.toml").read_text())["project"]
    info = folder / "site/my_hasher-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    texts = (f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in points.items()) for group, points in groups)
    (info / "entry_points.txt").write_text("".join(texts))
    path = (CHECKOUT, info.parent, EXAMPLES / "my_hasher")
    return run("run_my_hasher.py", folder / "out", path=path, XDG_CACHE_HOME=str(folder / "cache")), folder / "out"


def test_the_map_of_codes_is_printed_by_each_convention():
    shares = [float(re.fullmatch(r"mAP@500, \w+: (0\.\d+)", line)[1]) for line in run("map_of_codes.py")]
    assert len(shares) == 3 and all(0.3 < share < 1 for share in shares)


def test_the_recall_of_an_index_grows_to_one_where_it_searches_everything():
    recalls = [float(line.rpartition(" ")[2]) for line in run("recall_of_index.py")]
    assert recalls == sorted(recalls) and recalls[0] < recalls[-1] == 1


def test_the_hasher_of_the_examples_keeps_to_the_contract():
    verdicts = [line.split()[0] for line in run("check_my_hasher.py")]
    assert "ok" in verdicts and set(verdicts) <= {"ok", "skipped"}


def test_the_hasher_of_the_examples_runs_beside_a_built_in_one(ran):
    printed, out = ran
    assert "my_signs" in "\n".join(printed)
    assert (out / "my_grid/clusters/report.html").is_file()


def test_the_results_are_read_as_tables(ran):
    printed = run("read_results.py", ran[1])
    assert f"{ran[1]}/my_grid/clusters {{'ok': 2}}" in printed
    assert [line.split()[0] for line in printed[-2:]] == ["lsh", "my_signs"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_is_short_and_stands_on_the_page(name):
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= 25
    assert f"`examples/{name}`" in (CHECKOUT / "docs/start.md").read_text(encoding="utf-8")
