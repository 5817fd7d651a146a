"""A2-Net: Wei, Shen, Sun, Ye, Yang, "A^2-Net: learning attribute-aware hash codes for large-scale fine-grained image
retrieval", NeurIPS 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.hashing.deep.training.alternating_hasher import AlternatingHasher, AttentionName
from methods.parameters import Count, Natural, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone


@dataclass(kw_only=True, eq=False)
class A2Net(AlternatingHasher):
    """A2-Net: bits are attributes from which the features can be rebuilt, learned in turns as in ADSH.

    The paper could not be read here. "Published code" is aassxun/DSH_Analysis, of the same laboratory. The other
    parameters are those of `AlternatingHasher`.

    ``iterations``: outer iterations (published code: 40)
    ``epochs``: epochs of an iteration (published code: 30)
    ``batch_size``: images of a batch (published code: 16)
    ``learning_rate``: of the new layers, divided by 10 at 87.5 % (published code: 1e-4, iteration 35 of 40)
    ``momentum``: of SGD (published code: 0.9)
    ``weight_decay``: (published code: 1e-4)
    ``quantisation``: gamma of ADSH (published code: 200)
    ``parts``: attention maps, 0 for one for each bit (published code: 0 | choice: 4, which cost a tenth of it at 48
        bits)
    ``attention_from``: "bottlenecks", narrow and untrained, or "stage_four", a pretrained copy at stride 1 with ten
        times the work (published code: bottlenecks | choice: stage_four)
    ``refine_from``: share of the training before the next two losses come in (published code: 0.875)
    ``reconstruction``: weight of the reconstruction loss (published code: 1)
    ``decorrelation``: weight of the decorrelation loss (published code: 1)
    """

    label = "A²-Net"
    iterations: Count = 40
    epochs: Count = 30
    batch_size: TwoOrMore = 16
    learning_rate: Positive = 1e-4
    quantisation: NotNegative = 200.0
    parts: Natural = 4
    attention_from: AttentionName = "stage_four"
    refine_from: NotNegative = 0.875
    reconstruction: NotNegative = 1.0
    decorrelation: NotNegative = 1.0

    def rate(self, progress: float) -> float:
        return 1.0 if progress < 0.875 else 0.1

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.a2_net import A2NetNetwork

        return A2NetNetwork(backbone, self.parts or self.bits, self.bits, self.frozen_trunk, self.attention_from)

    def terms(self, made: Any, classes: Tensor, progress: float) -> dict[str, Tensor]:
        """The error ||x - W^T u||^2 per feature, and the distance of U^T U from b I over b and the bits."""
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
