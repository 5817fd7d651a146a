"""Features of the frozen image encoder of a CLIP model, by the names that OpenCLIP gives to models and weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from methods.embedding.named_encoder import NamedEncoder

if TYPE_CHECKING:
    from torch import nn

    from methods.embedding.preprocessing import Preprocessing


@dataclass(kw_only=True, eq=False)
class OpenClip(NamedEncoder):
    """The embedding of images by a model of OpenCLIP, by ``pip install -e '.[foundation]'``.

    Images are prepared by the model's own configuration. What it has seen stands in the column ``remarks``.

    ``model``: a name of `open_clip.list_models`
    ``weights``: a tag of `open_clip.list_pretrained` (from the hub or its cache on this machine), "random" (drawn by
        seed), or the path of a file with the weights of the whole model
    ``seen``: the data that the encoder was trained on; "" says what is known by the tag
    ``normalise``: features have unit length
    """

    library = "open_clip"
    check_parameters: ClassVar[dict[str, Any]] = {"model": "ViT-S-32-alt", "weights": "random"}
    model: str = "ViT-B-32"
    weights: str | Path = "laion2b_s34b_b79k"

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
