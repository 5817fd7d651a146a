"""Each check is passed by a plugin that is right, and failed by plugins that are wrong in what it asks."""

import pytest

from bench import conformance
from bench.conformance import Nonconformity
from bench.plugins import registry
from tests.bench.faults import datasets, fitted, search

RIGHT = {
    "index": [search.Scan, search.scan(deterministic=False)],
    "hasher": [fitted.Planes, fitted.Models, fitted.planes(by_rows=True, figures_={"distance": 3, "share": 0.5})],
    "embedder": [fitted.Columns],
    "reranker": [search.Exact],
    "dataset": [datasets.Clusters, datasets.Noise, datasets.Unlabelled],
}
WRONG = {
    "index": search.INDEXES,
    "hasher": fitted.HASHERS,
    "embedder": fitted.EMBEDDERS,
    "reranker": search.RERANKERS,
    "dataset": datasets.DATASETS,
}


@pytest.mark.parametrize(("kind", "toy"), [(kind, toy) for kind, toys in RIGHT.items() for toy in toys])
def test_a_plugin_that_is_right_passes_all_checks(kind, toy):
    assert [str(verdict) for verdict in conformance.verdicts(kind, toy) if verdict.status == "failed"] == []


@pytest.mark.parametrize(
    ("kind", "name", "words", "toy"),
    [
        pytest.param(kind, name, words, toy, id=f"{kind}-{name}-{words}")
        for kind, checks in WRONG.items()
        for name, faults in checks.items()
        for words, toy in faults.items()
    ],
)
def test_a_plugin_that_is_wrong_fails_the_check_which_says_what_was_asked(kind, name, words, toy):
    (check,) = [check for check in conformance.checks(kind) if check.__name__ == name]
    with pytest.raises(Nonconformity, match=words):
        check(toy)


@pytest.mark.parametrize("kind", registry.GROUPS)
def test_every_check_says_its_demand_and_has_a_plugin_that_fails_it(kind):
    names = [check.__name__ for check in conformance.checks(kind)]
    assert len(set(names)) == len(names) and set(names) == set(WRONG[kind])
    assert all(check.__doc__ and "." in check.__doc__ for check in conformance.checks(kind))
