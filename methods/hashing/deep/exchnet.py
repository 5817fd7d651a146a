"""ExchNet (Cui, Jiang, Wei, Li, Yoshie, ECCV 2020): fine-grained hashing by exchanging parts with class anchors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.interfaces import Context, Float, Items
from methods.hashing.deep.training.alternating_hasher import AlternatingHasher
from methods.parameters import Count, NotNegative, Share, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.alternation import Alternation


@dataclass(kw_only=True, eq=False)
class ExchNet(AlternatingHasher):
    """ExchNet: attention parts exchanged with class anchors, free codes for the train items.

    The paper's: ``parts`` M, ``iterations``, ``epochs`` per iteration, ``samples`` per iteration, ``batch_size``,
    ``learning_rate`` (divided by 10 at 60 % and 80 % of the iterations), ``weight_decay``, ``channel_margin`` t, and
    ``exchange_from``, the share of the iterations before exchanging starts (1: never). The paper does not state, and
    these are choices: ``momentum``; ``image_size``; ``spatial_weight`` lambda and ``channel_weight`` gamma, 1 beside a
    hash loss that is divided by (images x codes x bits / 12), as in aassxun/DSH_Analysis; ``class_weighting``. It has
    no quantisation term. Readings: ``diversity_pairs`` "ordered" is Eqs. (5) and (7) as printed (twice the mean
    distance), ``aggregation`` of Eq. (5) over channels is "sum" in the text.

    ``anchor_samples``: train items per class that an anchor is the mean of (drawn anew each iteration; None: all,
    Eq. 18). The paper computes anchors at the end of an iteration: nothing that they depend on changes between there
    and the start of the next, so that they are computed where they are used.

    The hash layer's inputs are many and not centred: a ``learning_rate`` above about 0.005 can drive all outputs to
    zero, from where nothing is learned.
    """

    label = "ExchNet"
    iterations: Count = 100
    epochs: Count = 20
    parts: TwoOrMore = 4
    spatial_weight: NotNegative = 1.0
    channel_weight: NotNegative = 1.0
    channel_margin: Share = 0.4
    diversity_pairs: Literal["unordered", "ordered"] = "unordered"
    aggregation: Literal["sum", "mean"] = "sum"
    exchange_from: Share = 0.5
    anchor_samples: Count | None = None

    def rate(self, progress: float) -> float:
        """Divided by 10 at 60 % and at 80 %."""
        return 0.01 if progress >= 0.8 else 0.1 if progress >= 0.6 else 1.0

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        """Parts and whole, and a hash layer that sees both."""
        from methods.hashing.deep.networks.exchnet import ExchNetNetwork

        return ExchNetNetwork(backbone, self.parts, self.bits, self.frozen_trunk)

    def learning(self, train: Items, context: Context) -> Alternation:
        """In turns."""
        import numpy as np

        learned = super().learning(train, context)
        if self.anchor_samples is not None:
            smallest = int(np.bincount(learned.classes[learned.rows]).min())
            learned.fits("anchor_samples", smallest, f"a class of {smallest} train items gives all of them")
        return learned

    def prepare(self, learning: Alternation, step: int) -> Tensor | None:
        """The anchors of this iteration, from the one on in which parts are exchanged."""
        from methods.hashing.deep.networks.exchnet import anchors

        if step < self.exchange_from * self.iterations:
            return None
        return anchors(learning, self.anchor_samples, step)

    def terms(self, made: Any, progress: float) -> dict[str, Tensor]:
        """The diversity losses of Eq. (13)."""
        from methods.hashing.deep.networks.exchnet import channel_loss, spatial_loss

        ordered = self.diversity_pairs == "ordered"
        spatial = spatial_loss(made.maps, self.aggregation, ordered).mean()
        channel = channel_loss(made.local, self.channel_margin, ordered).mean()
        return {"spatial_loss": self.spatial_weight * spatial, "channel_loss": self.channel_weight * channel}

    def attention(self, items: Items) -> Float:
        """The attention maps A, float32 [n, parts, h, w]."""
        import numpy as np

        return np.concatenate([made.attention.float().cpu().numpy() for made in self.after_fit().outputs(items)])
