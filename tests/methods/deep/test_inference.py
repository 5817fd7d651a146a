"""Evaluating a network whose batch normalisations are folded into its convolutions."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from methods.backbones import BackboneChoice, load
from methods.inference import evaluate, fold


def trained(network, channels=3, side=16):
    """The network after a step in training mode, so that its normalisations have statistics of their own."""
    network.train()(torch.randn(8, channels, side, side, generator=torch.Generator().manual_seed(1)) * 3 + 1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    return network.eval()


def norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("backbone", ["small", "efficientnet_lite0", "resnet50"])
def test_a_folded_network_has_the_outputs_of_the_network_up_to_rounding(backbone):
    made = load(BackboneChoice(backbone, "none", 64, False, 0), 0)
    network = trained(nn.Sequential(made.trunk(), made.stage_four(2)), side=64)
    images = torch.randn(4, 3, 64, 64)
    with torch.inference_mode():
        exact, folded = network.double()(images.double()), fold(network.float())(images)
    assert norms(fold(network)) < norms(network)
    assert torch.dist(folded.double(), exact) < 1e-5 * torch.linalg.vector_norm(exact)


def test_the_network_itself_stays_as_it_is():
    network = trained(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
    before = deepcopy(network.state_dict())
    list(evaluate(network, torch.device("cpu"), [torch.randn(2, 3, 8, 8)]))
    assert norms(network) == 1
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_has_nothing_to_fold_is_not_copied():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    assert fold(network) is network


class Apart(nn.Module):
    """A convolution and a normalisation that stand side by side, and do not follow each other."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, maps):
        return self.convolution(self.norm(maps))


@pytest.mark.parametrize(
    "network",
    [
        Apart(),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1)),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)),
    ],
    ids=["side by side", "before", "after an activation", "statistics of the batch"],
)
def test_a_normalisation_that_no_convolution_can_take_stays(network):
    network = trained(network)
    maps = torch.randn(4, 3, 8, 8)
    with torch.inference_mode():
        assert norms(fold(network)) == norms(network)
        assert torch.equal(fold(network)(maps), network(maps))
