"""What several tests of the harness share: a store and what it says, and a disk that can be filled."""

import subprocess

import pytest

from bench.store.entries import Store


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(tmp_path, said):
    return Store(tmp_path / "store", said.append)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of so many megabytes, to be made by the test; skipped where none can be mounted."""
    folder = tmp_path / "disk"

    def make(megabytes):
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("no file system can be mounted here")
        return folder

    yield make
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
