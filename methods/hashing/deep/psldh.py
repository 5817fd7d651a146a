"""PSLDH: Tu et al., "Partial-softmax loss based deep hashing", WWW 2021."""

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

NEVER = -1e30
"""A logit whose exponential is 0."""


@dataclass(kw_only=True, eq=False)
class PSLDH(FixedCodeHasher):
    """PSLDH: cross-entropy of each class of an image against those that it lacks, by products with fixed codes.

    "Published code" is the authors' rongchengtu1/PSLDH. The other parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 150)
    ``batch_size``: images of a batch (published code: 80)
    ``learning_rate``: times 0.3 at two thirds of the training (published code: 1e-3, epoch 100)
    ``momentum``: of SGD (published code: 0)
    ``weight_decay``: (published code: 1e-5)
    ``codebook``: the codes (published code: label_net)
    ``scale``: gamma, of the products (published code: 0.2)
    ``margin``: sigma, taken from the product of the right class, for each bit (published code: 0.2)
    ``quantisation``: lambda, the weight of ||sign(u) - u||^2 (published code: 0.01)
    """

    label = "PSLDH"
    label_sets: ClassVar[bool] = True
    epochs: Count = 150
    batch_size: TwoOrMore = 80
    learning_rate: Positive = 1e-3
    momentum: NotNegative = 0.0
    weight_decay: NotNegative = 1e-5
    codebook: CodebookName = "label_net"
    scale: NotNegative = 0.2
    margin: NotNegative = 0.2
    quantisation: NotNegative = 0.01

    def rate(self, progress: float) -> float:
        return 1.0 if progress < 2 / 3 else 0.3

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.common import HashNetwork

        self.draw_codes(classes, seed)
        return HashNetwork(backbone, self.bits, self.frozen_trunk, bounded=True)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The partial softmax: a class of the image competes with all that it lacks, and not with its other classes."""
        import torch
        from torch.nn import functional

        outputs = batch.made.codes.float()
        logits = self.scale * outputs @ self.codes_beside(outputs).T
        sets = batch.classes if batch.classes.ndim == 2 else functional.one_hot(batch.classes, logits.shape[1]).bool()
        lacking = logits.masked_fill(sets, NEVER).logsumexp(dim=1, keepdim=True)
        wanted = logits - self.scale * self.margin * self.bits
        likelihood = (wanted - torch.logaddexp(wanted, lacking)).masked_fill(~sets, 0.0)
        entropy = -(likelihood.sum(dim=1) / sets.sum(dim=1).clamp(min=1)).mean()
        distance = (outputs.detach().sign() - outputs).square().sum(dim=1).mean()
        return {"partial_softmax_loss": entropy, "quantisation_loss": self.quantisation * distance}
