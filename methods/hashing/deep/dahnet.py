"""DAHNet: Jiang, Tang, Li, "Global meets local: dual activation hashing network for large-scale fine-grained image
retrieval", TKDE 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from methods.hashing.deep.training.alternating_hasher import AlternatingHasher
from methods.parameters import LARGEST, Count, NotNegative, Positive, Share, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone


@dataclass(kw_only=True, eq=False)
class DAHNet(AlternatingHasher):
    """DAHNet: three local branches look at other strips of a map in turn, and complement each other and the whole.

    The codes are learned in turns as in ADSH. Each branch gets a sixth of the bits, and the whole image gets the rest.
    The paper could not be read here. "Published code" is the authors' WhiteJiang/DAHNet, and DSHA
    aassxun/DSH_Analysis. The other parameters are those of `AlternatingHasher`.

    ``bits``: at least 6
    ``iterations``: outer iterations (published code: 20, and 40 on Food101 | DSHA: 40)
    ``epochs``: epochs of an iteration (published code: 30)
    ``samples``: train items of an iteration (published code: 2,000, and 4,000 on VegFru and NABirds)
    ``batch_size``: images of a batch (published code: 16)
    ``optimizer``: (published code: SGD with Nesterov momentum)
    ``learning_rate``: (published code: 2.5e-4, and 5e-4 on VegFru and NABirds)
    ``drop``: share of the training after which the rate is divided by 10 (published code: 0.75, and 0.625 on Food101 |
        DSHA: 0.875)
    ``momentum``: of SGD (published code: 0.91)
    ``weight_decay``: (published code: 1e-4)
    ``quantisation``: gamma of ADSH (published code: 200)
    ``classification``: weight of the mean cross-entropy of the whole and of the branches together (published code: 1 |
        DSHA: also 0, which it calls DAHNet without classes)
    """

    label = "DAHNet"
    shareable: ClassVar[bool] = False
    bits: Annotated[int, Ge(6), Le(LARGEST)] = 32
    iterations: Count = 20
    epochs: Count = 30
    batch_size: TwoOrMore = 16
    optimizer: Literal["sgd", "nesterov", "adam"] = "nesterov"
    learning_rate: Positive = 2.5e-4
    drop: Share = 0.75
    momentum: NotNegative = 0.91
    quantisation: NotNegative = 200.0
    classification: NotNegative = 1.0

    def rate(self, progress: float) -> float:
        return 1.0 if progress < self.drop else 0.1

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.dahnet import DAHNetNetwork

        return DAHNetNetwork(backbone, self.bits, classes, self.frozen_trunk, seed)

    def terms(self, made: Any, classes: Tensor, progress: float) -> dict[str, Tensor]:
        """Half of the whole's cross-entropy, and half of the branches' mean one."""
        from torch.nn import functional

        if not self.classification:
            return {}
        whole, *local = [functional.cross_entropy(one, classes) for one in made.scores.float().unbind(dim=1)]
        return {"cross_entropy": self.classification * (whole + sum(local) / len(local)) / 2}
