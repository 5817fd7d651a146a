"""Ready-made feature vectors, as embedders and the benchmarks of the field write them, in the files that are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from datasets import embeddings, hdf5, tensors, vector_files
from datasets.checks import needed_folder
from datasets.vector_set import Layout, VectorSet

HOLDING = (
    "train.npy and test.npy, NAME_base.fvecs and NAME_query.fvecs (or .bvecs), base.fbin and query.fbin (or .u8bin, "
    ".i8bin), NAME.hdf5, NAME.safetensors, or train-*.parquet and test-*.parquet"
)
HDF5_SUFFIXES = (".hdf5", ".h5")
KNOWN = (*vector_files.SUFFIXES, *HDF5_SUFFIXES, tensors.SUFFIX, ".parquet")


class Vectors(VectorSet):
    """Feature vectors in .npy, .fvecs, .fbin, HDF5, safetensors or Parquet files, whichever the folder holds.

    Vectors are numbers of any real type [n, d], read as float32. A .npy or .fbin file of float32, row by row, is mapped
    into memory and not copied. Labels are integers [n] of any type and from 0, with or without gaps, or texts; without
    labels of both parts the items have none. Where a folder holds several formats, the first of this order is read:

    * .npy, .fvecs, .bvecs, .ivecs, .fbin, .u8bin, .i8bin, .ibin: a file an array. Its name tells what it is: train or
      base is the database, test or query holds the queries, then learn, groundtruth or neighbors, and train_labels.
    * HDF5 with data sets train and test, and perhaps neighbors, learn, train_labels and test_labels.
    * safetensors: a file of such tensors, or a file for each part.
    * Parquet with a column of lists of numbers: train-*.parquet and test-*.parquet, see `datasets.splits`.

    ``name`` begins the names of the files, where the folder holds several sets. ``train`` and ``test`` name the file,
    the tensor or the Parquet split of the database and of the queries, where no usual name does. ``column`` and
    ``label_column`` name the columns of Parquet files. ``distance``: "euclidean", "angular" (or "cosine",
    "normalized": rows at unit length), or "ip" (see `datasets.inner_product`); without it, what the file says, or else
    "euclidean". ``learn``: fit on the vectors to learn from in place of the database. Given neighbours are compared
    with exact ones on a sample. ``twins_allowed``: see ``TrainTest``.
    """

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        name: str | None = None,
        train: str | None = None,
        test: str | None = None,
        column: str | None = None,
        label_column: str | None = None,
        distance: str | None = None,
        learn: bool = False,
        twins_allowed: float | None = None,
    ) -> None:
        super().__init__(data_dir, twins_allowed)
        if distance is not None and distance not in hdf5.READERS:
            raise ValueError(f"distance = {distance!r}, must be {', '.join(map(repr, hdf5.READERS))}")
        self.name, self.train, self.test = name, train, test
        self.column, self.label_column = column, label_column
        self.distance, self.learn = distance, learn

    def layout(self) -> Layout:
        folder = needed_folder(self.data_dir, HOLDING)
        entries = _entries(folder)
        files = [path for path in entries if path.name.startswith(self.name or "")]
        ways: tuple[Callable[[Path, Sequence[Path]], Layout | None], ...] = (
            lambda folder, files: vector_files.layout(folder, files, self.train, self.test),
            self._hdf5,
            lambda folder, files: tensors.layout(folder, files, self.train, self.test),
            self._parquet,
        )
        found = next(filter(None, (way(folder, files) for way in ways)), None)
        if found is None:
            there = ", ".join(path.name for path in entries[:10]) or "nothing"
            named = f", whose names begin with {self.name!r}" if self.name else ""
            raise ValueError(f"{folder}: holds no vectors{named}, but {there}; it must hold {HOLDING}")
        distance = self.distance or found.distance
        if distance not in hdf5.READERS:
            right = f"must be {', '.join(map(repr, hdf5.READERS))}"
            codes = "; codes are read by --dataset hdf5" if distance == "hamming" else ""
            raise ValueError(f"{found.files[0]}: distance {distance!r}, {right}{codes}")
        rest = [path.name for path in entries if path not in found.files and path.suffix.lower() in KNOWN]
        unused = [f"Vector files of the folder that are not used: {len(rest):,}, first {rest[0]}"] if rest else []
        whole = replace(found, distance=distance, read=hdf5.READERS[distance], remarks=[*found.remarks, *unused])
        return whole.trained_on(self.learn)

    def _parquet(self, folder: Path, files: Sequence[Path]) -> Layout | None:
        """The splits of Parquet files, which no ``name`` tells apart."""
        if self.name is not None:
            return None
        return embeddings.layout(folder, self.train, self.test, self.column, self.label_column)

    def _hdf5(self, folder: Path, files: Sequence[Path]) -> Layout | None:
        """The only HDF5 file among ``files``, or the one of just this ``name``; None if there is none."""
        held = [path for path in files if path.suffix.lower() in HDF5_SUFFIXES]
        exact = [path for path in held if path.stem == self.name] or held
        if len(exact) > 1:
            named = ", ".join(path.stem for path in exact)
            raise ValueError(f"{folder}: name = {self.name!r} must tell one .hdf5 file; there are: {named}")
        return hdf5.layout(exact[0], self.distance) if exact else None


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, without hidden files, in the order of names."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ValueError(f"{folder}: cannot be read ({error.strerror})") from error
