"""HashNet: Cao, Long, Wang, Yu, "HashNet: deep learning to hash by continuation", ICCV 2017."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.hashing.deep.training.epoch_hasher import EpochHasher, alike
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class HashNet(EpochHasher):
    """HashNet: weighted likelihood of the pairwise labels, tanh(beta u) approaching the sign as beta grows.

    "Published code" is the authors' thuml/HashNet, in PyTorch. Eq. (2) weighs similar and dissimilar pairs alike, and
    so does this hasher; the published code asks for the number of classes. A batch of 36 images of fine-grained data
    holds hardly a similar pair, and training is reported to stand still (thuml/HashNet#38). The implementations that
    converge on such data use a memory, so it is the default. The other parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 10,000 updates | choice: 100)
    ``batch_size``: images of a batch (published code: 36)
    ``optimizer``: (published code: SGD with Nesterov momentum 0.9)
    ``learning_rate``: of the hash layer, halved at each fifth (published code: 3e-3, every 2,000 updates)
    ``backbone_rate``: rate of the backbone over that of the hash layer (published code: 0.1)
    ``weight_decay``: (published code: 5e-4)
    ``continuation``: beta is sqrt(1 + continuation x progress) (published code: 0.005 an update, 50 after 10,000)
    ``pairs``: of a batch with itself, or with the last outputs of all items (published code: batch | choice: memory)
    """

    label = "HashNet"
    label_sets: ClassVar[bool] = True
    epochs: Count = 100
    batch_size: TwoOrMore = 36
    optimizer: Literal["sgd", "nesterov", "adam"] = "nesterov"
    learning_rate: Positive = 3e-3
    backbone_rate: NotNegative = 0.1
    weight_decay: NotNegative = 5e-4
    continuation: NotNegative = 50.0
    pairs: Literal["memory", "batch"] = "memory"

    def rate(self, progress: float) -> float:
        return 0.5 ** int(5 * progress)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. (4): w (log(1 + exp(a h . h')) - s a h . h'), a mean over pairs; w = pairs / pairs of the same kind."""
        from torch.nn import functional

        beta = (1 + self.continuation * batch.progress) ** 0.5
        outputs = (beta * batch.made.codes.float()).tanh()
        in_batch = self.pairs == "batch"
        others = outputs if in_batch else (beta * batch.memory).tanh()
        same = alike(batch.classes, batch.classes if in_batch else batch.memory_classes).float()
        products = 10 / self.bits * outputs @ others.T
        terms = functional.softplus(products) - same * products
        similar = same.mean().clamp(min=1 / same.numel())
        dissimilar = (1 - same).mean().clamp(min=1 / same.numel())
        return {"pair_loss": (terms * (same / similar + (1 - same) / dissimilar)).mean()}
