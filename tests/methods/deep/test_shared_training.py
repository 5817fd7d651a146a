"""A training that several processes share has the steps of one, all agree, and it ends whole or with a reason."""

import csv
import io
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import distributed, nn

from bench.interfaces import Context
from bench.plugins import registry
from bench.workers.limits import Failure, Limits
from bench.workers.process import Child, marked
from methods.batches import Share
from methods.embedding.triplet import Triplet
from methods.hashing.deep.a2_net import A2Net
from methods.hashing.deep.adsh import ADSH
from methods.hashing.deep.agmh import AGMH
from methods.hashing.deep.bi_half import BiHalf
from methods.hashing.deep.cibhash import CIBHash
from methods.hashing.deep.class_code import ClassCode
from methods.hashing.deep.csq import CSQ
from methods.hashing.deep.dcdh import DCDH
from methods.hashing.deep.dpn import DPN
from methods.hashing.deep.dpsh import DPSH
from methods.hashing.deep.dsh import DSH
from methods.hashing.deep.dtsh import DTSH
from methods.hashing.deep.exchnet import ExchNet
from methods.hashing.deep.fish import FISH
from methods.hashing.deep.greedy_hash import GreedyHash
from methods.hashing.deep.greedy_hash_u import GreedyHashU
from methods.hashing.deep.hashnet import HashNet
from methods.hashing.deep.orthohash import OrthoHash
from methods.hashing.deep.psldh import PSLDH
from methods.hashing.deep.sdc import SDC
from methods.hashing.deep.semicon import SEMICON
from methods.ranks import together
from methods.training import Training
from tests.methods.deep.conftest import toy_items

