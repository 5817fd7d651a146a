"""The one list of columns: the name, unit, better direction and origin of each.

The frame of cells, tables, screen, figures, page, site and ``compare`` read it. A new figure is added here.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Literal

from bench.stages.encoding import SHARED

Kind = Literal["text", "integer", "number"]


@dataclass(frozen=True)
class Column:
    """A column of ``cells.csv``. Name and headings may hold ``{k}``, the number of neighbours.

    A table shows its values times ``scale``, to ``digits`` decimals at least, below its ``heading``. ``brief`` is its
    name where there is little room, and ``said`` its name in a sentence. ``bounds`` are the columns of its interval.
    A column that is compared has a ``better`` direction. If it is ``judged``, it is a quality; if not, it is the median
    of the ``array`` of a record [replicates, ...], or the rate for that median; where one process takes all replicates,
    ``shared`` is the standard deviation between processes of the logarithm. ``reference`` is the column of the
    published value. A difference is shown if the quantity (``compares``) and the data are the same.
    """

    name: str
    kind: Kind = "number"
    heading: str = ""
    brief: str = ""
    said: str = ""
    unit: str = ""
    scale: float = 1.0
    digits: int = 2
    better: Literal["more", "less", ""] = ""
    judged: bool = False
    bounds: tuple[str, ...] = ()
    array: str = ""
    shared: float = 0.0
    reference: str = ""
    compares: bool = True

    @property
    def is_share(self) -> bool:
        """Whether it is shown in percent, and so rounded down."""
        return self.scale == 100

    def at(self, k: int) -> Column:
        """The column for k neighbours."""
        texts = {name: getattr(self, name).format(k=k) for name in ("name", "heading", "brief", "said")}
        return dataclasses.replace(self, **texts)


def _texts(*names: str) -> list[Column]:
    return [Column(name, "text") for name in names]


def _integers(*names: str) -> list[Column]:
    return [Column(name, "integer") for name in names]


def _numbers(*names: str) -> list[Column]:
    return [Column(name) for name in names]


MAP = Column(
    "map",
    heading="mAP, %",
    brief="mAP",
    said="mAP",
    scale=100,
    better="more",
    judged=True,
    reference="reference_map",
)
PRECISION = Column(
    "precision_at_{k}",
    heading="P@{k}, %",
    brief="P@{k}",
    said="P@{k}",
    scale=100,
    better="more",
    judged=True,
    reference="reference_precision_at_10",
)
RECALL = Column(
    "recall_at_{k}",
    heading="Recall@{k}, %",
    brief="recall@{k}",
    said="recall@{k}",
    scale=100,
    better="more",
    judged=True,
)
LATENCY = Column(
    "latency_ms_p50",
    heading="ms a query",
    said="time of a query",
    unit="ms, median",
    better="less",
    bounds=("latency_ms_low", "latency_ms_high"),
    array="latency_ms",
)
MEAN_LATENCY = Column("latency_ms_mean", heading="Mean time of a query, ms", digits=3, reference="reference_ms")
MEDIAN_LATENCY = dataclasses.replace(
    LATENCY, heading="Time of a query, ms", digits=3, reference=MEAN_LATENCY.reference, compares=False
)
THROUGHPUT = Column(
    "throughput_qps",
    heading="queries/s",
    said="batch on all threads",
    unit="queries/s",
    better="more",
    bounds=("throughput_qps_low", "throughput_qps_high"),
    array="batch_ms",
)
ONE_THREAD = Column(
    "throughput_one_thread_qps",
    said="batch on one thread",
    unit="queries/s",
    better="more",
    array="batch_one_thread_ms",
)
BUILD = Column(
    "build_seconds",
    heading="build, s",
    said="build",
    unit="s",
    better="less",
    bounds=("build_seconds_low", "build_seconds_high"),
    array="build_seconds",
)
ENCODING = Column(
    "encode_ms",
    said="encoding",
    unit="ms",
    better="less",
    bounds=("encode_ms_low", "encode_ms_high"),
    array="encode_ms",
    shared=SHARED,
)
TRAINING = Column("fit_seconds", heading="training, s", digits=1)
TRAINER = Column("training_machine", "text")
"""The class of the machine that trained and timed the encoding; of several, their classes with a plus between."""
DISTANCE = Column("fit_codebook_distance", "integer", heading="least distance of the classes' codes, bits")
EQUAL = Column("fit_codebook_equal", "integer", heading="pairs of classes with equal codes")
"""DISTANCE and EQUAL are figures that hashers with a fixed code for each class tell of their fit."""
CONSTANT = Column("constant_bits", "integer", heading="bits that are the same in all database codes")
DISTINCT = Column("distinct_codes", "integer", heading="database codes that differ")
CLASSES = Column("database_classes", "integer", heading="classes in the database")
"""CONSTANT, DISTINCT and CLASSES show codes that collapsed: ``report.reasons.collapses`` says so in words."""
MEMORY = Column("index_bytes", "integer", heading="Memory needed, MB", scale=1e-6, digits=3)
LOAD = Column("load_seconds", heading="load, s")
OVERHEAD = Column("overhead_ms", heading="empty query, ms", digits=3)
DISK = Column("disk_bytes", "integer", heading="disk, MB", scale=1e-6, digits=1)
SERVER_MEMORY = Column("server_bytes", "integer", heading="server, MB", scale=1e-6, digits=1)

COLUMNS = (
    *_texts("dataset", "protocol", "unseen_classes", "embedder"),
    *_integers("dim"),
    *_texts("input", "hasher", "variant"),
    *_integers("bits"),
    *_texts("model", "database_codes", "index", "layer", "rerank"),
    *_integers("candidates"),
    *_texts("setting", "build_setting", "query_setting", "expressions"),
    *_integers("k", "seed"),
    MAP,
    *(
        Column(f"map_{name}", said=f"mAP, {said}", scale=100, better="more", judged=True)
        for name, said in (("best", "ties at best"), ("worst", "ties at worst"), ("by_index", "ties by index"))
    ),
    *_numbers("map_peak"),
    *_integers("map_peak_step"),
    PRECISION,
    Column("ndcg_at_{k}", said="NDCG@{k}", scale=100, better="more", judged=True),
    Column("precision_within_2", said="precision within radius 2", scale=100, better="more", judged=True),
    RECALL,
    *_numbers("complete_share"),
    LATENCY,
    *_numbers(*LATENCY.bounds, "latency_ms_p95", "latency_ms_p99"),
    MEAN_LATENCY,
    THROUGHPUT,
    *_numbers(*THROUGHPUT.bounds, "seconds_all_queries"),
    TRAINING,
    DISTANCE,
    EQUAL,
    CONSTANT,
    DISTINCT,
    CLASSES,
    ENCODING,
    *_numbers(*ENCODING.bounds),
    BUILD,
    *_numbers(*BUILD.bounds),
    *_integers("code_bytes"),
    MEMORY,
    *_integers("paper_bytes"),
    OVERHEAD,
    LOAD,
    DISK,
    SERVER_MEMORY,
    *_numbers("floor_ms", "floor_percent"),
    *_integers("database_items", "queries", "replicates"),
    *_texts("status", "machine", "host", TRAINER.name, "key", "dataset_plugin", "dataset_fingerprint"),
    *_numbers("reference_map", "reference_precision_at_10", "reference_seconds", "reference_ms"),
    *_numbers("reference_bytes_per_item"),
    *_texts("reference_dataset"),
    *_integers("reference_database_items", "reference_queries"),
    *_texts("reference_protocol", "reference_unseen_classes", "reference_compares"),
)
"""The first columns of ``cells.csv``, in their order."""

TEXTS = tuple(column.name for column in COLUMNS if column.kind == "text")
"""The columns that must be read as texts, since names and hashes may consist of digits."""

SHARE = Column(
    "share_of_exact",
    heading="P@{k}, % of exact search",
    brief="P@{k} over exact",
    said="share of exact search’s P@{k}",
    scale=100,
    digits=1,
    better="more",
    judged=True,
)
SPEED_UP = Column("speed_up", heading="Speed-up", reference="reference_speed_up", compares=False)
PAPER_MEMORY = Column(
    "paper_bytes_per_item",
    heading="Memory as the paper counts, bytes an item",
    digits=1,
    reference="reference_bytes_per_item",
)
"""SHARE, SPEED_UP and PAPER_MEMORY are computed from other columns: ``report.tables.complete`` adds them to a frame."""

COMPARED = tuple(column for column in (*COLUMNS, ONE_THREAD) if column.better)
"""The columns of a record that ``compare`` compares."""


def compared(name: str) -> Column:
    """The column of COMPARED that has this name for some number of neighbours, for that number.

    Raises ValueError: there is none.
    """
    for column in COMPARED:
        beginning, _, end = column.name.partition("{k}")
        if found := re.fullmatch(f"{re.escape(beginning)}(\\d*){re.escape(end)}", name):
            return column.at(int(found[1] or 0))
    raise ValueError(f"{name!r} is no figure that is compared: expected one of {[one.name for one in COMPARED]}")
