"""DPN: Fan, Ng, Ju, Zhang, Chan, "Deep polarized network for supervised learning of accurate binary hashing codes",
IJCAI 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.hashing.deep.networks.codebooks import CodebookName
from methods.hashing.deep.training.fixed_codes import FixedCodeHasher
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class DPN(FixedCodeHasher):
    """DPN: a hinge for each bit pushes the outputs beyond a margin, on the side that the class's fixed code names.

    "Published code" is the authors' kamwoh/DPN. The variants DPN-A, which moves the codes to the classes' mean outputs,
    and DPN-T, which searches with ternary codes, are not here. The other parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 200)
    ``batch_size``: images of a batch (published code: 256)
    ``learning_rate``: divided by 10 at half of the training (published code: 1e-4)
    ``momentum``: of SGD (published code: 0.9)
    ``weight_decay``: (published code: 5e-4)
    ``codebook``: the codes (published code: signs of normal draws, which are bernoulli)
    ``margin``: m (paper: 1)
    """

    label = "DPN"
    label_sets: ClassVar[bool] = True
    epochs: Count = 200
    batch_size: TwoOrMore = 256
    learning_rate: Positive = 1e-4
    weight_decay: NotNegative = 5e-4
    codebook: CodebookName = "bernoulli"
    margin: Positive = 1.0

    def rate(self, progress: float) -> float:
        return 1.0 if progress < 0.5 else 0.1

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.common import HashNetwork

        self.draw_codes(classes, seed)
        return HashNetwork(backbone, self.bits, self.frozen_trunk)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The polarisation loss: the sum over the bits of max(0, m - u t), and over the classes of an image."""
        from torch.nn import functional

        outputs = batch.made.codes.float()
        codes = self.codes_beside(outputs)
        sets = batch.classes if batch.classes.ndim == 2 else functional.one_hot(batch.classes, len(codes))
        missing = (self.margin - outputs[:, None] * codes).clamp(min=0).sum(dim=2)
        return {"polarisation_loss": (missing * sets).sum(dim=1).mean()}
