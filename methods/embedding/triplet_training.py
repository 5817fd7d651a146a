"""The triplet embedding's network, sampler and training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import count

import numpy as np
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner
from torch import Tensor, nn
from torch.nn import functional

from bench.interfaces import Context, Float, Int, Items, Unsuitable
from methods.backbones.backbone import Backbone, seeded
from methods.embedding.triplet import Triplet
from methods.ranks import check_ranks, together
from methods.training import Training, device_of
from methods.trunk import open_inputs, outputs, prepare_backbone


class TripletNetwork(nn.Module):
    """The trunk if it is not frozen, the backbone's fourth stage, mean over places, a linear layer, unit length."""

    def __init__(self, backbone: Backbone, dim: int, frozen_trunk: bool) -> None:
        super().__init__()
        self.trunk = nn.Identity() if frozen_trunk else backbone.trunk()
        self.refinement = backbone.stage_four(2)
        self.linear = nn.Linear(backbone.feature_channels, dim)

    def forward(self, inputs: Tensor) -> Tensor:
        """Images, or outputs of the frozen trunk, to features [b, dim]."""
        features = self.refinement(self.trunk(inputs)).mean((2, 3))
        return functional.normalize(self.linear(features).float(), dim=1)


@dataclass(frozen=True)
class Fitted:
    """A trained network, and the means to read items with it."""

    network: TripletNetwork
    backbone: Backbone
    frozen_trunk: bool
    context: Context

    def embed(self, items: Items) -> Float:
        made = outputs(self.network, items, self.backbone, self.frozen_trunk, self.context, "embed")
        return np.concatenate([features.cpu().numpy() for features in made])


def fit(settings: Triplet, train: Items, context: Context) -> Fitted:
    """Train the embedding.

    Raises ValueError: the train items have fewer than two classes.

    Raises Unsuitable: the train items have sets of classes.
    """
    if train.labels.ndim == 2:
        raise Unsuitable("triplet learns from one class an item, and the train items have sets of classes")
    if len(np.unique(train.labels)) < 2:
        raise ValueError("triplet: the train items have one class only, there are no triplets")
    check_ranks(settings, train, device_of(context.device))
    _tell_what_is_fewer(settings, train.labels, context)
    backbone = prepare_backbone(settings.choice, train, context)
    inputs = open_inputs(train, backbone, settings.frozen_trunk, context)
    with seeded(context.seed):
        network = TripletNetwork(backbone, settings.dim, settings.frozen_trunk)
    # The trunk's identity holds the weights, wherever their file is.
    values = {f.name: getattr(settings, f.name) for f in fields(settings) if f.init and f.name != "weights"}
    identity = {**values, "seed": context.seed, "train": train.fingerprint, "trunk": backbone.identity()}
    training = Training(
        network, _optimizer(settings, network), context, identity, precision=settings.precision,
        world=settings.devices * settings.nodes,
    )  # fmt: skip
    # FaceNet's distance is squared; the features already have unit length.
    distance = LpDistance(normalize_embeddings=False, power=2)
    miner = TripletMarginMiner(margin=settings.margin, type_of_triplets="semihard", distance=distance)
    criterion = TripletMarginLoss(margin=settings.margin, distance=distance)
    labels = torch.from_numpy(train.labels).to(training.device)

    def one_epoch(epoch: int) -> dict[str, float]:
        rate = settings.learning_rate / settings.lr_divisor ** (epoch // settings.lr_step)
        training.set_learning_rate(rate)
        rng = np.random.default_rng((context.seed, epoch))
        plan = class_batches(train.labels, settings.classes_per_batch, settings.images_per_class, rng)
        network.train()
        total, triplets = torch.zeros((), device=training.device), 0
        batches = inputs.batches(plan, (context.seed, epoch), training.share)
        for number, batch in zip(count(), batches, strict=False):
            target = labels[plan[number]]
            features = training.whole(training.forward(batch), len(target))
            mined = miner(features, target)
            loss = criterion(features, target, mined)
            training.update(loss)
            total += loss.detach()
            triplets += len(mined[0])
        return {"learning_rate": rate, "triplet_loss": total.item() / len(plan), "triplets": triplets / len(plan)}

    with together(settings, train, context, training.device):
        training.run(settings.epochs, one_epoch, f"triplet, {settings.dim} dimensions: epochs")
    return Fitted(network, backbone, settings.frozen_trunk, context)


def _tell_what_is_fewer(settings: Triplet, labels: Int, context: Context) -> None:
    sizes = np.unique(labels, return_counts=True)[1]
    if settings.classes_per_batch > len(sizes):
        context.say(f"classes_per_batch={settings.classes_per_batch}: a batch has all {len(sizes)} classes")
    if settings.images_per_class > sizes.min():
        said = f"a class of {sizes.min()} gives the same ones again"
        context.say(f"images_per_class={settings.images_per_class}: {said}")


def class_batches(labels: Int, classes: int, images: int, rng: np.random.Generator) -> list[Int]:
    """An epoch's batches: rows int64 [classes * images], ``images`` rows of each of ``classes`` classes.

    Classes take turns in random order, and so do the rows of a class: a row comes again only after all others of its
    class. Data with fewer classes give smaller batches. There are as many batches as cover the rows once.
    """
    names, members = np.unique(labels, return_inverse=True)
    classes = min(classes, len(names))
    rows = [rng.permutation(np.flatnonzero(members == c)) for c in range(len(names))]
    used = np.zeros(len(names), np.int64)
    queue: list[int] = []
    plan = []
    for _ in range(max(1, len(labels) // (classes * images))):
        if len(queue) < classes:
            # The classes left over come first; the new turn repeats none of them in this batch.
            turn = rng.permutation(len(names)).tolist()
            queue += sorted(turn, key=lambda c: c in queue)
        chosen, queue = queue[:classes], queue[classes:]
        batch = [rows[c][(used[c] + np.arange(images)) % len(rows[c])] for c in chosen]
        used[chosen] += images
        plan.append(np.concatenate(batch))
    return plan


def _optimizer(settings: Triplet, network: nn.Module) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
    return torch.optim.SGD(network.parameters(), lr=rate, momentum=settings.momentum, weight_decay=decay)
