"""Layers and training as in published code, against what that code does, written out."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.interfaces import Context
from methods.backbones import BackboneChoice, load
from methods.hashing.deep import dpsh
from methods.hashing.deep.a2_net import A2Net
from methods.hashing.deep.adsh import ADSH
from methods.hashing.deep.csq import CSQ
from methods.hashing.deep.dpsh import DPSH
from methods.hashing.deep.exchnet import ExchNet
from methods.hashing.deep.networks.common import Bottleneck, PartFeatures, attention_features
from methods.hashing.deep.networks.csq import DeepHead
from methods.hashing.deep.networks.semicon import ChannelInteraction, SEMICONNetwork
from methods.hashing.deep.semicon import SEMICON
from tests.methods.deep.conftest import QUICK

TURN = {**QUICK, "iterations": 1, "epochs": 1, "samples": 40, "batch_size": 20}


@pytest.fixture(scope="module")
def backbone():
    return load(BackboneChoice("small", "none", 16, False, 1), 0)


class GivenAttention(nn.Module):
    """Maps of two parts: of the first 1 everywhere, of the second 5 at random places and 0 at the others."""

    def forward(self, maps):
        places = torch.rand(len(maps), *maps.shape[2:], generator=torch.Generator().manual_seed(0)) < 0.5
        return torch.stack([torch.ones_like(places).float(), 5.0 * places], dim=1)


@pytest.mark.parametrize("one_by_one", [True, False])
def test_parts_that_pass_one_by_one_are_normalised_by_their_own_statistics(backbone, one_by_one):
    parts = PartFeatures(backbone, GivenAttention(), False, one_by_one)
    parts.local_refinement = norm = nn.BatchNorm2d(backbone.trunk_channels, affine=False, eps=1e-12, momentum=0.5)
    images = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    seen = parts(images)
    maps = parts.trunk.train()(images).detach()
    each = [maps * attention[:, None] for attention in seen.attention.unbind(dim=1)]
    running = torch.zeros(backbone.trunk_channels)
    for part in each if one_by_one else [torch.cat(each)]:
        running = (running + part.mean((0, 2, 3))) / 2
    torch.testing.assert_close(norm.running_mean, running, atol=1e-5, rtol=1e-4)
    alone = [abs(float(seen.maps[:, part].detach().mean((0, 2, 3)).abs().max())) for part in (0, 1)]
    assert (max(alone) < 1e-4) == one_by_one
    # In evaluation an item's parts do not depend on how they pass.
    seen, maps = parts.eval()(images), parts.trunk(images)
    wanted = [norm(maps * attention[:, None]) for attention in seen.attention.unbind(dim=1)]
    torch.testing.assert_close(seen.maps, torch.stack(wanted, dim=1))


def test_semicon_refines_its_parts_one_by_one_and_what_interacts_is_new(backbone, train):
    assert SEMICONNetwork(backbone, 12, 0.15, False).parts.one_by_one
    training = SEMICON(bits=12, backbone_rate=0.25, **TURN).learning(train, Context()).training
    scales = {id(p): group["scale"] for group in training.optimizer.param_groups for p in group["params"]}
    interacting = [m for m in training.network.modules() if isinstance(m, ChannelInteraction)]
    new = {id(p) for module in interacting for p in module.parameters()}
    assert len(interacting) >= 2 and {scales[one] for one in new} == {1.0}
    refined = training.network.parts.global_refinement.parameters()
    assert {scales[id(p)] for p in refined if id(p) not in new} == {0.25}


def test_a_bottleneck_is_resnets_without_a_projection_and_its_gradient_is_autograds():
    torch.manual_seed(0)
    block = Bottleneck(8).double().eval()
    maps = torch.randn(2, 8, 5, 5, dtype=torch.float64, requires_grad=True)
    first, _, _, second, _, _, third, _ = block.residual
    unit = (1 + 1e-5) ** -0.5
    inner = functional.conv2d(maps, first.weight).mul(unit).clamp(min=0)
    inner = functional.conv2d(inner, second.weight, padding=1).mul(unit).clamp(min=0)
    wanted = (functional.conv2d(inner, third.weight).mul(unit) + maps).clamp(min=0)
    torch.testing.assert_close(block(maps), wanted)
    assert second.weight.shape == (2, 2, 3, 3)
    assert torch.autograd.gradcheck(block, maps)


def test_bottlenecks_cost_a_tenth_of_a_fourth_stage_on_the_maps_of_resnet50():
    """Multiplications at 14 x 14 places, 1,024 channels to 256 to 64: .29 G. A fourth stage at stride 1 has 2.93."""
    wide = load(BackboneChoice("resnet50", "none", 32, False, 1), 0)
    made = {kind: attention_features(kind, wide) for kind in ("bottlenecks", "stage_four")}
    assert {kind: channels for kind, (_, channels) in made.items()} == {"bottlenecks": 64, "stage_four": 2048}
    weights = {kind: sum(m.weight.numel() for m in branch.modules() if isinstance(m, nn.Conv2d))
               for kind, (branch, _) in made.items()}  # fmt: skip
    assert weights["bottlenecks"] * 196 / 1e9 == pytest.approx(0.29, abs=0.005)
    assert weights["stage_four"] * 196 / 1e9 == pytest.approx(2.93, abs=0.005)
    assert made["bottlenecks"][0](torch.zeros(1, 1024, 2, 2)).shape == (1, 64, 2, 2)


@pytest.mark.long
@pytest.mark.parametrize("method", [ExchNet, A2Net, SEMICON])
def test_parts_are_attended_by_untrained_bottlenecks_if_asked_for(train, method):
    hasher = method(bits=12, attention_from="bottlenecks", backbone_rate=0.25, **TURN).fit(train, Context())
    training = hasher.after_fit().training
    scales = {id(p): group["scale"] for group in training.optimizer.param_groups for p in group["params"]}
    attention = training.network.parts.attention
    assert {scales[id(p)] for p in attention.parameters()} == {1.0}
    assert any(isinstance(module, Bottleneck) for module in attention.modules())
    assert len(np.unique(hasher.encode(train).words)) > 1


def test_a2_net_has_a_map_for_each_bit_if_asked_for(backbone):
    network = A2Net(bits=14, parts=0).network(backbone, 4, 0)
    assert network.parts(torch.zeros(2, 3, 16, 16)).local.shape[:2] == (2, 14)
    assert network.hash_layer.weight.shape == (14, 15 * backbone.feature_channels)


def test_of_more_trained_bits_the_first_are_kept(train, queries):
    """The training is that of as many bits, and codes of items and of the database are its first."""
    settings = {**TURN, "learning_rate": 0.01, "iterations": 2}
    longer = ADSH(bits=20, **settings).fit(train, Context())
    kept = ADSH(bits=12, trained_bits=20, **settings).fit(train, Context())
    assert kept.encode(queries).bits == kept.database_codes_.bits == 12
    np.testing.assert_array_equal(kept.encode_real(queries), longer.encode_real(queries)[:, :12])
    np.testing.assert_array_equal(kept.database_codes_.words, longer.database_codes_.words & np.uint64(2**12 - 1))
    fewer = ADSH(bits=20, trained_bits=12, **settings).fit(train, Context())
    np.testing.assert_array_equal(fewer.database_codes_.words, longer.database_codes_.words)


def test_the_deep_head_is_three_layers_and_half_of_the_first_is_dropped_in_training():
    torch.manual_seed(0)
    head = DeepHead(64, 8, 5)
    features = torch.randn(50, 64, requires_grad=True)

    def layer(name, values):
        linear = getattr(head, name)
        return values @ linear.weight.T + linear.bias

    hidden = layer("first", features).clamp(min=0)
    torch.testing.assert_close(head.eval()(features), layer("last", layer("second", hidden).clamp(min=0)))
    seen = []
    head.second.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    made = [head.train()(features), head(features)]
    kept = seen[0] != 0
    torch.testing.assert_close(seen[0], torch.where(kept, 2 * hidden, 0.0))
    assert 0.4 < float(kept[hidden > 0].float().mean()) < 0.6 and not torch.equal(*made)
    (gradient,) = torch.autograd.grad(made[0].sum(), head.first.bias)
    through = (torch.ones(50, 8) @ head.last.weight * (layer("second", seen[0]) > 0)) @ head.second.weight
    torch.testing.assert_close(gradient, (2 * through * kept).sum(dim=0), atol=1e-4, rtol=1e-4)


def test_a_resumed_training_drops_the_same_outputs():
    features = torch.randn(10, 16)
    first, second = DeepHead(16, 8, 5), DeepHead(16, 8, 5)
    first(features)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(features), second(features))


def test_csq_has_the_deep_head_if_asked_for(train):
    hasher = CSQ(bits=12, head="deep", epochs=1, **QUICK).fit(train, Context())
    training = hasher.after_fit().training
    (head,) = training.network.hash_layer
    new = next(group for group in training.optimizer.param_groups if group["scale"] == 1.0)["params"]
    assert isinstance(head, DeepHead) and {id(p) for p in head.parameters()} == {id(p) for p in new}
    real = hasher.encode_real(train)
    assert real.shape == (160, 12) and np.abs(real).max() <= 1


def test_dpsh_says_that_few_pairs_are_similar(train, monkeypatch):
    monkeypatch.setattr(dpsh, "MOST_CLASSES", 3)
    said = []
    for balanced in (False, True):
        DPSH(bits=12, balanced=balanced, **QUICK).learning(train, Context(say=said.append))
    (line,) = [line for line in said if "balanced" in line]
    assert line.startswith("balanced=False: about 1 pair in 4 is similar")
