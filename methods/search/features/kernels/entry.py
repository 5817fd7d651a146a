"""The kernels that Python calls. Its import compiles or loads all of them, so that no timed call ever does."""

from methods.search.features.kernels.candidates import rerank, rerank_by_products
from methods.search.features.kernels.exact import nearest, nearest_by_products
from methods.search.features.kernels.int8 import ROUNDED_QUERY, ROUNDED_ROW, rerank_int8, round_queries

__all__ = [
    "ROUNDED_QUERY",
    "ROUNDED_ROW",
    "nearest",
    "nearest_by_products",
    "rerank",
    "rerank_by_products",
    "rerank_int8",
    "round_queries",
]
