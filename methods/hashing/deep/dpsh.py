"""DPSH: Li, Wang, Kang, "Feature learning based deep supervised hashing with pairwise labels", IJCAI 2016."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.interfaces import Context, Items
from methods.hashing.deep.training.epoch_hasher import EpochHasher, alike, balance
from methods.parameters import Count, NotNegative, Positive, TwoOrMore
from methods.reading import Augmentation

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.epochs import Batch
    from methods.hashing.deep.training.learning import Learning

MOST_CLASSES = 50
"""More classes than that, and the paper's loss is known to collapse: 81 do here, and 100 to 555 in published tables."""


@dataclass(kw_only=True, eq=False)
class DPSH(EpochHasher):
    """DPSH: likelihood of the pairwise labels, each batch against the outputs of all train items.

    "Published code" is the authors' jiangqy/DPSH-pytorch. All pairs weigh alike, as in the paper. Where classes are
    many, hardly a pair is similar, and outputs near zero cost little more than the optimum: such trainings collapse,
    and the screen says so before they start. The other parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (published code: 150)
    ``batch_size``: images of a batch (published code: 128)
    ``augmentation``: of train images (published code: none)
    ``learning_rate``: divided by 10 at each third of the training (published code: 0.05, every 50 epochs)
    ``momentum``: of SGD (published code: 0)
    ``weight_decay``: (published code: 1e-5)
    ``quantisation``: eta (paper: 10 on CIFAR-10 | published code: 10)
    ``balanced``: similar pairs weigh as much as dissimilar ones, as in HashNet (paper: no)
    """

    label = "DPSH"
    label_sets: ClassVar[bool] = True
    epochs: Count = 150
    batch_size: TwoOrMore = 128
    augmentation: Augmentation = "none"
    learning_rate: Positive = 0.05
    momentum: NotNegative = 0.0
    weight_decay: NotNegative = 1e-5
    quantisation: NotNegative = 10.0
    balanced: bool = False

    def learning(self, train: Items, context: Context) -> Learning:
        learned = super().learning(train, context)
        if learned.class_count > MOST_CLASSES and not self.balanced and learned.labels.ndim == 1:
            told = f"about 1 pair in {learned.class_count} is similar, and such trainings tend to end in one code"
            context.say(f"balanced=False: {told}; balanced=True weighs similar pairs more")
        return learned

    def rate(self, progress: float) -> float:
        return 0.1 ** int(3 * progress)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. (4) of the paper, divided by the number of pairs: Theta = u . u' / 2, and eta ||sign(u) - u||^2."""
        from torch.nn import functional

        outputs = batch.made.codes.float()
        theta = outputs @ batch.memory.T / 2
        same = alike(batch.classes, batch.memory_classes).float()
        terms = functional.softplus(theta) - same * theta
        likelihood = (terms * balance(same) if self.balanced else terms).mean()
        distance = (outputs.detach().sign() - outputs).square().sum(dim=1).mean()
        return {"pair_loss": likelihood, "quantisation_loss": self.quantisation * distance / len(batch.memory)}
