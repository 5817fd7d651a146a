"""``site``: the reports of a results folder as a folder of pages."""

import errno
import json
import shutil
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest

from bench.report.findings import findings
from bench.report.numerals import significant
from bench.report.page.assemble import FORMAT
from bench.report.site import build
from bench.report.site.addresses import method_address, report_address
from bench.report.site.build import build_site, check_site
from bench.report.site.methods import MOST_SERIES, MethodPage, Part, Point, chart_data
from bench.report.tables import complete
from bench.system.files import DiskFull
from bench.system.wording import one_line
from tests.bench.pages import read
from tests.bench.report.page import made
from tests.conftest import PLUGINS, bench

HOSTILE = "<script>alert(1)</script> &amp; {{ x }} @@DATA@@ \"q\" 'a' #?%2e"
NAMED = HOSTILE.replace("/", "|")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two grids on three data sets, one of them with names that mean something to HTML, URLs and templates."""
    out = tmp_path_factory.mktemp("out") / "results"
    searches = pd.concat([made.searches(), made.failures()], ignore_index=True)
    made.write(searches, out / "ann" / "clusters")
    hostile = made.searches(3, ("linear_scan", "hnswlib"), NAMED, seed=5).assign(reason=None)
    hostile.loc[1, ["setting", "query_setting"]] = HOSTILE
    made.write(hostile, out / NAMED / NAMED, made.PARETO)
    made.write(pd.concat([searches, hostile], ignore_index=True), out / "ann")
    made.write(made.rankings(), out / "hashing_small" / "birds", made.CODES)
    return out


@pytest.fixture(scope="module")
def built(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "site"
    build_site(results, folder, print)
    return folder


def pages(folder):
    return sorted(folder.rglob("*.html"))


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_link_leads_to_a_file_of_the_site_and_to_an_element_in_it(built):
    for path in pages(built):
        for link in read(path).links:
            parts = urlsplit(link)
            assert not parts.scheme and not parts.netloc and not parts.path.startswith("/"), link
            there = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            assert there.is_file() and there.is_relative_to(built.resolve()), (path, link)
            if parts.fragment and "=" not in parts.fragment:
                assert parts.fragment in read(there).ids, (path, link)


def test_every_page_is_reached_from_the_index(built):
    left, seen = [built / "index.html"], set()
    while left:
        path = left.pop().resolve()
        if path not in seen and path.suffix == ".html":
            seen.add(path)
            left += [path.parent / unquote(urlsplit(link).path) for link in read(path).links if urlsplit(link).path]
    assert seen == {path.resolve() for path in pages(built)}


def test_plotly_and_the_scripts_are_stored_once(built):
    sizes = {path.relative_to(built).as_posix(): path.stat().st_size for path in built.rglob("*") if path.is_file()}
    assert [name for name, size in sizes.items() if size > 1e6] == ["assets/plotly.js"]
    for path in pages(built):
        page = read(path)
        inline = [
            s for s, (_, a) in zip(page.scripts, (e for e in page.elements if e[0] == "script"), strict=True) if s
        ]
        assert len(inline) <= 1 and "style" not in page.names
        assert "'unsafe-inline'" not in page.policy.split("script-src")[1] and "http" not in page.policy


def test_names_stay_text_on_every_page(built):
    for path in pages(built):
        page = read(path)
        assert not page.handlers and "img" not in page.names
        assert all(a.get("src") or a.get("type") == "application/json" for t, a in page.elements if t == "script")
    assert NAMED in read(built / "index.html").shown
    assert " ".join(HOSTILE.split()) in read(built / method_address("index", "hnswlib")).shown


def test_the_index_counts_cells_as_pandas_does(built, results):
    shown = read(built / "index.html").shown
    for table in results.glob("*/*/cells.csv"):
        cells = pd.read_csv(table)
        assert f"{(cells['status'] == 'ok').sum()} of {len(cells)} finished" in shown
    endings = "1 failed; 1 left out as dominated; 1 not yet run; 1 ran out of memory; 1 ran out of time; 1 skipped"
    assert endings in shown
    assert "25 November 2026." in shown and "Some processor, 2 cores, 23 GiB." in shown


@pytest.mark.parametrize(("cells", "grid"), [
    (pd.concat([made.searches(), made.failures()], ignore_index=True), made.PARETO), (made.rankings(), made.CODES),
])  # fmt: skip
def test_the_index_says_what_a_run_ends_with(cells, grid, built):
    shown = read(built / "index.html").shown
    sentences = findings(complete(cells, grid), grid)
    assert sentences and all(sentence in shown for sentence in sentences)


def rows_of(page, dataset):
    """The fields of a method's table for a data set."""
    text = page.text.split(f">{dataset}</h2>")[1].split("</tbody>")[0]
    return text.count("<tr") - 1


