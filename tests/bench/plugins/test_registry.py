import subprocess
import sys

import pytest

from bench.grids import grid_file
from bench.plugins import registry
from tests.conftest import bench


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
    code = """
import sys
from bench.plugins import registry
for kind in registry.GROUPS:
    for name in registry.plugins(kind):
        registry.build(kind, name, {})
sys.exit("torch" in sys.modules or "sklearn" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


HASHER = 'class {}:\n    """Mine, not ours."""\n    def __init__(self, *, bits: int = 8):\n        self.bits = bits\n'
BROKEN = {
    "stale": ("stale = gone_package.mod:Old", None, "No module named 'gone_package'"),
    "syntax": ("syntax = syntax_mod:H", "class H(:\n", "SyntaxError"),
    "raises": ("raises = raises_mod:H", "raise RuntimeError('no\\nlicence')\n", "RuntimeError: no"),
    "exits": ("exits = exits_mod:H", "import sys\nsys.exit('leave')\n", "SystemExit: leave"),
    "classless": ("classless = classless_mod:H", "", "no attribute 'H'"),
    "function": ("function = function_mod:h", "def h(): pass\n", "not a class"),
    "malformed": ("malformed = not a module", None, "'not a module' is not of the form module:Class"),
    "nothing": ("nothing =", None, "'' is not of the form module:Class"),
    "undecodable": ("undecodable = undecodable_mod:H", b"x = '\xff'\nclass H: pass\n", "SyntaxError"),
}


def install(folder, name, point, source=None, kind="bench.hashers", metadata="dist-info/METADATA"):
    """A package of one plugin on the path ``folder``, as far as its metadata and its module go."""
    path = folder / f"{name}-1.0.{metadata}"
    path.parent.mkdir(parents=True)
    path.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (path.parent / "entry_points.txt").write_text(f"[{kind}]\n{point}\n")
    if source is not None:
        content = source if isinstance(source, bytes) else source.encode()
        (folder / f"{name}_mod.py").write_bytes(content)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path, to be filled before anything asks for plugins."""
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._offered.cache_clear()
    yield tmp_path
    registry._offered.cache_clear()


@pytest.mark.long
def test_a_broken_plugin_is_one_line_of_the_list_and_harms_no_grid_that_does_not_name_it(tmp_path):
    for name, (point, source, _) in BROKEN.items():
        install(tmp_path, name, point, source)
    (tmp_path / "half_removed-1.0.dist-info").mkdir()
    listed = bench("list", path=(tmp_path,))
    assert listed.returncode == 0, listed.stderr
    for name, (_, _, reason) in BROKEN.items():
        (line,) = [line for line in listed.stdout.splitlines() if line.split()[:1] == [name]]
        assert "broken: " in line and reason in line
    where = ("--cache-dir", tmp_path / "cache", "--out", tmp_path / "out")
    shown = bench("show", "hashing_small", *where, path=(tmp_path,))
    assert shown.returncode == 0 and "pending" in shown.stdout, shown.stderr


@pytest.mark.parametrize("text", [b"[bench.hashers]\nno sign of equality\n", b"\xff\xfe[bench.hashers]"])
def test_entry_points_that_no_program_can_read_are_one_line(tmp_path, text):
    install(tmp_path, "spoilt", "h = spoilt_mod:H")
    (tmp_path / "spoilt-1.0.dist-info" / "entry_points.txt").write_bytes(text)
    done = bench("list", path=(tmp_path,))
    assert done.returncode == 2 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert "entry_points.txt of spoilt" in line and str(tmp_path) in line and "install it again" in line


@pytest.mark.parametrize("name", BROKEN)
def test_whoever_names_a_broken_plugin_is_told_its_package_and_the_reason(name, site):
    point, source, reason = BROKEN[name]
    install(site, name, point, source)
    with pytest.raises(ValueError, match=rf"hasher '{name}' .* of {name} 1.0.* can't be used") as told:
        registry.build("hasher", name, {})
    assert reason in str(told.value)


def test_of_two_plugins_of_one_name_neither_wins(site, tmp_path):
    install(site, "dup", "itq = dup_mod:Mine", HASHER.format("Mine"))
    listed = registry.plugins("hasher")
    assert {"dup:itq", "bench:itq", "pcah"} <= set(listed) and "itq" not in listed
    with pytest.raises(ValueError, match=r"hasher .itq. is the name of plugins of several packages: write .*dup:itq"):
        registry.load("hasher", "itq")
    assert registry.load("hasher", "dup:itq").__name__ == "Mine"
    assert registry.load("hasher", "bench:itq").__name__ == "ITQ"
    text = """
        title = "Both"
        dataset = "vectors"
        recipe = "r"
        [[cells]]
        hasher = HASHERS
        embedder = "identity"
        bits = 8
        index = "hamming_scan"
        [recipes.r]
        itq.iterations = 3
        "bench:itq".iterations = 7
    """
    path = tmp_path / "both.toml"
    path.write_text(text.replace("HASHERS", '["bench:itq", "dup:itq"]'))
    options = grid_file.Options(data_dir=tmp_path, settings=["bench:itq.random_state=5"])
    cells = grid_file.load(str(path), options).cells
    assert [cell.hasher.parameters for cell in cells] == [{"iterations": 7, "bits": 8, "random_state": 5}, {"bits": 8}]
    path.write_text(text.replace("HASHERS", '"itq"'))
    with pytest.raises(ValueError, match=r"bench:itq or dup:itq|dup:itq or bench:itq"):
        grid_file.load(str(path), options)


def test_a_full_name_is_a_name_also_where_it_is_the_only_one():
    assert registry.load("hasher", "bench:itq") is registry.load("hasher", "itq")
    assert bench("check", "bench:identity").returncode == 0


def test_a_package_that_is_seen_twice_is_one(site):
    install(site, "twice", "twice = twice_mod:H", HASHER.format("H"))
    install(site, "Twice", "twice = twice_mod:H", metadata="egg-info/PKG-INFO")
    assert "twice" in registry.plugins("hasher")
