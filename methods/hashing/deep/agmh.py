"""AGMH: Lu, Chen, Cao, Zhou, Lu, "Attributes grouping and mining hashing for fine-grained image retrieval", ACM MM
2023.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from methods.hashing.deep.training.alternating_hasher import AlternatingHasher
from methods.parameters import Count, NotNegative, Share, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone


@dataclass(kw_only=True, eq=False)
class AGMH(AlternatingHasher):
    """AGMH: several descriptors of one map, whose attention is led to different places, learned in turns as in ADSH.

    The attention is in the loss alone: it costs nothing when images are coded. "Published code" is the authors'
    Lx-zjwf/AGMH, which does not run as published, and DSHA aassxun/DSH_Analysis, in which it does. The other parameters
    are those of `AlternatingHasher`.

    ``iterations``: outer iterations (published code: 40 on CUB and Aircraft, 50 on the other sets | DSHA: 40)
    ``epochs``: epochs of an iteration (published code: 30)
    ``samples``: train items of an iteration (published code: 2,000, and 4,000 on VegFru and NABirds)
    ``batch_size``: images of a batch (published code: 32 | DSHA: 16)
    ``optimizer``: (published code: SGD with Nesterov momentum)
    ``learning_rate``: (published code: 1e-3)
    ``drop``: share of the training after which the rate is divided by 10 (published code: 1, never, in 40 iterations,
        and 0.8 in 50 | DSHA: 0.875)
    ``momentum``: of SGD (published code: 0.9)
    ``weight_decay``: (published code: 1e-4)
    ``quantisation``: gamma of ADSH (published code: 200)
    ``heads``: descriptors (published code: 6)
    ``width``: channels of a descriptor, None for a quarter of the backbone's (published code: 512 with ResNet-50)
    ``stride``: of the fourth stage, whose maps are as large as the third's with 1 (published code: 1)
    ``dispersion``: weight of the chance that two descriptors look at the same place (published code: 0.5)
    """

    label = "AGMH"
    iterations: Count = 40
    epochs: Count = 30
    batch_size: TwoOrMore = 32
    optimizer: Literal["sgd", "nesterov", "adam"] = "nesterov"
    drop: Share = 1.0
    quantisation: NotNegative = 200.0
    heads: Count = 6
    width: Count | None = None
    stride: Literal[1, 2] = 1
    dispersion: NotNegative = 0.5

    def rate(self, progress: float) -> float:
        return 1.0 if progress < self.drop else 0.1

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.agmh import AGMHNetwork

        # One head has no other that it could be kept apart from.
        attended = self.dispersion > 0 and self.heads > 1
        shape: dict[str, Any] = {"heads": self.heads, "width": self.width, "stride": self.stride}
        return AGMHNetwork(backbone, self.bits, self.frozen_trunk, **shape, attended=attended)

    def terms(self, made: Any, classes: Tensor, progress: float) -> dict[str, Tensor]:
        """The attention dispersion loss."""
        from methods.hashing.deep.networks.agmh import dispersion

        return {} if made.attention is None else {"dispersion_loss": self.dispersion * dispersion(made.attention)}
