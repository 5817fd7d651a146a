"""DCDH: Zhang, Zhe, Chen, Yan, "Deep center-based dual-constrained hashing for discriminative face image retrieval",
Pattern Recognition 117, 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.hashing.deep.training.epoch_hasher import EpochHasher
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class DCDH(EpochHasher):
    """DCDH: outputs are drawn to the learned centre of their class, and the centres away from each other.

    "Published code" is the authors' mzhang367/DCDH-PyTorch, which trains networks for faces from random weights. DSHA
    is aassxun/DSH_Analysis, which fine-tunes ResNet-50 by the same loss. Batch normalisation follows the hash layer.
    The other parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 600 or 150 from random weights | choice: 100)
    ``batch_size``: images of a batch (published code: 256 | DSHA: 16)
    ``learning_rate``: divided by 10 at seven eighths of the training (published code: 0.005 | DSHA: 5e-4, iteration 35
        of 40)
    ``momentum``: of SGD (published code: 0.9 for VGGFace2, elsewhere Adam | DSHA: 0.9)
    ``weight_decay``: of the centres too (published code: 1e-4, and 5e-4 for VGGFace2 | DSHA: 5e-4)
    ``sigma``: weight of a squared distance in the class scores, halved (published code: 0.25)
    ``repulsion``: weight of the similarity of the centres (published code: 0.1)
    ``quantisation``: eta, of the codes' own bits and of their distance (published code: 0.01)
    """

    label = "DCDH"
    epochs: Count = 100
    batch_size: TwoOrMore = 16
    learning_rate: Positive = 5e-4
    weight_decay: NotNegative = 5e-4
    sigma: Positive = 0.25
    repulsion: NotNegative = 0.1
    quantisation: NotNegative = 0.01

    def rate(self, progress: float) -> float:
        return 1.0 if progress < 7 / 8 else 0.1

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.centres import CentreNetwork

        return CentreNetwork(backbone, self.bits, classes, self.frozen_trunk)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of -sigma ||u - c||^2 / 2, the mean of log(1 + exp(bits cos(c, c') / 2)) over pairs of centres,
        and eta ||u - b||^2.

        The published code adds log 2 for each centre with itself, which has no gradient.
        """
        import torch
        from torch.nn import functional

        made = batch.made
        centres = functional.normalize(made.centres.float(), dim=1)
        first, second = torch.triu_indices(len(centres), len(centres), offset=1, device=centres.device)
        theta = self.bits * (centres @ centres.T)[first, second] / 2
        outputs = made.codes.float()
        off = (outputs - self._class_bits(outputs, batch.classes)).square().sum(dim=1).mean()
        return {
            "centre_loss": functional.cross_entropy(-self.sigma * made.distances / 2, batch.classes),
            "repulsion_loss": self.repulsion * functional.softplus(theta).mean(),
            "quantisation_loss": self.quantisation * off,
        }

    def _class_bits(self, outputs: Tensor, classes: Tensor) -> Tensor:
        """The bits B = sign(Y W + eta U) that the outputs [b, bits] should have, -1, 0 or 1; constants.

        W regresses their signs on the classes Y in the batch: a row is the mean of the signs of a class.
        """
        outputs = outputs.detach()
        same = (classes[:, None] == classes).float()
        means = same @ outputs.sign() / same.sum(dim=1, keepdim=True)
        return (means + self.quantisation * outputs).sign()
