"""What a process finds when it wants an entry that another process makes."""

from __future__ import annotations


class Held(Exception):
    """Another process makes the entry now. The message names the entry."""