@pytest.mark.parametrize("index", list(made.INDEXES))
def test_the_page_of_an_index_has_all_its_results(index, built, results):
    page = read(built / method_address("index", index))
    for table in results.glob("*/*/cells.csv"):
        cells = pd.read_csv(table)
        if "index" not in cells or not (own := cells[cells["index"] == index]).size:
            continue
        heading = cells["dataset"].iloc[0]
        assert heading in page.shown
        if heading == "clusters":
            assert rows_of(page, heading) == len(own)
    assert "Some processor" in page.shown and "25 November 2026" in page.shown


@pytest.mark.parametrize("hasher", list(made.HASHERS))
def test_the_page_of_a_hasher_has_a_row_for_each_length(hasher, built, results):
    cells = pd.read_csv(results / "hashing_small" / "birds" / "cells.csv")
    page = read(built / method_address("hasher", hasher))
    assert rows_of(page, "birds") == cells.loc[cells["hasher"] == hasher, "bits"].nunique()
    numbers = [float(a["data-number"]) for t, a in page.elements if t == "td" and "data-number" in a]
    means = cells[cells["hasher"] == hasher].groupby("bits")["map"].mean()
    assert all(any(number == pytest.approx(mean) for number in numbers) for mean in means)


def test_a_method_leads_to_itself_in_each_report(built):
    page = read(built / method_address("index", "scann"))
    [link] = [one for one in page.links if "reports/ann/clusters" in one]
    data = read(built / report_address("ann", "clusters")).data
    ids = [one["id"] for one in data["sets"][0]["methods"] if one["index"] == "scann"]
    assert urlsplit(link).fragment == f"set=clusters&selected={ids[0]}"


def test_reports_hold_the_same_data_as_the_single_files(built, results):
    for page in results.glob("*/*/report.html"):
        address = report_address(page.parent.parent.name, page.parent.name)
        assert read(built / address).data == read(page).data


def test_tables_can_be_downloaded(built, results):
    for table in results.glob("*/*/cells.csv"):
        address = report_address(table.parent.parent.name, table.parent.name).replace(".html", "-cells.csv")
        pd.testing.assert_frame_equal(pd.read_csv(built / address), pd.read_csv(table))


def test_no_folder_of_anybody_is_published(tmp_path):
    cells = made.failures().assign(reason="OSError: '/home/jdoe 42/data/x.npy' and /home/jdoe42/y z", seed=0)
    cells.loc[0, "setting"] = cells.loc[0, "query_setting"] = "weights = /home/jdoe42/w.npy"
    made.write(cells, tmp_path / "out" / "ann" / "clusters")
    build_site(tmp_path / "out", tmp_path / "site", print)
    for name, content in contents(tmp_path / "site").items():
        assert name == "assets/plotly.js" or not any(
            one in content for one in (b"jdoe 42", b"jdoe42/", str(tmp_path).encode())
        )


@pytest.mark.long
def test_the_same_results_make_the_same_site(results, built, tmp_path):
    build_site(results, tmp_path / "again", print)
    assert contents(tmp_path / "again") == contents(built)


@pytest.mark.long
def test_an_earlier_site_is_replaced_by_the_whole_new_one(results, built, tmp_path):
    folder = tmp_path / "site"
    shutil.copytree(built, folder)
    for path in (results / "hashing_small", results / "ann"):
        shutil.copytree(path, tmp_path / "out" / path.name)
    shutil.rmtree(tmp_path / "out" / "hashing_small")
    check_site(tmp_path / "out", folder)
    build_site(tmp_path / "out", folder, print)
    assert not (folder / "reports" / "hashing_small").exists() and (folder / "reports" / "ann.html").is_file()
    assert not list(tmp_path.glob(".tmp-*"))


def test_an_earlier_site_stands_as_it_was_where_the_new_one_does_not_fit(results, built, tmp_path, monkeypatch):
    folder = tmp_path / "site"
    shutil.copytree(built, folder)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(build, "page_text", full)
    with pytest.raises(DiskFull):
        build_site(results, folder, print)
    assert contents(folder) == contents(built) and not list(tmp_path.glob(".tmp-*"))


