"""A2-Net: Wei, Shen, Sun, Ye, Yang, "A^2-Net: learning attribute-aware hash codes for large-scale fine-grained image
retrieval", NeurIPS 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.hashing.deep.training.alternating_hasher import AlternatingHasher
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone


@dataclass(kw_only=True, eq=False)
class A2Net(AlternatingHasher):
    """A2-Net: bits as attributes, from which the features can be rebuilt, learned in turns as ADSH.

    The paper could not be read here. Network, losses and defaults follow aassxun/DSH_Analysis, of the same laboratory:
    40 ``iterations`` of 30 ``epochs``, batches of 16, ``learning_rate`` 1e-4 divided by 10 at iteration 35; the
    reconstruction and decorrelation losses come in from ``refine_from`` of the iterations on, with weight 1 each. That
    code has as many attention maps as bits; ``parts`` = 4, as in ExchNet, costs a tenth of it at 48 bits.
    """

    label = "A²-Net"
    iterations: Count = 40
    epochs: Count = 30
    batch_size: TwoOrMore = 16
    learning_rate: Positive = 1e-4
    quantisation: NotNegative = 200.0
    parts: Count = 4
    refine_from: NotNegative = 0.5
    reconstruction: NotNegative = 1.0
    decorrelation: NotNegative = 1.0

    def rate(self, progress: float) -> float:
        """Divided by 10 at 87.5 %."""
        return 1.0 if progress < 0.875 else 0.1

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        """Parts and whole, and one matrix W that encodes and decodes."""
        from methods.hashing.deep.networks.a2_net import A2NetNetwork

        return A2NetNetwork(backbone, self.parts, self.bits, self.frozen_trunk)

    def terms(self, made: Any, progress: float) -> dict[str, Tensor]:
        """||x - W^T u||^2 per feature, and the distance of U^T U from b I, divided by b and the bits."""
        import torch

        weight = 1.0 if progress >= self.refine_from else 0.0
        rebuilt = (made.rebuilt.float() - made.features.float()).square().mean()
        codes = made.codes.float()
        batch, bits = codes.shape
        wanted = batch * torch.eye(bits, device=codes.device)
        correlated = (codes.T @ codes - wanted).square().mean() / (batch * bits)
        return {
            "reconstruction_loss": weight * self.reconstruction * rebuilt,
            "decorrelation_loss": weight * self.decorrelation * correlated,
        }
