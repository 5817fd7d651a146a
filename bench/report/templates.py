"""Pages from templates: every text that goes into one is escaped, unless it is marked as HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def rendered(folder: Path, template: str, **values: Any) -> str:
    """The template of a folder with the values in it. jinja2.UndefinedError: it names one that is not given."""
    found = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return found.get_template(template).render(values)
