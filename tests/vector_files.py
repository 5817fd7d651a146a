"""The same vectors in the files of other libraries' writers: faiss, h5py, pyarrow, pandas, safetensors, struct."""

import struct

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
import safetensors.torch
import torch
from faiss.contrib.vecs_io import fvecs_write, ivecs_write
from sklearn.neighbors import NearestNeighbors


def made():
    """Whole numbers that int8 holds, so that every format holds them; of few, many are as far as each other."""
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 120, (n, 16)).astype(np.float32) for n in (300, 20))
    near = NearestNeighbors(n_neighbors=15, algorithm="brute").fit(train.astype(np.float64))
    return {"train": train, "test": test, "neighbors": near.kneighbors(test, return_distance=False).astype(np.int32)}


ARRAYS = made()
DISTANCES = np.zeros((20, 15), np.float32)
LABELS = {"train_labels": np.arange(300) % 3, "test_labels": np.arange(20) % 3}


def write_npy(folder, arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def write_fvecs(folder, arrays):
    fvecs_write(folder / "sift_base.fvecs", arrays["train"])
    fvecs_write(folder / "sift_query.fvecs", arrays["test"])
    ivecs_write(folder / "sift_groundtruth.ivecs", arrays["neighbors"])


def write_bvecs(folder, arrays):
    for part, name in (("train", "base"), ("test", "query")):
        rows = [struct.pack(f"<i{len(row)}B", len(row), *map(int, row)) for row in arrays[part]]
        (folder / f"bigann_{name}.bvecs").write_bytes(b"".join(rows))
    ivecs_write(folder / "idx_groundtruth.ivecs", arrays["neighbors"])


def write_bin(suffix, form):
    """A writer of the files of big-ann-benchmarks, number by number."""

    def write(folder, arrays):
        for part, name in (("train", "base.1B"), ("test", "query.public.10K")):
            head = struct.pack("<II", *arrays[part].shape)
            numbers = arrays[part].ravel().tolist()
            body = struct.pack(f"<{len(numbers)}{form}", *(numbers if form == "f" else map(int, numbers)))
            (folder / f"{name}{suffix}").write_bytes(head + body)
        ids = arrays["neighbors"]
        content = struct.pack("<II", *ids.shape) + ids.astype("<u4").tobytes() + DISTANCES.tobytes()
        (folder / "GT.public.1B.ibin").write_bytes(content)

    return write


def write_hdf5(kind, distance="euclidean"):
    def write(folder, arrays):
        with h5py.File(folder / "sift-16-euclidean.hdf5", "w") as file:
            file.attrs["distance"] = distance
            for name, array in arrays.items():
                file.create_dataset(name, data=array.astype(kind) if name in ("train", "test") else array)
            file["distances"] = DISTANCES

    return write


def write_parquet(kind):
    def write(folder, arrays):
        (folder / "data").mkdir()
        halves = {"train-00000-of-00002": arrays["train"][:170], "train-00001-of-00002": arrays["train"][170:]}
        for name, rows in (halves | {"test-00000-of-00001": arrays["test"]}).items():
            table = {"id": pa.array(range(len(rows))), "emb": pa.array(rows.tolist(), kind)}
            pq.write_table(pa.table(table), folder / "data" / f"{name}.parquet", row_group_size=64)

    return write


def write_pandas(folder, arrays):
    for name in ("train", "test"):
        frame = pd.DataFrame({"text": "x", "embedding": list(arrays[name]), "more": list(arrays[name][:, :2])})
        frame.to_parquet(folder / f"{name}.parquet")


def write_numpy_tensors(folder, arrays):
    safetensors.numpy.save_file(arrays, folder / "sift.safetensors", {"distance": "euclidean"})


def write_torch_tensors(folder, arrays):
    for name in ("train", "test"):
        tensors = {"embeddings": torch.from_numpy(arrays[name]).half()}
        safetensors.torch.save_file(tensors, folder / f"{name}.safetensors")


WRITERS = {
    "npy": write_npy,
    "fvecs": write_fvecs,
    "bvecs": write_bvecs,
    "fbin": write_bin(".fbin", "f"),
    "u8bin": write_bin(".u8bin", "B"),
    "i8bin": write_bin(".i8bin", "b"),
    "part of a u8bin": write_bin(".u8bin.crop_nb_300", "B"),
    **{f"hdf5 {kind}": write_hdf5(kind) for kind in ("float64", "float32", "float16", "uint8", "int8")},
    "parquet": write_parquet(pa.list_(pa.float32())),
    "parquet, fixed size": write_parquet(pa.list_(pa.float64(), 16)),
    "parquet, large list": write_parquet(pa.large_list(pa.float16())),
    "pandas": write_pandas,
    "safetensors": write_numpy_tensors,
    "torch": write_torch_tensors,
}


def with_value(name, row, column, value):
    arrays = {part: array.copy() for part, array in ARRAYS.items()}
    arrays[name][row, column] = value
    return arrays
