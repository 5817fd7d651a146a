"""Training by mini-batches over all train items, with a memory of each item's last outputs."""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.interfaces import Context, Float, Items
from methods.batches import shuffled
from methods.hashing.deep.training.epoch_hasher import EpochHasher
from methods.hashing.deep.training.learning import STEP, Learning, MeanTerms


class Batch(NamedTuple):
    """A loss's arguments: b images, beside all n items that are learned from."""

    made: Any  # the network's outputs for the images; made.codes [b, bits]
    classes: Tensor  # classes of the images, [b], or sets of classes, bool [b, classes]
    memory: Tensor  # last outputs of all items, these images included, zero at first; constants, [n, bits]
    memory_classes: Tensor  # classes of all items, [n], or [n, classes]
    progress: float  # share of the training that is done, 0 to 1
    places: Tensor = torch.empty(0, dtype=torch.int64)  # of the images in the memory, [b]
    key: tuple[int, ...] = ()  # of the random stream for the batch's own draws


class EpochLearning(Learning):
    """A training by mini-batches; a step is an epoch."""

    method: EpochHasher

    def __init__(self, method: EpochHasher, train: Items, context: Context) -> None:
        super().__init__(method, train, context)
        self.steps = method.epochs
        device = self.training.device
        self._classes = torch.from_numpy(self.classes[self.rows]).to(device)
        self.training.state["memory"] = torch.zeros(len(self.rows), method.bits, device=device)

    def database_codes(self) -> Float | None:
        """The network's own codes of the labels, ±1 float32 [n, bits]; None if it has no code per class."""
        codebook: Tensor | None = getattr(self.network, "database_codebook", None)
        return None if codebook is None else codebook.cpu().numpy()[self.classes]

    def step(self, step: int) -> dict[str, Any]:
        memory = self.training.state["memory"]
        rng = np.random.default_rng((self.seed, STEP, step))
        plan = shuffled(np.arange(len(self.rows)), self.method.batch_size, rng)
        rows, share = [self.rows[places] for places in plan], self.training.share
        batches = self.inputs.batches(rows, (self.seed, step), share)
        means = MeanTerms()
        self.network.train()
        for number, images in zip(count(), batches, strict=False):
            places = torch.from_numpy(plan[number]).to(memory.device)
            made = self.training.whole(self.training.forward(images), len(places))
            memory[places] = made.codes.detach().float()
            progress = (step + number / len(plan)) / self.steps
            # A 0 at the end of a key would not change its stream.
            key = (self.seed, STEP, step, 1 + number)
            batch = Batch(made, self._classes[places], memory, self._classes, progress, places, key)
            terms = self.method.loss(batch)
            self.training.update(torch.stack(list(terms.values())).sum())
            means.add(terms, len(places))
        return means.means()
