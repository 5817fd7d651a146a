"""Prints the values that users wrote inside messages of one line."""

from __future__ import annotations

from datetime import date, time
from typing import Any

VALUE, MESSAGE = 200, 2000
"""The most characters that are shown of a value and of a message."""


def shown(value: Any) -> str:
    """A value as it was written. A long one is cut."""
    try:
        return one_line(value.isoformat() if isinstance(value, date | time) else repr(value), VALUE)
    except (ValueError, RecursionError):  # Python prints no number of more than 4,300 digits
        return f"a {type(value).__name__} too large to be shown"


def one_line(text: str, limit: int = MESSAGE) -> str:
    """The text with escapes for line breaks and other control characters. A long one is cut."""
    escaped = printable(text[: limit + 1]).replace("\n", r"\n")
    return escaped if len(escaped) <= limit else f"{escaped[:limit]} …"


def printable(text: str) -> str:
    """The text with escapes for characters that a terminal would obey or no encoding has. Line breaks stay."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def encodable(text: str) -> str:
    """The text with escapes for the characters that UTF-8 has no bytes for, such as those that stand for the invalid
    bytes of a path. All others stay.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def is_text(value: str) -> bool:
    """Whether the text can be written in UTF-8. Invalid bytes of a command line become characters that can't."""
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
