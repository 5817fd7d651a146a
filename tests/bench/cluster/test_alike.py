"""What a worker must have in common with a run, and the line that says what it has not."""

import copy

import pytest

from bench.cluster import alike
from bench.grids import grid_file


@pytest.fixture
def plugins(small_grid, third_party):
    return alike.needed([grid_file.load(str(small_grid))])


def test_the_same_installation_is_alike(plugins):
    assert alike.unlike(plugins, alike.harness()) is None
    assert {one["name"] for one in plugins} >= {"toy_signs", "vectors", "identity", "hash_tables", "float32"}


def test_a_plugin_that_is_not_installed_is_named_with_its_package(plugins):
    (toy,) = (one for one in plugins if one["name"] == "toy_signs")
    lost = {**toy, "name": "toy_signs_of_another"}
    told = alike.unlike([*plugins, lost], alike.harness())
    assert told == "the package toy-plugins 0.1 with the hasher 'toy_signs_of_another' is not installed there"


def test_another_version_source_or_library_is_named(plugins):
    (toy,) = (one for one in plugins if one["name"] == "toy_signs")
    told = alike.unlike([{**toy, "version": "0.2"}], alike.harness())
    assert told == "the hasher 'toy_signs' is of the package toy-plugins 0.1 there, toy-plugins 0.2 here"
    other = copy.deepcopy(toy)
    other["identity"]["source"] = "0"
    assert alike.unlike([other], alike.harness()) == "the package toy-plugins has another source there than here"
    other = copy.deepcopy(toy)
    other["identity"]["libraries"] = {**other["identity"]["libraries"], "numpy": "0.0"}
    assert alike.unlike([other], alike.harness()).startswith("the package numpy is ")
    rooms = alike.harness()
    rooms = {**rooms, "rooms": {**rooms["rooms"], "metrics": 0}}
    assert alike.unlike(plugins, rooms) == "the package bench has another source there than here"


def test_a_token_shows_whether_a_folder_is_shared(tmp_path):
    with alike.shared([tmp_path / "out", tmp_path / "cache", tmp_path / "out"]) as tokens:
        assert len(tokens) == 2 and alike.apart(tokens) is None
        assert alike.apart(dict.fromkeys(tokens, "another")).startswith(f"the folder {tmp_path / 'out'} is not")
        (name, text), _ = tokens.items()
        assert "not the same there" in alike.apart({f"{name}-elsewhere": text})
    assert not list(tmp_path.rglob(".cluster-*"))
