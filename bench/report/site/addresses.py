"""Where each page of the site stands: addresses that stay the same, of letters that every host and system takes."""

from __future__ import annotations

import re
from hashlib import blake2b

PLAIN = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")
MOST_LETTERS = 60
INDEX = "index.html"


def safe_name(name: str) -> str:
    """A name for a file or folder: the name itself where it is of small letters, digits, "_" and single "-"; else what
    is left of it, then "--" and a hash of the whole, so that no two names share one, in capital letters or not.
    """
    if PLAIN.fullmatch(name) and len(name) <= MOST_LETTERS:
        return name
    left = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:MOST_LETTERS].strip("-")
    return f"{left}--{blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=5).hexdigest()}"


def report_address(grid: str, dataset: str | None) -> str:
    """The page of a grid on one data set, or of the grid on all of its data sets."""
    return (
        f"reports/{safe_name(grid)}.html" if dataset is None else f"reports/{safe_name(grid)}/{safe_name(dataset)}.html"
    )


def table_address(grid: str, dataset: str | None, table: str) -> str:
    """A table of a report, as a file to download: ``table`` is its file's name."""
    return f"{report_address(grid, dataset).removesuffix('.html')}-{table}"


def method_address(kind: str, name: str) -> str:
    """The page of an index or a hasher."""
    return f"methods/{kind}-{safe_name(name)}.html"


def to_root(address: str) -> str:
    """What leads from a page to the folder of the site, as "../../"; empty for a page that stands in it."""
    return "../" * address.count("/")
