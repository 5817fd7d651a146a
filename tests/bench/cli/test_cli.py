import os
import signal
import subprocess
import sys
import time
import uuid

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import CHECKOUT, PLUGINS, TEST_MARK, bench, marked


def images(folder, classes=("apple", "pear"), count=3):
    for split in ("train", "test"):
        for label, name in enumerate(classes):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.random.default_rng([label, number, split == "test"]).integers(256, size=(8, 8, 3))
                Image.fromarray(pixels.astype(np.uint8)).save(folder / split / name / f"{number}.png")
    return folder


def refused(done, *words):
    """Exit code 2, one line on stderr with these words, no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_list_names_plugins_and_grids_with_descriptions_and_imports_neither_torch_nor_sklearn():
    done = bench("list", fresh=True)
    assert done.returncode == 0
    for name in ("synthetic_food101", "triplet", "exchnet", "hash_tables", "float32", "supp_table1", "toy_signs"):
        assert any(line.split()[:1] == [name] and len(line.split()) > 3 for line in done.stdout.splitlines()), name
    code = """
import sys
sys.argv = ["bench", "list"]
from bench.__main__ import main
try:
    main()
finally:
    assert not {"torch", "sklearn", "numba", "pandas"} & set(sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--grid", "supp_table"), ("supp_table1",)),
        (("show", "suptable1"), ("supp_table1",)),
        (("run", "--grid", "supp_table1", "--set", "bits=12"), ("bits = 12", "key_bits = 8", "supp_table1.toml")),
        (("run", "--grid", "supp_table1", "--set", "nothing"), ("key=value",)),
        (("run", "--grid", "supp_table1", "--timeout", "0"), ("--timeout 0", "seconds, above 0")),
        (("run", "--grid", "supp_table1", "--memory-limit", "-1"), ("--memory-limit -1", "GB, above 0")),
        (("run", "--grid", "supp_table1", "--timeout", "9", "--in-process"), ("--in-process keeps no limits",)),
        (("run", "--grid", "supp_table1", "--recipe", "fast"), ("'fast'", "quick", "paper")),
        (("run", "--grid", "supp_table1", "--dataset", "parquet"), ("--data-dir",)),
        (("run", "--grid", "supp_table1", "--dataset", "parquet", "--data-dir", "/no/such"), ("/no/such",)),
        (("run", "--grid", "supp_table1", "--dataset", "image_folder", "--data-dir", "/no/such"), ("/no/such",)),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(arguments, words, tmp_path):
    out = () if arguments[0] == "show" else ("--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    refused(bench(*arguments, *out), *words)


def test_refusing_takes_no_longer_than_a_few_times_listing():
    def seconds(*arguments):
        start = time.monotonic()
        bench(*arguments, fresh=True)
        return time.monotonic() - start

    listing = min(seconds("list") for _ in range(2))
    refusing = min(seconds("run", "--grid", "supp_table1", "--set", "bits=12") for _ in range(2))
    assert refusing < 4 * listing


def data_fault(folder, dataset, tmp_path, *words):
    where = ("--data-dir", folder, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    done = bench("run", "--in-process", "--grid", "supp_table1", "--dataset", dataset, *where)
    assert "fit" not in done.stdout
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    for word in words:
        assert word in done.stderr


def test_an_unreadable_image_is_named_before_training(tmp_path):
    folder = images(tmp_path / "images")
    broken = folder / "train" / "pear" / "1.png"
    broken.write_bytes(b"no image at all")
    data_fault(folder, "image_folder", tmp_path, str(broken))


def test_a_single_class_is_refused_before_training(tmp_path):
    data_fault(images(tmp_path / "images", classes=("apple",)), "image_folder", tmp_path, "class")


def test_a_nan_in_vectors_is_named_before_anything_is_built(tmp_path, vectors_dir, small_grid):
    folder = tmp_path / "nan"
    folder.mkdir()
    for path in vectors_dir.glob("*.npy"):
        array = np.load(path)
        if path.name == "train.npy":
            array[7, 3] = np.nan
        np.save(folder / path.name, array)
    where = ("--data-dir", folder, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    refused(bench("run", "--grid", small_grid, *where), "train.npy", "7", "3")
    refused(bench("run", "--in-process", "--grid", small_grid, *where), "train.npy", "7", "3")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, vectors_dir):
    folder = tmp_path_factory.mktemp("finished")
    grid = folder / "small.toml"
    grid.write_text(
        'title = "Small"\ndataset = "vectors"\nrecipe = "r"\nlayout = "candidates"\n[measure]\nrounds = 1\n'
        'queries_per_round = 5\nbatch_seconds = 0.01\n[[cells]]\nembedder = "identity"\nindex = "linear_scan"\n'
        '[[cells]]\nembedder = "identity"\nhasher = "toy_signs"\nindex = "hash_tables"\nkey_bits = 8\n'
        'rerank = "float32"\ncandidates = [20, 50]\n[recipes.r]\n'
    )
    where = ("--data-dir", vectors_dir, "--out", folder / "out", "--cache-dir", folder / "cache")
    return folder, grid, where, bench("run", "--in-process", "--grid", grid, *where)


def test_run_writes_the_tidy_cells_the_tables_and_the_figures(finished):
    folder, _, _, done = finished
    assert done.returncode == 0, done.stderr
    written = folder / "out" / "small" / "vectors"
    names = {path.name for path in written.iterdir()}
    assert {"cells.csv", "table.csv", "table.tex"} <= names and any(name.endswith(".png") for name in names)
    cells = pd.read_csv(written / "cells.csv")
    columns = """dataset, dataset_plugin, dataset_fingerprint, latency_ms_mean, reference_compares,
        embedder, dim, hasher, bits, index, rerank, candidates, setting, key_bits, k, seed,
        precision_at_10, recall_at_10, latency_ms_p50, latency_ms_p95, latency_ms_p99, throughput_qps,
        seconds_all_queries, encode_ms,
        build_seconds, index_bytes, status, reference_precision_at_10, reference_seconds,
        ratio, ratio_low, ratio_high, loaded, unstable, overhead_ms"""
    assert {name.strip() for name in columns.split(",")} <= set(cells.columns)
    assert len(cells) == 3 and (cells["status"] == "ok").all()
    assert cells["key_bits"].isna().tolist() == [True, False, False]


def test_show_says_what_is_done(finished, tmp_path):
    _, grid, where, _ = finished
    done = bench("show", grid, *where)
    assert done.returncode == 0 and "3 cells: 3 done; 400 database items, 60 queries\n" in done.stdout
    other = bench("show", grid, *where[:2], "--out", tmp_path, *where[4:])
    assert "3 cells: 3 pending\n" in other.stdout


def test_table_writes_the_same_files_again_without_running(finished):
    folder, grid, where, _ = finished
    path = folder / "out" / "small" / "vectors" / "table.csv"
    before = path.read_text()
    path.unlink()
    done = bench("table", "--grid", grid, *where)
    assert done.returncode == 0 and path.read_text() == before


@pytest.mark.long
def test_a_failed_cell_ends_every_run_with_1_and_its_reason_and_is_tried_again_on_demand(finished, tmp_path):
    _, grid, where, _ = finished
    text = grid.read_text().replace(
        "[recipes.r]", '[[cells]]\nembedder = "toy_failing"\nindex = "linear_scan"\n[recipes.r]'
    )
    failing = tmp_path / "failing.toml"
    failing.write_text(text)
    said = []
    for again in ((), (), ("--retry-failed",)):
        done = bench("run", "--in-process", "--grid", failing, *where, *again)
        assert done.returncode == 1 and "1 of 4 cells failed" in done.stderr and "fails on purpose" in done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        said.append("fit toy_failing" in done.stdout)
    assert said == [True, False, True]


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "interrupted; what is finished is kept"),
        pytest.param(signal.SIGTERM, 143, "ended by SIGTERM; what is finished is kept", marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, 129, "ended by SIGHUP; what is finished is kept", marks=pytest.mark.long),
    ],
)
def test_ctrl_c_and_signals_that_end_it_say_that_finished_work_is_kept_and_leave_no_process(
    number, code, line, finished, tmp_path
):
    _, grid, where, _ = finished
    arguments = ["run", "--grid", grid, *where[:2], "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache"]
    arguments += ["--set", "measure.rounds=100000"]
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *map(str, arguments)], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(PLUGINS), TEST_MARK: mark}, stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a background job or nohup ignores it
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 100
        while not list(tmp_path.glob("out/neighbours/*")) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(marked(mark)) > 1
        process.send_signal(number)
        message = process.communicate(timeout=600)[1]
    finally:
        process.kill()
    assert process.returncode == code and line in message and "Traceback" not in message
    assert not marked(mark)


