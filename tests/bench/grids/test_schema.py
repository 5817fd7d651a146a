"""The schema of a grid's file, against jsonschema and the model that checks the file."""

import json
import tomllib

import jsonschema
import pytest

from bench.grids.files import built_in
from bench.grids.model import read
from bench.grids.schema import json_schema


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(json.dumps(json_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", built_in())
def test_the_built_in_grids_fit_the_schema(validator, name):
    assert [fault.message for fault in validator.iter_errors(tomllib.loads(built_in()[name].read_text()))] == []


GRID = {"title": "t", "dataset": "vectors", "recipe": "r", "cells": [{"index": "linear_scan", "embedder": "identity"}]}


@pytest.mark.parametrize(
    "change",
    [
        {"k": 0},
        {"k": "ten"},
        {"layout": "round"},
        {"dataset": []},
        {"titel": "t"},
        {"cells": []},
        {"cells": [{"index": []}]},
        {"cells": [{"candidates": [0]}]},
        {"cells": [{"protocol": "unseen_some"}]},
        {"seeds": 3},
    ],
)
def test_what_the_model_refuses_the_schema_refuses_too(validator, change):
    grid = {**GRID, "recipes": {"r": {}}}
    assert validator.is_valid(grid) and read(grid, "here")
    assert not validator.is_valid(grid | change)
    with pytest.raises(ValueError, match="here"):
        read(grid | change, "here")


@pytest.mark.parametrize("change", [{"dataset": "no_such_set"}, {"cells": [{"index": "no_such_index"}]}])
def test_the_schema_knows_the_plugins_that_are_installed(validator, change):
    assert not validator.is_valid(GRID | change)


def test_one_value_stands_for_a_list_of_one(validator):
    assert validator.is_valid(GRID | {"dataset": ["vectors"]})
    assert validator.is_valid(
        GRID | {"cells": [{"index": ["linear_scan", "faiss"], "candidates": 10, "nlist": [1, 2]}]}
    )
