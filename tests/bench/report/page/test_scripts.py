import shutil
import subprocess
from pathlib import Path

import pytest

from bench.report.numerals import VAGUE
from bench.report.page.assemble import SCRIPTS, files, script_text
from bench.report.words import TOO_FEW
from tests.browser import NODE_MODULES

CONFIG = Path(__file__).with_name("eslint.config.mjs")
ESLINT = NODE_MODULES / "eslint" / "bin" / "eslint.js"
MOST_LINES = 400


@pytest.fixture
def node():
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


def script(name):
    return files("bench.report.page").joinpath("js", f"{name}.js").read_text(encoding="utf-8")


def test_the_scripts_are_javascript_that_node_can_read(node, tmp_path):
    (tmp_path / "page.js").write_text(script_text(), encoding="utf-8")
    done = subprocess.run([node, "--check", tmp_path / "page.js"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_eslint_finds_no_fault_in_the_scripts_together(node, tmp_path):
    if not ESLINT.is_file():
        pytest.skip("eslint is not installed (npm install --no-save eslint)")
    (tmp_path / "page.js").write_text(script_text(), encoding="utf-8")
    shutil.copy(CONFIG, tmp_path)
    done = subprocess.run([node, ESLINT, "page.js"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_calls_the_same_intervals_vague_as_the_tables():
    assert f"const VAGUE = {VAGUE:g};" in script("dom") and f"const TOO_FEW = '{TOO_FEW}';" in script("dom")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_first_what_it_is_for_and_is_short(name):
    lines = script(name).splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize(
    "way", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
)
def test_no_text_is_read_as_markup_or_as_a_program(name, way):
    assert way not in script(name)
