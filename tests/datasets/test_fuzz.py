"""Files of any content: right values by numpy, Pillow or the text itself, or a ValueError of one line.

BENCH_FUZZ_EXAMPLES sets how many examples each test tries (40), and BENCH_FUZZ_SEED where they start (0).
"""

import io
import os
import struct
from functools import cache

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from PIL import Image, ImageOps

from bench.interfaces import Context
from datasets import inner_product
from datasets.codes import OwnCodes
from datasets.decoding import decode
from datasets.files import checked_hashes
from datasets.hdf5 import HDF5
from datasets.image_folder import ImageFolder
from datasets.parquet import Parquet
from datasets.vectors import Vectors

EXAMPLES = int(os.environ.get("BENCH_FUZZ_EXAMPLES", "40"))
SEED = int(os.environ.get("BENCH_FUZZ_SEED", "0"))
pytestmark = [pytest.mark.filterwarnings("ignore")]
FORMS = (
    "AVIF",
    "BMP",
    "DDS",
    "GIF",
    "ICO",
    "JPEG",
    "JPEG2000",
    "PCX",
    "PNG",
    "PPM",
    "QOI",
    "SGI",
    "TGA",
    "TIFF",
    "WEBP",
)


def fuzzed(**strategies):
    """A test on so many examples, from a seed of its own."""

    def wrap(test):
        limits = settings(max_examples=EXAMPLES, database=None, suppress_health_check=[*HealthCheck], print_blob=True)
        return seed(SEED)(limits(given(**strategies)(test)))

    return wrap


def loaded(dataset):
    """The data set, loaded, or None where a ValueError of one line refuses it."""
    try:
        dataset.fingerprint()
        return dataset.load(Context())
    except ValueError as error:
        assert str(error) and "\n" not in str(error)
        return None


