"""CIBHash: Qiu et al., "Unsupervised hashing with contrastive information bottleneck", IJCAI 2021."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Lt

from bench.interfaces import Context, Items
from methods.hashing.deep.training.unsupervised_hasher import UnsupervisedHasher
from methods.parameters import Count, NotNegative, Positive

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.hashing.deep.training.epochs import Batch
    from methods.hashing.deep.training.learning import Learning


@dataclass(kw_only=True, eq=False)
class CIBHash(UnsupervisedHasher):
    """CIBHash: the codes of two random views of an item are alike, and unlike those of other items.

    Images have SimCLR's views (`methods.hashing.deep.training.views`). Vectors cannot be augmented: their views differ
    by dropout alone, which is not the paper's method, though its published code (zexuanqiu/CIBHash) leaves VGG-16's
    dropout on in training, too. The paper draws bits from their probabilities; the published code cuts these at one
    half, and so does this. The other parameters are those of `UnsupervisedHasher`.

    ``epochs``: (published code: 60, and at least 80 for 16 bits)
    ``batch_size``: items, of two views each (published code: 64)
    ``optimizer``: (published code: Adam)
    ``learning_rate``: (published code: 1e-3)
    ``weight_decay``: (published code: 0)
    ``hidden``: width of the layer between features and bits (published code: 1024)
    ``temperature``: tau (published code: 0.3)
    ``bottleneck``: beta, the weight of the divergence between the views' bits (published code: 0.001)
    ``dropout``: share of the features that each view lacks (published code: 0.5, behind both hidden layers of VGG-16)
    """

    label = "CIBHash"
    shareable: ClassVar[bool] = False
    epochs: Count = 60
    optimizer: Literal["sgd", "nesterov", "adam"] = "adam"
    learning_rate: Positive = 1e-3
    weight_decay: NotNegative = 0.0
    hidden: Count = 1024
    temperature: Positive = 0.3
    bottleneck: NotNegative = 0.001
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.5

    def learning(self, train: Items, context: Context) -> Learning:
        from methods.hashing.deep.training.view_learning import ViewLearning

        return ViewLearning(self, train, context)

    def layers(self, dim: int) -> nn.Module:
        from torch import nn

        return nn.Sequential(nn.Linear(dim, self.hidden), nn.ReLU(), nn.Linear(self.hidden, self.bits))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """NT-Xent of the codes of both views, and beta times the symmetric divergence of their bits' probabilities.

        The gradient passes through the signs to the probabilities. In a divergence the other view's are constants.
        """
        import torch

        from methods.hashing.deep.networks.unsupervised import passed_through, signs

        views = [batch.made.codes.float(), batch.made.other_view.float()]
        codes = torch.cat([passed_through(signs(view), view.sigmoid()) for view in views])
        divergence = (_divergence(*views) + _divergence(*views[::-1])) / 2
        return {
            "contrastive_loss": _nt_xent(codes, self.temperature),
            "bottleneck_loss": self.bottleneck * divergence,
        }


def _nt_xent(codes: Tensor, temperature: float) -> Tensor:
    """The mean cross-entropy by which each of 2 b codes, views of b items in two halves, knows its other view."""
    import torch
    from torch.nn import functional

    unit = functional.normalize(codes, dim=1)
    itself = torch.eye(len(codes), dtype=torch.bool, device=codes.device)
    logits = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    partners = torch.arange(len(codes), device=codes.device).roll(len(codes) // 2)
    return functional.cross_entropy(logits, partners)


def _divergence(first: Tensor, second: Tensor) -> Tensor:
    """KL of the bits with log-odds ``first`` [b, bits] from those of ``second``, constants: the mean over items."""
    from torch.nn.functional import logsigmoid

    second = second.detach()
    ones = first.sigmoid() * (logsigmoid(first) - logsigmoid(second))
    zeros = (-first).sigmoid() * (logsigmoid(-first) - logsigmoid(-second))
    return (ones + zeros).sum(dim=1).mean()
