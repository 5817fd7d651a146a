"""SEMICON's network (Shen et al., ECCV 2022): suppression-enhancing masks, and interactive channel transformation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from methods.backbones.backbone import Backbone
from methods.hashing.deep.networks.common import Outputs, PartFeatures, attention_features, attention_head

if TYPE_CHECKING:
    from methods.hashing.deep.training.alternating_hasher import AttentionName

PARTS = 3


class SEMICONNetwork(nn.Module):
    """Three parts and the whole, with interacting channels. A part has bits // 6 bits, the whole has the rest.

    The parts pass their network one after the other, as in the published code.
    """

    def __init__(
        self, backbone: Backbone, bits: int, suppression: float, frozen_trunk: bool,
        attention: AttentionName = "stage_four",
    ) -> None:  # fmt: skip
        super().__init__()
        self.parts = PartFeatures(backbone, SuppressedAttention(backbone, suppression, attention), frozen_trunk, True)
        for name in ("local_refinement", "global_refinement"):
            setattr(self.parts, name, _with_interaction(getattr(self.parts, name), backbone))
        local = bits // 6
        channels = backbone.feature_channels
        self.hash_layers = nn.ModuleList(
            nn.Linear(channels, width, bias=False) for width in (bits - PARTS * local, *[local] * PARTS)
        )
        interactions = (name for name, module in self.named_modules() if isinstance(module, ChannelInteraction))
        attended = "parts.attention.heads." if attention == "stage_four" else "parts.attention."
        self.new_layers = ("hash_layers.", attended, *(f"{name}." for name in interactions))

    def forward(self, inputs: Tensor) -> Outputs:
        """tanh outputs [b, bits]: the bits of the whole, then those of each part."""
        seen = self.parts(inputs)
        features = [seen.whole, *seen.local.unbind(dim=1)]
        codes = [layer(feature) for layer, feature in zip(self.hash_layers, features, strict=True)]
        return Outputs(torch.tanh(torch.cat(codes, dim=1).float()))


class SuppressedAttention(nn.Module):
    """Maps one after the other; the places of a map are weakened, and the rest is strengthened, before the next."""

    def __init__(self, backbone: Backbone, suppression: float, kind: AttentionName) -> None:
        super().__init__()
        self.features, channels = attention_features(kind, backbone)
        self.suppression = suppression
        self.heads = nn.ModuleList(attention_head(channels, 1) for _ in range(PARTS))

    def forward(self, maps: Tensor) -> Tensor:
        """E [b, C, h, w] -> attention maps [b, PARTS, h, w]."""
        features, found = self.features(maps), []
        for head in self.heads:
            found.append(head(features))
            features = features * (2 - mask(found[-1].detach(), self.suppression))
        return torch.cat(found, dim=1)


def mask(attention: Tensor, suppression: float) -> Tensor:
    """An attention map [b, 1, h, w] as a mask around 1, in 0..2: (softmax - mean) / std^alpha + 1.

    The authors' code takes the standard deviation over the whole batch. Here each image has its own, so that the code
    of an image does not depend on the other images of its batch.
    """
    share = attention.float().flatten(1).softmax(dim=1)
    spread = share.std(dim=1, keepdim=True).clamp_min(1e-12) ** suppression
    return ((share - share.mean(dim=1, keepdim=True)) / spread + 1).clamp(0, 2).view_as(attention)


class ChannelInteraction(nn.Module):
    """Attention between channels [b, C, h, w], first inside groups of neighbours, then across the groups after a
    shuffle.

    The maps that are added at the end are rectified: the published code's rectifier works in place.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groups = max(channels // 64, 16)
        self.width = channels // self.groups
        if self.groups * self.width != channels:
            raise ValueError(f"channels={channels}: must be a multiple of {self.groups} for SEMICON's channel groups")
        self.inside = nn.Conv2d(channels, 3 * channels, 1, groups=self.groups)
        self.across = nn.Conv2d(channels, 3 * channels, 1, groups=self.width)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        mixed = _attend(self.inside(maps), self.groups, self.width) + maps
        mixed = self.norm(_shuffle(mixed, self.groups, self.width)).relu()
        return _shuffle(_attend(self.across(mixed), self.width, self.groups), self.width, self.groups) + mixed


def _attend(triple: Tensor, groups: int, width: int) -> Tensor:
    """Attention between a group's channels. ``triple`` holds queries, keys and values [b, 3 C, h, w], C = groups x
    width.
    """
    batch, _, height, breadth = triple.shape
    queries, keys, values = triple.reshape(batch, 3, groups, width, height * breadth).unbind(dim=1)
    products = queries @ keys.transpose(-2, -1) * width**-0.5
    weights = (products.sign() * (products.abs() + 1e-5).sqrt()).softmax(dim=-1)
    return (weights @ values).reshape(batch, groups * width, height, breadth)


def _shuffle(maps: Tensor, groups: int, width: int) -> Tensor:
    """Channels [group, place] in the order [place, group]."""
    return maps.reshape(len(maps), groups, width, *maps.shape[2:]).transpose(1, 2).flatten(1, 2)


def _with_interaction(stage: nn.Module, backbone: Backbone) -> nn.Module:
    """A fourth stage with interacting channels behind each block of full width except the first, or behind its only
    block.
    """
    blocks = list(stage.children()) if isinstance(stage, nn.Sequential) else [stage]
    maps = torch.zeros(1, backbone.trunk_channels, 4, 4)
    layers: list[nn.Module] = []
    stage.eval()
    with torch.no_grad():
        for place, block in enumerate(blocks):
            maps = block(maps)
            layers.append(block)
            if (place or len(blocks) == 1) and maps.shape[1] == backbone.feature_channels:
                layers.append(ChannelInteraction(backbone.feature_channels))
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)
