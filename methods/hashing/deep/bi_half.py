"""Bi-half: Li, van Gemert, "Deep unsupervised image hashing by maximizing bit entropy", AAAI 2021."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.hashing.deep.training.unsupervised_hasher import UnsupervisedHasher
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class BiHalf(UnsupervisedHasher):
    """Bi-half: in each batch the larger half of a bit's values is +1 and the rest -1, so that bits are balanced.

    The layer passes the gradient of the code on, and adds gamma times the mean pull of the values to their halves.
    "Published code" is the authors' liyunqianggyn/Deep-Unsupervised-Image-Hashing, its Cifar10_I.py: a linear layer on
    VGG-16's last hidden layer, whose dropout stays on in training; features here have none. Codes of other items are
    signs. The other parameters are those of `UnsupervisedHasher`.

    ``epochs``: (published code: 300)
    ``batch_size``: half as many pairs (published code: 32)
    ``learning_rate``: divided by 10 at 40 % and at 80 % of the training (published code: 1e-4, every 120 epochs)
    ``momentum``: of SGD (published code: 0.9)
    ``weight_decay``: (published code: 5e-4)
    ``pull``: gamma (published code: 6)
    """

    label = "Bi-half"
    epochs: Count = 300
    batch_size: TwoOrMore = 32
    learning_rate: Positive = 1e-4
    weight_decay: NotNegative = 5e-4
    pull: NotNegative = 6.0

    def rate(self, progress: float) -> float:
        return 0.1 ** int(progress / 0.4)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The mean of (cos(b, b') - cos(x, x'))^2 over pairs, b of the layer, and gamma / 2 times that of (u - b)^2.

        The published layer adds gamma (u - b) / (n bits) to its gradient, which is that of the second term.
        """
        from torch.nn import functional

        from methods.hashing.deep.networks.unsupervised import half_signs, pair_cosines, passed_through

        outputs = batch.made.codes.float()
        halves = half_signs(outputs)
        codes = passed_through(halves, outputs)
        similarity = functional.mse_loss(pair_cosines(codes), pair_cosines(batch.made.features.float()))
        return {"similarity_loss": similarity, "pull_loss": self.pull / 2 * (outputs - halves).square().mean()}
