"""Writes the page of changes as one self-contained file, whole or not at all."""

from __future__ import annotations

from collections.abc import Collection
from html import escape
from pathlib import Path

from bench.records.compare import Change, summary
from bench.report.changes.payload import payload, sides
from bench.report.page.assemble import embedded, filled, plotly_text, policy_of, script_text, style_text
from bench.store.entries import Store
from bench.system.files import replace_file, write_text

SHARED = ("dom", "files", "state", "theme", "charts", "panels")
SCRIPTS = ("data", "points", "chart", "list", "changes")
FOLDER = Path(__file__).parent


def write_changes(
    path: Path, changes: list[Change], before: Store, after: Store, lost: Collection[Change], lost_means: str
) -> Path:
    """Write the page of ``changes`` between two stores. Returns its path.

    ``lost``: the changes that count as losses; ``lost_means``: their definition, in words.

    Raises ValueError: plotly is missing.
    Raises DiskFull: the page does not fit. An earlier file at ``path`` stays.
    """
    both = sides(before, after)
    script, plotly = scripts(), plotly_text()
    text = filled(
        _own("changes.html"),
        POLICY=policy_of(script, plotly),
        TITLE=escape(f"What changed from {both[0].name} to {both[1].name}"),
        SUMMARY=escape(f"{summary(changes)}."),
        LOSSES=escape(f"{len(lost)} {'loss' if len(lost) == 1 else 'losses'} ({lost_means})."),
        STYLE=f"{style_text('base.css', 'page.css', 'folds.css')}\n{_own('changes.css')}",
        DATA=embedded(payload(changes, *both, lost)),
        SCRIPT=script,
        PLOTLY=plotly,
    )
    replace_file(path, lambda made: write_text(made, text))
    return path


def scripts() -> str:
    """The page's scripts as one, with the scripts that it shares with reports."""
    return "\n".join([script_text(*SHARED), *(_own(f"js/{name}.js") for name in SCRIPTS)])


def _own(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")
