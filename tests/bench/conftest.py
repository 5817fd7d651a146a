"""What several tests of the harness share: a disk that can be filled."""

import subprocess

import pytest

from bench import measure


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


@pytest.fixture(autouse=True)
def no_look_at_others(request, monkeypatch):
    """What is timed in this process is not waited for until the load of others would show."""
    if request.path.name != "test_measure.py":
        monkeypatch.setattr(measure, "SEEN", 0.0)
