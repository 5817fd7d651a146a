"""Faults in the files of vectors: each is named in one line, after one reading at most."""

import pickle
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch

from bench.interfaces import Context
from datasets import arrays as arrays_module
from datasets import vector_set
from datasets.vectors import Vectors
from tests.conftest import bench
from tests.vector_files import ARRAYS, WRITERS, with_value, write_fvecs

FLOATS = ("npy", "fvecs", "fbin", "hdf5 float64", "hdf5 float16", "parquet", "parquet, fixed size", "safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", FLOATS)
def test_a_number_that_is_not_finite_is_named_in_every_format(tmp_path, form, value, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 50 * 16 * 4)
    WRITERS[form](tmp_path, with_value("train", 169, 3, value))
    for read in (Vectors.fingerprint, lambda dataset: dataset.load(Context())):
        with pytest.raises(ValueError, match=rf"(base|train|sift).*: {value} at row 169, column 3; must be finite"):
            read(Vectors(data_dir=tmp_path))


@pytest.mark.parametrize("form", FLOATS)
def test_nothing_is_read_twice_to_find_a_fault(tmp_path, form, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 50 * 16 * 4)
    WRITERS[form](tmp_path, with_value("train", 299, 15, np.nan))
    read = []

    def counted(source):
        for first_row, block in arrays_module.blocks(source):
            read.append(len(block))
            yield first_row, block

    monkeypatch.setattr(vector_set, "blocks", counted)
    monkeypatch.setattr(vector_set.Layout, "part", lambda *_: pytest.fail("read again"))
    with pytest.raises(ValueError, match=r"nan at row \d+, column 15"):
        Vectors(data_dir=tmp_path).load(Context())
    assert sum(read) <= 300 + 20 + 20


PICKLE = pickle.dumps(ARRAYS["train"])
PATTERNS = {
    "npy": "train.npy",
    "fvecs": "*base.fvecs",
    "bvecs": "*base.bvecs",
    "fbin": "base*",
    "u8bin": "base*",
    "hdf5 float32": "*.hdf5",
    "parquet": "train*",
    "safetensors": "*.safetensors",
}


@pytest.mark.parametrize("content", [b"", b"\0", b"something else", PICKLE, "shorter", "longer", "folder"])
@pytest.mark.parametrize("form", PATTERNS)
def test_another_file_of_the_name_is_refused_in_one_line_that_names_it(tmp_path, form, content):
    WRITERS[form](tmp_path, ARRAYS)
    path = next(path for path in sorted(tmp_path.rglob(PATTERNS[form])) if path.is_file())
    whole = path.read_bytes()
    path.unlink()
    if content == "folder":
        path.mkdir()
    else:
        path.write_bytes({"shorter": whole[:-5], "longer": whole + b"\0" * 5}.get(content, content))
    for read in (Vectors.fingerprint, lambda dataset: dataset.load(Context())):
        if content == "longer" and form == "hdf5 float32":  # HDF5 says where it ends
            read(Vectors(data_dir=tmp_path))
            continue
        with pytest.raises(ValueError, match=path.name) as refused:
            read(Vectors(data_dir=tmp_path))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("form", "pattern", "change", "message"),
    [
        ("fvecs", "*base*", lambda old: old[:-5], r"20,395 bytes, must be a multiple of 68, .*: it ends in.* row 299"),
        ("fvecs", "*base*", lambda old: PICKLE, r"\d+ as dimension at row 0, must be 1 to .* in a file of"),
        ("fvecs", "*base*", lambda old: b"", "no dimension at row 0, must be 1 to 1 in a file of 0 bytes"),
        (
            "fvecs",
            "*base*",
            lambda old: old[: 68 * 40] + struct.pack("<i7f", 7, *range(7)) + old[68 * 40 :],
            "dimension 7 at row 40, must be 16, as at row 0",
        ),
        (
            "fvecs",
            "*base*",
            lambda old: old[: 68 * 299] + b"\0" * 68,
            "dimension 0 at row 299, must be 16, as at row 0",
        ),
        ("fvecs", "*truth*", lambda old: old[: 64 * 19], r"\[19, 15\], must be neighbours of 20 queries"),
        ("fbin", "base*", lambda old: old[:-4], "19,204 bytes, must be 19,208, as it says 300 vectors of 16 dim"),
        ("fbin", "base*", lambda old: b"123", "3 bytes, must begin with the numbers of vectors and of dimensions"),
        ("fbin", "base*", lambda old: b"\0" * 8, r"\[0, 0\], must hold at least one vector"),
        ("fbin", "GT*", lambda old: old[:-4], "2,404 bytes, must be 1,208 or 2,408, as it says 20 vectors of 15"),
        ("safetensors", "*", lambda old: old[:-4], r"not a readable safetensors file \("),
        ("parquet", "train*", lambda old: old[:-4], r"not a readable Parquet file \("),
        ("npy", "train.npy", lambda old: old[:-4], r"not a readable \.npy file without pickles: 19,324 bytes \("),
    ],
)
def test_a_fault_is_named_with_its_place_its_value_and_what_would_be_right(tmp_path, form, pattern, change, message):
    WRITERS[form](tmp_path, ARRAYS)
    path = next(path for path in sorted(tmp_path.rglob(pattern)) if path.is_file())
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as refused:
        Vectors(data_dir=tmp_path).fingerprint()
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