@st.composite
def damaged(draw, whole):
    """A file with some bytes changed, cut out or put in, or with another end."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 8))
        content[at : at + length] = draw(st.binary(max_size=8))
    return bytes(content[: draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


TRAIN = np.arange(60, dtype=np.float64).reshape(20, 3) / 7
TEST = TRAIN[:6] + 0.5
LABELS = {"train_labels": np.arange(20) % 3 * 100, "test_labels": np.arange(6) % 3 * 100}
PARTS = {"train": TRAIN, "test": TEST, **LABELS}
ARRAYS = arrays_of.arrays(
    st.one_of(arrays_of.scalar_dtypes(), st.just(np.dtype("f4")), st.just(np.dtype("?"))),
    st.one_of(st.tuples(st.integers(0, 7), st.just(3)), arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0)),
)


def held(array):
    """What a file of this array is read as: float32 [n, d] or None."""
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "biuf":
        return None
    with np.errstate(over="ignore"):
        vectors = array.astype(np.float32)
    return vectors if np.isfinite(vectors).all() and np.isfinite(array).all() and vectors.shape[1] == 3 else None


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write_npy(folder, parts):
    for name, content in parts.items():
        (folder / f"{name}.npy").write_bytes(content)


@fuzzed(array=ARRAYS, fortran=st.booleans())
def test_an_npy_file_of_any_array_is_read_right_or_refused(folder, array, fortran):
    write_npy(folder, {"train": npy(np.asfortranarray(array) if fortran else array), "test": npy(TEST)})
    for name in LABELS:
        (folder / f"{name}.npy").unlink(missing_ok=True)
    dataset, expected = loaded(Vectors(data_dir=folder)), held(array)
    assert (dataset is None) == (expected is None)
    assert dataset is None or np.array_equal(dataset.split("database").vectors, expected)


@fuzzed(name=st.sampled_from(sorted(PARTS)), data=st.data())
def test_a_damaged_npy_file_is_read_or_refused(folder, name, data):
    parts = {part: npy(array) for part, array in PARTS.items()}
    parts[name] = data.draw(damaged(parts[name]))
    write_npy(folder, parts)
    check_vectors(loaded(Vectors(data_dir=folder)))


def packed(kind, array):
    """A file of the array, row by row with the dimension before each, or once before all."""
    if kind == ".fbin":
        return struct.pack("<II", *array.shape) + array.astype("<f4").tobytes()
    if kind == ".safetensors":
        return safetensors.numpy.save({"x": array})
    if kind == ".fvecs":
        return b"".join(struct.pack("<i", len(row)) + row.astype("<f4").tobytes() for row in array)
    file = io.BytesIO()
    pq.write_table(pa.table({"x": array.tolist()}), file)
    return file.getvalue()


@fuzzed(kind=st.sampled_from([".fvecs", ".fbin", ".safetensors", ".parquet"]), data=st.data())
def test_a_damaged_file_of_vectors_is_read_or_refused(tmp_path_factory, kind, data):
    own = tmp_path_factory.mktemp("damaged")
    (own / f"train{kind}").write_bytes(data.draw(damaged(packed(kind, TRAIN))))
    (own / f"test{kind}").write_bytes(packed(kind, TEST))
    check_vectors(loaded(Vectors(data_dir=own)))


@fuzzed(content=st.binary(max_size=60), kind=st.sampled_from([".fvecs", ".bvecs", ".fbin", ".u8bin", ".npy", ".hdf5"]))
def test_a_file_of_any_bytes_is_read_or_refused_in_one_line(tmp_path_factory, content, kind):
    own = tmp_path_factory.mktemp("any")
    for name in ("train", "test"):
        (own / f"{name}{kind}").write_bytes(content)
    check_vectors(loaded(Vectors(data_dir=own)))


def check_vectors(dataset):
    for split in ("database", "query") if dataset is not None else ():
        items = dataset.split(split)
        if items.vectors is None:
            assert dataset.content == "codes" and len(items.codes) == len(items)
            continue
        assert items.vectors.dtype == np.float32 and np.isfinite(items.vectors).all()
        assert not dataset.classes or 0 <= items.labels.min() <= items.labels.max() < len(dataset.classes)


LABEL_ARRAYS = arrays_of.arrays(st.one_of(arrays_of.integer_dtypes(), arrays_of.unsigned_integer_dtypes()), 20)


@fuzzed(labels=LABEL_ARRAYS)
def test_labels_of_any_integers_name_their_classes_or_are_refused(folder, labels):
    write_npy(folder, {part: npy(array) for part, array in (PARTS | {"train_labels": labels}).items()})
    dataset = loaded(Vectors(data_dir=folder))
    assert (dataset is None) == (int(labels.min()) < 0)
    if dataset is not None:
        named = [dataset.classes[label] for label in dataset.split("database").labels]
        assert named == [str(int(label)) for label in labels]
        assert set(dataset.classes) == {str(int(label)) for label in (*labels, 0, 100, 200)}


def write_hdf5(path, distance, parts):
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = distance
        for name, array in parts.items():
            file[name] = array


@fuzzed(array=ARRAYS, bits=st.one_of(st.none(), st.integers(1, 30)))
def test_an_npy_file_of_any_codes_is_read_right_or_refused(folder, array, bits):
    write_npy(folder, {"query": npy(array), "database": npy(array)})
    dataset = loaded(OwnCodes(data_dir=folder, bits=bits))
    right = array.ndim == 2 and 0 not in array.shape and array.dtype.kind in "bif" and np.isfinite(array).all()
    if right and array.dtype.kind == "i":  # others may be codes that are packed
        right = bool(((array >= -1) & (array <= 1)).all())
    if right and bits in (None, array.shape[-1]):
        ones = array == 1 if ((array == 0) | (array == 1)).all() else array >= 0
        assert np.array_equal(dataset.split("database").codes.unpack() > 0, ones)
    elif array.dtype.kind != "u":
        assert dataset is None
    elif dataset is not None:
        check_codes(dataset.split("database").codes, array)


def check_codes(codes, array):
    """The bits of the codes are the array's, or those that its bytes pack."""
    bits = codes.unpack() > 0
    if codes.bits == array.shape[1]:
        assert np.array_equal(bits, array)
    else:
        packed = np.ascontiguousarray(array).view(np.uint8)
        every = np.unpackbits(packed, axis=1, bitorder="little")
        assert bits.sum() == every.sum() and codes.bits <= every.shape[1]


DISTANCES = ("euclidean", "angular", "cosine", "normalized", "hamming", "ip", "jaccard", "")


