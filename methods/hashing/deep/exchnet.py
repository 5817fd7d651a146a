"""ExchNet (Cui, Jiang, Wei, Li, Yoshie, ECCV 2020): fine-grained hashing by exchanging parts with class anchors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from bench.interfaces import Codes, Context, Float, Items
from methods.backbones import BackboneChoice, BackboneName

if TYPE_CHECKING:
    from methods.hashing.deep.exchnet_training import Fitted


@dataclass(kw_only=True, eq=False)
class ExchNet:
    """ExchNet: attention parts exchanged with class anchors, free codes for the train items.

    The paper's: ``parts`` M, ``iterations``, ``epochs`` per iteration, ``samples`` per iteration, ``batch_size``,
    ``learning_rate`` (divided by 10 at 60 % and 80 % of the iterations), ``weight_decay``, ``channel_margin`` t, and
    ``exchange_from``, the share of the iterations before exchanging starts. The paper does not state, and these are
    choices: ``momentum``; ``image_size``; ``spatial_weight`` lambda and ``channel_weight`` gamma, 1 beside a hash loss
    that is divided by (images x codes x bits / 12), as in aassxun/DSH_Analysis; ``class_weighting``, the target of a
    pair of different classes (see ``code_update``). Readings: ``diversity_pairs`` "ordered" is Eqs. (5) and (7) as
    printed (twice the mean distance), ``aggregation`` of Eq. (5) over channels is "sum" in the text.

    Backbone: see `methods.backbones.BackboneChoice`. ``anchor_samples``: train items per class that an anchor is the
    mean of (drawn anew each iteration; None: all, Eq. 18). ``validation``: train items set aside by seed, whose images
    are not trained on (but a trunk pretrained on the train items has seen them); every ``validate_every`` iterations
    the log gets their mAP against the learned codes of the others. They have learned codes too, which take labels
    only. ``log.csv`` and the checkpoint are in ``context.folder``.

    The hash layer's inputs are many and not centred: a ``learning_rate`` above about 0.005 can drive all outputs to
    zero, from where nothing is learned.
    """

    bits: int = 32
    backbone: BackboneName = "resnet50"
    weights: str = "imagenet"
    image_size: int = 224
    frozen_trunk: bool = False
    pretrain_epochs: int = 0
    parts: int = 4
    iterations: int = 100
    epochs: int = 20
    samples: int = 2000
    batch_size: int = 64
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 1e-4
    spatial_weight: float = 1.0
    channel_weight: float = 1.0
    channel_margin: float = 0.4
    diversity_pairs: Literal["unordered", "ordered"] = "unordered"
    aggregation: Literal["sum", "mean"] = "sum"
    class_weighting: bool = True
    exchange_from: float = 0.5
    anchor_samples: int | None = None
    validation: int = 0
    validate_every: int = 5
    database_codes_: Codes | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for name in ("bits", "iterations", "epochs", "validate_every"):
            _at_least(name, getattr(self, name), 1)
        for name in ("parts", "samples", "batch_size"):
            _at_least(name, getattr(self, name), 2)
        for name in ("validation", "momentum", "weight_decay", "spatial_weight", "channel_weight"):
            _at_least(name, getattr(self, name), 0)
        if self.anchor_samples is not None:
            _at_least("anchor_samples", self.anchor_samples, 1)
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate={self.learning_rate}: must be above 0")
        for name in ("exchange_from", "channel_margin"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be from 0 to 1")
        for name, allowed in (("diversity_pairs", ("unordered", "ordered")), ("aggregation", ("sum", "mean"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)!r}: must be one of {', '.join(allowed)}")
        self.choice = BackboneChoice(
            self.backbone, self.weights, self.image_size, self.frozen_trunk, self.pretrain_epochs
        )
        self._fitted: Fitted | None = None

    def fit(self, train: Items, context: Context) -> Self:
        """Train, or go on from the checkpoint in ``context.folder``. ValueError: no images, or too few items."""
        from methods.hashing.deep.exchnet_training import fit

        self._fitted = fit(self, train, context)
        self.database_codes_ = self._fitted.database_codes
        return self

    def encode(self, items: Items) -> Codes:
        """Codes of any items, their parts not exchanged (section 3.5)."""
        return self._after_fit().encode(items)

    def attention(self, items: Items) -> Float:
        """The attention maps A, float32 [n, parts, h, w]."""
        return self._after_fit().attention(items)

    def _after_fit(self) -> Fitted:
        if self._fitted is None:
            raise ValueError("exchnet: fit comes before encode")
        return self._fitted


def _at_least(name: str, value: float, low: int) -> None:
    if value < low:
        raise ValueError(f"{name}={value}: must be at least {low}")
