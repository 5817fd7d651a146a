"""DSH: Liu, Wang, Shan, Chen, "Deep supervised hashing for fast image retrieval", CVPR 2016."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.hashing.deep.training.epoch_hasher import EpochHasher, alike
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class DSH(EpochHasher):
    """DSH: contrastive loss on all pairs of a batch, outputs pulled to -1 and +1.

    The paper's loss is a sum over pairs, and here it is the mean. The margin m is 2 bits, as in the paper. The other
    parameters are those of `DeepHasher`.

    ``epochs``: epochs (paper: 150,000 updates from random weights | choice: 100, enough for a pretrained backbone)
    ``batch_size``: images of a batch (paper: 200)
    ``learning_rate``: times 0.6 at each eighth of the training (paper: 0.001, which falls by 40 % seven times)
    ``momentum``: of SGD (paper: 0.9)
    ``weight_decay``: (paper: 0.004)
    ``regularisation``: alpha (paper: 0.01)
    """

    label = "DSH"
    label_sets: ClassVar[bool] = True
    epochs: Count = 100
    batch_size: TwoOrMore = 200
    learning_rate: Positive = 1e-3
    weight_decay: NotNegative = 4e-3
    regularisation: NotNegative = 0.01

    def rate(self, progress: float) -> float:
        return 0.6 ** int(8 * progress)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. (4): d / 2 for a similar pair, max(m - d, 0) / 2 for any other, d = ||b - b'||^2; alpha |||b| - 1||_1."""
        outputs = batch.made.codes.float()
        # Matrix products would round: the distance of an item from itself must be exactly zero, and so its gradient.
        distances = (outputs[:, None] - outputs).square().sum(dim=2)
        same = alike(batch.classes, batch.classes)
        contrast = distances.where(same, (2 * self.bits - distances).clamp(min=0)) / 2
        off = (outputs.abs() - 1).abs().sum(dim=1)
        return {"pair_loss": contrast.mean(), "regularisation_loss": 2 * self.regularisation * off.mean()}
