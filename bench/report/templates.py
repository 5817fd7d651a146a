"""Makes pages from templates. Every text in a page is escaped, unless it is marked as HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def rendered(folder: Path, template: str, **values: Any) -> str:
    """A template of a folder, filled with the values. Raises jinja2.UndefinedError: it names a missing value."""
    found = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return found.get_template(template).render(values)