@pytest.fixture
def hugging_face(tmp_path):
    """A folder on the path with another package of the name ``datasets``."""
    (tmp_path / "site" / "datasets").mkdir(parents=True)
    (tmp_path / "site" / "datasets" / "__init__.py").write_text("raise RuntimeError('the wrong package')")
    return tmp_path / "site"


@pytest.mark.long
def test_beside_an_installed_hugging_face_datasets_the_checkout_uses_its_own(hugging_face):
    done = bench("show", "supp_table1", path=(hugging_face,))
    assert done.returncode == 0, done.stderr
    assert "pending" in done.stdout


def test_outside_the_checkout_a_foreign_datasets_package_is_named_in_one_line(hugging_face, tmp_path):
    refused(bench("list", cwd=tmp_path, path=(hugging_face, CHECKOUT)), str(hugging_face / "datasets"), str(CHECKOUT))


def test_outside_the_checkout_without_another_datasets_package_it_works(tmp_path):
    assert bench("list", cwd=tmp_path, path=(PLUGINS,)).returncode == 0


def test_two_packages_that_provide_faiss_are_refused_with_what_to_do(tmp_path):
    folder = tmp_path / "faiss_gpu_cu12-1.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: faiss-gpu-cu12\nVersion: 1.9\n")
    done = bench("run", "--grid", "supp_table1", path=(tmp_path,))
    refused(done, "faiss-cpu and faiss-gpu-cu12", "uninstall -y faiss-cpu faiss-gpu-cu12")


