"""Writes the site as a folder: beside its place, and then renamed, so that it is whole or as it was before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from bench.report.page.assemble import Shared, embedded, page_text, plotly_text, script_text, style_text
from bench.report.provenance import without_paths
from bench.report.site.addresses import INDEX, method_address, report_address, safe_name, table_address, to_root
from bench.report.site.collect import CELLS, Place, Report, places, read
from bench.report.site.methods import MethodPage, chart_data, method_pages
from bench.report.site.overview import Overview, overview, shown_by
from bench.report.templates import rendered
from bench.system.files import publish, room_for, temporary_folder, write_text
from bench.system.places import check_place
from bench.system.wording import printable, shown

FOLDER = Path(__file__).parent
MARK, FORMAT = "site.json", 1
"""The file that marks a folder as a site that this command wrote. It names all other files."""
TABLES = (CELLS, "table.csv")
REPORT_STYLE, REPORT_SCRIPT, PLOTLY = "assets/report.css", "assets/report.js", "assets/plotly.js"
SITE_STYLE, SITE_SCRIPT = "assets/site.css", "assets/site.js"


@dataclass(frozen=True)
class Listed:
    """A report as the index lists it: the addresses of its page, and of its tables by their names.

    ``dataset`` is the name of the data set in the results folder, "" if the report is of several.
    """

    dataset: str
    heading: str
    name: str
    title: str
    address: str
    tables: dict[str, str]
    overview: Overview


@dataclass(frozen=True)
class Built:
    """The written site: its index, and the numbers of pages of reports and of methods."""

    index: Path
    reports: int
    methods: int


def check_site(out: Path, folder: Path) -> None:
    """Check the folders before anything is read.

    Raises ValueError: there is no results folder ``out``, no site can be put at ``folder``, or plotly is missing.
    """
    if not out.is_dir():
        raise ValueError(f"--out {shown(str(out))} is no folder: expected one that `run --out` wrote")
    plotly_text()
    here, results = folder.resolve(), out.resolve()
    if here == results or here in results.parents or results in here.parents:
        raise ValueError(f"{shown(str(folder))} holds, or is in, the results of {shown(str(out))}: give a folder apart")
    check_place(shown(str(folder)), here, "give another folder")
    if here.exists() and (other := _not_ours(here)):
        raise ValueError(f"{shown(str(folder))} {other}: give a new folder, or one that this command wrote")


def build_site(out: Path, folder: Path, say: Callable[[str], None]) -> Built:
    """Write the reports of the results folder ``out`` as a site into ``folder``, in place of an earlier site.

    Neither data nor a cache are needed: pages come from the ``report.html`` of each report. ``say`` gets a line for
    each report that can't be read; the index lists it without a page.

    Raises ValueError: there is no report, or plotly is missing.
    Raises DiskFull: the site doesn't fit. An earlier site stays as it was.
    """
    target = folder.resolve()
    reports, broken = _read_all(out, say)
    with room_for(target), temporary_folder(target) as made:
        methods = _write(made, reports, broken, say)
        files = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
        write_text(made / MARK, json.dumps({"format": FORMAT, "site": "bench", "files": [MARK, *files]}, indent=1))
        publish(made, target)
    return Built(folder / INDEX, len(reports), methods)


def scripts() -> str:
    """The scripts of the index and of the pages of methods as one, with the scripts that they share with reports."""
    own = (_own(f"js/{name}.js") for name in ("tables", "method", "site"))
    return "\n".join([script_text("dom", "state", "theme", "charts", "panels"), *own])


def _read_all(out: Path, say: Callable[[str], None]) -> tuple[list[Report], dict[str, str]]:
    """The reports that can be read, and the reasons why others can't, by their places.

    Raises ValueError: there is no report.
    """
    reports, broken = [], {}
    for place in places(out):
        try:
            reports.append(read(place))
        except ValueError as fault:
            say(str(fault))
            broken[printable(str(place))] = without_paths(printable(str(fault)))
    if not reports:
        raise ValueError(f"{out} holds no report that can be read: expected a folder that `run --out` wrote")
    return reports, broken


def _write(folder: Path, reports: list[Report], broken: dict[str, str], say: Callable[[str], None]) -> int:
    """Write all pages. Returns the number of methods."""
    methods = method_pages(report for report in reports if report.place.dataset is not None)
    _put(folder, PLOTLY, plotly_text())
    _put(folder, REPORT_STYLE, f"{style_text()}\n{_own('report.css')}")
    _put(folder, REPORT_SCRIPT, script_text())
    _put(folder, SITE_STYLE, f"{style_text('base.css', 'page.css', 'folds.css')}\n{_own('site.css')}")
    _put(folder, SITE_SCRIPT, scripts())
    listed = []
    for report in reports:
        tables = dict(_tables(folder, report.place, say))
        listed.append(_listed(report, tables, say))
        _put(folder, listed[-1].address, _report_page(report, methods))
    _put(folder, INDEX, _index_page(listed, methods, broken))
    for page in methods:
        _put(folder, method_address(page.kind, page.name), _method_page(page))
    return len(methods)


def _listed(report: Report, tables: dict[str, str], say: Callable[[str], None]) -> Listed:
    place, payload = report.place, report.payload
    heading = "Several data sets" if place.dataset is None else payload.sets[0].name
    address = report_address(place.grid, place.dataset)
    grid = payload.grid
    shows = shown_by(report, say) if CELLS in tables else []
    return Listed(place.dataset or "", heading, grid.name, grid.title, address, tables, overview(report, shows))


def _tables(folder: Path, place: Place, say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Write the tables of a report, without names of folders in them. Yields their names and addresses."""
    for name in TABLES:
        path = place.folder / name
        if not path.is_file():
            continue
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (ValueError, OSError) as fault:
            say(f"{path} can't be read as a table and is left out: {fault}")
            continue
        address = table_address(place.grid, place.dataset, name)
        _put(folder, address, table.map(without_paths).to_csv(index=False))
        yield name, address


