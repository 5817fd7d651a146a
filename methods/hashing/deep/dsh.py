"""DSH: Liu, Wang, Shan, Chen, "Deep supervised hashing for fast image retrieval", CVPR 2016."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.hashing.deep.training.epoch_hasher import EpochHasher
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class DSH(EpochHasher):
    """DSH: contrastive loss on all pairs of a batch, outputs pulled to -1 and +1.

    The paper's: ``regularisation`` alpha = 0.01, margin m = 2 bits, batches of 200, SGD with momentum 0.9, weight decay
    0.004, ``learning_rate`` 0.001 that falls by 40 % seven times. Its 150,000 updates from random weights are longer
    than a pretrained backbone needs; ``epochs`` = 100 is a choice. The paper's loss is a sum over pairs; here it is
    the mean.
    """

    label = "DSH"
    epochs: Count = 100
    batch_size: TwoOrMore = 200
    learning_rate: Positive = 1e-3
    weight_decay: NotNegative = 4e-3
    regularisation: NotNegative = 0.01

    def rate(self, progress: float) -> float:
        """0.6 to the power of the eighths that are done."""
        return 0.6 ** int(8 * progress)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. (4): d / 2 for a similar pair, max(m - d, 0) / 2 for any other, d = ||b - b'||^2; alpha |||b| - 1||_1."""
        outputs = batch.made.codes.float()
        # Not by matrix products: a pair's own distance must be exactly zero, and with it its gradient.
        distances = (outputs[:, None] - outputs).square().sum(dim=2)
        same = batch.classes[:, None] == batch.classes
        contrast = distances.where(same, (2 * self.bits - distances).clamp(min=0)) / 2
        off = (outputs.abs() - 1).abs().sum(dim=1)
        return {"pair_loss": contrast.mean(), "regularisation_loss": 2 * self.regularisation * off.mean()}
