"""HashNet: Cao, Long, Wang, Yu, "HashNet: deep learning to hash by continuation", ICCV 2017."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.hashing.deep.training.epoch_hasher import EpochHasher
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class HashNet(EpochHasher):
    """HashNet: weighted likelihood of the pairwise labels, tanh(beta u) approaching the sign as beta grows.

    Defaults are those of the authors' thuml/HashNet (PyTorch): SGD with Nesterov momentum, rate 3e-4 for the backbone
    and ten times that for the hash layer, halved five times, weight decay 5e-4, a = 10 / bits, and beta =
    sqrt(1 + ``continuation`` x progress), where 0.005 an update for 10,000 updates is 50. ``pairs``: each batch against
    the last outputs of all train items ("memory") or within itself ("batch"). The authors' is the latter, with batches
    of 36: with as many classes as fine-grained data have, these hold hardly a similar pair, and training is reported
    to stand still (thuml/HashNet#38); the implementations that converge on such data use a memory, so does the default.
    Weights balance similar and dissimilar pairs, as in Eq. (2); the authors' code asks for the number of classes.
    """

    label = "HashNet"
    epochs: Count = 100
    batch_size: TwoOrMore = 36
    optimizer: Literal["sgd", "nesterov", "adam"] = "nesterov"
    learning_rate: Positive = 3e-3
    backbone_rate: NotNegative = 0.1
    weight_decay: NotNegative = 5e-4
    continuation: NotNegative = 50.0
    pairs: Literal["memory", "batch"] = "memory"

    def rate(self, progress: float) -> float:
        """Halved at each fifth."""
        return 0.5 ** int(5 * progress)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. (4): w (log(1 + exp(a h . h')) - s a h . h'), a mean over pairs; w = pairs / pairs of the same kind."""
        from torch.nn import functional

        beta = (1 + self.continuation * batch.progress) ** 0.5
        outputs = (beta * batch.made.codes.float()).tanh()
        in_batch = self.pairs == "batch"
        others = outputs if in_batch else (beta * batch.memory).tanh()
        same = (batch.classes[:, None] == (batch.classes if in_batch else batch.memory_classes)).float()
        products = 10 / self.bits * outputs @ others.T
        terms = functional.softplus(products) - same * products
        similar = same.mean().clamp(min=1 / same.numel())
        dissimilar = (1 - same).mean().clamp(min=1 / same.numel())
        return {"pair_loss": (terms * (same / similar + (1 - same) / dissimilar)).mean()}
