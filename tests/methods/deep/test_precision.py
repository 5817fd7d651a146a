"""The precision of trainings, and of coding after them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bench.interfaces import Context
from methods import training as trainings
from methods import trunk
from methods.backbones import BackboneChoice
from methods.embedding.pretrained import Pretrained
from methods.embedding.triplet import Triplet
from methods.hashing.deep.adsh import ADSH
from methods.hashing.deep.csq import CSQ
from methods.inference import evaluate
from methods.training import Training, exactly, make_fabric

SMALL = {"backbone": "small", "weights": "none", "image_size": 16, "pretrain_epochs": 1}
SHORT = {**SMALL, "frozen_trunk": True, "epochs": 1}


def rounding():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


class Seen(nn.Module):
    """A layer that notes the type of its outputs, and whether a GPU would round the factors of products."""

    def __init__(self):
        super().__init__()
        self.layer, self.notes = nn.Linear(4, 4), []

    def forward(self, batch):
        made = self.layer(batch)
        self.notes.append((made.dtype, *rounding()))
        return made


WANTED = {
    "32-true": (torch.float32, False, False),
    "tf32": (torch.float32, True, True),
    "bf16-mixed": (torch.bfloat16, False, False),
}


@pytest.mark.parametrize("precision", WANTED)
def test_a_network_is_evaluated_in_the_given_precision_whatever_the_training_has(precision):
    network, before = Seen(), rounding()
    with exactly("tf32"):
        list(evaluate(network, torch.device("cpu"), [torch.ones(2, 4)], precision))
    assert network.notes == [WANTED[precision]] and rounding() == before


@pytest.mark.parametrize("precision", WANTED)
def test_a_training_has_its_precision_and_evaluates_in_float32(precision):
    network = Seen()
    training = Training(network, torch.optim.SGD(network.parameters(), lr=0.1), Context(), {}, precision=precision)

    def step(number):
        training.update(training.forward(torch.ones(2, 4)).float().sum())
        list(evaluate(network, training.device, [torch.ones(2, 4)]))
        training.forward(torch.ones(2, 4))
        return {}

    training.run(1, step, "steps")
    assert network.notes == [WANTED[precision], WANTED["32-true"], WANTED[precision]]


def test_settings_of_torch_are_put_back_after_an_error():
    before = rounding()
    with pytest.raises(KeyError), exactly("tf32"):
        raise KeyError
    assert rounding() == before


def test_bfloat16_is_refused_where_the_device_has_none(monkeypatch):
    monkeypatch.setattr(trainings.torch.cuda, "is_bf16_supported", lambda: False)
    with pytest.raises(ValueError, match="precision='bf16-mixed': the CUDA device has no bfloat16"):
        make_fabric(torch.device("cuda", 0), "bf16-mixed")


def exact_share(values):
    """The share of values that bfloat16 can't hold."""
    return np.mean(torch.from_numpy(values).bfloat16().float().numpy() != values)


@pytest.mark.parametrize("method", [CSQ, ADSH], ids=lambda method: method.__name__)
def test_a_hasher_trained_in_bfloat16_codes_in_float32(train, queries, method):
    settings = {**SHORT, "bits": 12, "batch_size": 32, **({"iterations": 1, "samples": 60} if method is ADSH else {})}

    def values(**precisions):
        return method(**settings, **precisions).fit(train, Context()).encode_real(queries)

    exact, mixed, coarse = values(), values(precision="bf16-mixed"), values(inference_precision="bf16-mixed")
    assert not np.array_equal(exact, mixed) and min(exact_share(exact), exact_share(mixed)) > 0.9
    assert not np.array_equal(exact, coarse)
    np.testing.assert_allclose(coarse, exact, atol=0.1)


def test_embedders_take_both_precisions(train, queries):
    exact = Pretrained(**SMALL).fit(train, Context()).embed(queries)
    coarse = Pretrained(**SMALL, inference_precision="bf16-mixed").fit(train, Context()).embed(queries)
    assert not np.array_equal(exact, coarse)
    np.testing.assert_allclose(coarse, exact, atol=0.05)
    made = Triplet(dim=8, **SHORT, precision="bf16-mixed").fit(train, Context()).embed(queries)
    assert exact_share(made) > 0.9


def test_another_preprocessing_or_precision_has_another_trunk_in_the_cache(train, tmp_path):
    choice, context = BackboneChoice("small", "none", 16, True, 1), Context(cache=tmp_path)
    for values in ({}, {"preprocessing": "crop"}, {"inference_precision": "bf16-mixed"}, {"augmentation": "none"}):
        chosen = replace(choice, reading=replace(choice.reading, **values))
        trunk.open_inputs(train, trunk.prepare_backbone(chosen, train, context), True, context)
    assert len(list(tmp_path.glob("trunk-*.npy"))) == 3
