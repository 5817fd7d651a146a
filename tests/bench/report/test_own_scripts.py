"""The scripts of the page of changes and of the site, as eslint and node read them together with what they share."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.report.changes import write as changes
from bench.report.page.assemble import script_text
from bench.report.site import build as site
from tests.browser import NODE_MODULES

CONFIG = Path(__file__).parent / "page" / "eslint.config.mjs"
ESLINT = NODE_MODULES / "eslint" / "bin" / "eslint.js"
SCRIPTS = {"changes": changes.scripts, "site": site.scripts}
OWN = sorted(path for one in (changes, site) for path in (one.FOLDER / "js").glob("*.js"))


@pytest.fixture
def node():
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


@pytest.mark.parametrize("page", SCRIPTS)
def test_the_scripts_are_javascript_that_node_can_read(page, node, tmp_path):
    (tmp_path / "page.js").write_text(SCRIPTS[page](), encoding="utf-8")
    done = subprocess.run([node, "--check", tmp_path / "page.js"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", SCRIPTS)
def test_eslint_finds_no_fault_in_the_scripts_together(page, node, tmp_path):
    if not ESLINT.is_file():
        pytest.skip("eslint is not installed (npm install --no-save eslint)")
    (tmp_path / "page.js").write_text(SCRIPTS[page](), encoding="utf-8")
    shutil.copy(CONFIG, tmp_path)
    # Each page takes whole files of those that are shared, and leaves some of their functions unused.
    command = [node, ESLINT, "--rule", "no-unused-vars: off", "page.js"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_script_of_a_page_is_in_it():
    together = "".join(one() for one in SCRIPTS.values())
    assert all(path.read_text("utf-8") in together for path in OWN) and script_text("dom") in together


@pytest.mark.parametrize("path", OWN, ids=lambda path: f"{path.parent.parent.name}/{path.name}")
def test_a_script_says_first_what_it_is_for_is_short_and_reads_no_text_as_markup(path):
    text = path.read_text("utf-8")
    assert text.startswith("// ") and len(text.splitlines()) <= 400 and max(map(len, text.splitlines())) <= 120
    ways = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function")
    assert not any(way in text for way in ways)
