"""Deep hashers whose classes have fixed codes, which are drawn before the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.interfaces import Context, Items
from methods.hashing.deep.networks.codebooks import CodebookName, draw, figures
from methods.hashing.deep.training.epoch_hasher import EpochHasher

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.learning import Learning


@dataclass(kw_only=True, eq=False)
class FixedCodeHasher(EpochHasher):
    """Trained towards fixed codes, one for each class. See `EpochHasher`.

    ``figures_`` has the least distance of the codes and the number of pairs of classes with equal ones.

    ``codebook``: how the codes are drawn, a name of `methods.hashing.deep.networks.codebooks.CodebookName`
    """

    codebook: CodebookName = "greedy"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.figures_: dict[str, float] = {}
        self._class_codes: Tensor | None = None

    def learning(self, train: Items, context: Context) -> Learning:
        learning = super().learning(train, context)
        if equal := self.figures_["codebook_equal"]:
            context.say(f"codebook={self.codebook!r}: pairs of classes with the same code of {self.bits} bits: {equal}")
        return learning

    def draw_codes(self, classes: int, seed: int) -> Tensor:
        """Draw the codes of the classes, ±1 float32 [classes, bits], and keep them for the loss."""
        import torch

        codes = draw(self.codebook, classes, self.bits, np.random.default_rng(seed))
        self.figures_ = figures(codes)
        self._class_codes = torch.from_numpy(codes)
        return self._class_codes

    def codes_beside(self, outputs: Tensor) -> Tensor:
        """The codes of the classes, ±1 float32 [classes, bits], on the device of the outputs."""
        assert self._class_codes is not None, "the network draws the codes"
        return self._class_codes.to(outputs.device)
