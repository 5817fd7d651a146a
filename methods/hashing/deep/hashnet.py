"""HashNet: Cao, Long, Wang, Yu, "HashNet: deep learning to hash by continuation", ICCV 2017."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.hashing.deep.training.epoch_hasher import EpochHasher, alike, balance
from methods.parameters import Count, NotNegative, Positive, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class HashNet(EpochHasher):
    """HashNet: weighted likelihood of the pairwise labels, tanh(beta u) approaching the sign as beta grows.

    "Published code" is the authors' thuml/HashNet, in PyTorch. It pairs two streams of 36 images with each other: that
    is ``pairs`` = "halves" with a ``batch_size`` of 72, but for images that may be in both streams there. Two batches
    of 36 images of fine-grained data hold hardly a similar pair, and training is reported to stand still
    (thuml/HashNet#38). The implementations that converge on such data use a memory, so it is the default. The other
    parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 10,000 updates | choice: 100)
    ``batch_size``: images of a batch (published code: two streams of 36 | choice: 36, against the memory)
    ``preprocessing``: of test and database images (published code: the middle of the image squashed to 256 x 256 |
        choice: crop)
    ``augmentation``: of train images (published code: resized_crop, of the squashed image)
    ``optimizer``: (published code: SGD with Nesterov momentum 0.9)
    ``learning_rate``: of the hash layer, halved at each fifth of the training, so four times (published code: 3e-3,
        every 2,000 of 10,000 updates)
    ``backbone_rate``: rate of the backbone over that of the hash layer (published code: 0.1)
    ``weight_decay``: (published code: 5e-4)
    ``continuation``: beta is sqrt(1 + continuation x progress) (published code: 0.005 an update, 50 after 10,000)
    ``pairs``: "halves" are those of the first half of a batch with the other half, "batch" those of a batch with
        itself, an image with itself included, "memory" those with the last outputs of all items (published code:
        halves | choice: memory)
    ``similar_weight``: of a similar pair over that of a dissimilar one, in a weighted mean; None weighs as Eq. (2)
        does, which is twice that mean where both kinds weigh as much (paper: None | published code: given by the
        user, 100 for 100 classes)
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
    pairs: Literal["memory", "batch", "halves"] = "memory"
    similar_weight: Positive | None = None

    def rate(self, progress: float) -> float:
        return 0.5 ** int(5 * progress)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. (4): w (log(1 + exp(a h . h')) - s a h . h'), a mean over pairs; w = pairs / pairs of the same kind."""
        from torch.nn import functional

        beta = (1 + self.continuation * batch.progress) ** 0.5
        first, others, classes, of_others = self._sides(batch)
        same = alike(classes, of_others).float()
        products = 10 / self.bits * (beta * first).tanh() @ (beta * others).tanh().T
        terms = functional.softplus(products) - same * products
        if self.similar_weight is None:
            return {"pair_loss": (terms * balance(same)).mean()}
        weights = 1 + (self.similar_weight - 1) * same
        return {"pair_loss": (terms * weights).sum() / weights.sum()}

    def _sides(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The outputs of both sides of the pairs, and their classes."""
        outputs = batch.made.codes.float()
        if self.pairs == "memory":
            return outputs, batch.memory, batch.classes, batch.memory_classes
        if self.pairs == "batch":
            return outputs, outputs, batch.classes, batch.classes
        half = len(outputs) // 2
        return outputs[:half], outputs[half:], batch.classes[:half], batch.classes[half:]
