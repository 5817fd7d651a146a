"""SDC: Ng et al., "Unsupervised hashing with similarity distribution calibration", BMVC 2023."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.interfaces import Float
from methods.hashing.deep.training.unsupervised_hasher import UnsupervisedHasher
from methods.parameters import Count, NotNegative, Positive

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class SDC(UnsupervisedHasher):
    """SDC: the cosines of codes are drawn to a beta distribution, in the order of the cosines of their features.

    "Published code" is the authors' kamwoh/sdc. Its contrastive term is optional there and not here, and it trains the
    backbone too by default, at the rate of the new layers. A hidden layer as wide as the features, GELU, a linear layer
    and batch normalisation make the codes. The other parameters are those of `UnsupervisedHasher`.

    ``epochs``: (published code: 100)
    ``batch_size``: half as many pairs (published code: 64)
    ``optimizer``: (published code: Adam)
    ``learning_rate``: divided by 10 at 80 % of the training (published code: 1e-4)
    ``weight_decay``: (published code: 1e-5)
    ``shape``: both parameters of the beta distribution, stretched to -1 ... 1 (published code: 5)
    ``from_zero``: no cosine is drawn below 0 (published code: yes)
    ``quantisation``: weight of 1 - cos(u, sgn u) (published code: 1)
    """

    label = "SDC"
    epochs: Count = 100
    optimizer: Literal["sgd", "nesterov", "adam"] = "adam"
    learning_rate: Positive = 1e-4
    weight_decay: NotNegative = 1e-5
    shape: Positive = 5.0
    from_zero: bool = True
    quantisation: NotNegative = 1.0

    def rate(self, progress: float) -> float:
        return 1.0 if progress < 0.8 else 0.1

    def layers(self, dim: int) -> nn.Module:
        from torch import nn

        return nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, self.bits), nn.BatchNorm1d(self.bits))

    def targets(self, pairs: int) -> Float:
        """The cosines that so many pairs are drawn to, float32 [pairs], ascending: quantiles of the distribution."""
        from scipy.special import betaincinv

        middles = (np.arange(pairs) + 0.5) / pairs
        cosines = 2 * betaincinv(self.shape, self.shape, middles) - 1
        return np.maximum(cosines, 0 if self.from_zero else -1).astype(np.float32)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The mean of |cos(u, u') - t| over pairs, t in the order of cos(x, x'), and that of 1 - cos(u, sgn u)."""
        import torch
        from torch.nn import functional

        from methods.hashing.deep.networks.unsupervised import pair_cosines, signs

        outputs = batch.made.codes.float()
        order = pair_cosines(batch.made.features.float()).argsort(stable=True)
        targets = torch.from_numpy(self.targets(len(order))).to(outputs.device)
        calibration = functional.l1_loss(pair_cosines(outputs)[order], targets)
        quantisation = (1 - functional.cosine_similarity(outputs, signs(outputs))).mean()
        return {"calibration_loss": calibration, "quantisation_loss": self.quantisation * quantisation}
