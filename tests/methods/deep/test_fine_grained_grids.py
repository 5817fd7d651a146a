"""The grids of fine-grained hashing: their cells train, and their settings are those of the study."""

import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.plugins import registry
from tests.methods.deep.conftest import toy_items

SMALL = {"image_size": 16, "pretrain_epochs": 1, "iterations": 1, "epochs": 1, "samples": 20, "batch_size": 10}


def test_each_method_of_the_ablations_trains_and_says_which_of_its_losses_are_left():
    grid = grid_file.load("fine_grained_ablations", Options(seed=0, settings=["bits=[12]"]))
    hashers = {str(cell.hasher): cell.hasher for cell in grid.cells}
    few, losses = toy_items(40, 0), []
    for hasher in hashers.values():
        built = registry.build("hasher", hasher.name, {**hasher.parameters, **SMALL})
        built.fit(few, Context(seed=0))
        (figures,) = built.after_fit().training.history
        changed = {name: hasher.parameters.get(name) for name in ("dispersion", "heads", "stride", "classification")}
        losses.append((hasher.name, *changed.values(), *({"dispersion_loss", "cross_entropy"} & set(figures))))
        assert len(built.encode(few)) == len(built.database_codes_) == 40
    assert losses == [
        ("adsh", None, None, None, None),
        ("agmh", 0.5, None, None, None, "dispersion_loss"),
        ("agmh", 0.0, None, None, None),
        ("agmh", None, 1, None, None),
        ("agmh", None, 3, None, None, "dispersion_loss"),
        ("agmh", None, None, 2, None, "dispersion_loss"),
        ("agmh", None, 1, 2, None),
        ("dahnet", None, None, None, 1.0, "cross_entropy"),
        ("dahnet", None, None, None, 0.0),
    ]


@pytest.mark.parametrize(
    ("name", "dataset", "rate", "decay", "momentum"),
    [
        ("fish", "cub200", 1e-2, 0.0, 0.9),
        ("psldh", "cub200", 1e-3, 1e-4, 0.9),
        ("dcdh", "aircraft", 5e-4, 5e-4, 0.9),
        ("chn", "food101", 1e-3, 1e-4, 0.9),
        ("agmh", "nabirds", 1e-3, 1e-4, 0.9),
        ("dahnet", "cub200", 2.5e-4, 1e-4, 0.91),
        ("dahnet", "nabirds", 5e-4, 1e-4, 0.91),
        ("dahnet", "vegfru", 5e-4, 1e-4, 0.91),
    ],
)
def test_the_study_trains_the_later_methods_by_its_own_settings(name, dataset, rate, decay, momentum):
    few = ["bits=12", "model=oracle", "protocol=seen_seen", "database_codes=encoded"]
    cells = grid_file.load("fine_grained", Options(dataset=dataset, settings=few)).cells
    (hasher,) = {str(cell.hasher): cell.hasher for cell in cells if cell.hasher.name == name}.values()
    built = registry.build("hasher", name, hasher.parameters)
    assert (built.learning_rate, built.weight_decay, built.momentum, built.batch_size) == (rate, decay, momentum, 16)
    if name in ("agmh", "dahnet"):
        large = dataset in ("nabirds", "vegfru")
        assert (built.iterations, built.epochs, built.samples) == (40, 30, 4000 if large else 2000)
        assert built.optimizer == "nesterov" and [built.rate(step / 40) for step in (34, 35)] == [1.0, 0.1]
