"""What numba has compiled of a package of kernels is used again until a file of the package changes, and not after."""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

from methods.search.common.compiled import PackageCache
from tests.conftest import CHECKOUT

KERNELS, COMPILER = "methods/search/codes/kernels", "methods/search/common/compiled.py"
CODES = [0, 3, 3, 255, 256, 257, 2**64 - 1]
QUERY = 1

MEASURE = f"""
import json, sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from methods.search.codes.kernels.items import Selection, measure_selected

words, query = np.array([{CODES}], dtype=np.uint64), np.array([{QUERY}], dtype=np.uint64)
ids, distances = np.arange(words.shape[1]), np.empty(words.shape[1], np.uint16)
measure_selected(words, query, len(ids), Selection(ids, distances, np.zeros(80, np.int64), ids.copy()))
own = [vars(module) for name, module in [*sys.modules.items()] if name.startswith("methods.")]
functions = {{id(one): one for names in own for one in names.values() if isinstance(one, Dispatcher)}}
loaded = sum(sum(one.stats.cache_hits.values()) for one in functions.values())
compiled = sum(sum(one.stats.cache_misses.values()) for one in functions.values())
print(json.dumps([distances.tolist(), loaded, compiled]))
"""
"""Prints the distances of the codes, and how many functions were loaded and how many compiled.

The kernel stands in ``items.py``, and the distance that it inlines in ``bits.py``.
"""


@pytest.fixture
def copied(tmp_path):
    """A folder with a copy of the package and of what it imports, nothing of it compiled."""
    shutil.copytree(CHECKOUT / KERNELS, tmp_path / KERNELS, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / COMPILER).parent.mkdir()
    shutil.copy(CHECKOUT / COMPILER, tmp_path / COMPILER)
    for package in ("methods", "methods/search", "methods/search/codes", "methods/search/common"):
        (tmp_path / package / "__init__.py").touch()
    return tmp_path


def measured(folder):
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment["PYTHONPATH"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def kept(folder):
    return sorted(path.name for path in (folder / KERNELS / "__pycache__").glob("*.nb[ic]"))


@pytest.mark.long
def test_a_kernel_is_loaded_until_a_helper_in_another_file_changes(copied):
    distances = [(code ^ QUERY).bit_count() for code in CODES]
    assert measured(copied) == [distances, 0, 2]
    files = kept(copied)
    assert measured(copied) == [distances, 1, 0]
    helper = copied / KERNELS / "bits.py"
    source = helper.read_text()
    assert source.count("return np.int64(total)") == 1
    helper.write_text(source.replace("return np.int64(total)", "return np.int64(total) + 7"))
    assert measured(copied) == [[distance + 7 for distance in distances], 0, 2]
    assert kept(copied) == files


@pytest.mark.parametrize("package", ["methods.search.codes.kernels", "methods.search.features.kernels"])
def test_every_kernel_is_kept_by_all_files_of_its_package(package):
    folder = Path(import_module(package).__path__[0])
    modules = [import_module(f"{package}.{path.stem}") for path in folder.glob("*.py") if path.stem != "__init__"]
    functions = [one for module in modules for one in vars(module).values() if isinstance(one, Dispatcher)]
    assert {type(one._cache) for one in functions} == {PackageCache}
    stamps = {one._cache._cache_file._source_stamp for one in functions}
    assert len(stamps) == 1
