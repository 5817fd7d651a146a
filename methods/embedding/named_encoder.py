"""The base of the frozen image encoders that a library makes by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from bench.interfaces import Context, Float, Items
from methods.parameters import check_parameters

if TYPE_CHECKING:
    from methods.embedding.frozen import FrozenEncoder
    from methods.embedding.preprocessing import Preprocessing


@dataclass(kw_only=True, eq=False)
class NamedEncoder:
    """The embedding of images by a model of a library of the extra ``foundation``.

    ``library``: the module to import. A subclass is a dataclass with its own ``model`` and ``weights``. It gives
    ``_loaded(seed)``, the network, and ``_preprocessing(network)``, the steps of the model's own configuration.
    """

    library: ClassVar[str]
    model: str
    weights: str | Path
    seen: str = ""
    normalise: bool = True

    def __post_init__(self) -> None:
        check_parameters(self)
        self._encoder: FrozenEncoder | None = None

    def fit(self, train: Items, context: Context) -> Self:
        """Load the network; nothing is trained.

        Raises ValueError: the library has no such model or weights, or they can't be had. Raises Unavailable: it is not
        installed.
        """
        from methods.embedding.frozen import encoder, needs
        from methods.trunk import images_of

        images_of(train)
        needs(self.library)
        network = self._loaded(context.seed)
        self._encoder = encoder(self, network, self._preprocessing(network), context)
        self.dim = self._encoder.features(train.take(np.arange(1))).shape[1]
        return self

    def embed(self, items: Items) -> Float:
        """float32 [n, dim]."""
        if self._encoder is None:
            raise ValueError(f"{self.library}: fit comes before embed")
        return self._encoder.features(items)

    def _loaded(self, seed: int) -> Any:
        raise NotImplementedError

    def _preprocessing(self, network: Any) -> Preprocessing:
        raise NotImplementedError
