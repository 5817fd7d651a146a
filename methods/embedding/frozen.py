"""Features of a frozen image encoder in torch, and what two libraries of such encoders share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.interfaces import Context, Float, Items, Unavailable
from methods.backbones.backbone import seeded
from methods.embedding.preprocessing import Preprocessing, seen, unit_length
from methods.training import device_of
from methods.trunk import images_of

BATCH = 32
RANDOM = "random"


@dataclass(frozen=True)
class FrozenEncoder:
    """A network, images float32 [b, 3, size, size] to features [b, dim], in evaluation mode on its device."""

    network: nn.Module
    preprocessing: Preprocessing
    device: torch.device
    normalise: bool
    context: Context

    def features(self, items: Items) -> Float:
        """float32 [n, dim], computed in float32 on every device."""
        images = images_of(items)
        starts = range(0, len(items), BATCH)
        made = [self._batch(images, start) for start in self.context.track(starts, "features", len(starts))]
        return np.concatenate(made)

    def _batch(self, images: Any, start: int) -> Float:
        batch = self.preprocessing.read(images, range(start, min(start + BATCH, len(images))))
        with torch.inference_mode():
            made: Float = self.network(torch.from_numpy(batch).to(self.device)).float().cpu().numpy()
        return unit_length(made) if self.normalise else made


def encoder(plugin: Any, network: nn.Module, preprocessing: Preprocessing, context: Context) -> FrozenEncoder:
    """The encoder of a plugin with ``model``, ``weights``, ``seen`` and ``normalise``; says what it has seen."""
    if plugin.weights == RANDOM:
        context.say(f"weights = '{RANDOM}': {plugin.model} has seen no data, and its features mean nothing")
    else:
        context.say(seen(plugin.seen, f"{plugin.model} {named(plugin.weights)}"))
    device = device_of(context.device)
    return FrozenEncoder(network.eval().to(device), preprocessing, device, plugin.normalise, context)


def named(weights: str | Path) -> str:
    """The name of weights: of a file its own, without its folder."""
    return Path(weights).name


def drawn(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network with random weights, drawn by ``seed``."""
    with seeded(seed):
        return make()


def needs(library: str) -> None:
    """Raises Unavailable: a library of the extra ``foundation`` is not installed."""
    if find_spec(library) is None:
        raise Unavailable(f"{library} is not installed: python -m pip install -e '.[foundation]'")


@contextmanager
def fetching(model: str, weights: str | Path) -> Iterator[None]:
    """Raises ValueError in place of whatever a library raises when weights are neither here nor to be had."""
    try:
        yield
    except Exception as fault:
        reason = next(iter(str(fault).splitlines()), type(fault).__name__)
        raise ValueError(
            f"weights = {str(weights)!r} of model = {model!r} can't be had ({reason}): fetch them where there is a "
            f"network and copy the folder that HF_HOME names, or give the path of a file; '{RANDOM}' draws some"
        ) from fault
