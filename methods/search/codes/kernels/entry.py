"""The kernels that Python calls. Its import compiles or loads all of them, so that no timed call ever does."""

from methods.search.codes.kernels.buckets import BUCKET_COST, CHOICE_COST, CODE_COST, JUDGEMENT_SHARE, choose_scan
from methods.search.codes.kernels.cells import scan_cells
from methods.search.codes.kernels.lookup import look_up, look_up_first, look_up_weighted
from methods.search.codes.kernels.scan import scan, scan_distinct
from methods.search.codes.kernels.weighted import scan_weighted

__all__ = [
    "BUCKET_COST",
    "CHOICE_COST",
    "CODE_COST",
    "JUDGEMENT_SHARE",
    "choose_scan",
    "look_up",
    "look_up_first",
    "look_up_weighted",
    "scan",
    "scan_cells",
    "scan_distinct",
    "scan_weighted",
]
