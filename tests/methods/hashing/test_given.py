import dataclasses

import numpy as np
import pytest

from bench.conformance.data import other_items, train_items
from bench.interfaces import Codes, Context
from methods.hashing.given import Given


def test_codes_are_those_of_the_items():
    hasher, items = Given().fit(train_items(), Context()), other_items()
    assert hasher.encode(items) is items.codes and hasher.bits == items.codes.bits
    assert hasher.database_codes_ is None


def test_items_without_codes_or_with_longer_ones_are_refused():
    bare = dataclasses.replace(train_items(), codes=None)
    with pytest.raises(ValueError, match="given passes codes on, and these items have none"):
        Given().fit(bare, Context())
    longer = dataclasses.replace(other_items(), codes=Codes.pack(np.ones((len(other_items()), 90), dtype=bool)))
    with pytest.raises(ValueError, match="codes of 90 bits, those fitted had 80 bits"):
        Given().fit(train_items(), Context()).encode(longer)
