"""Helpers of tests about finished runs: their cells as a table, and what damages them."""

from bench.records.frame import frame_of
from bench.report.tables import complete
from bench.report.words import GridInfo

IMAGE_CELLS = """
[[cells]]
embedder = "toy_pixels"
index = "linear_scan"
[[cells]]
embedder = "toy_pixels"
index = "toy_scan"
reach = 12
"""
"""Exact search of images, and one that sees the first twelve of the database alone."""


def tidy(pipeline, results):
    """The cells as they stand in cells.csv."""
    grid = pipeline.grid
    info = GridInfo(grid.name, grid.title, grid.layout, grid.reference, grid.recipe, (), grid.k)
    return complete(frame_of(pipeline, results), info)


def damage(store, kind):
    """Change the last byte of every array of a kind."""
    for path in (store.root / kind).glob("*/*.npy"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(bytes(content))
