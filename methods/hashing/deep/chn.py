"""CHN: Zeng, Zheng, "Cascading hierarchical networks with multi-task balanced loss for fine-grained hashing",
arXiv 2303.11274, 2023.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from methods.hashing.deep.networks.codebooks import CodebookName
from methods.hashing.deep.training.fixed_codes import FixedCodeHasher
from methods.parameters import Count, NotNegative, Positive, Share, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class CHN(FixedCodeHasher):
    """CHN: maps of three stages are led to a fixed code per class, and a classifier sees a magnified view, too.

    "Published code" is the authors' kaiba007/FG-CNET (the paper calls it CNET, too), which draws the codes as FISH does
    and encodes the database; aassxun/DSH_Analysis codes it by its labels, as ``database_codes_`` here. The network is
    given images, even if ``frozen_trunk`` keeps its trunk as it is. The other parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 300)
    ``batch_size``: images of a batch (published code: 128, and 32 for Aircraft)
    ``learning_rate``: divided by 10 each 80 of 300 epochs (published code: 0.008; Aircraft 0.035, VegFru 0.005)
    ``momentum``: of SGD (published code: 0.9)
    ``weight_decay``: (published code: 5e-4)
    ``codebook``: the codes (published code: fish)
    ``width``: channels of a stage's head, which gives twice as many features (published code: 512 with ResNet-50)
    ``zoom``: the classifier sees each image magnified around peaks of its attention, too (published code: yes)
    ``smoothing``: share of the target that all other classes have together (published code: 0.1)
    """

    label = "CHN"
    reads_images: ClassVar[bool] = True
    shareable: ClassVar[bool] = False
    check_parameters: ClassVar[dict[str, Any]] = {**FixedCodeHasher.check_parameters, "width": 8}
    epochs: Count = 300
    batch_size: TwoOrMore = 128
    learning_rate: Positive = 0.008
    weight_decay: NotNegative = 5e-4
    codebook: CodebookName = "fish"
    width: Count = 512
    zoom: bool = True
    smoothing: Share = 0.1

    def rate(self, progress: float) -> float:
        return 0.1 ** int(progress * 300 / 80)

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.chn import CHNNetwork

        codes = self.draw_codes(classes, seed)
        return CHNNetwork(backbone, codes, self.frozen_trunk, width=self.width, zoom=self.zoom, seed=seed)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The codes' squared error over alpha_1^2, the smoothed cross-entropy over alpha_2^2, and both log(1 + alpha).

        The alphas are learned.
        """
        from torch.nn import functional

        outputs, balance = batch.made.codes.float(), batch.made.balance
        distance = functional.mse_loss(outputs, self.codes_beside(outputs)[batch.classes])
        logs = batch.made.scores.float().log_softmax(dim=1)
        right = logs.gather(1, batch.classes[:, None])[:, 0]
        others = (logs.sum(dim=1) - right) / (logs.shape[1] - 1)
        entropy = -((1 - self.smoothing) * right + self.smoothing * others).mean()
        return {
            "code_loss": distance / balance[0] ** 2,
            "cross_entropy": entropy / balance[1] ** 2,
            "balance_loss": balance.log1p().sum(),
        }