TINY = {"backbone": "small", "weights": "synthetic", "image_size": 16, "frozen_trunk": True}
TURNS = {"bits": 12, "iterations": 2, "epochs": 1, "samples": 36, "batch_size": 36, "learning_rate": 0.01, **TINY}
METHODS: dict[str, tuple[Any, dict[str, Any]]] = {
    "csq": (CSQ, {"bits": 12, "epochs": 2, "batch_size": 36, "head": "deep", "optimizer": "sgd", **TINY}),
    "triplet": (Triplet, {"dim": 8, "epochs": 2, "classes_per_batch": 4, "images_per_class": 9, **TINY}),
    "adsh": (ADSH, {**TURNS, "augmentation": "resized_crop", "frozen_trunk": False, "momentum": 0.9}),
    "exchnet": (ExchNet, {**TURNS, "exchange_from": 0.5}),
}
EPOCHS = {"bits": 12, "epochs": 2, "batch_size": 36, "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01, **TINY}
OTHERS: dict[str, tuple[Any, dict[str, Any]]] = {
    method.__name__: (method, EPOCHS)
    for method in (DPSH, DSH, HashNet, OrthoHash, GreedyHash, ClassCode, FISH, PSLDH, DPN, DTSH, DCDH)
}
OTHERS["bfloat16"] = (GreedyHash, {**EPOCHS, "precision": "bf16-mixed"})
OTHERS["DPSH"] = (DPSH, {**EPOCHS, "validation": 6, "validate_every": 1})
OTHERS |= {method.__name__: (method, {**TURNS, "momentum": 0.9}) for method in (A2Net, SEMICON, AGMH)}
OTHERS |= {
    method.__name__: (method, {name: value for name, value in EPOCHS.items() if name != "frozen_trunk"})
    for method in (SDC, BiHalf, GreedyHashU)
}
BOUNDS = {"SEMICON": 5e-3, "bfloat16": 0.05}
"""Of gradients over the largest one, where it is not 3e-5. The network of SEMICON takes the square root of products,
which is steep at 0 and enlarges rounding.
"""
ITEMS = 36
UNEVEN = 11
EACH = pytest.mark.parametrize("name", METHODS)


class Kept:
    """A ``track`` that keeps the folder of a training as it is when a step begins."""

    def __init__(self, folder, copy, step):
        self.folder, self.copy, self.step = folder, copy, step

    def __call__(self, steps, description, total=None):
        for number, step in enumerate(steps):
            if number == self.step and "keep" not in description and total == 2:
                shutil.copytree(self.folder, self.copy)
            yield step


class Pairs(nn.Module):
    """A linear layer, and outputs that are no rows of items."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, rows):
        return self.linear(rows)


@dataclass
class Bundle:
    """A plugin whose ``fit`` does all trainings of this file, one after the other, and writes what a rank has."""

    out: str
    devices: int = 1
    nodes: int = 1

    def fit(self, train, context):
        with together(self, train, context, torch.device("cpu")):
            rank = distributed.get_rank() if self.devices > 1 else 0
            self.rank_folder = Path(self.out) / f"rank-{rank}"
            self.rank_folder.mkdir()
            save_file(self.uneven(), self.rank_folder / "uneven.safetensors")
            for name, (method, settings) in (METHODS | (OTHERS if self.devices < 3 else {})).items():
                shared = method(**settings, devices=self.devices)
                folder, cut = (Path(self.out) / f"{name}-{which}" for which in ("whole", "cut"))
                lent = Context(folder=folder, track=Kept(folder, cut, 1)) if rank == 0 else Context()
                save_file(made(shared.fit(train, lent), train), self.rank_folder / f"{name}.safetensors")
                if rank == 0:
                    shutil.copy(cut / "checkpoint.safetensors", self.rank_folder / f"{name}-first.safetensors")
                    shutil.copy(folder / "log.csv", self.rank_folder / f"{name}.csv")
                if self.devices == 2 and name in METHODS:
                    again = Context(folder=cut if rank == 0 else None)
                    resumed = method(**settings, devices=2).fit(train, again)
                    save_file(made(resumed, train), self.rank_folder / f"{name}-resumed.safetensors")
        return self

    def uneven(self):
        """The gradient of a sum over all pairs of 11 items, which no number of ranks divides."""
        network = Pairs()
        with torch.no_grad():
            for number, weights in enumerate(network.parameters()):
                weights.copy_(torch.linspace(-1, number + 1, weights.numel()).view_as(weights))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
        training = Training(network, optimizer, Context(), {}, world=self.devices)
        rows = torch.arange(3.0 * UNEVEN).view(UNEVEN, 3).sin()

        def step(_):
            outputs = training.whole(training.forward(rows[training.share.places(UNEVEN)]), UNEVEN)
            training.update(torch.cdist(outputs, outputs + 1).sum())
            return {}

        training.run(1, step, "uneven")
        return {name: weights.grad for name, weights in network.named_parameters()}


def made(fitted, train):
    """The weights, and the real codes or features of the items."""
    network = fitted.after_fit().network if hasattr(fitted, "after_fit") else fitted._fitted.network
    values = fitted.encode_real(train) if hasattr(fitted, "encode_real") else fitted.embed(train)
    tensors = {"values": torch.from_numpy(values)}
    if getattr(fitted, "database_codes_", None) is not None:
        tensors["free"] = torch.from_numpy(fitted.database_codes_.unpack())
    return {name: value.contiguous() for name, value in (tensors | network.state_dict()).items()}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each rank of the trainings with 1, 2 or 3 processes has, by name; made once each."""

    @cache
    def by(world):
        out = tmp_path_factory.mktemp(f"world-{world}")
        Bundle(str(out), world).fit(toy_items(ITEMS, 0), Context())
        return [
            {path.stem: load_file(path) for path in (out / f"rank-{rank}").glob("*.safetensors")}
            | {path.name: path.read_text() for path in (out / f"rank-{rank}").glob("*.csv")}
            for rank in range(world)
        ]

    return by


def gradients(checkpoint):
    """The momentum after the first update, which is its gradient."""
    return {name: value for name, value in checkpoint.items() if name.endswith(".momentum_buffer")}


@given(st.integers(2, 60), st.integers(1, 8))
def test_ranks_take_equally_many_items_and_all_of_them(count, world):
    shares = [Share(rank, world).places(count) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    assert np.array_equal(np.stack(shares, axis=1).ravel()[:count], np.arange(count))


@pytest.mark.long
@pytest.mark.parametrize("world", [2, 3])
def test_the_gradient_of_pairs_of_a_batch_that_no_number_of_ranks_divides_is_that_of_one_process(ranks, world):
    for rank in ranks(world):
        for name, gradient in ranks(1)[0]["uneven"].items():
            torch.testing.assert_close(rank["uneven"][name], gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "world"), [*((name, world) for world in (2, 3) for name in METHODS), *((name, 2) for name in OTHERS)]
)
def test_a_shared_step_has_the_gradient_of_one_process(ranks, name, world):
    alone, shared = (gradients(ranks(count)[0][f"{name}-first"]) for count in (1, world))
    assert alone and alone.keys() == shared.keys()
    bound = BOUNDS.get(name, 3e-5) * max(float(value.abs().max()) for value in alone.values())
    for key, value in alone.items():
        torch.testing.assert_close(shared[key], value, rtol=0, atol=bound, msg=key)


@pytest.mark.long
@pytest.mark.parametrize("world", [2, 3])
@EACH
def test_a_shared_training_ends_near_that_of_one_process(ranks, name, world):
    alone, shared = ranks(1)[0][name], ranks(world)[0][name]
    assert alone.keys() == shared.keys()
    torch.testing.assert_close(shared["values"], alone["values"], rtol=0, atol=1e-3)
    if "free" in alone:
        assert torch.equal(alone["free"], shared["free"])


@pytest.mark.long
def test_held_out_items_judge_the_models_of_a_shared_training(ranks):
    alone, shared = (list(csv.DictReader(io.StringIO(ranks(world)[0]["DPSH.csv"]))) for world in (1, 2))
    scores = [[float(row["held_out_map"]) for row in rows] for rows in (alone, shared)]
    assert len(scores[0]) == 2
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-3)