def refused(done, *words):
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize(("name", "words"), [
    ("full", "no site"), ("full/x.txt", "no folder"), ("out", "results"), ("out/site", "results"), (".", "results"),
    ("full/x.txt/inside", "can't be written"), ("n" * 256, "can't be written"), ("changed", "did not write"),
    ("marked", "no site"),
])  # fmt: skip
def test_a_folder_that_is_not_its_own_is_left_alone(name, words, results, built, tmp_path):
    shutil.copytree(results / "hashing_small", tmp_path / "out" / "hashing_small")
    shutil.copytree(built, tmp_path / "changed")
    (tmp_path / "changed" / "CNAME").write_text("example.org")
    for folder, file, text in (("full", "x.txt", "kept"), ("marked", "site.json", '{"site": "other"}')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text(text)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=words):
        check_site(tmp_path / "out", tmp_path / name)
    assert contents(tmp_path) == before


def test_what_is_refused_is_a_line(results, tmp_path):
    (tmp_path / "x.txt").write_text("kept")
    refused(bench("site", "--out", results, tmp_path), "holds 'x.txt' and is no site")
    assert contents(tmp_path) == {"x.txt": b"kept"}


@pytest.mark.long
def test_an_empty_folder_and_a_link_to_one_are_filled(results, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    check_site(results, tmp_path / "link")
    build_site(results, tmp_path / "link", print)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "empty" / "index.html").is_file()


@pytest.mark.long
def test_without_results_a_line_says_what_is_expected(tmp_path):
    (tmp_path / "out").mkdir()
    refused(bench("site", "--out", tmp_path / "out", tmp_path / "site"), "no report", "run --out")
    refused(bench("site", "--out", tmp_path / "nothing", tmp_path / "site"), "--out", "no folder")
    assert not (tmp_path / "site").exists()


@pytest.mark.long
@pytest.mark.parametrize("damage", [
    lambda page, text: page.write_text(text.replace('"rows":', '"lost":').replace('"sets":[', '"sets":[7,')),
    lambda page, text: page.write_text(text.replace('id="data">{', 'id="data">')),
    lambda page, text: page.write_text(text.replace('id="data">{', f'id="data">{"[" * 100_000}{{')),
    lambda page, text: page.write_text(text[: text.index('id="data">') + 100]),
    lambda page, text: page.write_text(text.replace(f'"format":{FORMAT}', '"format":99')),
    lambda page, text: page.write_bytes(b"\xff\xfe\x00"),
    lambda page, text: page.unlink(),
])  # fmt: skip
def test_a_report_that_can_not_be_read_is_a_line_and_the_others_are_there(damage, results, tmp_path):
    for grid in ("hashing_small", "ann"):
        shutil.copytree(results / grid, tmp_path / "out" / grid)
    page = tmp_path / "out" / "ann" / "clusters" / "report.html"
    damage(page, page.read_text())
    said = []
    build_site(tmp_path / "out", tmp_path / "site", said.append)
    assert len(said) == 1 and "clusters" in said[0] and "\n" not in one_line(said[0])
    index = read(tmp_path / "site" / "index.html")
    assert "ann on clusters" in index.shown and "reports/ann/clusters.html" not in index.links
    assert "reports/hashing_small/birds.html" in index.links and str(tmp_path) not in index.text


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\n", b"", b"k,map\nmany,high\n", b"protocol,index,status\nx,y,ok\n"])
def test_a_table_that_somebody_wrote_into_is_a_line_and_the_report_is_there(content, results, tmp_path):
    shutil.copytree(results / "hashing_small", tmp_path / "out" / "hashing_small")
    (tmp_path / "out" / "hashing_small" / "birds" / "cells.csv").write_bytes(content)
    said = []
    build_site(tmp_path / "out", tmp_path / "site", said.append)
    assert len(said) <= 1 and all("cells.csv" in line for line in said)
    assert (tmp_path / "site" / report_address("hashing_small", "birds")).is_file()


