"""Features of a frozen image encoder of timm (PyTorch Image Models), by the name of the model."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from methods.embedding.named_encoder import NamedEncoder

if TYPE_CHECKING:
    from torch import nn

    from methods.embedding.preprocessing import Preprocessing


@dataclass(kw_only=True, eq=False)
class Timm(NamedEncoder):
    """What a model of timm gives to its classifier, by ``pip install -e '.[foundation]'``.

    Images are prepared by the model's own data configuration. What it has seen stands in the column ``remarks``.

    ``model``: a name of `timm.list_models`, with the tag of its weights
    ``weights``: "pretrained" (those of the tag, from the hub or its cache on this machine), "random" (drawn by seed),
        or the path of a state-dict file in timm's names
    ``seen``: the data that the encoder was trained on; "" says what is known by its name
    ``normalise``: features have unit length
    """

    library = "timm"
    check_parameters: ClassVar[dict[str, Any]] = {"model": "test_vit", "weights": "random"}
    model: str = "vit_small_patch14_dinov2.lvd142m"
    weights: str | Path = "pretrained"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights not in ("pretrained", "random") and not Path(self.weights).is_file():
            raise ValueError(
                f"weights = {str(self.weights)!r}: must be 'pretrained', 'random' or the path of a state-dict file"
            )

    def _loaded(self, seed: int) -> nn.Module:
        import timm

        from methods.backbones.backbone import fill, read_state
        from methods.embedding.frozen import drawn, fetching

        if not timm.is_model(self.model):
            raise ValueError(f"model = {self.model!r}: timm {timm.__version__} has no such model")
        if self.weights == "pretrained":
            with fetching(self.model, self.weights):
                return timm.create_model(self.model, pretrained=True, num_classes=0)
        network: Any = drawn(lambda: timm.create_model(self.model, pretrained=False, num_classes=0), seed)
        if self.weights != "random":
            last = network.pretrained_cfg.get("classifier") or ()
            heads = tuple(f"{name}." for name in ((last,) if isinstance(last, str) else last))
            state = read_state(Path(self.weights))
            own = {name: value for name, value in state.items() if not name.startswith(heads)}
            fill(network, own, str(self.weights))
        return network

    def _preprocessing(self, network: Any) -> Preprocessing:
        """The steps of `timm.data.create_transform` for evaluation.

        Raises ValueError: the model wants others than a resized and cropped square.
        """
        import timm

        from methods.embedding.preprocessing import Preprocessing

        data: Any = timm.data
        wanted = data.resolve_model_data_config(network)
        (_, height, width), share = wanted["input_size"], wanted["crop_pct"]
        squashed = wanted["crop_mode"] == "squash" and share == 1
        known = height == width and wanted["interpolation"] in ("bilinear", "bicubic")
        if not known or not (squashed or wanted["crop_mode"] == "center"):
            raise ValueError(f"model = {self.model!r}: images prepared by {wanted} are not supported")
        resize = 0 if squashed else floor(height / share)
        return Preprocessing(height, resize, wanted["interpolation"], wanted["mean"], wanted["std"])
