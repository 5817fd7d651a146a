"""What means nothing is refused at once, in one line: values of plugins, and options of the command line."""

import subprocess
import sys
from typing import Annotated, get_args, get_origin

import pytest
from typer.testing import CliRunner

from bench.cli.commands import app
from bench.grids.grid_file import Options, load
from bench.interfaces import Unavailable
from bench.plugins import registry

PLUGINS = [(kind, name) for kind in registry.GROUPS for name in registry.plugins(kind)]
EXTREMES = {
    int: [0, -1, 10**9, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 10**400],
    float: [0.0, -1.0, 1e-320, 1e308, -1e308, float("nan"), float("inf"), 10**400],
    str: ["", "x", "\0", "a\nb", "\udcff", "2024-05-01", "y" * 10_000],
}


def plain_types(annotation):
    """The types in an annotation, without what is optional or narrowed."""
    if get_origin(annotation) is Annotated:
        return plain_types(get_args(annotation)[0])
    return [one for inner in get_args(annotation) for one in plain_types(inner)] or [annotation]


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_every_parameter_takes_a_value_of_its_type_or_says_in_one_line_why_not(kind, name):
    for key, field in registry._schema(registry.load(kind, name)).model_fields.items():
        for one in [value for type_ in plain_types(field.annotation) for value in EXTREMES.get(type_, [])]:
            try:
                made = registry.build(kind, name, {key: one})
                if hasattr(made, "check"):
                    made.check(dim=None, bits=None)
                    made.check(dim=8, bits=32)
            except (ValueError, Unavailable) as fault:
                assert str(fault).isprintable() and len(str(fault)) < 20_000
            else:
                assert abs(one) < 2**63 if isinstance(one, int) else one == one and one not in (float("inf"), "\udcff")


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        ("index", "faiss", {"factory": "12:30:00"}),
        ("index", "faiss", {"factory": ""}),
        ("index", "faiss", {"factory": "IVF99999999999,Flat"}),
        ("index", "faiss", {"seed": -1}),
        ("index", "annoy", {"seed": -1}),
        ("index", "hnswlib", {"m": 2**40}),
        ("hasher", "itq", {"iterations": 2**40}),
        ("hasher", "exchnet", {"epochs": 10**12}),
        ("hasher", "exchnet", {"learning_rate": 1e308}),
        ("embedder", "triplet", {"dim": 2**40}),
        ("embedder", "triplet", {"image_size": 10**9}),
    ],
)
def test_a_value_with_which_building_could_only_fail_is_refused_before(kind, name, values):
    with pytest.raises(ValueError, match=next(iter(values))):
        made = registry.build(kind, name, values)
        made.check(dim=None, bits=None)


