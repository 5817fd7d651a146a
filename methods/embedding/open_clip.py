"""Features of the frozen image encoder of a CLIP model, by the names that OpenCLIP gives to models and weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from bench.interfaces import Context, Float, Items
from methods.parameters import check_parameters

if TYPE_CHECKING:
    from torch import nn

    from methods.embedding.frozen import FrozenEncoder
    from methods.embedding.preprocessing import Preprocessing


@dataclass(kw_only=True, eq=False)
class OpenClip:
    """The embedding of images by a model of OpenCLIP, by ``pip install -e '.[foundation]'``.

    Images are prepared by the model's own configuration. What it has seen stands in the column ``remarks``.

    ``model``: a name of `open_clip.list_models`
    ``weights``: a tag of `open_clip.list_pretrained` (from the hub or its cache on this machine), "random" (drawn by
        seed), or the path of a file with the weights of the whole model
    ``seen``: the data that the encoder was trained on; "" says what is known by the tag
    ``normalise``: features have unit length
    """

    check_parameters: ClassVar[dict[str, Any]] = {"model": "ViT-S-32-alt", "weights": "random"}
    model: str = "ViT-B-32"
    weights: str | Path = "laion2b_s34b_b79k"
    seen: str = ""
    normalise: bool = True

    def __post_init__(self) -> None:
        check_parameters(self)
        self._encoder: FrozenEncoder | None = None

    def fit(self, train: Items, context: Context) -> Self:
        """Load the network; nothing is trained.

        Raises ValueError: OpenCLIP has no such model or tag, or the weights can't be had. Raises Unavailable: it is not
        installed.
        """
        from methods.embedding.frozen import encoder, needs
        from methods.trunk import images_of

        images_of(train)
        needs("open_clip")
        network = self._loaded(context.seed)
        self._encoder = encoder(self, network, self._preprocessing(network), context)
        self.dim = self._encoder.features(train.take(np.arange(1))).shape[1]
        return self

    def embed(self, items: Items) -> Float:
        """float32 [n, dim]."""
        if self._encoder is None:
            raise ValueError("open_clip: fit comes before embed")
        return self._encoder.features(items)

    def _loaded(self, seed: int) -> nn.Module:
        """The part of the model that reads images."""
        import open_clip

        from methods.embedding.frozen import RANDOM, drawn, fetching

        if self.model not in open_clip.list_models():
            raise ValueError(f"model = {self.model!r}: OpenCLIP {open_clip.__version__} has no such model")
        tags = open_clip.list_pretrained_tags_by_model(self.model)
        if self.weights not in (RANDOM, *tags) and not Path(self.weights).is_file():
            known = ", ".join([RANDOM, *tags])
            raise ValueError(
                f"weights = {str(self.weights)!r}: must be the path of a file or, for {self.model}, one of {known}"
            )
        if self.weights == RANDOM:
            return drawn(lambda: open_clip.create_model(self.model).visual, seed)
        with fetching(self.model, self.weights):
            return open_clip.create_model(self.model, pretrained=str(self.weights)).visual

    def _preprocessing(self, network: nn.Module) -> Preprocessing:
        """The steps of `open_clip.image_transform` for inference.

        Raises ValueError: the model wants others than a resized and cropped square.
        """
        from methods.embedding.preprocessing import Preprocessing

        wanted: dict[str, Any] = network.preprocess_cfg  # type: ignore[assignment]
        size, how = wanted["size"], wanted["resize_mode"]
        height, width = (size, size) if isinstance(size, int) else size
        known = height == width and wanted["interpolation"] in ("bilinear", "bicubic")
        if not known or how not in ("shortest", "squash"):
            raise ValueError(f"model = {self.model!r}: images prepared by {wanted} are not supported")
        return Preprocessing(
            height, height if how == "shortest" else 0, wanted["interpolation"], wanted["mean"], wanted["std"]
        )
