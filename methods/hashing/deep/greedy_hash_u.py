"""GreedyHash without labels: Su, Zhang, Han, Tian, "Greedy hash: towards fast optimization for accurate hash coding in
CNN", NeurIPS 2018, its unsupervised experiment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.hashing.deep.training.unsupervised_hasher import UnsupervisedHasher
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class GreedyHashU(UnsupervisedHasher):
    """GreedyHash without labels: the cosine of two codes is drawn to that of their features, through the sign.

    "Published code" is the authors' ssppp/GreedyHash, its unsupervised_vgg.py: a linear layer on VGG-16's last hidden
    layer, whose dropout stays on in training; features here have none. The learning rate stays as it is. The other
    parameters are those of `UnsupervisedHasher`.

    ``epochs``: (published code: 60, and 300 for 16 bits)
    ``batch_size``: half as many pairs (published code: 32)
    ``learning_rate``: (published code: 1e-4)
    ``momentum``: of SGD (published code: 0.9)
    ``weight_decay``: (published code: 5e-4)
    ``regularisation``: alpha (published code: 0.1)
    """

    label = "GreedyHash-U"
    epochs: Count = 60
    batch_size: TwoOrMore = 32
    learning_rate: Positive = 1e-4
    weight_decay: NotNegative = 5e-4
    regularisation: NotNegative = 0.1

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The mean of (cos(b, b') - cos(x, x'))^2 over pairs, b = sgn(h), and alpha times that of | |h| - 1 |^3."""
        from torch.nn import functional

        from methods.hashing.deep.networks.unsupervised import pair_cosines, passed_through, signs

        outputs = batch.made.codes.float()
        codes = passed_through(signs(outputs), outputs)
        similarity = functional.mse_loss(pair_cosines(codes), pair_cosines(batch.made.features.float()))
        distance = (outputs.abs() - 1).abs().pow(3).mean()
        return {"similarity_loss": similarity, "regularisation_loss": self.regularisation * distance}
