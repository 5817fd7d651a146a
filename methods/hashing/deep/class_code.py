"""The trivial baseline: a classifier, and one fixed code per class.

Where the database is the labelled training set, the mAP of this baseline is about the classifier's accuracy at any
number of bits (Sablayrolles, Douze, Usunier, Jégou, "How should we evaluate supervised hashing?", ICASSP 2017). The
gain of a supervised hasher under that protocol must be read beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from methods.hashing.deep.networks.codebooks import CodebookName
from methods.hashing.deep.training.fixed_codes import FixedCodeHasher
from methods.parameters import Count, Positive

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.epochs import Batch


@dataclass(kw_only=True, eq=False)
class ClassCode(FixedCodeHasher):
    """Trivial baseline: a classifier and one fixed code per class; the database is coded by its labels.

    The settings are those of an ordinary fine-tuning. The other parameters are those of `DeepHasher`.

    ``epochs``: epochs of the training (choice: 30)
    ``learning_rate``: of the classifier, along half a cosine (choice: 0.01)
    ``codebook``: the codes (choice: greedy, which repeats none)
    """

    label = "Class code"
    epochs: Count = 30
    learning_rate: Positive = 0.01
    codebook: CodebookName = "greedy"

    def rate(self, progress: float) -> float:
        return 0.5 * (1 + float(np.cos(np.pi * progress)))

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        from methods.hashing.deep.networks.common import ClassCodeNetwork

        return ClassCodeNetwork(backbone, self.draw_codes(classes, seed), self.frozen_trunk)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        from torch.nn import functional

        return {"cross_entropy": functional.cross_entropy(batch.made.scores.float(), batch.classes)}
