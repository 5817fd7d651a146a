"""DAHNet's network (Jiang, Tang, Li, TKDE 2024): three local branches that look elsewhere in turn, and the whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.backbones.backbone import Backbone, initialise

BRANCHES, STRIPS = 3, 2
"""The local branches; the strips into which a map is cut, by rows and by columns."""

BOOST, SUPPRESS, NEAR = 0.5, 0.5, 0.95
"""Weights of what strips add to a map and of what a suppressed place keeps; the share of the maximum that is near."""

EXPANSION, REDUCTION, DROPPED = 3, 4, 0.1
"""The mixer's hidden channels over its own, its own over its gate's, and the share of values that are left out."""

DROPOUT = 43
"""The part of a random stream's key that names the draws of what is left out."""


class DAHNetOutputs(NamedTuple):
    """The outputs for b images."""

    codes: Tensor  # tanh outputs, [b, bits]: the bits of the whole, then those of each branch
    scores: Tensor | None  # of the classes, [b, 1 + BRANCHES, classes], by the whole and each branch; in training alone


class DAHNetNetwork(nn.Module):
    """A branch has bits // 6 bits, the whole has the rest.

    The whole passes a copy of the fourth stage. The branches share another: its first block sees their boosted maps,
    then neighbours complement each other, and the other blocks follow, with a mixer before the last. A stage of one
    block has the mixer behind it.
    """

    new_layers = ("activation", "mixer", "hash_layers", "classifiers")

    def __init__(self, backbone: Backbone, bits: int, classes: int, frozen_trunk: bool, seed: int) -> None:
        super().__init__()
        self.trunk = nn.Identity() if frozen_trunk else backbone.trunk()
        self.whole = backbone.stage_four(2)
        stage = backbone.stage_four(2)
        first, *others = list(stage.children()) if isinstance(stage, nn.Sequential) else [stage]
        self.first, self.last = first, nn.Sequential(*others[-1:])
        self.middle = nn.Sequential(*others[:-1])
        self.activation = StripActivation(backbone.trunk_channels)
        self.mixer = Mixer(_channels(nn.Sequential(self.first, self.middle), backbone.trunk_channels))
        local = bits // (2 * BRANCHES)
        self.hash_layers = nn.ModuleList(
            nn.Linear(backbone.feature_channels, width, bias=False)
            for width in (bits - BRANCHES * local, *[local] * BRANCHES)
        )
        self.classifiers = nn.ModuleList(nn.Linear(backbone.feature_channels, classes) for _ in range(2))
        self.seed = seed
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.batches: Tensor
        self.to(memory_format=torch.channels_last)

    def forward(self, inputs: Tensor) -> DAHNetOutputs:
        maps = self.trunk(inputs)
        generator = self._generator(maps.device) if self.training else None
        branches = complemented([self.first(one) for one in self.activation(maps)])
        refined = [self.last(self.mixer(self.middle(one), generator)) for one in branches]
        features = [one.mean((2, 3)) for one in (self.whole(maps), *refined)]
        codes = [layer(feature) for layer, feature in zip(self.hash_layers, features, strict=True)]
        scores = None
        if self.training:
            layers = [self.classifiers[0], *[self.classifiers[1]] * BRANCHES]
            scores = torch.stack([layer(one) for layer, one in zip(layers, features, strict=True)], dim=1)
        return DAHNetOutputs(torch.tanh(torch.cat(codes, dim=1).float()), scores)

    def _generator(self, device: torch.device) -> torch.Generator:
        """A generator for this batch, by the seed and the number of earlier batches, so that a training resumes."""
        key = np.random.SeedSequence((self.seed, DROPOUT, int(self.batches))).generate_state(1, np.uint64)
        self.batches += 1
        return torch.Generator(device).manual_seed(int(key[0]))


