"""A2-Net's network (Wei et al., NeurIPS 2021): features to attributes and back by one matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from methods.backbones.backbone import Backbone
from methods.hashing.deep.networks.common import PartFeatures, new_attention, part_attention

if TYPE_CHECKING:
    from methods.hashing.deep.training.alternating_hasher import AttentionName


class A2Outputs(NamedTuple):
    """The network's outputs for b images."""

    codes: Tensor  # tanh outputs u, [b, bits]
    features: Tensor  # parts and whole x, [b, (M + 1) C']
    rebuilt: Tensor  # W^T u, of the same shape


class A2NetNetwork(nn.Module):
    """x = parts and whole, u = tanh(W x), and W^T u rebuilds x."""

    def __init__(
        self, backbone: Backbone, parts: int, bits: int, frozen_trunk: bool, attention: AttentionName = "stage_four"
    ) -> None:
        super().__init__()
        self.new_layers = ("hash_layer.", new_attention(attention))
        self.parts = PartFeatures(backbone, part_attention(attention, backbone, parts), frozen_trunk)
        self.hash_layer = nn.Linear((parts + 1) * backbone.feature_channels, bits, bias=False)

    def forward(self, inputs: Tensor) -> A2Outputs:
        seen = self.parts(inputs)
        features = torch.cat([seen.local.flatten(1), seen.whole], dim=1)
        codes = torch.tanh(self.hash_layer(features).float())
        return A2Outputs(codes, features, codes @ self.hash_layer.weight)
