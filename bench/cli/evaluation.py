"""The command on codes from anywhere: ``evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.endings import plain_errors
from bench.cli.options import A_PATH
from bench.cli.screen import console, print_lines
from bench.cli.usage import whole
from bench.system.places import check_file, default_cache, keep_caches_in, user_path
from bench.system.wording import one_line


def evaluate(
    query: Annotated[
        str | None, typer.Option(metavar="CODES", help="Codes of the queries: FILE, or FILE:VARIABLE.")
    ] = None,
    database: Annotated[str | None, typer.Option(metavar="CODES", help="Codes of the database.")] = None,
    query_labels: Annotated[str | None, typer.Option(metavar="LABELS", help="Labels of the queries.")] = None,
    database_labels: Annotated[str | None, typer.Option(metavar="LABELS", help="Labels of the database.")] = None,
    file: Annotated[Path | None, typer.Option("--file", **A_PATH, help="One file that holds all four.")] = None,
    bits: Annotated[
        int | None,
        whole("--bits", "a whole number of bits", "The number of bits, where they are packed."),
    ] = None,
    at: Annotated[str, typer.Option(metavar="K,K", help="Numbers of neighbours, as in 10,100,1000.")] = "10,100,1000",
    convention: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Also the mAP that a code base prints, as hashnet or deephash_pytorch."),
    ] = None,
    k: Annotated[
        int | None,
        whole("--k", "a whole number of neighbours", "The length of the list of that convention."),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="FIGURE", help="A published mAP beside it, as paper_table2:cub200/exchnet/32.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON, as shares of 1.")] = False,
    html: Annotated[Path | None, typer.Option("--html", **A_PATH, help="Where a page goes.")] = None,
) -> None:
    """Evaluate hash codes from anywhere: mAP, precision, NDCG and the PR curve, with what makes such figures wrong.

    Codes are 0 and 1, -1 and 1, truth values, real values (their signs) or, with --bits, packed uint8 or uint64, in
    .npy, .npz, .mat, .h5, .pt, .csv or .parquet. Labels are class numbers or names, or rows of 0 and 1.
    """
    with plain_errors():
        if html is not None:
            check_file("--html", html)
        keep_caches_in(default_cache())
        from bench.evaluation import text
        from bench.evaluation.evaluate import evaluate as evaluated
        from bench.system.files import replace_file

        given = {"query": query, "database": database, "query_labels": query_labels, "database_labels": database_labels}
        found = evaluated(
            **_sources(given, file), bits=bits, at=_numbers(at), convention=convention, k=k, reference=reference
        )
        if json:
            typer.echo(text.as_json(found))
        else:
            print_lines(text.lines(found, console.table_width))
        if html is not None:
            replace_file(html, lambda made: made.write_text(text.as_page(found), encoding="utf-8"))
            if not json:
                console.print(f"wrote {html}")


def _sources(given: dict[str, str | None], file: Path | None) -> dict[str, str]:
    """The four arrays, as files or variables of one file.

    Raises ValueError: one of them is not named.
    """
    sources = {name: one for name, one in given.items() if one is not None}
    missing = [name for name in given if name not in sources]
    if not missing:
        return sources
    options = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
    if file is None:
        raise ValueError(f"{options} missing: name a file for each, or one --file that holds all four")
    from bench.given.files import NAMES, ONLY, arrays_of, listed

    held = arrays_of(user_path(str(file)))
    if [*held] == [ONLY]:
        raise ValueError(f"--file {file} holds {listed(held)}, and not all four: name a file for each of {options}")
    for name in missing:
        known = [one for one in NAMES[name] if one in held]
        if len(known) != 1:
            option = f"--{name.replace('_', '-')} {file}:NAME"
            raise ValueError(f"{file} holds {listed(held)}: say which is the {name}, by {option}")
        sources[name] = f"{file}:{known[0]}"
    return sources


def _numbers(text: str) -> list[int]:
    """The numbers of ``--at``.

    Raises ValueError: one is no whole number above 0.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isdigit() and 0 < int(word) < 10**9 for word in words):
        raise ValueError(f"--at {one_line(text)}: expected whole numbers above 0 between commas, as in 10,100")
    return [int(word) for word in words]
