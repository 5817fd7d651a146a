"""SEMICON: Shen, Sun, Wei, Jiang, Yang, "SEMICON: a learning-to-hash solution for large-scale fine-grained image
retrieval", ECCV 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Le

from methods.hashing.deep.training.alternating_hasher import AlternatingHasher
from methods.parameters import LARGEST, Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import nn

    from methods.backbones.backbone import Backbone


@dataclass(kw_only=True, eq=False)
class SEMICON(AlternatingHasher):
    """SEMICON: attention maps one after the other, each suppressing the last one's places; channels interact.

    Learned in turns as ADSH. Defaults are those of the authors' aassxun/SEMICON: 40 ``iterations`` of 30 ``epochs``,
    batches of 16, SGD with Nesterov momentum 0.91, ``learning_rate`` 2.5e-4 (5e-4 for VegFru and NABirds) divided by 10
    at iteration 35, gamma 200, and the ``suppression`` alpha = 0.15 of the code (the paper prints 0.3). Each of the
    three parts gets a sixth of the bits, the whole image the rest.
    """

    label = "SEMICON"
    bits: Annotated[int, Ge(6), Le(LARGEST)] = 32
    iterations: Count = 40
    epochs: Count = 30
    batch_size: TwoOrMore = 16
    optimizer: Literal["sgd", "nesterov", "adam"] = "nesterov"
    learning_rate: Positive = 2.5e-4
    momentum: NotNegative = 0.91
    quantisation: NotNegative = 200.0
    suppression: NotNegative = 0.15

    def rate(self, progress: float) -> float:
        """Divided by 10 at 87.5 %."""
        return 1.0 if progress < 0.875 else 0.1

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        """Three suppressed parts and the whole, each with a hash layer of its own."""
        from methods.hashing.deep.networks.semicon import SEMICONNetwork

        return SEMICONNetwork(backbone, self.bits, self.suppression, self.frozen_trunk)
