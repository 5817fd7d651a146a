"""Texts in MATLAB's files: char matrices and cell arrays, of version 5 as scipy writes them, and of version 7.3."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from bench.evaluation.evaluate import evaluate
from bench.given.files import arrays_of

NAMES = {"qL": ["cat", "ox", "cow", "ox"], "rL": ["elephant", "ox", "cat", "Möwe", "cow", "cat"]}
BITS = {"qB": np.array([[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 1]]), "rB": np.eye(6, 3, dtype=int)}


def old_chars(path, names):
    savemat(path, BITS | {name: np.array(texts) for name, texts in names.items()})


def old_cells(path, names, turned=False):
    cells = {name: np.array(texts, dtype=object) for name, texts in names.items()}
    savemat(path, BITS | {name: cell[:, None] if turned else cell for name, cell in cells.items()})


def units(text):
    return np.frombuffer(text.encode("utf-16-le"), dtype="<u2")


def marked(dataset, kind):
    dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    return dataset


def new_file(path, names, texts):
    """A file as MATLAB writes with -v7.3: arrays are transposed, and cells refer to datasets in #refs#."""
    with h5py.File(path, "w") as file:
        for name, values in BITS.items():
            marked(file.create_dataset(name, data=values.T.astype(float)), "double")
        for name, own in names.items():
            texts(file, name, own)


def new_chars(file, name, texts):
    longest = max(map(len, texts))
    marked(file.create_dataset(name, data=np.array([units(text.ljust(longest)) for text in texts]).T), "char")


def new_cells(file, name, texts):
    references = []
    for place, text in enumerate(texts):
        cell = marked(file.create_dataset(f"#refs#/{name}{place}", data=units(text)[:, None]), "char")
        references.append(cell.ref)
    held = np.empty((1, len(texts)), dtype=h5py.ref_dtype)
    held[0] = references
    marked(file.create_dataset(name, data=held, dtype=h5py.ref_dtype), "cell")


WRITERS = {
    "char matrix": old_chars,
    "row of cells": old_cells,
    "column of cells": lambda path, names: old_cells(path, names, turned=True),
    "char matrix of 7.3": lambda path, names: new_file(path, names, new_chars),
    "cells of 7.3": lambda path, names: new_file(path, names, new_cells),
}


@pytest.mark.parametrize("form", WRITERS)
def test_names_of_queries_and_database_are_the_same_classes_whatever_their_lengths(tmp_path, form):
    path = tmp_path / "x.mat"
    WRITERS[form](path, NAMES)
    arrays = arrays_of(path)
    assert {*arrays} == {*NAMES, *BITS}
    assert {name: arrays[name]().ravel().tolist() for name in NAMES} == NAMES
    number = {name: place for place, name in enumerate(sorted({*NAMES["qL"], *NAMES["rL"]}))}
    numbers = [np.array([number[one] for one in NAMES[name]]) for name in ("qL", "rL")]
    found = evaluate(*(f"{path}:{name}" for name in ("qB", "rB", "qL", "rL")))
    assert found == evaluate(BITS["qB"], BITS["rB"], *numbers)


@pytest.mark.parametrize("form", ["old", "new"])
def test_a_cell_that_holds_no_text_is_named(tmp_path, form):
    path = tmp_path / "x.mat"
    if form == "old":
        savemat(path, {"qL": np.array(["cat", 7], dtype=object)})
    else:
        new_file(path, {"qL": ["cat", "7"]}, new_cells)
        with h5py.File(path, "a") as file:
            marked(file["#refs#/qL1"], "double")
    with pytest.raises(ValueError, match=r"x\.mat .*cell 2 of qL holds no text; a cell array must hold texts alone"):
        arrays_of(path)["qL"]()


@pytest.mark.parametrize("form", WRITERS)
def test_an_empty_name_is_no_label(tmp_path, form):
    path = tmp_path / "x.mat"
    WRITERS[form](path, NAMES | {"qL": ["cat", "ox", "", "ox"]})
    if form == "cells of 7.3":
        with h5py.File(path, "a") as file:  # as MATLAB writes '': its shape, and a mark
            del file["#refs#/qL2"]
            cell = marked(file.create_dataset("#refs#/empty", data=np.zeros(2, dtype="u8")), "char")
            cell.attrs["MATLAB_empty"] = np.uint8(1)
            file["qL"][0, 2] = cell.ref
    with pytest.raises(ValueError, match=r"x\.mat:qL: the label at row 2 is empty; a label must be a whole number or"):
        evaluate(*(f"{path}:{name}" for name in ("qB", "rB", "qL", "rL")))
