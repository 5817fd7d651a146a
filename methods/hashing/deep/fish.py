"""FISH: Chen, Luo, Wang, Guo, Xu, "Fine-grained hashing with double filtering", TIP 2022."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.hashing.deep.networks.codebooks import CodebookName
from methods.hashing.deep.training.fixed_codes import FixedCodeHasher
from methods.parameters import Count, NotNegative, Positive, Share, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class FISH(FixedCodeHasher):
    """FISH: filtered scores are led to a fixed code per class, and labels code the database.

    "Published code" is the authors', and DSHA aassxun/DSH_Analysis, which runs it with ResNet-50. The other parameters
    are those of `DeepHasher`.

    ``epochs``: epochs of the training (choice: 100)
    ``batch_size``: images of a batch (DSHA: 16)
    ``learning_rate``: divided by 10 at an eighth, at three and at seven eighths of the training (DSHA: 0.01, iterations
        5, 15 and 35 of 40)
    ``momentum``: of SGD (published code: 0.9)
    ``weight_decay``: (published code: 0)
    ``codebook``: the codes (published code: fish)
    ``background``: weight of the places whose attention is below the mean (published code: 0.5)
    ``others``: weight of the scores of all classes but the best, before the hash layer (published code: 0.7)
    ``salient``: a second view loses the places whose attention is t times the largest or more, t drawn between this and
        1 (published code: 0.9)
    """

    label = "FISH"
    epochs: Count = 100
    batch_size: TwoOrMore = 16
    learning_rate: Positive = 0.01
    weight_decay: NotNegative = 0.0
    codebook: CodebookName = "fish"
    background: Share = 0.5
    others: Share = 0.7
    salient: Share = 0.9

    def rate(self, progress: float) -> float:
        return 0.1 ** sum(progress >= drop for drop in (1 / 8, 3 / 8, 7 / 8))

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.fish import FISHNetwork

        weights = {"background": self.background, "others": self.others, "salient": self.salient}
        return FISHNetwork(backbone, self.draw_codes(classes, seed), self.frozen_trunk, **weights, seed=seed)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the scores and of those without the salient places, and the squared error of the codes."""
        from torch.nn import functional

        outputs = batch.made.codes.float()
        return {
            "cross_entropy": functional.cross_entropy(batch.made.scores.float(), batch.classes),
            "erased_cross_entropy": functional.cross_entropy(batch.made.erased_scores.float(), batch.classes),
            "code_loss": functional.mse_loss(outputs, self.codes_beside(outputs)[batch.classes]),
        }
