import base64
import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bench.report.page.panels import pictures
from bench.report.page.panels.pictures import Deadline


def decoded(text):
    return Image.open(BytesIO(base64.b64decode(text)))


def test_a_thumbnail_is_a_small_jpeg_of_the_same_picture_and_shape():
    pixels = np.zeros((300, 600, 3), dtype=np.uint8)
    pixels[:, 300:] = 255
    picture = decoded(pictures.thumbnail(pixels))
    assert picture.format == "JPEG" and picture.size == (pictures.SIDE, pictures.SIDE // 2)
    values = np.asarray(picture).astype(int)
    assert values[:, :30].max() < 40 and values[:, -30:].min() > 215


def test_a_small_image_keeps_its_size():
    assert decoded(pictures.thumbnail(np.zeros((8, 5, 3), dtype=np.uint8))).size == (5, 8)


@pytest.mark.parametrize("pixels", [np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_picture_is_refused(pixels):
    with pytest.raises(ValueError, match="no picture"):
        pictures.thumbnail(pixels)


class Images:
    """Grey images, of which the second can't be read; it notes which were asked for."""

    def __init__(self):
        self.read = []

    def __len__(self):
        return 1000

    def __getitem__(self, position):
        self.read.append(position)
        if position == 1:
            raise OSError("damaged")
        return np.full((4, 4, 3), position % 256, dtype=np.uint8)


def test_only_the_items_that_are_asked_for_are_read_and_one_that_cannot_be_is_none():
    images = Images()
    found = pictures.thumbnails({"database": images}, [("database", at) for at in (7, 1, 200)], Deadline.after(60))
    assert images.read == [7, 1, 200]
    assert [one is None for one in found] == [False, True, False]
    assert abs(int(np.asarray(decoded(found[2])).mean()) - 200) <= 2


def test_after_the_deadline_nothing_more_is_read_or_loaded():
    images, over = Images(), Deadline(time.monotonic() - 1)
    assert pictures.thumbnails({"query": images}, [("query", 3)], over) == [None] and images.read == []
    with pytest.raises(TimeoutError, match="longer than"):
        list(over.track(range(3), "loading"))
    assert list(Deadline.after(60).track(range(3), "loading")) == [0, 1, 2]
