"""ADSH: Jiang, Li, "Asymmetric deep supervised hashing", AAAI 2018."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.hashing.deep.training.alternating_hasher import AlternatingHasher
from methods.parameters import Natural, NotNegative
from methods.reading import Augmentation

if TYPE_CHECKING:
    from torch import nn

    from methods.backbones.backbone import Backbone


@dataclass(kw_only=True, eq=False)
class ADSH(AlternatingHasher):
    """ADSH: a network codes the queries, free codes stand for the database, and both are learned in turns.

    "Published code" is the authors' jiangqy/ADSH-AAAI2018, in PyTorch. The other parameters are those of
    `AlternatingHasher`.

    ``iterations``: outer iterations (paper: 50)
    ``epochs``: epochs of an iteration (paper: 3)
    ``samples``: train items of an iteration (paper: 2,000)
    ``batch_size``: images of a batch (paper: 64)
    ``augmentation``: of train images (published code: none)
    ``learning_rate``: of the new layers, divided by 10 at each fifth (published code: 1e-3, every 10 iterations)
    ``momentum``: of SGD (published code: 0 | DSH_Analysis: 0.9)
    ``weight_decay``: (paper: 5e-4)
    ``quantisation``: gamma (paper: 200)
    ``scaled_by_bits``: (published code: no | DSH_Analysis: yes)
    ``trained_bits``: least number of bits that are trained; the first ``bits`` of them are kept, of codes and of V
        (paper: 0, no more than are kept | QueryOpt, ICML 2025, on another network: 96)
    ``class_weighting``: similar pairs weigh as much as dissimilar ones (paper: yes)
    """

    label = "ADSH"
    augmentation: Augmentation = "none"
    momentum: NotNegative = 0.0
    weight_decay: NotNegative = 5e-4
    scaled_by_bits: bool = False
    quantisation: NotNegative = 200.0
    trained_bits: Natural = 0

    @property
    def code_width(self) -> int:
        return max(self.bits, self.trained_bits)

    def rate(self, progress: float) -> float:
        return 0.1 ** int(5 * progress)

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.common import HashNetwork

        return HashNetwork(backbone, self.code_width, self.frozen_trunk, bounded=True)
