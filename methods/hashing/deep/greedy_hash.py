"""GreedyHash: Su, Zhang, Han, Tian, "Greedy hash: towards fast optimization for accurate hash coding in CNN",
NeurIPS 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.hashing.deep.training.epoch_hasher import EpochHasher
from methods.parameters import Count, NotNegative, Positive, Share, TwoOrMore
from methods.reading import Augmentation

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class GreedyHash(EpochHasher):
    """GreedyHash: classification from the signs of the codes, the gradient passing through the sign unchanged.

    "Published code" is the authors' ssppp/GreedyHash. It has other settings for CIFAR-10 than for 100 classes of
    ImageNet; the defaults are those for CIFAR-10. The other parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 50 on CIFAR-10, 100 on ImageNet)
    ``batch_size``: images of a batch (published code: 32)
    ``augmentation``: of train images (published code: random_crop on ImageNet)
    ``learning_rate``: (published code: 1e-3)
    ``drop``: share of the training after which the rate is divided by 10 (published code: 0.6, epoch 30 on CIFAR-10,
        and 0.8, epoch 80 on ImageNet)
    ``momentum``: of SGD (published code: 0.9)
    ``weight_decay``: (published code: 5e-4)
    ``regularisation``: alpha (published code: 0.1 on CIFAR-10, 1 on ImageNet)
    """

    label = "GreedyHash"
    epochs: Count = 50
    batch_size: TwoOrMore = 32
    augmentation: Augmentation = "random_crop"
    learning_rate: Positive = 1e-3
    drop: Share = 0.6
    weight_decay: NotNegative = 5e-4
    regularisation: NotNegative = 0.1

    def rate(self, progress: float) -> float:
        return 1.0 if progress < self.drop else 0.1

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.common import HashNetwork

        return HashNetwork(backbone, self.bits, self.frozen_trunk, classes=classes)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. (10): cross-entropy, and alpha times the mean of | |h| - 1 |^3."""
        from torch.nn import functional

        distance = (batch.made.codes.float().abs() - 1).abs().pow(3).mean()
        classified = functional.cross_entropy(batch.made.scores.float(), batch.classes)
        return {"cross_entropy": classified, "regularisation_loss": self.regularisation * distance}