@pytest.mark.long
@pytest.mark.parametrize("world", [2, 3])
@EACH
def test_all_ranks_end_with_the_same_network_and_codes(ranks, name, world):
    first, *others = ranks(world)
    for other in others:
        assert all(torch.equal(other[name][key], value) for key, value in first[name].items())


def test_every_deep_hasher_is_here_or_refuses():
    deep = {p.load() for p in registry.plugins("hasher").values() if p.module.startswith("methods.hashing.deep.")}
    assert {method for method in deep if method.shareable} == {
        method for method, _ in (METHODS | OTHERS).values() if method is not Triplet
    }


@pytest.mark.long
@EACH
def test_a_shared_training_that_was_cut_ends_bit_for_bit_like_an_uncut_one(ranks, name):
    for rank in ranks(2):
        assert all(torch.equal(rank[f"{name}-resumed"][key], value) for key, value in rank[name].items())


class Trainer:
    """A worker whose training never ends."""

    def __init__(self, send):
        self.send = send

    def set_up(self):
        torch.set_num_threads(1)

    def fit(self):
        def track(steps, description, total=None):
            for number, step in enumerate(steps):
                self.send({"show": [description, number, total]})
                yield step

        endless = {**METHODS["csq"][1], "epochs": 10**6}
        CSQ(**endless, devices=2).fit(toy_items(ITEMS, 0), Context(track=track))


@pytest.mark.long
def test_the_death_of_a_rank_ends_the_training_with_its_reason_and_leaves_no_process():
    def show(description, done, total):
        if done == 2 and "steps" in description:
            head = psutil.Process(child._process.pid)
            for process in head.children():
                if "spawn_main" in " ".join(process.cmdline()):
                    process.kill()

    child = Child({"worker": f"{__name__}:Trainer"}, Limits(seconds=120), show=show)
    with pytest.raises(Failure, match="rank 1 of 2 ended by SIGKILL"):
        child.ask("fit")
    child.end()
    assert marked(child._mark) == []


def fit_on_a_node():
    """Train on one of two nodes, and return the codes."""
    torch.set_num_threads(1)
    items = toy_items(ITEMS, 0)
    return CSQ(**METHODS["csq"][1], nodes=2).fit(items, Context()).encode_real(items)


@pytest.mark.long
def test_two_nodes_that_meet_train_one_network(ranks, monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", port)
    monkeypatch.setenv("NODE_RANK", "1")
    program = f"import sys, numpy; from {__name__} import fit_on_a_node; numpy.save(sys.argv[1], fit_on_a_node())"
    with subprocess.Popen([sys.executable, "-c", program, tmp_path / "codes.npy"]) as other:
        monkeypatch.setenv("NODE_RANK", "0")
        codes = fit_on_a_node()
        assert other.wait(60) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), codes)
    np.testing.assert_array_equal(ranks(2)[0]["csq"]["values"].numpy(), codes)


def test_a_method_that_draws_for_a_whole_batch_is_refused_before_anything_is_read():
    with pytest.raises(ValueError, match="devices=2, nodes=1: CIBHash cannot be shared among devices"):
        CIBHash(devices=2)


def test_nodes_that_do_not_say_where_they_meet_are_refused(monkeypatch):
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="nodes=2: each node calls fit, with MASTER_ADDR, MASTER_PORT and NODE_RANK"):
        CSQ(**METHODS["csq"][1], nodes=2).fit(toy_items(ITEMS, 0), Context())


def test_more_ranks_than_items_are_refused():
    with pytest.raises(ValueError, match="devices=40, nodes=1: 36 train items are fewer than ranks"):
        CSQ(**METHODS["csq"][1], devices=40).fit(toy_items(ITEMS, 0), Context())


class Opened:
    """Images that hold what no other process can have."""

    def __init__(self, images):
        self.read = lambda position: images[position]

    def __len__(self):
        return ITEMS

    def __getitem__(self, position):
        return self.read(position)


def test_items_that_cannot_be_sent_are_refused():
    items = toy_items(ITEMS, 0)
    with pytest.raises(ValueError, match="devices=2: items can't be sent to other processes"):
        CSQ(**METHODS["csq"][1], devices=2).fit(replace(items, images=Opened(items.images)), Context())
