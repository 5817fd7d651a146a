"""Writes a printed table as a LaTeX document of its own."""

from __future__ import annotations

import re

import pandas as pd


def to_latex(table: pd.DataFrame, words: str, spans: pd.Series) -> str:
    """A document for ``pdflatex`` with the caption and the rows by section. One pass is enough.

    The page is as high as the rows need, and a table wider than the page is scaled down. ``spans`` says of each row
    whether its values, which are all equal, are one that stands once below all headings.
    """
    heads = [name for name in table.columns if name != "section"]
    width, values = len(heads), _values(heads)
    rows = []
    for section, part in table.groupby("section", sort=False):
        rows += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\textbf{{{escape(str(section))}}}}} \\"]
        rows += [
            _latex_row([row[name] for name in heads], values, is_one)
            for (_, row), is_one in zip(part.iterrows(), spans[part.index], strict=True)
        ]
    shown = ["" if name in ("row", "figure") else escape(name) for name in heads]
    height = 70 + 4 * len(rows)
    return "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage[T1]{fontenc}",
            r"\usepackage{textcomp}",
            r"\usepackage[utf8]{inputenc}",
            r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}",
            rf"\usepackage[paperwidth=297mm,paperheight={height}mm,margin=12mm]{{geometry}}",
            r"\usepackage{booktabs,graphicx}",
            r"\newsavebox{\printed}",
            r"\pagestyle{empty}",
            r"\begin{document}",
            r"\footnotesize",
            rf"\noindent {escape(words)}\par\bigskip",
            rf"\sbox{{\printed}}{{\begin{{tabular}}{{{'l' * (width - values)}{'r' * values}}}",
            r"\toprule",
            rf"{' & '.join(shown)} \\",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\noindent\ifdim\wd\printed>\linewidth\resizebox{\linewidth}{!}{\usebox{\printed}}",
            r"\else\usebox{\printed}\fi",
            r"\end{document}",
            "",
        ]
    )


def _values(heads: list[str]) -> int:
    """The number of columns that hold values and not labels."""
    return sum(name not in ("row", "figure") for name in heads)


def _latex_row(fields: list[str], values: int, is_one: bool) -> str:
    shown = [escape(field) for field in fields]
    if values and not any(fields[-values:]):
        shown = [rf"\multicolumn{{{len(fields)}}}{{l}}{{{' '.join(filter(None, shown))}}}"]
    elif values > 1 and is_one:
        shown = [*shown[:-values], rf"\multicolumn{{{values}}}{{c}}{{{shown[-values]}}}"]
    return rf"{' & '.join(shown)} \\"


def escape(words: str) -> str:
    """Plain text as LaTeX on one line. A character that T1 fonts lack becomes a question mark."""
    special = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "×": r"$\times$",
        "−": "$-$",
        "–": "--",
        "—": "---",
        "’": "'",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "`": r"\textasciigrave{}",
        "[": "{[}",
        "*": "{*}",
    } | {character: f"\\{character}" for character in "&%$#_{}"}
    flat = " ".join(words.split())
    # Signs that fonts would join (--, '', ,,) are held apart. [ and * would be read as options of a new row.
    plain = re.sub(r"(?<=[-',])(?=[-',])", "\0", "".join(c if c.isprintable() else "?" for c in flat))
    special["\0"] = "{}"
    return "".join(special.get(character, character if ord(character) < 0x180 else "?") for character in plain)
