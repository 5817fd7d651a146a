"""Codes from anywhere: the same figures whatever file and form they come in, and those of other code bases."""

import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import savemat
from sklearn.metrics import average_precision_score

import bench as library
from bench.evaluation.evaluate import evaluate
from bench.evaluation.text import TICKS
from bench.given.forms import as_codes
from tests.conftest import bench

BITS, CLASSES = 20, 9


@pytest.fixture(scope="module")
def arrays():
    """Real-valued codes around a centre for each class, and the classes: of 40 queries and 300 items."""
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((CLASSES, BITS))
    labels = {"query_labels": rng.integers(CLASSES, size=40), "database_labels": rng.integers(CLASSES, size=300)}
    codes = {name: centres[labels[f"{name}_labels"]] + rng.standard_normal((len(labels[f"{name}_labels"]), BITS))
             for name in ("query", "database")}  # fmt: skip
    return codes | labels


def packed(values, order):
    return np.packbits(values >= 0, axis=1, bitorder=order)


def words(values):
    wide = np.zeros((len(values), 64), dtype=bool)
    wide[:, :BITS] = values >= 0
    return np.packbits(wide, axis=1, bitorder="little").view("<u8")


FORMS = {
    "real values": lambda values: values,
    "signs": np.sign,
    "zero and one": lambda values: (values >= 0).astype(np.int64),
    "bytes of 0 and 1": lambda values: (values >= 0).astype(np.uint8),
    "truth values": lambda values: values >= 0,
    "packed, lowest bit first": lambda values: packed(values, "little"),
    "packed, highest bit first": lambda values: packed(values, "big"),
    "packed words": words,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_codes_gives_the_same_figures(arrays, form):
    made = {name: FORMS[form](value) if name in ("query", "database") else value for name, value in arrays.items()}
    found, plain = evaluate(**made, bits=BITS), evaluate(**arrays)
    assert found.bits == plain.bits == BITS
    for name in (
        "map",
        "map_best",
        "map_worst",
        "map_by_index",
        "map_at",
        "precision_at",
        "ndcg_at",
        "recall_within_2",
    ):
        assert getattr(found, name) == getattr(plain, name), name


@pytest.mark.long
def test_expected_best_and_worst_are_those_of_scikit_learn(arrays):
    found = evaluate(**arrays)
    ones = {name: np.where(arrays[name] >= 0, 1.0, -1.0) for name in ("query", "database")}
    near = ones["query"] @ ones["database"].T
    right = arrays["query_labels"][:, None] == arrays["database_labels"]
    rng, drawn = np.random.default_rng(1), []
    apart = 1e-3 * rng.random(near.shape)  # scikit-learn takes equal scores together
    for name, shift in (("map_best", 0.5), ("map_worst", -0.5)):
        ranked = zip(right, near + apart + shift * right, strict=True)
        scores = [average_precision_score(hits, row) for hits, row in ranked]
        assert getattr(found, name) == pytest.approx(np.mean(scores))
    for _ in range(200):
        noise = near + 0.5 * rng.random(near.shape)
        drawn.append(np.mean([average_precision_score(hits, row) for hits, row in zip(right, noise, strict=True)]))
    assert found.map == pytest.approx(np.mean(drawn), abs=5 * np.std(drawn) / np.sqrt(len(drawn)))


def others_map(near, right, k, drop_last=False, leave_out=False):
    """How code bases compute mAP: the items by distance, ties by position, the first k, over those that are right."""
    scores = []
    for row, hits in zip(near, right, strict=True):
        order = np.argsort(-row, kind="stable")
        listed = hits[order][: len(order) - 1 if k is None and drop_last else k]
        places = np.flatnonzero(listed) + 1
        if len(places) == 0:
            scores += [] if leave_out else [0.0]
        else:
            scores.append(np.mean(np.arange(1, len(places) + 1) / places))
    return np.mean(scores)


CONVENTIONS = {
    "deephash_pytorch": {"drop_last": True},
    "semicon": {"drop_last": True},
    "adsh": {},
    "sdh_demo": {},
    "hashnet": {"leave_out": True},
}


@pytest.mark.parametrize("k", [None, 7])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_convention_gives_what_that_code_base_prints(arrays, convention, k):
    ones = {name: np.where(arrays[name] >= 0, 1.0, -1.0) for name in ("query", "database")}
    near = ones["query"] @ ones["database"].T
    right = arrays["query_labels"][:, None] == arrays["database_labels"]
    expected = others_map(near, right, k, **CONVENTIONS[convention])
    assert evaluate(**arrays, convention=convention, k=k).map_by_convention == pytest.approx(expected, rel=1e-12)


def save(folder, arrays, kind):
    path = folder / f"codes.{kind}"
    if kind == "npz":
        np.savez(path, **arrays)
    elif kind == "mat":
        savemat(path, arrays)
    elif kind == "pt":
        torch.save({name: torch.from_numpy(value) for name, value in arrays.items()}, path)
    else:
        with h5py.File(path, "w") as file:
            for name, value in arrays.items():
                file[name] = value
    return path


@pytest.mark.parametrize("kind", ["npz", "mat", "pt", "h5"])
def test_one_file_of_every_kind_gives_the_same_figures(tmp_path, arrays, kind):
    path = save(tmp_path, arrays, kind)
    found = evaluate(**{name: f"{path}:{name}" for name in arrays})
    assert found == evaluate(**arrays)


def test_files_of_their_own_give_the_same_figures(tmp_path, arrays):
    np.save(tmp_path / "q.npy", arrays["query"])
    pd.DataFrame(arrays["database"]).to_csv(tmp_path / "d.csv", index=False)
    pd.DataFrame({"label": [f"bird {label}" for label in arrays["query_labels"]]}).to_parquet(tmp_path / "l.parquet")
    named = np.array([f"bird {label}" for label in arrays["database_labels"]])
    np.save(tmp_path / "m.npy", named)
    files = {"query": "q.npy", "database": "d.csv", "query_labels": "l.parquet:label", "database_labels": "m.npy"}
    found = evaluate(**{name: str(tmp_path / file) for name, file in files.items()})
    assert found.map == evaluate(**arrays).map


def test_a_file_of_matlab_7_3_is_read_as_matlab_shows_it(tmp_path, arrays):
    with h5py.File(tmp_path / "new.mat", "w") as file:
        for name, value in arrays.items():
            file[name] = value.T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    assert evaluate(**{name: f"{tmp_path}/new.mat:{name}" for name in arrays}).map == evaluate(**arrays).map


def test_labels_may_be_rows_of_one_and_sets_of_classes(arrays):
    rows = {name: np.eye(CLASSES, dtype=int)[arrays[name]] for name in ("query_labels", "database_labels")}
    assert evaluate(**arrays | rows) == evaluate(**arrays)
    two = {name: row | np.roll(row, 1, axis=1) for name, row in rows.items()}
    found = evaluate(**arrays | two)
    near = np.where(arrays["query"] >= 0, 1.0, -1.0) @ np.where(arrays["database"] >= 0, 1.0, -1.0).T
    right = two["query_labels"] @ two["database_labels"].T > 0
    apart = 1e-3 * np.random.default_rng(0).random(near.shape)
    ranked = zip(right, near + apart + 0.5 * right, strict=True)
    scores = [average_precision_score(hits, row) for hits, row in ranked]
    assert found.multi_label and found.map_best == pytest.approx(np.mean(scores))


def test_a_single_query_has_a_row_of_labels_like_any_other(arrays):
    one = arrays | {name: arrays[name][:1] for name in ("query", "query_labels")}
    rows = {name: np.eye(CLASSES, dtype=int)[one[name]] for name in ("query_labels", "database_labels")}
    assert evaluate(**one | rows).map == evaluate(**one).map


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: {"database": np.where(np.eye(CLASSES)[a["database_labels"]] > 0, 1, -1)}, "one code a class"),
        (lambda a: {"database": np.hstack([a["database"][:, 1:], np.ones((300, 1))])}, "1 of 20 bits are the same"),
        (lambda a: {"query": -a["query"]}, "one of the two is inverted"),
        (lambda a: {"query": a["query"][:, ::-1]}, "orders of bits differ"),
        (lambda a: {"query": a["database"][:40]}, "40 queries stand in the database"),
        (lambda a: {"query_labels": a["query_labels"] + 100}, "40 queries have no relevant item"),
        (lambda a: {"database": np.where(a["database"] > 1, a["database"], 0)}, "values are 0 and count as bit 1"),
    ],
)
def test_what_makes_figures_wrong_is_said(arrays, change, words):
    assert not any(words in remark for remark in evaluate(**arrays).remarks)
    changed = arrays | change(arrays)
    if changed["database"].shape[1] != changed["query"].shape[1]:
        changed["query"] = changed["query"][:, : changed["database"].shape[1]]
    assert any(words in remark for remark in evaluate(**changed).remarks)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"query": np.ones((40, 19))}, "query codes have 19 bits and database codes 20"),
        ({"query": np.full((40, BITS), np.nan)}, "query: nan at row 0, column 0; a value must be finite"),
        (
            {"query": np.full((40, BITS), 7, dtype=np.uint8)},
            r"packed codes need their number of bits, as in bits = 160",
        ),
        ({"query_labels": np.arange(39)}, "39 labels for 40 items, must be as many"),
        ({"query_labels": np.ones((40, 3))}, r"labels \[300\] and \[40, 3\] are not of the same classes"),
        ({"database": np.ones(300)}, r"\[300\], expected \[items, bits\]"),
        ({"bits": 64}, "20 columns of float64, and bits = 64"),
        ({"convention": "hash_net"}, "convention 'hash_net': expected one of"),
        ({"reference": "paper_table2:cub200/exchnet"}, "expected TABLE:DATASET/HASHER/BITS"),
        ({"reference": "paper_table2:cub200/exchnet/13"}, "no such value; it has"),
        ({"reference": "fine_grained:cub200/exchnet/12"}, "add one of its protocols, .* seen_seen, seen_all, unseen"),
        ({"reference": "fine_grained:cub200/exchnet/12/seen"}, "add one of its protocols"),
        ({"query": "no_such.npy"}, "there is no such file"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(arrays, change, words):
    with pytest.raises(ValueError, match=words) as caught:
        evaluate(**arrays | change)
    assert "\n" not in str(caught.value)


def test_packed_bits_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="codes of 20 bits hold more than that"):
        as_codes(("here", "there"), *2 * [np.full((2, 3), 255, dtype=np.uint8)], 20)
    with pytest.raises(ValueError, match="expected 30 columns, 4 of uint8 or 1 of uint64"):
        as_codes(("here", "there"), *2 * [np.zeros((2, 3), dtype=np.uint8)], 30)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.pt", "x.mat", "x.h5", "x.parquet"])
