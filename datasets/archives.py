"""Archives that other libraries unpack: none of their files ends up outside the folder that it was meant for."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unpacked_inside() -> Iterator[None]:
    """Inside, a tar archive is unpacked into its folder and nowhere else: tarfile's filter "data" (PEP 706).

    torchvision asks for no filter, and before Python 3.14 none is the default.

    Raises ValueError: this Python has no filter.
    """
    if not hasattr(tarfile, "data_filter"):
        raise ValueError("this Python can't unpack an archive safely: use 3.11.4 or newer, or unpack it yourself")
    before = tarfile.TarFile.extraction_filter
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        tarfile.TarFile.extraction_filter = before
