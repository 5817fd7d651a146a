"""SEMICON: Shen, Sun, Wei, Jiang, Yang, "SEMICON: a learning-to-hash solution for large-scale fine-grained image
retrieval", ECCV 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Le

from methods.hashing.deep.training.alternating_hasher import AlternatingHasher, AttentionName
from methods.parameters import LARGEST, Count, NotNegative, Positive, Share, TwoOrMore

if TYPE_CHECKING:
    from torch import nn

    from methods.backbones.backbone import Backbone


@dataclass(kw_only=True, eq=False)
class SEMICON(AlternatingHasher):
    """SEMICON: attention maps one after the other, each suppressing the last one's places; channels interact.

    The codes are learned in turns as in ADSH. Each of the three parts gets a sixth of the bits, and the whole image
    gets the rest. "Published code" is the authors' aassxun/SEMICON. The other parameters are those of
    `AlternatingHasher`.

    ``bits``: at least 6
    ``iterations``: outer iterations (published code: 40 on CUB and Aircraft, 50 on the other sets)
    ``epochs``: epochs of an iteration (published code: 30)
    ``samples``: train items of an iteration (published code: 2,000, and 4,000 on VegFru and NABirds)
    ``batch_size``: images of a batch (published code: 16)
    ``optimizer``: (published code: SGD with Nesterov momentum)
    ``learning_rate``: of the new layers (published code: 2.5e-4, and 5e-4 on VegFru and NABirds)
    ``drop``: share of the training after which the rate is divided by 10 (published code: 1, never, in 40 iterations,
        and 0.9 in 50 | DSH_Analysis: 0.875)
    ``momentum``: of SGD (published code: 0.91)
    ``weight_decay``: (published code: 1e-4)
    ``quantisation``: gamma of ADSH (published code: 200)
    ``attention_from``: "bottlenecks", narrow and untrained, or "stage_four", a pretrained copy at stride 1 with ten
        times the work (published code: bottlenecks | choice: stage_four)
    ``suppression``: alpha (paper: 0.3 | published code: 0.15)
    """

    label = "SEMICON"
    bits: Annotated[int, Ge(6), Le(LARGEST)] = 32
    iterations: Count = 40
    epochs: Count = 30
    batch_size: TwoOrMore = 16
    optimizer: Literal["sgd", "nesterov", "adam"] = "nesterov"
    learning_rate: Positive = 2.5e-4
    drop: Share = 1.0
    momentum: NotNegative = 0.91
    quantisation: NotNegative = 200.0
    attention_from: AttentionName = "stage_four"
    suppression: NotNegative = 0.15

    def rate(self, progress: float) -> float:
        return 1.0 if progress < self.drop else 0.1

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.semicon import SEMICONNetwork

        return SEMICONNetwork(backbone, self.bits, self.suppression, self.frozen_trunk, self.attention_from)
