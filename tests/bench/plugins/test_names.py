import pytest

from bench.plugins import names, registry


def test_every_built_in_index_and_hasher_says_what_it_is_called_and_its_family():
    for kind in ("index", "hasher"):
        for name in registry.plugins(kind):
            assert names.label(kind, name), name
            assert names.family(kind, name, {}) != names.OTHER, name
    assert names.label("hasher", "a2_net") == "A²-Net"


def test_a_plugin_that_says_neither_has_its_name_and_no_family(third_party):
    assert names.label("hasher", "toy_signs") == "toy signs"
    assert names.family("hasher", "toy_signs", {}) == names.OTHER
    assert names.label("embedder", "toy_broken") == "toy broken"
    assert names.family("embedder", "toy_broken", {}) == names.OTHER


@pytest.mark.parametrize(
    ("factory", "family"),
    [
        ("Flat", "exact"),
        ("IVF300,PQ64", "inverted file"),
        ("HNSW32", "graph"),
        ("IVF300_HNSW32,Flat", "inverted file"),
        ("PQ64", "code scan"),
    ],
)
def test_the_family_of_a_faiss_index_is_that_of_its_factory_string(factory, family):
    assert names.family("index", "faiss", {"factory": factory}) == family


@pytest.mark.parametrize(("name", "is_one"), [("linear_scan", True), ("hash_tables", False), ("no_such_index", False)])
def test_a_baseline_says_so_itself(name, is_one):
    assert names.is_baseline(name) is is_one
