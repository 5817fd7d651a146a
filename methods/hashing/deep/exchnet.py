"""ExchNet (Cui, Jiang, Wei, Li, Yoshie, ECCV 2020): fine-grained hashing by exchanging parts with class anchors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.interfaces import Context, Float, Items
from methods.hashing.deep.training.alternating_hasher import AlternatingHasher, AttentionName
from methods.parameters import Count, NotNegative, Share, TwoOrMore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.alternation import Alternation


@dataclass(kw_only=True, eq=False)
class ExchNet(AlternatingHasher):
    """ExchNet: attention parts exchanged with class anchors, free codes for the train items.

    "Published code" is aassxun/DSH_Analysis, an implementation by others; the authors published none. The hash loss is
    divided by (images x codes x bits / 12), as in the published code. The paper has no quantisation loss. It
    computes the anchors at the end of an iteration. Nothing that they depend on changes before the next iteration
    starts, so they are computed there. The hash layer's inputs are many and not centred: a ``learning_rate`` above
    about 0.005 can drive all outputs to zero, and then nothing is learned. The other parameters are those of
    `AlternatingHasher`.

    ``iterations``: outer iterations (paper: 100)
    ``epochs``: epochs of an iteration (paper: 20)
    ``samples``: train items of an iteration (paper: 2,000; 4,000 on NABirds and VegFru; reading: of an iteration)
    ``batch_size``: images of a batch (paper: 64)
    ``learning_rate``: divided by 10 at 60 % and at 80 % of the iterations (paper: 1e-3, iterations 60 and 80)
    ``momentum``: of SGD (paper: not stated | published code: 0.9)
    ``weight_decay``: (paper: 1e-4)
    ``image_size``: side in pixels (paper: not stated | published code: 224)
    ``augmentation``: of train images (paper: not stated | published code: resized_crop)
    ``parts``: M, the number of attention maps (paper: 4)
    ``attention_from``: "stage_four", a pretrained copy at stride 1, or "bottlenecks", narrow and untrained (paper: the
        fourth stage "without downsample convolutions" | published code: bottlenecks | reading: stage_four)
    ``spatial_weight``: lambda (paper: not stated | published code: 1)
    ``channel_weight``: gamma (paper: not stated | published code: 1)
    ``channel_margin``: t (paper: 0.4)
    ``class_weighting``: similar pairs weigh as much as dissimilar ones (paper: not stated | published code: yes)
    ``diversity_pairs``: "ordered" is Eqs. (5) and (7) as printed, twice the mean distance (reading: unordered)
    ``aggregation``: over channels in Eq. (5) (paper: sum | published code: mean)
    ``exchange_from``: share of the iterations without exchange, 1 for never (paper: 0.5 | published code: 0.875)
    ``anchor_samples``: train items per class in an anchor, drawn anew each iteration; None for all (paper: all, Eq. 18)
    """

    label = "ExchNet"
    iterations: Count = 100
    epochs: Count = 20
    parts: TwoOrMore = 4
    attention_from: AttentionName = "stage_four"
    spatial_weight: NotNegative = 1.0
    channel_weight: NotNegative = 1.0
    channel_margin: Share = 0.4
    diversity_pairs: Literal["unordered", "ordered"] = "unordered"
    aggregation: Literal["sum", "mean"] = "sum"
    exchange_from: Share = 0.5
    anchor_samples: Count | None = None

    def rate(self, progress: float) -> float:
        return 0.01 if progress >= 0.8 else 0.1 if progress >= 0.6 else 1.0

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.exchnet import ExchNetNetwork

        return ExchNetNetwork(backbone, self.parts, self.bits, self.frozen_trunk, self.attention_from)

    def learning(self, train: Items, context: Context) -> Alternation:
        import numpy as np

        learned = super().learning(train, context)
        if self.anchor_samples is not None:
            smallest = int(np.bincount(learned.classes[learned.rows]).min())
            learned.fits("anchor_samples", smallest, f"a class of {smallest} train items gives all of them")
        return learned

    def prepare(self, learning: Alternation, step: int) -> Tensor | None:
        """The anchors of this iteration; None before parts are exchanged."""
        from methods.hashing.deep.networks.exchnet import anchors

        if step < self.exchange_from * self.iterations:
            return None
        return anchors(learning, self.anchor_samples, step)

    def terms(self, made: Any, classes: Tensor, progress: float) -> dict[str, Tensor]:
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
