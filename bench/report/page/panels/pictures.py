"""Makes small pictures of some items of a data set for the page, within a time limit."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Images, unheard
from bench.plugins import registry
from bench.stages.pipeline import Pipeline

SIDE = 72
"""The longer side of a picture on the page, in pixels."""
JPEG_QUALITY = 78
SECONDS = 60.0
"""The time limit for loading the data set and all of its pictures together."""

Split = Literal["database", "query"]


@dataclass(frozen=True)
class Deadline:
    """The time, in seconds of ``time.monotonic``, after which nothing is read."""

    ends: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline in so many seconds."""
        return cls(time.monotonic() + seconds)

    def check(self) -> None:
        """Raises TimeoutError: the deadline is over."""
        if time.monotonic() > self.ends:
            raise TimeoutError(f"it takes longer than {SECONDS:g} s")

    def track(self, steps: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        """The ``track`` of a ``Context``: the steps of a data set that is loading, until the deadline."""
        for step in steps:
            self.check()
            yield step


def hold_images(pipeline: Pipeline) -> bool:
    """Whether the items of a pipeline's data set are images. The data set is not loaded."""
    choice = pipeline.grid.dataset
    return bool(registry.build("dataset", choice.name, choice.parameters).content == "images")


def images(pipeline: Pipeline, deadline: Deadline) -> dict[Split, Images]:
    """The images of the database and of the queries. A data set of files has not read them yet.

    Facts that a run found out about them are read from the cache. A data set that can't be read may
    raise any error.

    Raises ValueError: it has no images after all. Raises TimeoutError: the deadline is over.
    """
    context = Context(cache=pipeline.store.root, track=deadline.track, say=unheard)
    dataset = replace(pipeline, context=context, say=unheard).dataset
    found: dict[Split, Images] = {}
    for split in ("database", "query"):
        of_split = dataset.split(split).images
        if of_split is None:
            raise ValueError(f"its {split} items are no images")
        found[split] = of_split
    return found


def thumbnail(pixels: NDArray[np.uint8]) -> str:
    """A picture of at most SIDE pixels a side, as the base64 text of a JPEG file.

    ``pixels`` uint8 [height, width, 3]. A smaller image keeps its size.

    Raises ValueError, TypeError: the pixels are no picture.
    """
    from PIL import Image

    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ValueError(f"{pixels.dtype} {list(pixels.shape)} is no picture; uint8 [height, width, 3] is one")
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((SIDE, SIDE))
    content = BytesIO()
    picture.save(content, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return base64.b64encode(content.getvalue()).decode("ascii")


def thumbnails(found: dict[Split, Images], items: Iterable[tuple[Split, int]], deadline: Deadline) -> list[str | None]:
    """The picture of each item, given by split and position. None if it can't be read in time."""
    return [_readable(found[split], position, deadline) for split, position in items]


def _readable(of_split: Images, position: int, deadline: Deadline) -> str | None:
    try:
        deadline.check()
        return thumbnail(of_split[position])
    except Exception:  # a data set's reader may raise anything for a damaged file
        return None
