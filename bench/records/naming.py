"""Gives the data of a grid one name for one content, in records, tables, folders and figures.

`bench.grids.naming` finds the name. In a results folder it stays with the content that took it first.
"""

from __future__ import annotations

from dataclasses import replace

from bench.stages.pipeline import Pipeline
from bench.store.entries import Store

KIND = "names"


def settled(pipeline: Pipeline, results: Store, take: bool = False) -> Pipeline:
    """The pipeline, with a name that means its data alone in the results folder.

    If other data have the name, for instance because a folder's content has changed, these are called NAME-FINGERPRINT
    and a line says so. So no figures are lost or mixed. ``take``: a free name is kept for these data from now on. A
    name that was given to data without figures is still free.
    """
    name, own = pipeline.grid.dataset_name, pipeline.dataset_fingerprint
    meta = {"fingerprint": own, "described": pipeline.grid.dataset.describe()}
    entry = results.once(KIND, name, lambda: (meta, {})) if take else results.find(KIND, name)
    if entry is None or entry.meta["fingerprint"] == own:
        results.touch(KIND, name)
        return pipeline
    other = f"{name}-{own}"
    pipeline.say(
        f"data set {name!r}: in {results.root} this name stands for another content, that of {entry.meta['described']} "
        f"as it was then; the figures of this one go under {other!r} (--name gives it another name)"
    )
    return settled(pipeline.on_grid(replace(pipeline.grid, dataset_name=other)), results, take)
