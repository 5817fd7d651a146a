"""An evaluation as lines for a terminal, as JSON and as a page."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from bench.evaluation.evaluate import Evaluation
from bench.report.numerals import difference, percent
from bench.report.templates import rendered
from bench.report.text_layout import Row, Table, fitted, wrapped

FOLDER = Path(__file__).parent
CURVE_POINTS = 12
"""Radii of the curve that a terminal shows at most."""
WIDTH, HEIGHT, MARGIN = 420, 300, 40
"""The chart of a page, in pixels."""
TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)
"""The numbers at both axes of the chart."""


def lines(found: Evaluation, width: int) -> list[str]:
    """The figures in percent, the curve and the remarks, in lines of at most ``width`` columns."""
    labels = "sets of classes" if found.multi_label else "classes"
    head = (
        f"{found.queries:,} queries, {found.database_items:,} database items, {found.bits} bits, labelled by {labels}"
    )
    shown = [*wrapped(head, width), ""]
    for table in tables(found):
        shown += [*fitted(table, width), ""]
    for remark in found.remarks:
        shown += wrapped(f"Note: {remark}.", width, 2)
    return shown if found.remarks else shown[:-1]


def tables(found: Evaluation) -> list[Table]:
    """The figures in percent: mAP, what is among the nearest, and precision over recall by radius."""
    rows = [
        Row("mAP, ties in random order", (percent(found.map),)),
        Row("best order of ties", (percent(found.map_best),), depth=1),
        Row("worst order of ties", (percent(found.map_worst),), depth=1),
        Row("order of the file", (percent(found.map_by_index),), depth=1),
    ]
    if found.map_by_convention is not None:
        listed = "" if found.k is None else f" for {found.k:,} items"
        rows.append(Row(f"mAP as {found.convention} prints it{listed}", (percent(found.map_by_convention),)))
    if found.published is not None:
        own = found.map if found.map_by_convention is None else found.map_by_convention
        beside = f"{percent(found.published)} ({difference(100 * (own - found.published), 100 * own)})"
        rows.append(Row(f"published: {found.reference}", (beside,)))
    rows += [
        Row("precision within radius 2", (percent(found.precision_within_2),)),
        Row("recall within radius 2", (percent(found.recall_within_2),)),
    ]
    made = [Table(("%",), tuple(rows))]
    if found.map_at:
        columns = {"mAP": found.map_at, "P": found.precision_at, "NDCG": found.ndcg_at}
        places = tuple(Row(f"{n:,}", tuple(percent(one[n]) for one in columns.values())) for n in found.map_at)
        made.append(Table(tuple(f"{name}, %" for name in columns), places, corner="nearest"))
    last = len(found.curve["recall"]) - 1
    radii = dict.fromkeys([*range(0, last, max(1, -(-last // CURVE_POINTS))), last])
    curve = zip(found.curve["precision"], found.curve["recall"], strict=True)
    points = [(percent(precision), percent(recall)) for precision, recall in curve]
    made.append(Table(("precision, %", "recall, %"), tuple(Row(str(at), points[at]) for at in radii), corner="radius"))
    return made


def as_json(found: Evaluation) -> str:
    """All figures, as shares of 1."""
    return json.dumps(dataclasses.asdict(found), indent=2)


def as_page(found: Evaluation) -> str:
    """A page with the tables, the curve of precision over recall, and the remarks."""
    spots = zip(found.curve["recall"], found.curve["precision"], strict=True)
    line = " ".join(f"{MARGIN + recall * WIDTH:.1f},{MARGIN + (1 - high) * HEIGHT:.1f}" for recall, high in spots)
    frame = {"width": WIDTH, "height": HEIGHT, "margin": MARGIN, "ticks": TICKS}
    return rendered(FOLDER, "evaluation.html", found=found, tables=tables(found), line=line, **frame)
