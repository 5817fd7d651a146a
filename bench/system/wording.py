"""What users wrote, inside a message of one line."""

from __future__ import annotations

from datetime import date, time
from typing import Any

VALUE, MESSAGE = 200, 2000
"""Characters that are shown of a value, and of a message."""


def shown(value: Any) -> str:
    """A value as it was written, of a long one the beginning."""
    try:
        return one_line(value.isoformat() if isinstance(value, date | time) else repr(value), VALUE)
    except (ValueError, RecursionError):  # Python writes no number of more than 4,300 digits
        return f"a {type(value).__name__} too large to be shown"


def one_line(text: str, limit: int = MESSAGE) -> str:
    """The text with line breaks and other control characters as escapes, of a long one the beginning."""
    escaped = printable(text[: limit + 1]).replace("\n", r"\n")
    return escaped if len(escaped) <= limit else f"{escaped[:limit]} …"


def printable(text: str) -> str:
    """The text with escapes in place of what a terminal would obey or no encoding has; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def is_text(value: str) -> bool:
    """Whether it can be written in UTF-8: bytes of a command line that are none become letters that can't."""
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
