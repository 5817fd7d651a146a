"""ADSH: Jiang, Li, "Asymmetric deep supervised hashing", AAAI 2018."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.hashing.deep.training.alternating_hasher import AlternatingHasher
from methods.parameters import NotNegative

if TYPE_CHECKING:
    from torch import nn

    from methods.backbones.backbone import Backbone


@dataclass(kw_only=True, eq=False)
class ADSH(AlternatingHasher):
    """ADSH: a network for queries, free codes for the database, learned in turns.

    The paper's: 50 ``iterations`` of 3 ``epochs`` on 2,000 ``samples``, ``quantisation`` gamma = 200, weight decay
    5e-4, batches of 64, similar pairs weighted as much as dissimilar ones. From the authors' jiangqy/ADSH-AAAI2018
    (PyTorch): ``learning_rate`` 1e-3, divided by 10 every 10 iterations.
    """

    label = "ADSH"
    weight_decay: NotNegative = 5e-4
    quantisation: NotNegative = 200.0

    def rate(self, progress: float) -> float:
        """Divided by 10 at each fifth."""
        return 0.1 ** int(5 * progress)

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        """With tanh."""
        from methods.hashing.deep.networks.common import HashNetwork

        return HashNetwork(backbone, self.bits, self.frozen_trunk, bounded=True)