@pytest.mark.long
def test_reports_of_one_cell_of_failures_alone_and_of_nothing_run_are_told_truly(tmp_path):
    made.write(made.searches(methods=("linear_scan",)), tmp_path / "out" / "one" / "clusters")
    made.write(made.failures(), tmp_path / "out" / "failed" / "clusters")
    made.write(made.failures().tail(1), tmp_path / "out" / "pending" / "clusters")
    build_site(tmp_path / "out", tmp_path / "site", print)
    shown = read(tmp_path / "site" / "index.html").shown
    assert "1 of 1 finished" in shown and "0 of 6 finished" in shown and "0 of 1 finished; 1 not yet run" in shown


@pytest.mark.long
def test_without_plotly_a_line_says_what_brings_it(results, tmp_path):
    (tmp_path / "stub" / "plotly").mkdir(parents=True)
    (tmp_path / "stub" / "plotly" / "__init__.py").write_text("raise ImportError('not here')")
    done = bench("site", "--out", results, tmp_path / "site", path=(tmp_path / "stub", PLUGINS))
    refused(done, "pip install plotly")
    assert not (tmp_path / "site").exists()


@pytest.mark.long
def test_a_run_becomes_a_site_when_its_data_and_cache_are_gone(small_grid, vectors_dir, tmp_path):
    data, cache, out = tmp_path / "data", tmp_path / "cache", tmp_path / "results"
    shutil.copytree(vectors_dir, data)
    where = ("--data-dir", data, "--cache-dir", cache, "--out", out)
    done = bench("run", "--in-process", "--grid", small_grid, *where)
    assert done.returncode == 0, done.stderr
    for folder in (data, cache):
        shutil.rmtree(folder)
    done = bench("site", "--out", out, tmp_path / "site")
    assert done.returncode == 0 and f"wrote {tmp_path / 'site' / 'index.html'}: 1 report, " in done.stdout, done.stderr
    index = read(tmp_path / "site" / "index.html")
    assert "A small grid" in index.shown and "5 of 5 finished" in index.shown
    marked = json.loads((tmp_path / "site" / "site.json").read_text())["files"]
    assert set(marked) == set(contents(tmp_path / "site")) and all(PurePosixPath(one).parts for one in marked)
    assert str(tmp_path).encode() not in b"".join(contents(tmp_path / "site").values())
    assert Path(tmp_path / "site" / method_address("hasher", "toy_signs")).is_file()


def page_of_method(*points, reports=1):
    parts = [
        Part(
            f"set {at}",
            "grid",
            "address",
            "",
            (),
            (),
            (),
            tuple(Point(name, "", 1.0, None, None, None, "", {}) for name in points),
        )
        for at in range(reports)
    ]
    return MethodPage("index", "hash_tables", parts)


def test_the_chart_tells_variants_of_a_method_apart_and_reports_where_variants_are_too_many():
    def names(page):
        return [one["name"] for one in chart_data(page)["series"]]

    assert names(page_of_method("L = 8", "L = 16", "L = 8")) == ["L = 8", "L = 16"]
    assert names(page_of_method("L = 8")) == ["set 0: grid"]
    assert names(page_of_method("L = 8", "L = 16", reports=2))[::3] == ["set 0: grid: L = 8", "set 1: grid: L = 16"]
    assert names(page_of_method(*map(str, range(MOST_SERIES + 1)))) == ["set 0: grid"]


def test_an_interval_that_says_nothing_is_not_printed_or_drawn(tmp_path):
    cells = made.searches(1, ("faiss", "hnswlib"))
    cells[["throughput_qps_low", "latency_ms_low"]], cells[["throughput_qps_high", "latency_ms_high"]] = 0.083, 7.1e10
    made.write(cells, tmp_path / "out" / "ann" / "clusters")
    build_site(tmp_path / "out", tmp_path / "site", print)
    page = read(tmp_path / "site" / method_address("index", "hnswlib"))
    assert page.shown.count("too few replicates") == 2 and "71,000,000,000" not in page.shown
    assert '"low": null' in page.text.replace('":null', '": null')


def test_a_time_of_a_method_has_its_interval_and_a_quality_three_decimals(built):
    page = read(built / method_address("index", "linear_scan"))
    [path] = built.rglob("ann/clusters-cells.csv")
    cells = pd.read_csv(path)
    scan = cells[(cells["index"] == "linear_scan") & (cells["status"] == "ok")].iloc[0]
    low, high = (significant(scan[name]) for name in ("latency_ms_low", "latency_ms_high"))
    assert f"{low} to {high}" in page.shown and "1.000" in page.shown and "1.00<" not in page.text
