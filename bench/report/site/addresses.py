"""The addresses of the site's pages. They stay the same, and every host and system takes their letters."""

from __future__ import annotations

import re
from hashlib import blake2b

PLAIN = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")
MOST_LETTERS = 60
INDEX = "index.html"


def safe_name(name: str) -> str:
    """A name for a file or folder: the name itself if it has only small letters, digits, "_" and single "-". From any
    other name these characters are kept, then "--" and a hash of the name, so that no two names share a file.
    """
    if PLAIN.fullmatch(name) and len(name) <= MOST_LETTERS:
        return name
    left = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:MOST_LETTERS].strip("-")
    return f"{left}--{blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=5).hexdigest()}"


def report_address(grid: str, dataset: str | None) -> str:
    """The address of the page of a grid on one data set, or on all of its data sets."""
    return (
        f"reports/{safe_name(grid)}.html" if dataset is None else f"reports/{safe_name(grid)}/{safe_name(dataset)}.html"
    )


def table_address(grid: str, dataset: str | None, table: str) -> str:
    """The address of a table of a report, as a file to download. ``table`` is its file's name."""
    return f"{report_address(grid, dataset).removesuffix('.html')}-{table}"


def method_address(kind: str, name: str) -> str:
    """The address of the page of an index or a hasher."""
    return f"methods/{kind}-{safe_name(name)}.html"


def to_root(address: str) -> str:
    """The relative address of the site's folder from a page, as "../../". Empty for a page in that folder."""
    return "../" * address.count("/")
