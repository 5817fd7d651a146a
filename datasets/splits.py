"""The Parquet files of a split, in the layouts of the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import NamedTuple

from datasets.files import is_hidden

HOLDING = "train-*.parquet and test-*.parquet"
TESTS = ("test", "validation", "valid", "val", "dev")
"""What a split of queries may be called, the best first."""
DEPTH = 2
"""The hub's CONFIG/SPLIT/0000.parquet lies deepest; a whole disk is never searched."""


class Splits(NamedTuple):
    """The shards of both splits, in order, the name of the second, and the Parquet files beside them of neither."""

    train: list[Path]
    test: list[Path]
    test_name: str
    rest: list[Path]

    def remarks(self, folder: Path) -> list[str]:
        """A remark on the files that are not used, if there are any."""
        rest = [path.relative_to(folder).as_posix() for path in self.rest]
        return [f"Parquet files of the folder that are not used: {len(rest):,}, first {rest[0]}"] if rest else []


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files in a folder and in those of DEPTH levels below, without hidden ones.

    Raises ValueError: a folder can't be read.
    """
    levels = ["*/" * depth + "*.parquet" for depth in range(DEPTH + 1)]
    try:
        return [path for level in levels for path in folder.glob(level) if not is_hidden(path, folder)]
    except OSError as error:
        raise ValueError(f"{folder}: cannot be read ({error.strerror})") from error


def find_splits(folder: Path, train: str, test: str | None) -> Splits:
    """SPLIT-*.parquet, SPLIT.parquet or SPLIT/*.parquet in a folder, or in the only folder in it that has them.

    ``train`` and ``test`` are the names of the splits. Without ``test`` it is the first of TESTS that is there.

    Raises ValueError: a split is not there, or stands in several folders; a name is none.
    """
    for given in (train, TESTS[0] if test is None else test):
        if not re.fullmatch(r"\w[\w.-]*", given):
            raise ValueError(f"{folder}: {given!r} is no name of a split, as train and validation are")
    bases = [folder] if _shards(folder, train) else _below(folder, train)
    if not bases:
        raise ValueError(f"{folder}: no {train}-*.parquet; it must hold {HOLDING}")
    if len(bases) > 1:
        named = ", ".join(base.relative_to(folder).as_posix() for base in bases)
        raise ValueError(f"{folder}: {train}-*.parquet in several folders ({named}); --data-dir must name one of them")
    names: Sequence[str] = TESTS if test is None else (test,)
    name = next((name for name in names if _shards(bases[0], name)), None)
    if name is None:
        wanted = " or ".join(f"{name}-*.parquet" for name in names)
        raise ValueError(f"{bases[0]}: no {wanted}; it must hold {HOLDING}")
    shards, tests = _shards(bases[0], train), _shards(bases[0], name)
    used = [*shards, *tests]
    beside = {path for shard in used for path in shard.parent.glob("*.parquet")}
    return Splits(shards, tests, name, sorted(beside - {*used}))


def _shards(base: Path, split: str) -> list[Path]:
    """The files of a split right in a folder."""
    name = escape(split)
    patterns = (f"{name}.parquet", f"{name}-*.parquet", f"{name}/*.parquet")
    return sorted({path for pattern in patterns for path in base.glob(pattern)})


def _below(folder: Path, split: str) -> list[Path]:
    """The folders below a folder that hold files of a split."""
    near = {base for path in parquet_files(folder) for base in (path.parent, path.parent.parent)}
    return sorted(base for base in near if folder in base.parents and _shards(base, split))
