"""The inputs of a deep method: images, or the outputs of a trunk that is not trained with it.

The outputs of a frozen trunk are computed once per set of items and kept in the cache. Only the layers behind it are
trained on them, which makes the deep methods usable without a GPU. A backbone without published weights learns to
classify the train items first. The cache keeps the result too, so that all methods and dimensions share it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from bench.interfaces import Context, Images, Int, Items
from bench.system.files import replace_file
from methods.backbones import BackboneChoice, load
from methods.backbones.backbone import Backbone, fill, read_state, seeded
from methods.batches import ALONE, ImageBatches, Seed, Share, in_order, load_batches, shuffled
from methods.inference import evaluate
from methods.kept_images import KeptImages, keep
from methods.reading import Reading
from methods.training import Training, device_of

EVALUATION_BATCH = 256
# Classification before a trunk is frozen follows a common recipe for small residual networks; it is a choice.
PRETRAINING = {"batch_size": 128, "peak_learning_rate": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "warm_up": 0.25}


class Inputs(Protocol):
    """The inputs of a network, for rows of some items."""

    def batches(self, plan: Sequence[Int], augment_seed: Seed | None = None, share: Share = ALONE) -> Iterator[Tensor]:
        """float32 tensors, one per batch of rows, or a share of each; images are augmented if there is a seed."""
        ...


@dataclass(frozen=True)
class ImageInputs:
    """Normalised images, which are read from the cache where they are ``kept`` there."""

    images: Images
    backbone: Backbone
    device: torch.device
    kept: KeptImages | None = None

    def batches(self, plan: Sequence[Int], augment_seed: Seed | None = None, share: Share = ALONE) -> Iterator[Tensor]:
        """float32 [b, 3, image_size, image_size]."""
        images, reading = self._source(augment_seed is not None)
        dataset = ImageBatches(images, self.backbone.image_size, plan, augment_seed, reading, share)
        return map(self.backbone.normalise, load_batches(dataset, self.device))

    def _source(self, augmented: bool) -> tuple[Images, Reading]:
        """The images to read from, and how: kept squares are the network's already, and parts are drawn from others."""
        reading = self.backbone.reading
        if self.kept is None:
            return self.images, reading
        if not (augmented and reading.augmentation in ("resized_crop", "random_crop")):
            squares = self.kept.squares(self.backbone.image_size, reading.preprocessing)
            return (self.images, reading) if squares is None else (squares, replace(reading, preprocessing="squash"))
        if reading.augmentation == "resized_crop" and reading.cached_side:
            return self.kept.shrunk(reading.cached_side) or self.images, reading
        return self.images, reading


@dataclass(frozen=True)
class TrunkInputs:
    """Outputs of a frozen trunk, float16 [n, h, w, channels], never augmented."""

    maps: NDArray[np.float16]
    device: torch.device

    def batches(self, plan: Sequence[Int], augment_seed: Seed | None = None, share: Share = ALONE) -> Iterator[Tensor]:
        """float32 [b, channels, h, w], channels last in memory."""
        for rows in plan:
            maps = np.asarray(self.maps[rows[share.places(len(rows))]])
            yield torch.from_numpy(maps).permute(0, 3, 1, 2).to(self.device).float()


def open_inputs(items: Items, backbone: Backbone, frozen_trunk: bool, context: Context) -> Inputs:
    """The items as a network behind a frozen trunk, or one with its trunk, takes them.

    Raises ValueError: the items have no images.
    """
    device = device_of(context.device)
    if frozen_trunk:
        return TrunkInputs(_trunk_outputs(items, backbone, context), device)
    return ImageInputs(images_of(items), backbone, device, keep(items, context))


def outputs(
    network: nn.Module, items: Items, backbone: Backbone, frozen_trunk: bool, context: Context, description: str
) -> Iterator[Any]:
    """A network's outputs for the items, batch by batch, in evaluation mode and with progress."""
    inputs = open_inputs(items, backbone, frozen_trunk, context)
    plan = in_order(len(items), EVALUATION_BATCH)
    batches = context.track(inputs.batches(plan), description, len(plan))
    return evaluate(network, device_of(context.device), batches, backbone.reading.inference_precision)


def images_of(items: Items) -> Images:
    """The items' images.

    Raises ValueError: the items have none.
    """
    if items.images is None:
        raise ValueError("the items have vectors and no images: a deep method needs a data set of images")
    return items.images


def prepare_backbone(choice: BackboneChoice, train: Items, context: Context) -> Backbone:
    """The chosen backbone; it learns to classify the train items first if ``pretrain_epochs`` is above 0."""
    backbone = load(choice, context.seed)
    if choice.pretrain_epochs == 0:
        return backbone
    identity = {
        "backbone": backbone.identity(),
        "train": train.fingerprint,
        "epochs": choice.pretrain_epochs,
        "seed": context.seed,
        **PRETRAINING,
    }
    stages = nn.ModuleDict({"first_stages": backbone.trunk(), "last_stage": backbone.stage_four(2)})
    path = context.cache and context.cache / f"pretrained-{_digest(identity)}.safetensors"
    if path is not None and path.exists():
        fill(stages, read_state(path), str(path))
    else:
        _pretrain(stages, backbone, choice.pretrain_epochs, train, context, identity)
        if path is not None:
            _save_stages(stages, path)
    return replace(backbone, first_stages=stages["first_stages"], last_stage=stages["last_stage"], pretrained=True)


