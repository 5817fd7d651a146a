"""``--gallery`` of the command line."""

import pytest

from bench.report.page.assemble import read_payload
from tests.conftest import bench
from tests.finished import IMAGE_CELLS


def table(run, images, *more):
    folders = ("--out", run.root / "out", "--cache-dir", run.root / "cache")
    return bench("table", "--grid", run.root / "grid.toml", "--data-dir", images, *folders, *more)


def panels(run):
    (path,) = (run.root / "out" / "grid").glob("*/report.html")
    (data_set,) = read_payload(path)["sets"]
    return data_set["panels"]


@pytest.mark.long
def test_the_page_shows_as_many_queries_as_are_asked_for_and_none_where_that_is_0(finish, image_tree):
    images = image_tree()
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=images)
    done = table(run, images, "--gallery", 3)
    assert done.returncode == 0, done.stderr
    assert sum(len(choice["queries"]) for choice in panels(run)["gallery"]["choices"]) == 3
    assert table(run, images, "--gallery", 0).returncode == 0
    assert "gallery" not in panels(run) and "ecdf" in panels(run)


@pytest.mark.long
@pytest.mark.parametrize("command", ["run", "table"])
@pytest.mark.parametrize("number", ["-1", "100000"])
def test_a_number_of_queries_that_means_nothing_is_refused_in_one_line(
    command, number, small_grid, vectors_dir, tmp_path
):
    folders = ("--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    done = bench(command, "--grid", small_grid, "--data-dir", vectors_dir, *folders, f"--gallery={number}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"--gallery {int(number)}" in done.stderr and "0 (none) to 200" in done.stderr
    assert not (tmp_path / "out").exists()
