"""DTSH: Wang, Shi, Kitani, "Deep supervised hashing with triplet labels", ACCV 2016."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from methods.hashing.deep.training.epoch_hasher import EpochHasher, alike
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class DTSH(EpochHasher):
    """DTSH: likelihood of triplets, an image nearer to an item of its class than to one of another by a margin.

    The items are drawn from the memory of all outputs, whose own gradient is not taken. An image is never its own
    positive. "Published code" is the authors' Minione/DTSH with its settings for 5,000 images of CIFAR-10. It sums over
    the 22,500 triplets of an image, and here they are averaged: the values below are its own in this scale. The other
    parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 100)
    ``batch_size``: images of a batch (published code: 128)
    ``learning_rate``: times 2/3 at each fifth of the training (published code: 5e-4, which is 4.5e-3 of the mean)
    ``momentum``: of SGD (published code: 0)
    ``weight_decay``: (published code: 5e-4 at the rate of the sum, which is 5.6e-5)
    ``positives``: items of its class that an image is compared with (published code: 50)
    ``negatives``: items without its class that it is compared with (published code: 50 of each other class, so 450)
    ``margin``: alpha over the number of bits (published code: 0.5)
    ``quantisation``: eta (published code: 100 beside the sum, which is 4.4e-3)
    """

    label = "DTSH"
    label_sets: ClassVar[bool] = True
    epochs: Count = 100
    batch_size: TwoOrMore = 128
    learning_rate: Positive = 4.5e-3
    momentum: NotNegative = 0.0
    weight_decay: NotNegative = 5.6e-5
    positives: Count = 50
    negatives: Count = 450
    margin: NotNegative = 0.5
    quantisation: NotNegative = 4.4e-3

    def rate(self, progress: float) -> float:
        return float((2 / 3) ** int(5 * progress))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The mean over triplets of -log sigma(T_ap - T_an - alpha), T = u . u' / 2, and eta ||u - sign u||^2.

        An image without any triplet counts as 0.
        """
        import torch
        from torch.nn import functional

        outputs = batch.made.codes.float()
        similar = alike(batch.classes, batch.memory_classes)
        others = torch.ones_like(similar)
        others[torch.arange(len(batch.places)), batch.places] = False
        rng = np.random.default_rng(batch.key)
        near, is_near = self._thetas(outputs, batch.memory, similar & others, self.positives, rng)
        far, is_far = self._thetas(outputs, batch.memory, ~similar & others, self.negatives, rng)
        losses = functional.softplus(self.margin * self.bits - near[:, :, None] + far[:, None])
        valid = (is_near[:, :, None] & is_far[:, None]).float()
        means = (losses * valid).sum(dim=(1, 2)) / valid.sum(dim=(1, 2)).clamp_min(1)
        distance = (outputs.detach().sign() - outputs).square().sum(dim=1).mean()
        return {"triplet_loss": means.mean(), "quantisation_loss": self.quantisation * distance}

    @staticmethod
    def _thetas(
        outputs: Tensor, memory: Tensor, allowed: Tensor, count: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """u . u' / 2 of each image with ``count`` of its allowed items at random, [b, m], and whether there is such an
        item.

        If an image has fewer, the others are wrong in the second tensor. ``m`` is the largest number there is.
        """
        import torch

        lottery = torch.from_numpy(rng.random(allowed.shape, np.float32)).to(allowed.device)
        most = int(allowed.sum(dim=1).max().clamp(max=count))
        drawn = lottery.where(allowed, torch.tensor(-1.0, device=allowed.device)).topk(most, dim=1).indices
        thetas = (outputs @ memory.T / 2).gather(1, drawn)
        return thetas, allowed.gather(1, drawn)