ROWS = ARRAYS["train"].tolist()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS[:70], ROWS[0][:9], *ROWS], "vector: 9 numbers at row 70, must be 16, as at row 0"),
        ([*ROWS[:70], None, *ROWS], "vector: no vector at row 70, must be 16, as at row 0"),
        ([None, *ROWS], "vector: no vector at row 0"),
        ([*ROWS[:70], [*ROWS[0][:3], None, *ROWS[0][4:]]], "vector: no number at row 70, column 3"),
        ([[], []], r"vector: \[2, 0\], must hold at least one vector"),
        (ROWS[:0], r"vector: \[0, 0\], must hold at least one vector"),
    ],
)
def test_rows_of_a_parquet_file_that_are_no_vectors_of_one_length_are_named(tmp_path, rows, message, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 50 * 16 * 4)
    write_parquet_rows(tmp_path, "train", rows)
    write_parquet_rows(tmp_path, "test", ROWS[:20])
    with pytest.raises(ValueError, match=rf"train\.parquet: {message}"):
        Vectors(data_dir=tmp_path).fingerprint()


def write_parquet_rows(folder, name, rows):
    table = pa.table({"vector": pa.array(rows, pa.list_(pa.float32()))})
    pq.write_table(table, folder / f"{name}.parquet", row_group_size=64)


@pytest.mark.parametrize(("kind", "name"), [(torch.bfloat16, "BF16"), (torch.complex64, "C64")])
def test_a_tensor_of_a_type_that_is_not_read_is_refused(tmp_path, kind, name):
    tensors = {name: torch.from_numpy(ARRAYS[name]).to(kind) for name in ("train", "test")}
    safetensors.torch.save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=rf"a\.safetensors: test: {name}, must be F64, F32, F16, BOOL"):
        Vectors(data_dir=tmp_path).load(Context())


GRID = """
title = "A scan"
dataset = "vectors"
recipe = "none"
[[cells]]
embedder = "identity"
index = "linear_scan"
[recipes.none]
"""


@pytest.mark.long
def test_bad_vectors_end_a_run_with_one_line_and_the_exit_code_2(tmp_path):
    write_fvecs(tmp_path, with_value("train", 7, 3, np.nan))
    (tmp_path / "grid.toml").write_text(GRID)
    out = tmp_path / "out"
    where = ("--grid", tmp_path / "grid.toml", "--data-dir", tmp_path, "--out", out, "--cache-dir", tmp_path / "cache")
    done = bench("run", *where)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert "sift_base.fvecs: nan at row 7, column 3; must be finite" in done.stderr
    assert not out.exists()
