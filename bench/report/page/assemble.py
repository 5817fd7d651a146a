"""Assembles the page as one file: markup, styles, scripts, plotly's JavaScript, and the data as a block of JSON.

The data are a block that no browser runs, and no character in it ends the block or begins a tag. The page's policy
blocks every network, and allows only the scripts that were written into it here.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from bench.system.files import replace_file

FORMAT = 3
STYLES = ("base.css", "page.css", "panels.css")
SCRIPTS = (
    *("dom", "files", "state", "theme", "charts", "labels", "choose", "looks", "panels"),
    *("headline", "slice", "frame", "hover", "marks", "scatter", "columns", "table", "details", "export"),
    *("parts", "ecdf", "difficulty", "curves", "rankings", "training", "codes", "pictures", "gallery"),
    "main",
)
"""The page's scripts, in the order in which they run, in one scope."""
BLOCK = ('<script type="application/json" id="data">', "</script>")
UNSAFE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:; "
    "style-src {styles}; script-src {scripts}"
)


@dataclass(frozen=True)
class Shared:
    """The relative addresses of the files that a page shares with other pages; "" for none."""

    style: str
    script: str
    plotly: str


def page_text(data: dict[str, Any], shared: Shared | None = None, navigation: str = "") -> str:
    """The page as HTML, with all files that it needs inside, or with the addresses of shared files.

    ``data`` as ``payload.payload`` returns it; ``navigation`` is HTML that stands first. Without plotly the page has no
    charts.
    """
    parts = _inline() if shared is None else _linked(shared)
    parts |= {
        "TITLE": html.escape(data["grid"]["title"].encode(errors="replace").decode()),
        "NAVIGATION": navigation,
        "PANELS": _part("panels.html"),
        "DATA": embedded(data),
    }
    return filled(_part("page.html"), **parts)


def filled(template: str, **parts: str) -> str:
    """A template with the parts in their places ``@@NAME@@``, in one pass: a place named inside a part stays text."""
    return re.sub("@@([A-Z]+)@@", lambda place: parts[place[1]], template)


def embedded(data: Any) -> str:
    """Data as JSON that can stand in a page: plain ASCII, in which no tag begins or ends.

    Raises ValueError: JSON does not have a number of the data.
    """
    return json.dumps(data, allow_nan=False, separators=(",", ":")).translate(UNSAFE)


def read_payload(path: Path) -> dict[str, Any]:
    """The data of a page that ``write_page`` wrote.

    Raises ValueError: the file is no such page, is damaged, or is of another format.
    """
    try:
        _, start, rest = path.read_text(encoding="utf-8").partition(BLOCK[0])
        block, end, _ = rest.partition(BLOCK[1])
        data = json.loads(block) if start and end else None
    except (OSError, ValueError) as fault:
        raise ValueError(f"{path} can't be read as a report: {fault}") from fault
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        made = "`python -m bench run` with the grid of its name makes one"
        raise ValueError(f"{path} is no report of format {FORMAT}, which pages have today: {made}")
    return data


def write_page(data: dict[str, Any], folder: Path, say: Callable[[str], None]) -> Path:
    """Write ``report.html`` into the folder, whole or not at all, and say if its charts are missing."""
    try:
        plotly_text()
    except ValueError as fault:
        say(f"report.html has no charts: {fault}")
    return replace_file(folder / "report.html", lambda path: path.write_text(page_text(data), encoding="utf-8"))


def style_text(*names: str) -> str:
    """All styles of the page, or the named ones."""
    return "\n".join(_part(name) for name in names or STYLES)


def script_text(*names: str) -> str:
    """All of the page's own scripts, or the named ones, as one strict script."""
    return "'use strict';\n" + "\n".join(_part(f"js/{name}.js") for name in names or SCRIPTS)


def plotly_text() -> str:
    """plotly's JavaScript, from its wheel.

    Raises ValueError: plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as fault:
        raise ValueError(f"plotly can't be imported ({fault}); `python -m pip install plotly` brings it") from fault
    return _lines(get_plotlyjs())


def policy_of(*scripts: str) -> str:
    """The policy of a page that may run only these scripts, which are written into it."""
    sums = " ".join(f"'sha256-{b64encode(sha256(one.encode()).digest()).decode()}'" for one in scripts)
    return POLICY.format(styles="'unsafe-inline'", scripts=sums)


def _inline() -> dict[str, str]:
    try:
        plotly = plotly_text()
    except ValueError:
        plotly = ""
    return {
        "POLICY": policy_of(*(script for script in (script_text(), plotly) if script)),
        "STYLE": f"<style>{style_text()}</style>",
        "SCRIPT": f"<script>{script_text()}</script>",
        "PLOTLY": f"<script>{plotly}</script>" if plotly else "",
    }


def _linked(shared: Shared) -> dict[str, str]:
    style, script, plotly = (html.escape(address) for address in (shared.style, shared.script, shared.plotly))
    return {
        "POLICY": POLICY.format(styles="'self' file: 'unsafe-inline'", scripts="'self' file:"),
        "STYLE": f'<link rel="stylesheet" href="{style}">',
        "SCRIPT": f'<script src="{script}" defer></script>',
        "PLOTLY": f'<script src="{plotly}" defer></script>' if plotly else "",
    }


def _part(name: str) -> str:
    return _lines(files("bench.report.page").joinpath(name).read_text(encoding="utf-8"))


def _lines(text: str) -> str:
    """A text with the line ends that a browser makes of all others, so that its hash is that of the script it runs."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
