"""faiss's inverted file with its lists on disk, for databases beyond the memory: lists in the page cache, or not.

A file of lists is read through the page cache of the operating system, and the time of a query depends on what is there
already. So there are two rows. ``pages = "warm"``: all pages of the lists were written by the build and stay, as far as
the memory allows. ``pages = "cold"``: before each call of ``search``, with one query or with a batch, the process
unmaps all pages of the lists (``madvise``) and the kernel drops them from its cache (``posix_fadvise``), so that each
list that the call visits is read from the disk, or from a cache of the disk itself or of the host of a virtual machine,
which no process can empty. Centroids stay in memory. The dropping is a part of the time: only pages that the call
before has read are there to be dropped.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float, Unavailable, Unsuitable
from methods.parameters import Count, Natural
from methods.search.common.library import LibraryIndex
from methods.search.faiss import calls

STAY = 0.01
"""The share of the pages that may stay in memory after they are dropped: the kernel may be reading ahead."""


@dataclass(kw_only=True, eq=False)
class FaissOnDisk(LibraryIndex):
    """faiss IVF Flat, whose lists are a file on disk, read anew or from the page cache, as ``pages`` says.

    The file is in the folder for temporary files. ``centroids``: lists, of which the ``nprobe`` nearest to a query are
    read. faiss's own threads read no list ahead: a query is answered on one thread.
    """

    name = "faiss_ondisk"
    module = "faiss"
    label = "faiss on disk"
    family = "inverted file"
    query_parameters = ("nprobe",)
    centroids: Count = 300
    nprobe: Count = 8
    pages: Literal["warm", "cold"] = "warm"
    seed: Natural = 0

    def check(self, dim: int | None, bits: int | None) -> None:
        """Raises Unavailable: ``pages`` is "cold", and the system offers no way to drop pages."""
        if self.pages == "cold" and not (hasattr(os, "posix_fadvise") and hasattr(mmap, "MADV_DONTNEED")):
            raise Unavailable("pages = 'cold': this system has no posix_fadvise and madvise to drop pages by")

    def _build(self, features: Float) -> Any:
        """Build in memory, write, and map the lists. The file has no name then: it goes with this process.

        Raises Unsuitable: there are fewer items than ``centroids``.

        Raises Unavailable: pages of that file can't be dropped, as in a folder that is kept in memory.
        """
        import faiss

        n, dim = features.shape
        if n < self.centroids:
            raise Unsuitable(f"faiss_ondisk: {n} items are too few for centroids = {self.centroids}")
        made = faiss.IndexIVFFlat(faiss.IndexFlatL2(dim), dim, self.centroids)
        calls.prepare(made, self.seed)
        made.train(features)
        made.add(features)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index"
            faiss.write_index(made, str(path))
            self._file = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)
            os.fsync(self._file)
            index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        self._lists = cast(Any, faiss.downcast_InvertedLists(index.invlists))
        self._lists.prefetch_nthread = 0
        index.nprobe = self.nprobe
        if self.pages == "cold":
            self._drop_pages()
            if self._share_in_memory() > STAY:
                raise Unavailable(
                    f"pages = 'cold': pages of files in {tempfile.gettempdir()} stay; set TMPDIR to a disk"
                )
        return index

    def set_query(self, **parameters: Any) -> None:
        super().set_query(**parameters)
        if hasattr(self, "_index"):
            self._index.nprobe = self.nprobe

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        if self.pages == "cold":
            self._drop_pages()
        return calls.search(self._index, vectors, k)

    def _drop_pages(self) -> None:
        """Take the pages of the lists out of this process, and then out of the page cache: mapped ones would stay."""
        _call("madvise", *self._mapped(), mmap.MADV_DONTNEED)
        os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)

    def _share_in_memory(self) -> float:
        """The share of the lists' pages that the page cache holds."""
        place, length = self._mapped()
        pages = np.zeros(-(-length // mmap.PAGESIZE), dtype=np.uint8)
        _call("mincore", place, length, pages.ctypes.data_as(ctypes.c_void_p))
        return float((pages & 1).mean())

    def _mapped(self) -> tuple[ctypes.c_void_p, int]:
        """Where faiss has mapped the lists, and their bytes."""
        return ctypes.c_void_p(int(self._lists.ptr)), int(self._lists.totsize)

    def size_bytes(self) -> int:
        """The centroids and the table of lists, and for warm pages the file, whose pages must stay to be warm."""
        resident = self._index.quantizer.ntotal * self._index.d * 4 + 24 * self.centroids
        return int(resident + (self._lists.totsize if self.pages == "warm" else 0))


def _call(name: str, place: ctypes.c_void_p, length: int, last: Any) -> None:
    """A call of the C library on mapped memory.

    Raises OSError: it fails.
    """
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(place, ctypes.c_size_t(length), last) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
