import io
import tarfile

import pytest
from torchvision.datasets.utils import extract_archive

from datasets.archives import unpacked_inside


def archive(path, names):
    with tarfile.open(path, "w:gz") as file:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 3
            file.addfile(member, io.BytesIO(b"abc"))
    return path


@pytest.mark.parametrize("name", ["../outside.txt", "a/../../outside.txt"])
def test_a_file_that_would_be_unpacked_outside_its_folder_is_refused(tmp_path, name):
    path = archive(tmp_path / "evil.tar.gz", ["inside.txt", name])
    with unpacked_inside(), pytest.raises(tarfile.OutsideDestinationError):
        extract_archive(path, tmp_path / "folder")
    assert not list(tmp_path.rglob("outside.txt"))


def test_a_harmless_archive_is_unpacked_and_the_default_is_as_it_was(tmp_path):
    before = tarfile.TarFile.extraction_filter
    with unpacked_inside():
        extract_archive(archive(tmp_path / "good.tar.gz", ["a/b.txt"]), tmp_path / "folder")
    assert (tmp_path / "folder" / "a" / "b.txt").read_bytes() == b"abc"
    assert tarfile.TarFile.extraction_filter is before


def test_a_python_without_the_filter_is_told(monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(ValueError, match=r"3\.11\.4"), unpacked_inside():
        pass
