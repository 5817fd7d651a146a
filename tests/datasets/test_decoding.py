"""Pixels against arithmetic on the arrays that were encoded, or against Pillow's own conversion where that is right."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from datasets.decoding import decode, suffixes

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = COLOURS[..., 0]
ALPHA = RNG.integers(0, 256, (6, 9), dtype=np.uint8)


def encoded(image, form, **more):
    file = io.BytesIO()
    image.save(file, form, **more)
    return file.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(samples, depth, colour, *chunks, width=None):
    """A PNG of the samples [height, width, channels], which Pillow can't write at 16 bits. Below 8 bits the samples are
    the bytes of the rows, and the ``width`` is that of the image.
    """
    height = len(samples)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width or samples.shape[1], height, depth, colour, 0, 0, 0))
    rows = b"".join(b"\0" + row.tobytes() for row in samples.astype(">u2" if depth == 16 else "u1"))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def grey(values):
    return np.repeat(values[..., None], 3, axis=2)


def on_white(colours, alpha):
    share = alpha[..., None].astype(np.float64) / 255
    return colours * share + 255 * (1 - share)


DEEP = RNG.integers(0, 65536, (6, 9, 4), dtype=np.uint16)
UPPER = (DEEP >> 8).astype(np.uint8)
RAMP = np.linspace(0, 1, 54, dtype=np.float32).reshape(6, 9)

DEPTHS = {
    "16-bit grey PNG": (png(DEEP[..., 0], 16, 0), grey(UPPER[..., 0])),
    "16-bit grey PNG with a transparent value": (
        png(DEEP[..., 0], 16, 0, chunk(b"tRNS", struct.pack(">H", DEEP[2, 3, 0]))),
        grey(np.where(DEEP[..., 0] == DEEP[2, 3, 0], 255, UPPER[..., 0])),
    ),
    "16-bit colour PNG": (png(DEEP[..., :3], 16, 2), UPPER[..., :3]),
    "16-bit grey and alpha PNG": (png(DEEP[..., :2], 16, 4), on_white(grey(UPPER[..., 0]), UPPER[..., 1])),
    "16-bit colour and alpha PNG": (png(DEEP, 16, 6), on_white(UPPER[..., :3], UPPER[..., 3])),
    "16-bit TIFF": (encoded(Image.fromarray(DEEP[..., 0]), "TIFF"), grey(UPPER[..., 0])),
    "16-bit TIFF, the other byte order": (
        encoded(Image.fromarray(DEEP[..., 0].astype(">u2")), "TIFF"),
        grey(UPPER[..., 0]),
    ),
    "16-bit PGM": (encoded(Image.fromarray(DEEP[..., 0]), "PPM"), grey(UPPER[..., 0])),
    "32-bit TIFF of 16-bit values": (
        encoded(Image.fromarray(DEEP[..., 0].astype(np.int32)), "TIFF"),
        grey(UPPER[..., 0]),
    ),
    "float TIFF": (encoded(Image.fromarray(RAMP), "TIFF"), grey(RAMP * 255)),
    "1-bit PNG": (encoded(Image.fromarray(GREY > 99), "PNG"), grey(np.where(GREY > 99, 255, 0))),
    "8-bit grey PNG": (encoded(Image.fromarray(GREY), "PNG"), grey(GREY)),
}


@pytest.mark.parametrize("what", DEPTHS)
def test_every_depth_comes_as_the_upper_eight_bits(what):
    content, expected = DEPTHS[what]
    found = decode(content)
    assert found.dtype == np.uint8 and found.shape == expected.shape
    assert np.abs(found - np.asarray(expected, dtype=np.float64)).max() <= 0.51


@pytest.mark.parametrize("values", [DEEP[..., 0], UPPER[..., 0]])
def test_a_tiff_whose_zero_is_white_is_seen_inverted(values):
    black_is_zero = encoded(Image.fromarray(values), "TIFF")
    tag = struct.pack("<HHI", 262, 3, 1)  # photometric interpretation, a short, one value
    assert black_is_zero.count(tag + b"\1\0") == 1
    white_is_zero = black_is_zero.replace(tag + b"\1\0", tag + b"\0\0")
    assert np.array_equal(decode(white_is_zero), 255 - decode(black_is_zero))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0, 65536]], np.int32), "values from 0 to 65536 in a grey image of 32 bits, must lie in 0 to 65535"),
        (np.array([[-1, 5]], np.int32), "values from -1 to 5 "),
        (np.array([[0, 255]], np.float32), "values from 0.0 to 255.0 .* must lie in 0 to 1"),
        (np.array([[0, np.nan]], np.float32), "values from nan to nan "),
    ],
)
def test_grey_whose_white_is_not_known_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        decode(encoded(Image.fromarray(values), "TIFF"))


def test_two_images_of_16_bits_are_two_images_of_8():
    first, second = (decode(encoded(Image.fromarray(DEEP[..., at]), "PNG")) for at in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "TGA", "ICO", "JPEG2000", "AVIF"])
def test_transparent_colours_are_seen_on_white(form):
    image = Image.fromarray(
        np.dstack([np.kron(COLOURS, np.ones((16, 16, 1), np.uint8)), np.kron(ALPHA, np.ones((16, 16), np.uint8))])
    )
    image = image.resize((64, 64)) if form == "ICO" else image
    lossless = {
        "WEBP": {"lossless": True, "exact": True},
        "ICO": {"sizes": [(64, 64)]},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }
    content = encoded(image, form, **lossless.get(form, {}))
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))
    assert np.abs(decode(content) - on_white(pixels[..., :3], pixels[..., 3])).max() <= 1
    assert (decode(content) != pixels[..., :3]).any()


def test_transparency_of_grey_of_a_palette_and_of_one_colour_is_seen_on_white():
    with_alpha = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(ALPHA)))
    assert np.abs(decode(encoded(with_alpha, "PNG")) - on_white(grey(GREY), ALPHA)).max() <= 1
    palette = Image.fromarray(COLOURS).quantize(16)
    places, colours = np.asarray(palette), np.asarray(palette.convert("RGB"))
    for form in ("PNG", "GIF"):
        found = decode(encoded(palette, form, transparency=3))
        assert np.array_equal(found, np.where((places == 3)[..., None], 255, colours))
    several = bytes(range(0, 160, 10))
    expected = on_white(colours, np.frombuffer(several, np.uint8)[places])
    assert np.abs(decode(encoded(palette, "PNG", transparency=several)) - expected).max() <= 1
    for image in (Image.fromarray(COLOURS), Image.fromarray(GREY), Image.fromarray(GREY > 99)):
        seen = np.asarray(image.convert("RGB"))
        key = image.getpixel((4, 2))
        expected = np.where((seen == seen[2, 4]).all(axis=2, keepdims=True), 255, seen)
        assert np.array_equal(decode(encoded(image, "PNG", transparency=key)), expected)


def packed(values, bits):
    """Grey samples of fewer than 8 bits, uint8 [height, width], as the bytes of a PNG's rows [height, bytes, 1]."""
    digits = np.unpackbits(values[..., None], axis=2)[..., 8 - bits :].reshape(len(values), -1)
    return np.packbits(digits, axis=1)[..., None]


