"""Encoded images to the pixels that an image viewer shows: turned upright, on white if they are transparent."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

NO_PICTURES = frozenset({"EPS", "MPEG"})
"""Formats that Pillow opens and doesn't decode itself: programs for Ghostscript, and films."""

WHITE = {"I": 65535, "I;16": 65535, "I;16B": 65535, "I;16L": 65535, "I;16N": 65535, "F": 1}
"""The value of white in grey images of more than 8 bits, by Pillow's mode; black is 0."""

PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
"""The tag of a TIFF that says what 0 is, and its value for white; Pillow heeds it up to 8 bits."""


DEPTHS = {"1": 1, "L;2": 2, "L;4": 4, "L": 8, "RGB": 8}
"""The bits of a sample of a PNG, by Pillow's name of its raw form; Pillow scales samples up to 8 bits, and not the
transparent one.
"""
DEEP, DEEP_LOWER = "RGB;16B", "RGB;16L"
"""The raw form of colours of 16 bits, of which Pillow keeps the upper 8, and one by which it keeps the lower 8."""


@cache
def suffixes() -> dict[str, str]:
    """The formats that are decoded, by the suffix of their files' names in small letters."""
    from PIL import Image, ImageFile

    def decodes(form: str) -> bool:
        factory: Any = Image.OPEN[form][0] if form in Image.OPEN else None
        stub = isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile)
        return factory is not None and not stub and form not in NO_PICTURES

    return {suffix: form for suffix, form in Image.registered_extensions().items() if decodes(form)}


def decode(content: bytes, *, reduced: bool = False) -> NDArray[np.uint8]:
    """The pixels of an encoded image, uint8 [height, width, 3], RGB; of several pictures the first.

    Grey of 16 bits keeps the upper 8, as Pillow does with colours of 16 bits. Colour profiles are not applied.
    ``reduced`` decodes at an eighth of the size if the format allows it (JPEG), in less than half the time, and reads
    the whole file.

    Raises ValueError: the black and white of a grey image are not known. Pillow's errors on damage pass through.
    """
    from PIL import Image

    with Image.open(BytesIO(content), formats=sorted(set(suffixes().values()))) as opened:
        if reduced:
            opened.draft("RGB", (1, 1))
        raw = opened.tile[0][3] if opened.format == "PNG" and opened.tile else None
        opened.load()
        if raw in DEPTHS:
            _scale_transparent(opened, DEPTHS[raw])
        elif raw == DEEP and "transparency" in opened.info:
            _cut_out(opened, content)
        image = _upright(opened)
        if image.mode in WHITE:
            image = _shallow(image, inverted=getattr(opened, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO)
        if image.has_transparency_data:
            visible = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", visible.size, "white"), visible)
        return np.asarray(image.convert("RGB"))


def _scale_transparent(image: Image, bits: int) -> None:
    """Bring the transparent value of a PNG, if it names one, to the 8 bits of its pixels. Bits above do not count."""
    value, most = image.info.get("transparency"), 2**bits - 1
    if isinstance(value, int):
        image.info["transparency"] = (value & most) * 255 // most
    elif isinstance(value, tuple):
        image.info["transparency"] = tuple(one & most for one in value)


def _cut_out(image: Image, content: bytes) -> None:
    """Make those pixels transparent whose 16-bit colour is the transparent one of a PNG."""
    from PIL import Image

    with Image.open(BytesIO(content), formats=["PNG"]) as again:
        tiles: Any = [(*again.tile[0][:3], DEEP_LOWER)]
        again.tile = tiles
        lower = np.asarray(again).astype(np.uint16)
    colours = np.asarray(image).astype(np.uint16) << 8 | lower
    transparent = (colours == np.array(image.info.pop("transparency"))).all(axis=2)
    image.putalpha(Image.fromarray(np.where(transparent, np.uint8(0), np.uint8(255))))


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF data make their reader raise anything; viewers show such an image as it is
        return image


def _shallow(image: Image, inverted: bool) -> Image:
    """The upper 8 bits of a deeper grey image, ``inverted`` if 0 is white; values beyond black or white are refused."""
    from PIL import Image

    values, white = np.asarray(image), WHITE[image.mode]
    if not ((values >= 0) & (values <= white)).all():
        found = f"values from {values.min()} to {values.max()}"
        raise ValueError(f"{found} in a grey image of {values.itemsize * 8} bits, must lie in 0 to {white}")
    grey = (values * 255 + 0.5 if white == 1 else values >> 8).astype(np.uint8)
    if inverted:
        grey = 255 - grey
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(grey)
