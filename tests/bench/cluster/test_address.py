"""What addresses of clusters mean, and the one line for those that mean nothing."""

import sys
from types import ModuleType

import pytest

from bench.cluster import address
from bench.cluster.address import Address, parsed
from tests.conftest import bench

pytest.importorskip("distributed")


@pytest.mark.parametrize("text", ["", "local", "local:0", "local:x", "tcp://", "http://host:1", "slurm", "host:8786"])
def test_what_is_no_address_is_refused_with_what_is_one(text):
    with pytest.raises(ValueError, match=r"expected .*local:"):
        parsed(text)


def test_a_scheduler_and_local_workers():
    assert parsed("tcp://host:8786") == Address("scheduler", "tcp://host:8786")
    assert parsed("local:3") == Address("local", workers=3)


class Cluster:
    """What dask-jobqueue and dask-kubernetes are asked for; neither can run here."""

    def __init__(self, **options):
        self.options, self.workers = options, 0

    def scale(self, workers):
        self.workers = workers


@pytest.fixture
def engines(monkeypatch):
    for name, made in (
        ("dask_jobqueue", "SLURMCluster"),
        ("dask_kubernetes", ""),
        ("dask_kubernetes.operator", "KubeCluster"),
    ):
        module = ModuleType(name)
        if made:
            setattr(module, made, Cluster)
        monkeypatch.setitem(sys.modules, name, module)


def test_a_file_has_the_options_of_slurm_and_its_workers_time_alone(engines, tmp_path):
    (tmp_path / "s.toml").write_text('workers = 4\ncores = 16\nmemory = "60GB"\nwalltime = "12:00:00"\n')
    found = address._started(parsed(f"slurm:{tmp_path / 's.toml'}"))
    assert found.workers == 4 and found.options["cores"] == 16 and found.options["walltime"] == "12:00:00"
    assert found.options["worker_extra_args"] == ["--nthreads", "1", "--resources", "timing=1"]
    assert found.options["job_extra_directives"] == ["--exclusive"] and found.options["processes"] == 1


def test_a_file_has_the_options_of_kubernetes(engines, tmp_path):
    (tmp_path / "k.toml").write_text('workers = 2\nname = "bench"\nimage = "registry/bench"\n')
    found = address._started(parsed(f"k8s:{tmp_path / 'k.toml'}"))
    assert found.workers == 2 and found.options["image"] == "registry/bench"
    assert found.options["worker_command"][:2] == ["dask", "worker"] and "timing=1" in found.options["worker_command"]


@pytest.mark.parametrize("text", ["workers = 0", 'image = "x"', "workers = true"])
def test_a_file_without_a_number_of_workers_is_refused(engines, tmp_path, text):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ValueError, match="expected the number of workers"):
        parsed(f"slurm:{tmp_path / 's.toml'}")


def test_a_file_that_is_not_there_or_no_toml_is_named(engines, tmp_path):
    (tmp_path / "s.toml").write_text("workers =")
    for name in ("s.toml", "none.toml"):
        with pytest.raises(ValueError, match=f"slurm:{tmp_path}/{name}.*can't be read"):
            parsed(f"slurm:{tmp_path / name}")


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(ValueError, match="needs the package dask-jobqueue: python -m pip install dask-jobqueue"):
        parsed("slurm:file.toml")


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cluster", "nowhere"], "bench: --cluster 'nowhere': expected tcp://HOST:PORT, local:N"),
        (["--cluster", "local:2", "--jobs", "2"], "leave out --jobs 2"),
        (["--cluster", "local:2", "--in-process"], "leave out --in-process"),
    ],
)
def test_the_command_ends_with_one_line_before_work(small_grid, vectors_dir, tmp_path, options, told):
    where = ["--data-dir", vectors_dir, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache"]
    done = bench("run", "--grid", small_grid, *where, *options)
    assert done.returncode == 2 and told in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "cache" / "labels").exists() or not [*(tmp_path / "cache" / "labels").iterdir()]
