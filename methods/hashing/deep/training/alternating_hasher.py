"""Deep hashers that are trained in turns: the network on a sample, and free codes of all train items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bench.interfaces import Context, Items
from methods.hashing.deep.training.settings import DeepHasher
from methods.parameters import Count, NotNegative, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.alternation import Alternation


AttentionName = Literal["stage_four", "bottlenecks"]
"""What gives the attention maps of parts, see `methods.hashing.deep.networks.common.attention_features`."""


@dataclass(kw_only=True, eq=False)
class AlternatingHasher(DeepHasher):
    """Trained in turns: ``iterations`` times, the network for ``epochs`` and then the free codes. See `DeepHasher`.

    ``samples``: train items that the network is trained on in an iteration.
    ``class_weighting``: the target of a pair of different classes, see ``code_update``.
    ``scaled_by_bits``: both losses are times 12 / bits, as in aassxun/DSH_Analysis and aassxun/SEMICON.
    ``quantisation``: gamma of ADSH, the weight of the distance between an output and the item's free code.
    """

    family = "deep, asymmetric"
    check_parameters: ClassVar[dict[str, Any]] = {**DeepHasher.check_parameters, "iterations": 1, "samples": 60}
    iterations: Count = 50
    epochs: Count = 3
    samples: TwoOrMore = 2000
    class_weighting: bool = True
    scaled_by_bits: bool = True
    quantisation: NotNegative = 0.0

    @property
    def code_width(self) -> int:
        """The number of bits that are trained; the first ``bits`` of them are the code."""
        return self.bits

    def learning(self, train: Items, context: Context) -> Alternation:
        from methods.hashing.deep.training.alternation import Alternation

        return Alternation(self, train, context)

    def terms(self, made: Any, classes: Tensor, progress: float) -> dict[str, Tensor]:
        """The method's own weighted terms beside the hash loss, means over the batch."""
        return {}

    def prepare(self, learning: Alternation, step: int) -> Tensor | None:
        """The network's second input in this iteration, by class, [classes, M, ...]; None if there is none.

        With it the network gets a third, a number at random from 0 to 1 for each image and each of M, [b, M].
        """
        return None
