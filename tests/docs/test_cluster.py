"""The examples for clusters: they parse, their commands are those that there are, and the page names them."""

import re
import shlex
import subprocess

import pytest
import yaml

from tests.conftest import CHECKOUT
from tests.docs.test_commands import parsed

EXAMPLES = CHECKOUT / "examples/cluster"
SCRIPTS = ["slurm.sh", "ssh.sh"]
MANIFEST = "kubernetes.yaml"


def text(name):
    return (EXAMPLES / name).read_text(encoding="utf-8")


def words(name):
    """The words behind ``python -m bench`` of an example's command."""
    if name == MANIFEST:
        command = pod()["containers"][0]["command"]
        assert command[:3] == ["python", "-m", "bench"]
        return command[3:]
    (command,) = re.findall(
        r'^[^#\n]*python -m bench ((?:[^\n"]|"[^"\n]*")*)"?$', text(name).replace("\\\n", " "), re.M
    )
    return shlex.split(command)


def pod():
    return yaml.safe_load(text(MANIFEST))["spec"]["template"]["spec"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_parses_and_stops_without_a_grid(name, tmp_path):
    subprocess.run(["bash", "-n", EXAMPLES / name], check=True)
    command = ["bash", EXAMPLES / name, *(["hosts.txt"] if name == "ssh.sh" else [])]
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").write_text("")
    variables = {"PATH": "/usr/bin:/bin", "BENCH_SHARED": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode != 0 and "a grid" in done.stderr


@pytest.mark.parametrize("name", [*SCRIPTS, MANIFEST])
def test_an_example_starts_a_worker_that_waits_in_shared_folders(name):
    given = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in words(name)]
    command, values = parsed(given)
    assert command == "work" and values["wait"] and values["grid"] and values["out"] and values["cache_dir"]


def test_the_manifest_keeps_workers_apart_and_starts_those_again_that_are_evicted():
    job = yaml.safe_load(text(MANIFEST))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec = job["spec"]
    assert spec["completions"] == spec["parallelism"] and spec["completionMode"] == "Indexed"
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    (apart,) = pod()["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["labelSelector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    (container,) = pod()["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert [one["name"] for one in container["volumeMounts"]] == [one["name"] for one in pod()["volumes"]]


def test_each_example_stands_on_the_page_and_is_short():
    page = (CHECKOUT / "docs/cluster.md").read_text(encoding="utf-8")
    for name in (*SCRIPTS, MANIFEST):
        assert f"examples/cluster/{name}" in page and len(text(name).splitlines()) <= 50
