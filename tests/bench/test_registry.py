import sys

import pytest

from bench import registry


def test_a_third_party_is_on_the_list_beside_the_built_in_plugins(third_party):
    hashers = registry.plugins("hasher")
    assert {"exchnet", "toy_signs"} <= set(hashers)
    assert registry.describe(hashers["toy_signs"]) == "Random hyperplanes, which note each fit in the cache folder."


def test_a_plugin_that_cannot_be_imported_is_still_described(third_party):
    assert registry.describe(registry.find("embedder", "toy_broken")) == "Described though it can't be imported."
    with pytest.raises(ValueError, match=r"'toy_broken'.*a_library_that_is_not_there"):
        registry.load("embedder", "toy_broken")


def test_every_built_in_plugin_has_a_one_line_description():
    for kind in registry.GROUPS:
        for name, point in registry.plugins(kind).items():
            assert 10 < len(registry.describe(point)) <= 110, name


def test_an_unknown_name_is_answered_with_the_near_and_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown index 'linear_scam'; did you mean 'linear_scan'\? known: .*kd_tree"):
        registry.find("index", "linear_scam")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"key_bit": 8}, "unknown parameter 'key_bit' of hash_tables; did you mean 'key_bits'"),
        ({"key_bits": "8"}, "hash_tables: key_bits = '8': Input should be a valid integer"),
        ({"key_bits": 2.5}, "hash_tables: key_bits = 2.5"),
        ({"key_bits": True}, "hash_tables: key_bits = True"),
        ({"key_bits": 0}, "hash_tables: .*key_bits"),
    ],
)
def test_a_wrong_parameter_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        registry.build("index", "hash_tables", values)


def test_built_in_plugins_are_checked_without_torch():
    import subprocess

    code = """
import sys
from bench import registry
for kind in registry.GROUPS:
    for name in registry.plugins(kind):
        registry.build(kind, name, {})
sys.exit("torch" in sys.modules or "sklearn" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