@fuzzed(array=ARRAYS, distance=st.one_of(st.sampled_from(DISTANCES), st.text(max_size=5), st.integers(), st.floats()))
def test_an_hdf5_file_of_any_array_and_distance_is_read_right_or_refused(folder, array, distance):
    try:
        write_hdf5(folder / "x.hdf5", distance, {"train": array, "test": (TEST > 1).astype(np.float64)})
    except (TypeError, ValueError, OSError):  # HDF5 has no such type or text
        return
    dataset = loaded(HDF5(data_dir=folder, name="x"))
    check_vectors(dataset)
    if distance == "euclidean":
        assert (dataset is None) == (held(array) is None)
        assert dataset is None or np.array_equal(dataset.split("database").vectors, held(array))
    elif dataset is not None and distance in inner_product.NAMES:
        assert np.array_equal(dataset.split("database").vectors[:, :-1], held(array))
    elif dataset is not None and distance == "hamming":
        check_codes(dataset.split("database").codes, array)
    elif dataset is not None:
        assert distance in ("angular", "cosine", "normalized")
        wide = np.abs(array.astype(np.longdouble)).max(axis=1, keepdims=True)
        rows = array.astype(np.longdouble) / np.where(wide == 0, 1, wide)
        lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
        expected = np.where(wide == 0, 0, rows / np.where(lengths == 0, 1, lengths))
        assert np.abs(dataset.split("database").vectors - expected).max() <= 1e-6


@cache
def whole_hdf5():
    file = io.BytesIO()
    write_hdf5(file, "euclidean", PARTS)
    return file.getvalue()


@fuzzed(content=damaged(whole_hdf5()))
def test_a_damaged_hdf5_file_is_read_or_refused(folder, content):
    (folder / "x.hdf5").write_bytes(content)
    check_vectors(loaded(HDF5(data_dir=folder, name="x")))


PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)


@cache
def encoded(form, at=0):
    file = io.BytesIO()
    Image.fromarray(np.roll(PIXELS[..., :3], at, axis=0)).save(file, form)
    return file.getvalue()


def checked(content):
    """Whether an image passes the check that every image must pass before anything is trained."""
    try:
        next(checked_hashes(lambda _: content, lambda _: "X", 1, Context()))
    except ValueError as error:
        assert str(error).startswith("X: not a readable image (") and "\n" not in str(error)
        return False
    return True


@fuzzed(form=st.sampled_from(FORMS), data=st.data())
def test_a_damaged_image_is_decoded_or_refused_by_the_check(form, data):
    content = data.draw(damaged(encoded(form)))
    if checked(content):
        pixels = decode(content)
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3


MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16")


