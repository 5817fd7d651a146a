"""CSQ: Yuan et al., "Central similarity quantization for efficient image and video retrieval", CVPR 2020."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.hashing.deep.networks.codebooks import CodebookName
from methods.hashing.deep.training.fixed_codes import FixedCodeHasher
from methods.parameters import Count, NotNegative, Positive

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class CSQ(FixedCodeHasher):
    """CSQ: outputs are drawn to their class's hash centre, a row of a Hadamard matrix.

    "Published code" is the authors' yuanli2333/Hadamard-Matrix-for-hashing. Its pairwise loss is not in the paper and
    not here. The other parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 90)
    ``batch_size``: images of a batch (published code: 64)
    ``optimizer``: (published code: Adam)
    ``learning_rate``: of the hash layer, times 0.7 at each ninth (published code: 1e-3, every 10 epochs)
    ``backbone_rate``: rate of the backbone over that of the hash layer (published code: 0.01)
    ``weight_decay``: (published code: 0)
    ``head``: of the features: "linear", or "deep", two hidden layers of the features' width with ReLU, of which the
        first drops half of its outputs in training, and then a linear one (published code: deep)
    ``codebook``: the hash centres (paper: hadamard | choice: hadamard_greedy, which repeats none)
    ``quantisation``: lambda, the weight of (|h| - 1)^2 (published code: 0.05; paper: log cosh(|h| - 1) in its place)
    """

    label = "CSQ"
    epochs: Count = 90
    optimizer: Literal["sgd", "nesterov", "adam"] = "adam"
    learning_rate: Positive = 1e-3
    backbone_rate: NotNegative = 0.01
    weight_decay: NotNegative = 0.0
    head: Literal["linear", "deep"] = "linear"
    codebook: CodebookName = "hadamard_greedy"
    quantisation: NotNegative = 0.05

    def rate(self, progress: float) -> float:
        return 0.7 ** int(9 * progress)

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.common import HashNetwork
        from methods.hashing.deep.networks.csq import DeepHead

        self.draw_codes(classes, seed)
        head = DeepHead(backbone.feature_channels, self.bits, seed) if self.head == "deep" else None
        return HashNetwork(backbone, self.bits, self.frozen_trunk, bounded=True, head=head)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. (4), the cross-entropy of each bit, and lambda times the distance of the outputs from -1 and +1."""
        from torch.nn import functional

        outputs = batch.made.codes.float()
        wanted = self.codes_beside(outputs)[batch.classes]
        centre = functional.binary_cross_entropy((outputs + 1) / 2, (wanted + 1) / 2)
        distance = (outputs.abs() - 1).square().mean()
        return {"centre_loss": centre, "quantisation_loss": self.quantisation * distance}