class StripActivation(nn.Module):
    """The branches' maps: what the strips of a map find is boosted, and suppressed before the next branch looks.

    A map whose side is no multiple of the strips has strips of unequal sides, where the published code fails.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rows, self.columns = (
            nn.Sequential(nn.Conv2d(channels, 1, 1), nn.BatchNorm2d(1), nn.ReLU()) for _ in range(2)
        )
        initialise(self)

    def forward(self, maps: Tensor) -> list[Tensor]:
        """E [b, C, h, w] -> the boosted maps of each branch, of the same shape."""
        boosted = []
        for _ in range(BRANCHES):
            found = strip_weights(maps, self.rows, 2) * strip_weights(maps, self.columns, 3)
            boosted.append(maps + BOOST * maps * found)
            maps = maps * kept_places(found)
        return boosted


def strip_weights(maps: Tensor, score: nn.Module, dim: int) -> Tensor:
    """A softmax over the mean scores of the strips of a map along ``dim``, at each of its places there.

    ``score`` maps a strip [b, C, h', w'] to [b, 1, h', w']. The weights are [b, 1, h, 1] or [b, 1, 1, w].
    """
    strips = maps.tensor_split(min(STRIPS, maps.shape[dim]), dim=dim)
    means = torch.cat([score(strip).float().mean((2, 3), keepdim=True) for strip in strips], dim=dim)
    sides = torch.tensor([strip.shape[dim] for strip in strips], device=maps.device)
    return means.softmax(dim=dim).repeat_interleave(sides, dim=dim)


def kept_places(found: Tensor) -> Tensor:
    """1 below NEAR of an image's maximum, SUPPRESS elsewhere; a constant, of the shape [b, 1, h, w] of ``found``."""
    found = found.detach()
    return torch.where(found < NEAR * found.amax((2, 3), keepdim=True), 1.0, SUPPRESS)


def complemented(branches: list[Tensor]) -> list[Tensor]:
    """Each branch [b, C, h, w] with the mean of what its neighbours give it.

    The later of two neighbours gets the earlier one's map, weighted by a softmax over places of their cosines s; the
    earlier one gets the later one's, weighted by a softmax of 1 - s.
    """
    given: list[list[Tensor]] = [[] for _ in branches]
    for place in range(len(branches) - 1):
        earlier, later = branches[place : place + 2]
        cosines = functional.cosine_similarity(earlier.float(), later.float(), dim=1)
        alike = cosines.flatten(1).softmax(dim=1)
        unlike = (1 - alike).softmax(dim=1)
        given[place + 1].append(earlier * alike.view_as(cosines)[:, None])
        given[place].append(later * unlike.view_as(cosines)[:, None])
    return [own + torch.stack(gifts).mean(dim=0) for own, gifts in zip(branches, given, strict=True)]


class Mixer(nn.Module):
    """Channels gated by the means of their rows and columns, then mixed at each place and with its neighbours."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden, narrow = EXPANSION * channels, max(8, channels // REDUCTION)
        self.gate = nn.Sequential(
            nn.Conv2d(channels, narrow, 1), nn.BatchNorm2d(narrow), nn.Hardswish(),
            nn.Conv2d(narrow, channels, 1), nn.Sigmoid(),
        )  # fmt: skip
        self.widen = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.GELU(), nn.BatchNorm2d(hidden))
        self.near = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.near_norm = nn.Sequential(nn.GELU(), nn.BatchNorm2d(hidden))
        self.narrow = nn.Sequential(nn.Conv2d(hidden, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, maps: Tensor, generator: torch.Generator | None) -> Tensor:
        """[b, C, h, w] -> the same shape. Without a generator nothing is left out."""
        gated = maps + maps * self.gate(maps.mean(3, keepdim=True) * maps.mean(2, keepdim=True))
        wide = _dropped(self.widen(gated), generator)
        mixed = self.narrow(self.near_norm(self.near(wide) + wide))
        return _dropped(mixed, generator)


def _dropped(values: Tensor, generator: torch.Generator | None) -> Tensor:
    if generator is None:
        return values
    kept = torch.rand(values.shape, generator=generator, device=values.device) >= DROPPED
    return values * kept / (1 - DROPPED)


def _channels(stage: nn.Module, channels: int) -> int:
    """The channels that a stage gives for maps of ``channels``."""
    was_training = stage.training
    stage.eval()
    with torch.no_grad():
        made: Tensor = stage(torch.zeros(1, channels, 4, 4))
    stage.train(was_training)
    return made.shape[1]