def _report_page(report: Report, methods: list[MethodPage]) -> str:
    address = report_address(report.place.grid, report.place.dataset)
    root = to_root(address)
    used = {(kind, name) for one in report.payload.sets for of in one.methods for kind, name in of.plugins()}
    links = [(page.title, method_address(page.kind, page.name)) for page in methods if (page.kind, page.name) in used]
    navigation = rendered(FOLDER, "navigation.html", root=root, methods=links)
    shared = Shared(root + REPORT_STYLE, root + REPORT_SCRIPT, root + PLOTLY)
    return page_text(report.data, shared, navigation)


def _index_page(listed: list[Listed], methods: list[MethodPage], broken: dict[str, str]) -> str:
    datasets: dict[str, list[Listed]] = {}
    for one in sorted(listed, key=lambda one: (one.dataset == "", one.heading.lower(), one.dataset, one.title)):
        datasets.setdefault(safe_name(one.dataset), []).append(one)
    links = [(page, method_address(page.kind, page.name)) for page in methods]
    return _page(INDEX, "index.html", title="Results", datasets=datasets, methods=links, broken=broken)


def _method_page(page: MethodPage) -> str:
    address = method_address(page.kind, page.name)
    data = Markup(embedded(chart_data(page)))
    return _page(address, "method.html", title=page.title, page=page, data=data, plotly=to_root(address) + PLOTLY)


def _page(address: str, template: str, **values: Any) -> str:
    root = to_root(address)
    shared = {"root": root, "style": root + SITE_STYLE, "script": root + SITE_SCRIPT, "index": root + INDEX}
    return rendered(FOLDER, template, **shared, **values)


def _own(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def _put(folder: Path, address: str, text: str) -> None:
    path = folder / address
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def _not_ours(folder: Path) -> str:
    """The reason why a folder can't be replaced; "" if the folder is empty, or holds only files of this command."""
    if not folder.is_dir():
        return "is no folder"
    first = next(folder.iterdir(), None)
    if first is None:
        return ""
    written = _marked(folder)
    if written is None:
        return f"holds {shown(first.name)} and is no site that this command wrote (--out names the results folder)"
    there = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    }
    other = min(there - written, default="")
    return f"holds {shown(other)}, which this command did not write" if other else ""


def _marked(folder: Path) -> set[str] | None:
    """The files of a folder that is a site. None if it is no site."""
    with suppress(OSError, ValueError, TypeError, LookupError):
        mark = json.loads((folder / MARK).read_text("utf-8"))
        if mark["site"] == "bench":
            return set(mark["files"])
    return None
