"""faiss's inverted file with its lists on disk, for databases beyond the memory: lists in the page cache, or not.

A mapped file is read through the page cache of the operating system, and the time of a query depends on what is there
already. So there are two indexes. The warm one leaves all pages where the build has put them. The cold one drops them
before each call of ``search``: the process unmaps the pages of the lists (``madvise``), and the kernel drops them from
its cache (``posix_fadvise``). Each list that the call visits is then read from the disk, with what the kernel reads
ahead, or from a cache of the disk itself or of the host of a virtual machine, which no process can empty. The dropping
is a part of the time: the pages that the call before has read are there to be dropped.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float, Unavailable, Unsuitable
from methods.parameters import Count, Natural
from methods.search.common.library import LibraryIndex, path_of
from methods.search.faiss import calls

SHARD_BYTES = 2**27
"""Bytes of vectors that stand in memory at a time. More are built in shards, which are merged on disk."""

SAMPLE_BYTES = 2**30
"""The most bytes of vectors that the centroids are trained on, a sample of all."""

STAY = 0.01
"""The share of the pages that may stay in memory after they are dropped: the kernel may be reading ahead."""


@dataclass(kw_only=True, eq=False)
class FaissOnDisk(LibraryIndex):
    """faiss IVF Flat with its lists in a file, whose pages the build leaves in the page cache.

    The file is in the folder for temporary files; large data need twice their size there while the index is built.
    ``centroids``: lists, of which the ``nprobe`` nearest to a query are
    read. faiss's own threads read no list ahead: a query is answered on one thread.
    """

    name = "faiss_ondisk"
    module = "faiss"
    label = "faiss on disk"
    family = "inverted file"
    query_parameters = ("nprobe",)
    centroids: Count = 300
    nprobe: Count = 8
    seed: Natural = 0

    def _build(self, features: Float) -> Any:
        """Build, write, and map the lists. The file has no name: it goes with this process.

        Raises Unsuitable: there are fewer items than ``centroids``.
        """
        import faiss

        n, dim = features.shape
        if n < self.centroids:
            raise Unsuitable(f"{self.name}: {n} items are too few for centroids = {self.centroids}")
        made = faiss.IndexIVFFlat(faiss.IndexFlatL2(dim), dim, self.centroids)
        calls.prepare(made, self.seed)
        points = SAMPLE_BYTES // (4 * dim * self.centroids)
        made.cp.max_points_per_centroid = max(1, min(made.cp.max_points_per_centroid, points))
        made.train(features)
        file = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open as long as this index
        weakref.finalize(self, file.close)
        self._file = file.fileno()
        if features.nbytes > SHARD_BYTES:
            index: Any = _merged(made, features, path_of(self._file))
        else:
            made.add(features)
            faiss.write_index(made, path_of(self._file))
            index = faiss.read_index(path_of(self._file), faiss.IO_FLAG_MMAP)
        os.fsync(self._file)
        self._lists = cast(Any, faiss.downcast_InvertedLists(index.invlists))
        self._lists.prefetch_nthread = 0
        return index

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        self._index.nprobe = self.nprobe
        return calls.search(self._index, vectors, k)

    def size_bytes(self) -> int:
        """The centroids and the file, whose pages must stay in memory to be warm."""
        return self._centroid_bytes() + int(self._lists.totsize)

    def _centroid_bytes(self) -> int:
        return 4 * int(self._index.quantizer.ntotal) * int(self._index.d)

    def _mapped(self) -> tuple[ctypes.c_void_p, int]:
        """Where faiss has mapped the file, and its bytes."""
        return ctypes.c_void_p(int(self._lists.ptr)), int(self._lists.totsize)

    def _share_in_memory(self) -> float:
        """The share of the file's pages that the page cache holds."""
        place, length = self._mapped()
        pages = np.zeros(-(-length // mmap.PAGESIZE), dtype=np.uint8)
        _call("mincore", place, length, pages.ctypes.data_as(ctypes.c_void_p))
        return float((pages & 1).mean())


@dataclass(kw_only=True, eq=False)
class FaissOnDiskCold(FaissOnDisk):
    """The same, whose pages are dropped before each query or batch, so that the lists are read from the disk."""

    name = "faiss_ondisk_cold"
    label = "faiss on disk, cold"

    def check(self, dim: int | None, bits: int | None) -> None:
        """Raises Unavailable: the system offers no way to drop pages."""
        if not (hasattr(os, "posix_fadvise") and hasattr(mmap, "MADV_DONTNEED")):
            raise Unavailable(f"{self.name}: this system has no posix_fadvise and madvise to drop pages by")

    def _build(self, features: Float) -> Any:
        """Raises Unavailable: pages of the file can't be dropped, as in a folder that is kept in memory."""
        index = super()._build(features)
        self._drop_pages()
        if self._share_in_memory() > STAY:
            raise Unavailable(f"{self.name}: pages of files in {tempfile.gettempdir()} stay; set TMPDIR to a disk")
        return index

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        self._drop_pages()
        return super()._ask(vectors, k)

    def size_bytes(self) -> int:
        """The centroids."""
        return self._centroid_bytes()

    def _drop_pages(self) -> None:
        """Take the pages out of this process, and then out of the page cache, where mapped ones would stay."""
        _call("madvise", *self._mapped(), mmap.MADV_DONTNEED)
        os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)


def _merged(trained: Any, features: Float, path: str) -> Any:
    """The trained index with all features in its lists, which are mapped from the file at ``path``.

    Shards are built one after another, each in a file without a name. faiss.contrib.ondisk would keep them mapped.
    """
    import faiss

    library: Any = faiss
    rows, maps = max(1, SHARD_BYTES // (4 * features.shape[1])), library.InvertedListsPtrVector()
    with ExitStack() as files:
        shards = []
        for start in range(0, len(features), rows):
            block, shard = features[start : start + rows], library.clone_index(trained)
            shard.add_with_ids(block, np.arange(start, start + len(block)))
            own = path_of(files.enter_context(tempfile.TemporaryFile()).fileno())
            faiss.write_index(shard, own)
            shards.append(library.read_index(own, faiss.IO_FLAG_MMAP))
            maps.push_back(shards[-1].invlists)
        lists = library.OnDiskInvertedLists(trained.nlist, trained.code_size, path)
        trained.ntotal = lists.merge_from_multiple(maps.data(), maps.size(), False)
    trained.replace_invlists(lists, True)
    lists.this.disown()
    return trained


def _call(name: str, place: ctypes.c_void_p, length: int, last: Any) -> None:
    """A call of the C library on mapped memory.

    Raises OSError: it fails.
    """
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(place, ctypes.c_size_t(length), last) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
