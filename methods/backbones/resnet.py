"""ResNet-18 and ResNet-50 (He et al. 2016), from torchvision."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torchvision
from torch import Tensor, nn

from methods.backbones import BackboneChoice
from methods.backbones.backbone import Backbone, fill, read_state, seeded

# ImageNet's channel mean and standard deviation, with which torchvision's weights were trained.
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


def load(choice: BackboneChoice, seed: int) -> Backbone:
    """ResNet-18 or -50, cut behind layer3."""
    with seeded(seed):
        network = torchvision.models.get_model(choice.name, weights=None)
    channels = network.fc.in_features
    network.fc = nn.Identity()
    if choice.weights != "none":
        state = _published(choice.name) if choice.weights == "imagenet" else read_state(Path(choice.weights))
        fill(
            network,
            {name: value for name, value in state.items() if not name.startswith("fc.")},
            str(choice.weights),
        )
    names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
    return Backbone(
        name=choice.name,
        image_size=choice.image_size,
        mean=MEAN,
        std=STD,
        pretrained=choice.weights != "none",
        trunk_channels=channels // 2,
        feature_channels=channels,
        first_stages=nn.Sequential(OrderedDict((name, getattr(network, name)) for name in names)),
        last_stage=network.layer4,
        stage_two=names.index("layer3"),
        stage_two_channels=channels // 4,
    )


def _published(name: str) -> dict[str, Tensor]:
    # The first published set is of the paper's time.
    weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except OSError as error:
        raise ValueError(
            f"weights='imagenet': {weights.url} could not be downloaded ({error}); download it where "
            "there is a network and give its path as weights, or use weights='none'"
        ) from error
