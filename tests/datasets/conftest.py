"""Tiny image trees and Parquet files for the tests of the data sets."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image


def encoded(seed, form="PNG", size=(8, 6)):
    """The bytes of a random image, different for every seed; ``size`` is width, height."""
    pixels = np.random.default_rng(seed).integers(0, 256, size=(size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=form)
    return buffer.getvalue()


def pixels_of(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_parquet(path, contents, labels, names=None):
    """A file in the layout of the Hugging Face hub."""
    image = pa.array(
        [{"bytes": content, "path": f"{i}.png"} for i, content in enumerate(contents)],
        type=pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    table = pa.table({"image": image, "label": pa.array(labels, type=pa.int64())})
    if names is not None:
        feature = {"names": list(names), "_type": "ClassLabel"}
        info = {"info": {"features": {"image": {"_type": "Image"}, "label": feature}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(table, path)


@pytest.fixture
def make():
    return SimpleNamespace(encoded=encoded, pixels_of=pixels_of, write=write, write_parquet=write_parquet)
