"""What the pages say is what the program says: made parts, tables of keys, examples, results and their heads."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import pandas as pd
import pytest

from bench.grids import grid_file
from bench.grids.measure import Measure
from tests.benchmarks import scale
from tests.conftest import CHECKOUT

DOCS = CHECKOUT / "docs"
RESULTS = sorted(path for path in (DOCS / "results").glob("*.md") if path.name != "index.md")


def table_after(text, heading):
    """The rows of the first table below a heading, as lists of texts."""
    lines = text.split(f"\n{heading}\n", 1)[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows[2:]


def test_the_made_parts_of_readme_and_pages_are_up_to_date():
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "docs/make.py", "--check"]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}(python docs/make.py writes them)"


def test_the_columns_of_the_pages_are_columns_of_a_table():
    cells = pd.read_csv(DOCS / "images/supp_table1.csv", nrows=0)
    text = (DOCS / "tables.md").read_text(encoding="utf-8")
    for heading in ("## Quality", "## Time", "## Memory"):
        for first, _ in table_after(text, heading):
            for name in re.findall(r"`(\w+)`", first):
                assert name.replace("_K", "_10") in cells, name


def test_the_keys_of_measure_are_documented_with_their_defaults():
    rows = table_after((DOCS / "grids.md").read_text(encoding="utf-8"), "## Keys of `[measure]`")
    documented = {row[0].strip("`"): json.loads(row[1].strip("`")) for row in rows}
    assert documented == {field.name: field.default for field in dataclasses.fields(Measure)}


def test_the_documented_grid_is_a_grid(tmp_path):
    first, second, *_ = re.findall(r"```toml\n(.*?)```", (DOCS / "grids.md").read_text(encoding="utf-8"), re.DOTALL)
    head = 'title = "Rankings"\ndataset = "synthetic_food101"\nrecipe = "quick"\nrecipes_of = "hashing_small"\n'
    for name, text in (("search", first), ("ranking", head + second)):
        path = tmp_path / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        grid = grid_file.load(str(path))
        assert len(grid.cells) > 1


@pytest.mark.parametrize("page", RESULTS, ids=lambda page: page.stem)
def test_a_page_of_results_is_headed_by_date_machine_data_revision_and_command(page):
    text = page.read_text(encoding="utf-8")
    head = text.split("\n```sh\n")[0]
    assert re.findall(r"^\| (\w+) \| .+ \|$", head, re.MULTILINE) == ["Date", "Machine", "Data", "Revision"]
    command = text.split("\n```sh\n", 1)[1].split("```")[0]
    assert "python -m" in command


def test_every_page_of_results_is_on_the_list():
    listed = re.findall(r"\(([\w-]+\.md)\)", (DOCS / "results/index.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(page.name for page in RESULTS if page.name != "template.md")


def test_the_table_of_costs_against_the_number_of_codes_is_made_from_its_measurements():
    text = (DOCS / "results/scale.md").read_text(encoding="utf-8")
    shown = text.split("<!-- scale -->\n")[1].split("\n<!-- /scale -->")[0]
    rate = float(re.search(r"reads ([\d.]+) GB/s", shown)[1])
    made = scale.report(pd.read_csv(DOCS / "results/scale.csv"), rate * 1e9)

    def without_rounded_shares(table):
        return [line.rsplit("|", 2)[0] if line.startswith("|") else line for line in table.splitlines()]

    assert without_rounded_shares(made) == without_rounded_shares(shown)


def test_the_links_of_readme_lead_to_files_and_headings():
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    for address in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = address.partition("#")
        assert (CHECKOUT / file).is_file(), address
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (CHECKOUT / file).read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings], address