def shown(content):
    """What Pillow shows of an image of up to 8 bits: turned, and on white, by arithmetic on its own RGBA."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB")).astype(np.float64)
    pixels = np.asarray(image.convert("RGBA")).astype(np.float64)
    return pixels[..., :3] * pixels[..., 3:] / 255 + 255 - pixels[..., 3:]


@fuzzed(
    mode=st.sampled_from(MODES),
    form=st.sampled_from(FORMS),
    size=st.tuples(st.integers(1, 16), st.integers(1, 16)),
    turn=st.integers(0, 9),
    key=st.one_of(st.none(), st.integers(0, 255), st.binary(min_size=1, max_size=256)),
)
def test_an_image_of_any_mode_is_decoded_as_it_is_shown(mode, form, size, turn, key):
    exif = Image.Exif()
    exif[0x0112] = turn
    more = {"exif": exif} | ({} if key is None else {"transparency": key})
    deep = PIXELS[..., :2].copy().view(np.uint16)[..., 0] if mode == "I;16" else None
    image = (Image.fromarray(PIXELS).convert(mode) if deep is None else Image.fromarray(deep)).crop((0, 0, *size))
    file = io.BytesIO()
    try:
        image.save(file, form, **more)
        expected = shown(file.getvalue())
        stored = Image.open(io.BytesIO(file.getvalue())).mode
    except Exception:  # a format that can't hold this image
        return
    assert checked(file.getvalue())
    pixels = decode(file.getvalue())
    assert pixels.shape == expected.shape
    if stored.startswith("I") or stored == "F":
        return
    assert np.abs(pixels - expected).max() <= 1


def whole_parquet(split):
    first = 0 if split == "train" else 8
    images = [{"bytes": encoded("PNG", first + at), "path": None} for at in range(4)]
    file = io.BytesIO()
    pq.write_table(pa.table({"image": images, "label": [0, 7, 7, 0]}), file)
    return file.getvalue()


def write_parquet(folder, **shards):
    for split in ("train", "test"):
        (folder / f"{split}-0.parquet").write_bytes(shards.get(split) or whole_parquet(split))


def test_what_is_damaged_here_is_read_where_it_is_whole(folder):
    write_npy(folder, {part: npy(array) for part, array in PARTS.items()})
    (folder / "x.hdf5").write_bytes(whole_hdf5())
    write_parquet(folder)
    for dataset in (Vectors(data_dir=folder), HDF5(data_dir=folder, name="x"), Parquet(data_dir=folder)):
        assert loaded(dataset) is not None
    assert all(checked(encoded(form)) for form in FORMS)


@fuzzed(content=damaged(whole_parquet("train")))
def test_a_damaged_parquet_file_is_read_or_refused(folder, content):
    write_parquet(folder, train=content)
    dataset = loaded(Parquet(data_dir=folder))
    assert dataset is None or dataset.split("database").images[0].shape[2] == 3


IMAGES = st.one_of(st.none(), st.just(encoded("PNG", 3)), st.binary(max_size=9))
CELLS = {
    "struct": st.fixed_dictionaries(
        {"bytes": IMAGES, "path": st.one_of(st.none(), st.text(max_size=9), st.just("a.png"))}
    ),
    "binary": IMAGES,
    "text": st.one_of(st.none(), st.text(max_size=4)),
    "integer": st.one_of(st.none(), st.integers(-2, 2**63 - 1), st.integers(0, 5)),
    "number": st.floats(),
    "truth": st.booleans(),
}


@fuzzed(image=st.sampled_from(sorted(CELLS)), label=st.sampled_from(sorted(CELLS)), data=st.data())
def test_a_parquet_file_of_any_columns_is_read_right_or_refused(folder, image, label, data):
    rows = data.draw(st.integers(0, 4))
    columns = [data.draw(st.lists(CELLS[kind], min_size=rows, max_size=rows)) for kind in (image, label)]
    (folder / "a.png").write_bytes(encoded("PNG", 5))
    file = io.BytesIO()
    try:
        pq.write_table(pa.table({"image": columns[0], "label": columns[1]}), file)
    except (pa.ArrowException, UnicodeEncodeError):
        return
    write_parquet(folder, test=file.getvalue() if label == "integer" else whole_parquet("test"), train=file.getvalue())
    dataset = loaded(Parquet(data_dir=folder))
    if dataset is not None:
        named = [dataset.classes[at] for at in dataset.split("database").labels]
        assert named == [str(value) for value in columns[1]]


WORD = st.one_of(
    st.sampled_from(["ale", "tea", "x", "day", "1.png", "2.png", "..", ".", "", "/", "train", "test"]),
    st.text(max_size=5),
)
LINE = st.tuples(
    st.lists(WORD, max_size=4), st.sampled_from([" ", "\t", "  ", ""]), st.sampled_from(["train", "test", "val"])
)


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    root = tmp_path_factory.mktemp("animals")
    for at, name in enumerate(f"{a}/{b}{c}.png" for a in ("ale", "tea") for b in ("", "day/", "x/") for c in (1, 2)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded("PNG", at))
    return root


@fuzzed(
    lines=st.lists(LINE, max_size=8),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-16-le"]),
    right=st.booleans(),
)
def test_a_split_file_is_read_right_or_refused(animals, lines, end, encoding, right):
    known = [path.relative_to(animals).as_posix() for path in sorted(animals.rglob("*.png"))]
    texts = [f"{'/'.join(words)}{gap}{part}" for words, gap, part in lines]
    if right:
        texts = [f"{name} {'test' if at % 3 else 'train'}" for at, name in enumerate(known)] + [""] * len(lines)
    try:
        (animals / "split.txt").write_bytes(end.join(texts).encode(encoding))
    except UnicodeEncodeError:
        return
    dataset = loaded(ImageFolder(data_dir=animals, split_file="split.txt"))
    assert not right or encoding == "utf-16-le" or dataset is not None
    if dataset is not None:
        listed = [text.split() for text in texts if text.strip()]
        for split, part in (("database", "train"), ("query", "test")):
            named = [dataset.classes[label] for label in dataset.split(split).labels]
            assert named == [os.path.normpath(words[0]).split("/")[0] for words in listed if words[1] == part]


@fuzzed(content=st.binary(max_size=60))
def test_a_split_file_of_any_bytes_is_refused_in_one_line(animals, content):
    (animals / "split.txt").write_bytes(content)
    assert loaded(ImageFolder(data_dir=animals, split_file="split.txt")) is None
