"""What several tests of the harness share: a disk that can be filled."""

import subprocess

import pytest


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
