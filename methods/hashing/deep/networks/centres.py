"""A hash network with a learned centre for each class."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.backbones.backbone import Backbone
from methods.hashing.deep.networks.common import HashNetwork


class CentreOutputs(NamedTuple):
    """The outputs for b images."""

    codes: Tensor  # real values whose signs are the codes, [b, bits]
    distances: Tensor  # squared, from each class's centre, [b, classes]
    centres: Tensor  # of the classes, [classes, bits]


class CentreNetwork(nn.Module):
    """A balanced hash layer, and centres that start from a normal distribution: DCDH's."""

    new_layers = ("network.hash_layer", "centres")
    constants = ("centres",)

    def __init__(self, backbone: Backbone, bits: int, classes: int, frozen_trunk: bool) -> None:
        super().__init__()
        self.network = HashNetwork(backbone, bits, frozen_trunk, balanced=True)
        self.centres = nn.Parameter(torch.randn(classes, bits))

    def forward(self, inputs: Tensor) -> CentreOutputs:
        codes = self.network(inputs).codes
        distances = (codes.float()[:, None] - self.centres).square().sum(dim=2)
        return CentreOutputs(codes, distances, self.centres)