@pytest.fixture(scope="module")
def two_sets(tmp_path_factory, vectors_dir):
    """A grid of rankings on two data sets, run once."""
    folder = tmp_path_factory.mktemp("two_sets")
    grid = folder / "codes.toml"
    grid.write_text(
        'title = "Codes"\ndataset = ["toy_clusters", "vectors"]\nrecipe = "r"\n'
        '[[cells]]\nhasher = "toy_guesses"\nbits = [8, 16]\nmodel = ["last", "oracle"]\nseeds = [0, 1]\n'
        '[[cells]]\nembedder = "identity"\n'
        f'[recipes.r]\n[datasets.vectors]\ndata_dir = "{vectors_dir}"\n'
    )
    where = ("--out", folder / "out", "--cache-dir", folder / "cache")
    return folder, grid, where, bench("run", "--in-process", "--grid", grid, *where)


@pytest.mark.long
def test_several_data_sets_have_a_report_each_and_one_together(two_sets):
    folder, _, _, done = two_sets
    assert done.returncode == 0, done.stderr
    written = folder / "out" / "codes"
    together = pd.read_csv(written / "cells.csv")
    assert together["dataset"].value_counts().to_dict() == {"toy_clusters": 9, "vectors": 9}
    for name in ("toy_clusters", "vectors"):
        alone = pd.read_csv(written / name / "cells.csv")
        assert alone["map"].tolist() == together.loc[together["dataset"] == name, "map"].tolist()
        assert {"table.csv", "table.tex", "map_against_bits.png"} <= {path.name for path in (written / name).iterdir()}
    table = pd.read_csv(written / "table.csv")
    sections = [f"{name}, {part}" for name in ("toy_clusters", "vectors") for part in ("last model", "oracle (best on")]
    assert all(table["section"].str.startswith(section).any() for section in sections)
    words = (written / "table.tex").read_text()
    assert "vectors: 5 classes, 60 queries in all." in words and "over 2 seeds" in words


@pytest.mark.long
def test_one_of_several_data_sets_can_be_picked(two_sets):
    folder, grid, where, _ = two_sets
    done = bench("show", grid, "--dataset", "vectors", *where)
    assert done.returncode == 0 and "toy_clusters" not in done.stdout and "9 cells: 9 done" in done.stdout
    both = bench("show", grid, *where)
    assert "18 cells: 18 done" in both.stdout and "mAP" in both.stdout and "P@10" not in both.stdout
    combined = folder / "out" / "codes" / "cells.csv"
    before = combined.stat().st_mtime_ns
    assert bench("table", "--grid", grid, "--dataset", "vectors", *where).returncode == 0
    assert combined.stat().st_mtime_ns == before