def _pretrain(
    stages: nn.ModuleDict, backbone: Backbone, epochs: int, train: Items, context: Context, identity: dict[str, Any]
) -> None:
    """Classify the train items: cross-entropy, SGD with a one-cycle learning rate, random shifts and flips.

    The augmentation is not the method's, so that all methods and embedders share the trunk.

    Sets of classes have the cross-entropy of each class, and an item counts as right if its first class is one of them.
    """
    if train.labels.ndim == 1:
        classes, labels = np.unique(train.labels, return_inverse=True)
        targets, count_of_classes = torch.from_numpy(labels), len(classes)
    else:
        targets, count_of_classes = torch.from_numpy(train.labels).float(), train.labels.shape[1]
    with seeded(context.seed):
        classifier = nn.Linear(backbone.feature_channels, count_of_classes)
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = nn.Sequential(stages["first_stages"], stages["last_stage"], pool, classifier)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=PRETRAINING["peak_learning_rate"],
        momentum=PRETRAINING["momentum"],
        weight_decay=PRETRAINING["weight_decay"],
        nesterov=True,
    )
    training = Training(network, optimizer, context, identity, prefix="pretraining-")
    shifting = replace(backbone, reading=replace(backbone.reading, augmentation="shift"))
    inputs = ImageInputs(images_of(train), shifting, training.device, keep(train, context))

    def one_epoch(epoch: int) -> dict[str, float]:
        rng = np.random.default_rng((context.seed, epoch))
        plan = shuffled(np.arange(len(train)), int(PRETRAINING["batch_size"]), rng)
        network.train()
        total, right = 0.0, 0
        for number, rows, batch in zip(count(), plan, inputs.batches(plan, (context.seed, epoch)), strict=False):
            training.set_learning_rate(_one_cycle((epoch + number / len(plan)) / epochs))
            target = targets[rows].to(batch.device)
            scores = training.forward(batch)
            loss = _cross_entropy(scores, target)
            training.update(loss)
            total += loss.item() * len(rows)
            right += _right(scores.argmax(1), target)
        return {"cross_entropy": total / len(train), "accuracy": right / len(train)}

    training.run(epochs, one_epoch, "trunk: epochs of classification")
    network.cpu()


def _cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """The mean over the items, for classes [b] or sets of classes as 0 and 1 [b, classes]."""
    if target.ndim == 1:
        return functional.cross_entropy(scores, target)
    return functional.binary_cross_entropy_with_logits(scores, target)


def _right(first: Tensor, target: Tensor) -> int:
    """The number of items whose first class is theirs, or one of theirs."""
    if target.ndim == 1:
        return int((first == target).sum())
    return int(target.gather(1, first[:, None]).sum())


def _one_cycle(progress: float) -> float:
    """Linear warm-up to the peak, then a cosine to zero; progress is from 0 to 1."""
    warm_up, peak = PRETRAINING["warm_up"], PRETRAINING["peak_learning_rate"]
    if progress < warm_up:
        return peak * (0.04 + 0.96 * progress / warm_up)
    return peak * 0.5 * (1 + float(np.cos(np.pi * (progress - warm_up) / (1 - warm_up))))


def _trunk_outputs(items: Items, backbone: Backbone, context: Context) -> NDArray[np.float16]:
    """The trunk's outputs, float16 [n, h, w, channels], memory-mapped from the cache.

    They are in memory and computed anew if the context has no cache or the items have no fingerprint.
    """
    if context.cache is None or not items.fingerprint:
        return _compute(items, backbone, context, None)
    key = _digest({"backbone": backbone.identity(), "items": items.fingerprint})
    path = context.cache / f"trunk-{key}.npy"
    if not path.exists():
        replace_file(path, lambda temporary: _flush(_compute(items, backbone, context, temporary)))
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _compute(items: Items, backbone: Backbone, context: Context, path: Path | None) -> NDArray[np.float16]:
    device = device_of(context.device)
    plan = in_order(len(items), EVALUATION_BATCH)
    batches = ImageInputs(images_of(items), backbone, device).batches(plan)
    made = evaluate(backbone.trunk(), device, batches, backbone.reading.inference_precision)
    maps: NDArray[np.float16] | None = None
    for rows, output in context.track(zip(plan, made, strict=True), "trunk outputs", len(plan)):
        block = output.half().permute(0, 2, 3, 1).cpu().numpy()
        if maps is None:
            shape = (len(items), *block.shape[1:])
            empty = np.empty(shape, np.float16)
            maps = empty if path is None else np.lib.format.open_memmap(path, "w+", np.float16, shape)
        maps[rows[0] : rows[-1] + 1] = block
    if maps is None:
        raise ValueError("there are no items to compute trunk outputs of")
    return maps


def _flush(maps: NDArray[np.float16]) -> None:
    if isinstance(maps, np.memmap):
        maps.flush()


def _save_stages(stages: nn.ModuleDict, path: Path) -> None:
    tensors = {name: value.contiguous() for name, value in stages.state_dict().items()}
    replace_file(path, lambda temporary: save_file(tensors, temporary))


def _digest(identity: dict[str, Any]) -> str:
    return blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=16).hexdigest()