def test_a_damaged_or_pickled_file_is_one_line(tmp_path, arrays, name):
    path = tmp_path / name
    if name == "x.npy":
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif name == "x.pt":
        torch.save(arrays, path)  # numpy arrays, which are pickled
    else:
        path.write_bytes(b"no such file begins so")
    with pytest.raises(ValueError, match=f"{name} can't be read") as caught:
        evaluate(**arrays | {"query": str(path)})
    assert "\n" not in str(caught.value)


def test_the_command_prints_the_figures_and_writes_a_page(tmp_path, arrays):
    path = save(tmp_path, arrays, "npz")
    page = tmp_path / "page.html"
    known = ("evaluate", "--file", path, "--convention", "adsh")
    done = bench(*known, "--html", page, "--reference", "paper_table2:cub200/exchnet/32")
    assert done.returncode == 0, done.stderr
    assert "mAP as adsh prints it" in done.stdout and "published: paper_table2:cub200/exchnet/32" in done.stdout
    at_axes = re.findall(r'text-anchor="\w+">([\d.]+)</text>', page.read_text())
    assert sorted(at_axes) == sorted([*map(str, TICKS)] * 2) and page.read_text().count("<line ") == 2 + len(at_axes)
    assert "<polyline" in page.read_text() and "mAP as adsh prints it" in page.read_text()
    figures = json.loads(bench(*known, "--json").stdout)
    assert figures["map"] == evaluate(**arrays).map and len(figures["curve"]["recall"]) == BITS + 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--query", "q.npy"], "--database, --query-labels, --database-labels missing"),
        (["--file", "no.npz"], "there is no such file"),
        (["--file", "{}", "--at", "ten"], "--at ten: expected whole numbers"),
        (["--file", "{1}"], "holds one array without a name, and not all four: name a file for each of --query"),
        (["--file", "{0}", "--query", "{1}:x"], "has no variable 'x'; it holds one array without a name"),
        (["--file", "{}", "--k", "5"], "k = 5: it is the length of a convention's list; give a convention too: "),
    ],
)
def test_a_command_that_lacks_something_says_what(tmp_path, arrays, words, said):
    one = tmp_path / "one.npy"
    np.save(one, arrays["query"])
    path = save(tmp_path, arrays, "npz")
    done = bench("evaluate", *(word.format(path, one) for word in words))
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


def test_numbers_of_neighbours_that_the_database_does_not_have_are_said(arrays):
    items = len(arrays["database"])
    found = evaluate(**arrays, at=[5, items + 1, 10**6])
    assert [*found.map_at] == [5]
    assert found.remarks[0] == f"no figure is given at {items + 1}, 1,000,000: the database has {items} items"
    assert not any("no figure" in remark for remark in evaluate(**arrays).remarks)


def test_a_notebook_evaluates_arrays(arrays):
    assert library.evaluate(**arrays).map == evaluate(**arrays).map
