"""Deep hashers that read no labels: layers that are trained on features of another network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from bench.interfaces import Context, Items
from methods.hashing.deep.training.epoch_hasher import EpochHasher
from methods.parameters import Natural, NotNegative

if TYPE_CHECKING:
    from torch import nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.learning import Learning


@dataclass(kw_only=True, eq=False)
class UnsupervisedHasher(EpochHasher):
    """Trained by mini-batches without labels, on features that stay as they are, for ``epochs``. See `DeepHasher`.

    Items with vectors (a data set of vectors, or a cell with an input) are read by these. Images alone have the
    features of ``backbone``, averaged over places, as `pretrained` has them; it is not trained, so its ``weights`` must
    be given. All features are divided by one number, the root of the mean of their squares over the train items, so
    that a learning rate means the same whatever they come from (choice; cosines stay as they are).

    Labels are not read at all: no backbone is pretrained with them, and no mAP of held-out items chooses a network.
    """

    family = "deep, unsupervised"
    supervised: ClassVar[bool] = False
    label_sets: ClassVar[bool] = True
    check_parameters: ClassVar[dict[str, Any]] = {
        "backbone": "small", "weights": "synthetic", "image_size": 16, "bits": 12, "batch_size": 32, "epochs": 1
    }  # fmt: skip
    frozen_trunk: bool = field(default=False, init=False)
    pretrain_epochs: Natural = field(default=0, init=False)
    backbone_rate: NotNegative = field(default=1.0, init=False)
    validation: Natural = field(default=0, init=False)

    def learning(self, train: Items, context: Context) -> Learning:
        from methods.hashing.deep.training.feature_learning import FeatureLearning

        return FeatureLearning(self, train, context)

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.unsupervised import FeatureNetwork

        return FeatureNetwork(self.layers(backbone.feature_channels))

    def layers(self, dim: int) -> nn.Module:
        """The untrained layers from features [b, dim] to values [b, bits], whose signs are the code."""
        from torch import nn

        return nn.Linear(dim, self.bits)
