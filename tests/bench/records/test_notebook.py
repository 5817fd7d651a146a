"""What a notebook wants of ``import bench``: few names, imported when they are asked for, and tables as data frames."""

import configparser
import subprocess
import sys

import pandas as pd
import pytest

import bench
from bench.store.identity import source_identity
from tests.conftest import CHECKOUT


def test_every_name_is_the_one_of_its_module():
    namespace = {}
    exec("from bench import *", namespace)
    assert set(bench.__all__) <= {*namespace} and set(bench.__all__) <= {*dir(bench)}
    for name in set(bench.__all__) - {"__version__"}:
        found = namespace[name]
        assert found is getattr(sys.modules[found.__module__], name)


def test_the_version_is_that_of_the_package():
    setup = configparser.RawConfigParser()
    setup.read(CHECKOUT / "setup.cfg")
    assert bench.__version__ == setup["metadata"]["version"]


def test_an_unknown_name_is_refused_by_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'recall'.*recall_at"):
        _ = bench.recall


def test_importing_the_package_imports_nothing_else():
    program = "import sys; before = {*sys.modules}; import bench; print(*({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["bench"]


def test_a_plugin_that_imports_from_the_package_has_its_rooms_in_the_key(tmp_path, monkeypatch):
    (tmp_path / "imports_from_bench.py").write_text("from bench import recall_at\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert set(source_identity("imports_from_bench")["rooms"]) >= {"contracts", "exact", "metrics"}


def test_type_checkers_see_the_types_of_each_package():
    setup = configparser.RawConfigParser()
    setup.read(CHECKOUT / "setup.cfg")
    for package in ("bench", "methods", "datasets"):
        assert (CHECKOUT / package / "py.typed").read_bytes() == b""
        assert setup["options.package_data"][package] == "py.typed"


def test_names_and_hashes_of_cells_stay_texts_and_only_what_is_empty_is_missing(tmp_path):
    text = "dataset,key,dataset_fingerprint,hasher,map\n007,12e4,123456789012,NA,0.5\nNA,0,1e9,,\n"
    (tmp_path / "cells.csv").write_text(text)
    cells = bench.read_cells(tmp_path)
    assert cells["dataset"].tolist() == ["007", "NA"] and cells["key"].tolist() == ["12e4", "0"]
    assert cells["dataset_fingerprint"].tolist() == ["123456789012", "1e9"]
    assert cells["hasher"][0] == "NA" and cells.isna().sum().sum() == 2
    assert cells["map"][0] == 0.5


def test_records_are_those_of_the_parquet_file(tmp_path):
    written = pd.DataFrame({"key": ["1e5", "2"], "map": [0.25, None]})
    written.to_parquet(tmp_path / "records.parquet")
    pd.testing.assert_frame_equal(bench.read_records(str(tmp_path)), written)


@pytest.mark.parametrize("read, name", [(bench.read_records, "records.parquet"), (bench.read_cells, "cells.csv")])
def test_a_folder_without_the_table_is_named(read, name, tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path} holds no {name}; expected"):
        read(tmp_path)