GRID = """
title = "t"
dataset = "vectors"
recipe = "none"
[[cells]]
embedder = "identity"
hasher = "lsh"
bits = 16
index = "faiss"
factory = "Flat"
[recipes.none]
"""


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "g.toml"
    path.write_text(GRID)
    return str(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "banana"], "--device 'banana': allowed are auto, cpu, cuda"),
        (["--device", ""], "--device '': allowed are auto, cpu, cuda"),
        (["--device", "cpu\n"], "--device 'cpu\\n': allowed are"),
        (["--seed", "-1"], "--seed = -1"),
        (["--seed", str(2**40)], "--seed = 1099511627776"),
        (["--memory-limit", "inf"], "--memory-limit inf: expected GB"),
        (["--memory-limit", "nan"], "--memory-limit nan: expected GB"),
        (["--memory-limit", "0"], "--memory-limit 0: expected GB"),
        (["--memory-limit", "-1"], "--memory-limit -1: expected GB"),
        (["--memory-limit", "1e300"], "--memory-limit 1e+300: expected GB"),
        (["--timeout", "inf"], "--timeout inf: expected seconds"),
        (["--timeout", "nan"], "--timeout nan: expected seconds"),
        (["--timeout", "0"], "--timeout 0: expected seconds"),
        (["--recipe", "quik"], "--recipe: "),
        (["--recipe", "quik"], "unknown recipe 'quik'"),
        (["--set", "measure.precision=300%"], "(with --set 'measure.precision=300%')"),
        (["--set", "reference=nope"], "reference = 'nope': unknown table of published figures"),
        (["--set", "itq.iterations=5"], "--set itq.…: unknown plugin 'itq'"),
        (["--set", "k=0"], "k = 0: Input should be greater than or equal to 1"),
        (["--set", "measure.queries_per_round=0"], "queries_per_round = 0 must be at least 1"),
        (["--set", "unseen_share=nan"], "unseen_share = nan"),
        (["--set", "layout=table"], "layout = 'table': allowed are"),
        (["--set", "seeds=[]"], "seeds = []: an empty list leaves no cell"),
        (["--set", "bits=[]"], "bits = []: an empty list leaves no cell"),
        (["--set", "cells=[]"], "cells = []"),
        (["--set", "index="], "unknown index ''"),
        (["--set", "bits=1000000000"], "bits = 1000000000: codes have at most 65,536"),
        (["--set", "bits=2024-05-01"], "bits = 2024-05-01"),
        (["--set", "bits=1e999"], "bits = inf"),
        (["--set", "bits=n / m"], "--set 'bits=n / m': lsh: bits = 'n / m': 'm' is not allowed; an expression has"),
        (["--set", "faiss.factory=IVF{sqr(n)},Flat"], "in braces, 'sqr(n)': 'sqr(n)' is not allowed"),
        (["--set", "faiss.factory=12:30:00"], "factory = '12:30:00'"),
        (["--set", "a="], "unknown key 'a'"),
        (["--set", "=b"], "expected key=value"),
        (["--set", "'k'=3"], "expected key=value"),
        (["--set", "k=1\nseeds = 5"], "k = '1\\nseeds = 5'"),
        (["--set", "k=\udcff"], "no text in UTF-8"),
    ],
)
def test_an_option_that_means_nothing_is_one_line_and_2_before_anything_runs(
    grid, vectors_dir, tmp_path, words, message
):
    options = ["--grid", grid, "--data-dir", str(vectors_dir), "--out", str(tmp_path / "out")]
    done = CliRunner(env={"COLUMNS": "500"}).invoke(
        app, ["run", *options, "--cache-dir", str(tmp_path / "cache"), *words]
    )
    assert done.exit_code == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists() and not (tmp_path / "cache").exists()


def test_text_that_toml_reads_as_another_scalar_is_text_where_text_is_wanted(grid, vectors_dir, tmp_path):
    settings = ["title=2024-05-01", "dataset_name=12", "vectors.data_dir=2024-05-01"]
    plan = load(grid, Options(settings=[*settings, f"vectors.data_dir={vectors_dir}"]))
    assert (plan.title, plan.dataset_name) == ("2024-05-01", "12")
    assert load(grid, Options(settings=["bits=32", "title='x'"])).cells[0].hasher.parameters["bits"] == 32


def test_a_product_of_too_many_cells_is_refused_before_it_is_made(grid, vectors_dir):
    many = f"[{', '.join(map(str, range(1, 1001)))}]"
    settings = [f"bits={many}", f"seeds={many}", f"factory={many}"]
    with pytest.raises(ValueError, match=r"1,000,000 cells; at most 10,000"):
        load(grid, Options(data_dir=vectors_dir, settings=settings[:2]))


def test_values_that_are_there_twice_make_one_cell(grid, vectors_dir):
    settings = ["bits=[16, 16, 8]", "seeds=[1, 1]"]
    assert len(load(grid, Options(data_dir=vectors_dir, settings=settings)).cells) == 2


def test_an_empty_text_drops_no_cells_of_vectors(grid, vectors_dir):
    with pytest.raises(ValueError, match="factory = ''"):
        load(grid, Options(data_dir=vectors_dir, settings=["factory=''"]))


def test_devices_that_every_machine_has_need_no_torch():
    code = "import sys; from bench.system.environment import check_device; check_device('cpu'); check_device('auto')"
    done = subprocess.run([sys.executable, "-c", f"{code}; sys.exit('torch' in sys.modules)"], check=False)
    assert done.returncode == 0