@pytest.mark.long
def test_a_data_set_of_several_that_cannot_be_read_is_named_before_anything_runs(two_sets, tmp_path):
    _, grid, _, _ = two_sets
    where = ("--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    done = bench("run", "--grid", grid, *where, "--set", "vectors.data_dir=/no/such")
    refused(done, "data set 'vectors'", "/no/such", "--dataset")
    assert not (tmp_path / "out").exists()
    assert bench("run", "--in-process", "--grid", grid, *where, "--dataset", "toy_clusters").returncode == 0


@pytest.mark.long
def test_a_failed_hasher_ends_the_run_with_1_and_stands_in_the_table(tmp_path):
    grid = tmp_path / "failing.toml"
    grid.write_text(
        'title = "Codes"\ndataset = "toy_clusters"\nrecipe = "r"\n[[cells]]\nhasher = ["toy_failing_hasher", '
        '"toy_guesses"]\nbits = [8, 16]\n[recipes.r]\n'
    )
    done = bench("run", "--in-process", "--grid", grid, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    assert done.returncode == 1 and "2 of 4 cells failed" in done.stderr and "hasher fails on purpose" in done.stderr
    table = pd.read_csv(tmp_path / "out" / "failing" / "toy_clusters" / "table.csv").set_index("row")
    assert (table.loc["toy failing hasher", ["8 bits", "16 bits"]] == "error").all(axis=None)


def test_classes_that_are_too_few_to_hold_any_out_are_refused_before_training(tmp_path, vectors_dir):
    folder, grid = tmp_path / "two", tmp_path / "unseen.toml"
    folder.mkdir()
    for path in vectors_dir.glob("*.npy"):
        array = np.load(path)
        np.save(folder / path.name, array % 2 if path.stem.endswith("labels") else array)
    grid.write_text(
        'title = "Unseen"\ndataset = "vectors"\nrecipe = "r"\n[[cells]]\nprotocol = "unseen"\nhasher = "toy_signs"\n'
        "[recipes.r]\n"
    )
    where = ("--data-dir", folder, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    refused(bench("run", "--in-process", "--grid", grid, *where), "2 classes can't be split", "at least 3")
    assert not (tmp_path / "cache" / "fits.txt").exists()


@pytest.mark.long
def test_skipped_cells_are_listed_with_their_reason_and_are_no_failure(finished, tmp_path):
    _, grid, where, _ = finished
    cells = '[[cells]]\nembedder = "identity"\nindex = "toy_scan"\nneeded_by = ["check", "build"]\n[recipes.r]'
    path = tmp_path / "skipping.toml"
    path.write_text(grid.read_text().replace("[recipes.r]", cells))
    done = bench("run", "--in-process", "--grid", path, *where)
    assert done.returncode == 0, done.stderr
    reason = "2 cells of toy_scan: toy_library is not installed: pip install toy_library\n"
    assert f"2 of 5 cells skipped:\n  {reason}" in done.stdout and done.stdout.count("pip install") == 2
    table = pd.read_csv(where[3] / "skipping" / "vectors" / "table.csv")
    assert (table.loc[table["row"].str.startswith("toy scan"), "N = 20"] == "skipped").all()
    assert "skipped" in bench("show", path, *where).stdout


@pytest.mark.long
def test_a_pareto_grid_has_its_figures_and_the_fastest_searches(finished, tmp_path):
    _, grid, where, _ = finished
    path = tmp_path / "fast.toml"
    path.write_text(grid.read_text().replace('"candidates"', '"pareto"'))
    done = bench("run", "--in-process", "--grid", path, *where)
    assert done.returncode == 0, done.stderr
    written = where[3] / "fast" / "vectors"
    names = {path.name for path in written.iterdir()}
    over = [f"{quality}_against_{time}.png" for quality in ("recall", "precision") for time in ("time", "batch_time")]
    assert {"cells.csv", "table.csv", "table.tex", "pareto.csv", *over} <= names
    fastest = pd.read_csv(written / "pareto.csv")
    assert (fastest["reached"] >= fastest["level"] - 1e-9).all() and (fastest["throughput_qps"] > 0).all()
    assert pd.read_csv(written / "cells.csv")["pareto_recall"].any()
