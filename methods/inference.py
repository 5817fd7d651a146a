"""Evaluates a network after its training or between two steps of it, without gradients, in a given precision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from methods.reading import Precision
from methods.training import exactly


def evaluate(
    network: nn.Module, device: torch.device, batches: Iterable[Tensor], precision: Precision = "32-true"
) -> Iterator[Any]:
    """The network's outputs for each batch, on a device, in evaluation mode and without gradients.

    The precision is the given one, whatever that of the training.
    """
    folded = fold(network.to(device).eval())
    mixed = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")
    for batch in batches:
        with torch.inference_mode(), exactly(precision), mixed:
            made = folded(batch)
        yield made


def fold(network: nn.Module) -> nn.Module:
    """A network in evaluation mode without the batch normalisations that follow a convolution.

    Each scales and shifts the channels by constants then, which the weights of the convolution take: a pass over the
    maps is saved, and outputs are the same up to rounding. Inside `nn.Sequential` it is sure which layer follows which;
    others stay. The network itself is left as it is, and returned if there is nothing to fold.
    """
    if not any(_pairs(module) for module in network.modules()):
        return network
    folded = deepcopy(network)
    for module in list(folded.modules()):
        for first, second in _pairs(module):
            convolution, norm = getattr(module, first), getattr(module, second)
            setattr(module, first, fuse_conv_bn_eval(convolution, norm))
            setattr(module, second, nn.Identity())
    return folded


def _pairs(module: nn.Module) -> list[tuple[str, str]]:
    """The names of the convolutions in a sequence that a normalisation by constants follows, and of these."""
    if not isinstance(module, nn.Sequential):
        return []
    return [
        (first, second)
        for (first, convolution), (second, norm) in pairwise(module.named_children())
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats
    ]
