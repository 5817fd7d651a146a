"""What contributors and those who cite read: the files beside README are sound, and agree with the package."""

import configparser
import re

import pytest
import yaml

from tests.conftest import CHECKOUT

SETUP = configparser.RawConfigParser()
SETUP.read(CHECKOUT / "setup.cfg")


def text(name):
    return (CHECKOUT / name).read_text(encoding="utf-8")


def test_the_changelog_has_the_form_of_keep_a_changelog():
    versions = re.findall(r"^## (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", one) for one in versions[1:])
    kinds = re.findall(r"^### (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_is_of_this_package_and_of_the_paper():
    cited = yaml.safe_load(text("CITATION.cff"))
    assert cited["cff-version"] == "1.2.0" and cited["message"] and cited["authors"]
    assert (cited["version"], cited["license"]) == (SETUP["metadata"]["version"], SETUP["metadata"]["license"])
    (paper,) = cited["references"]
    assert [one["family-names"] for one in paper["authors"]] == ["Cui", "Jiang", "Wei", "Li", "Yoshie"]
    assert paper["type"] == "conference-paper" and paper["title"].startswith("ExchNet: ") and paper["year"] == 2020


def test_the_hooks_before_a_commit_run_what_the_test_command_begins_with():
    (repository,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    assert all({"id", "name", "entry", "language"} <= {*hook} for hook in repository["hooks"])
    assert [hook["name"] for hook in repository["hooks"]] == ["ruff check", "ruff format", "mypy"]


def test_the_public_ci_runs_the_test_command_on_every_supported_python():
    job = yaml.safe_load(text(".github/workflows/tests.yml"))["jobs"]["tests"]
    tox = configparser.ConfigParser()
    tox.read(CHECKOUT / "tox.ini")
    pythons = job["strategy"]["matrix"]["python"]
    assert [f"py{one.replace('.', '')}" for one in pythons] == tox["tox"]["envlist"].split(", ")
    assert SETUP["options"]["python_requires"] == f">={pythons[0]}"
    assert job["steps"][-1]["run"] == ".ci/run" and (CHECKOUT / ".ci/run").stat().st_mode & 0o100
    assert "<!-- tests -->" in text(".ci/run") and "<!-- tests -->" in text("README.md")


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "CHANGELOG.md"])
def test_files_that_a_page_for_contributors_names_are_there(page):
    named = re.findall(r"\]\(([\w./]+)\)", text(page))
    named += [one for one in re.findall(r"`([\w./-]+)`", text(page)) if "/" in one]
    assert [one for one in named if not (CHECKOUT / one).exists()] == []
