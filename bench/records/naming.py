"""What the data of a grid are called, in records, tables, folders and figures: one name for one content.

A name is the user's, or else that of the data's folder or file, or of a data set that is itself. In a results folder it
stays with the content that took it first.
"""

from __future__ import annotations

from dataclasses import replace

from bench.stages.pipeline import Pipeline
from bench.store.entries import Store

KIND = "names"


def settled(pipeline: Pipeline, results: Store, take: bool = False) -> Pipeline:
    """The pipeline, with a name that stands for its data alone in the results folder.

    Other data of a name that is taken, as those of a folder whose content has changed, are called NAME-FINGERPRINT,
    and a line says so: the figures of neither are lost or mixed. ``take``: from now on the name stands for these data,
    where it stands for none. A name that was given to data without figures is still free.
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
    return settled(replace(pipeline, grid=replace(pipeline.grid, dataset_name=other)), results, take)