def named(*values):
    """The chunk of a PNG that names the transparent value or colour."""
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *map(int, values)))


@pytest.mark.parametrize("above", [0, 0xFF00])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_transparent_value_of_grey_of_any_depth_is_seen_on_white(bits, above):
    values = RNG.integers(0, 2**bits, (6, 9), dtype=np.uint8)
    key = values[2, 3] = max(1, 2**bits - 2)
    said = key if bits == 1 else key + above  # of one bit, Pillow tells no more than whether any bit is set
    seen = values.astype(int) * 255 // (2**bits - 1)
    assert np.array_equal(decode(png(packed(values, bits), bits, 0, width=9)), grey(seen))
    found = decode(png(packed(values, bits), bits, 0, named(said), width=9))
    assert np.array_equal(found, grey(np.where(values == key, 255, seen)))


def adam7(samples):
    """The rows of an interlaced PNG, each with its filter."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [samples[top::down, left::right] for top, left, down, right in passes]
    return b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("interlaced", [False, True])
def test_the_transparent_colour_of_16_bits_is_seen_on_white_and_no_colour_that_differs_in_the_lower_bits(
    interlaced, orientation
):
    deep = DEEP[..., :3].astype(">u2")
    deep[0, 0] = deep[4, 7] = deep[2, 3]
    deep[1, 1] = deep[2, 3] ^ np.array([0, 1, 0], ">u2")
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = png(deep, 16, 2, named(*deep[2, 3]), chunk(b"eXIf", exif.tobytes()[6:]))
    if interlaced:
        header = struct.pack(">IIBBBBB", 9, 6, 16, 2, 0, 0, 1)
        start, more = content[:8] + chunk(b"IHDR", header), content[33 : content.index(b"IDAT") - 4]
        content = start + more + chunk(b"IDAT", zlib.compress(adam7(deep))) + chunk(b"IEND", b"")
    expected = (deep >> 8).astype(np.uint8)
    assert (expected != 255).any(axis=2)[[0, 1, 2, 4], [0, 1, 3, 7]].all()
    for row, column in ((0, 0), (4, 7), (2, 3)):
        expected[row, column] = 255
    assert np.array_equal(decode(content), np.rot90(expected, -1) if orientation == 6 else expected)
    assert np.array_equal(decode(content, reduced=True), decode(content))


TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", TURNED)
def test_exif_orientation_turns_the_image(form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(COLOURS), form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    plain = encoded(Image.fromarray(COLOURS), form, **({"lossless": True} if form == "WEBP" else {}))
    stored = np.asarray(Image.open(io.BytesIO(plain)).convert("RGB"))
    assert np.array_equal(decode(content), TURNED[orientation](stored))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\0\x05"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_data_turn_nothing(form, exif):
    assert decode(encoded(Image.fromarray(COLOURS), form, exif=exif)).shape == COLOURS.shape


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_pictures_the_first_is_seen(form):
    first, second = (Image.fromarray(np.full((6, 9), value, np.uint8)) for value in (30, 200))
    content = encoded(
        first, form, save_all=True, append_images=[second], **({"lossless": True} if form == "WEBP" else {})
    )
    assert np.array_equal(decode(content), np.full((6, 9, 3), 30))


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_inks_come_as_colours(form):
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:8, :, 1] = inks[8:, :, 3] = 255  # magenta above, black below
    found = decode(encoded(Image.frombytes("CMYK", (16, 16), inks.tobytes()), form))
    assert np.abs(found[:7].astype(int) - (255, 0, 255)).max() <= 4 and found[9:].max() <= 4


def test_colours_of_lab_come_as_srgb():
    lab = ImageCms.applyTransform(
        Image.new("RGB", (4, 4), (200, 30, 60)),
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    assert np.abs(decode(encoded(lab, "TIFF")).astype(int) - (200, 30, 60)).max() <= 4


WHOLE = {
    form: encoded(Image.fromarray(np.kron(COLOURS, np.ones((8, 8, 1), np.uint8))), form)
    for form in ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA", "TIFF", "WEBP")
}


@given(st.sampled_from(sorted(WHOLE)), st.floats(0, 1, exclude_max=True))
def test_a_file_that_ends_early_is_refused_or_complete(form, share):
    whole = WHOLE[form]
    part = whole[: int(len(whole) * share)]
    for reduced in (False, True):
        try:
            found = decode(part, reduced=reduced)
        except Exception:
            continue
        assert np.array_equal(found, decode(whole, reduced=reduced))


def test_an_image_too_large_for_memory_is_refused():
    with pytest.raises(Image.DecompressionBombError, match="exceeds limit"):
        decode(chunk_of_a_large_png())


def chunk_of_a_large_png():
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_programs_and_films_and_stubs_are_no_images():
    known = suffixes()
    assert {".png", ".jpg", ".jpe", ".jfif", ".gif", ".tif", ".ppm", ".webp", ".bmp", ".avif", ".jp2"} <= set(known)
    assert not {".eps", ".ps", ".mpg", ".h5", ".hdf", ".wmf", ".pdf", ".txt", ""} & set(known)
    with pytest.raises(Image.UnidentifiedImageError):
        decode(encoded(Image.fromarray(COLOURS), "EPS"))
