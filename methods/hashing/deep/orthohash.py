"""OrthoHash: Hoe et al., "One loss for all: deep hashing with a single cosine similarity based learning objective",
NeurIPS 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.hashing.deep.networks.codebooks import CodebookName
from methods.hashing.deep.training.fixed_codes import FixedCodeHasher
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class OrthoHash(FixedCodeHasher):
    """OrthoHash: cross-entropy of the cosine similarities to fixed random codes, one per class, with a margin.

    "Published code" is the authors' kamwoh/orthohash. Batch normalisation behind the hash layer balances the bits. The
    other parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 100)
    ``batch_size``: images of a batch (published code: 256)
    ``augmentation``: of train images (published code: resized_crop on ImageNet | random_crop on NUS-WIDE and COCO)
    ``optimizer``: (published code: Adam)
    ``learning_rate``: divided by 10 at 80 % of the training (published code: 1e-4)
    ``backbone_rate``: rate of the backbone over that of the hash layer (published code: 0.1)
    ``weight_decay``: (published code: 5e-4)
    ``codebook``: the codes (published code: bernoulli | choice: greedy, which repeats none)
    ``scale``: of the cosines (published code: 8)
    ``margin``: taken from the cosine of the right class (published code: 0.2)
    """

    label = "OrthoHash"
    epochs: Count = 100
    batch_size: TwoOrMore = 256
    optimizer: Literal["sgd", "nesterov", "adam"] = "adam"
    learning_rate: Positive = 1e-4
    backbone_rate: NotNegative = 0.1
    weight_decay: NotNegative = 5e-4
    codebook: CodebookName = "greedy"
    scale: NotNegative = 8.0
    margin: NotNegative = 0.2

    def rate(self, progress: float) -> float:
        return 1.0 if progress < 0.8 else 0.1

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.common import HashNetwork

        self.draw_codes(classes, seed)
        return HashNetwork(backbone, self.bits, self.frozen_trunk, balanced=True)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. (9) with the margin of Eq. (11)."""
        from torch.nn import functional

        outputs = functional.normalize(batch.made.codes.float())
        cosines = outputs @ functional.normalize(self.codes_beside(outputs)).T
        margins = self.margin * functional.one_hot(batch.classes, cosines.shape[1])
        return {"cosine_loss": functional.cross_entropy(self.scale * (cosines - margins), batch.classes)}
