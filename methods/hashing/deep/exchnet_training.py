"""ExchNet's alternating optimisation (ECCV 2020, section 3.4): the network, the codes V and the anchors C in turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.interfaces import Codes, Context, Float, Int, Items
from bench.metrics import mean_average_precision
from methods.backbones.backbone import Backbone, seeded
from methods.batches import in_order, shuffled
from methods.hashing.deep.code_update import dissimilar_target, objective, similarity_sums, update_codes
from methods.hashing.deep.exchnet import ExchNet
from methods.hashing.deep.exchnet_network import (
    ExchNetNetwork,
    HashLoss,
    Outputs,
    channel_loss,
    spatial_loss,
)
from methods.training import Training, evaluate, make_fabric
from methods.trunk import EVALUATION_BATCH, Inputs, open_inputs, prepare_backbone

# The first part of a random stream's key: what is drawn from it.
CODES, SPLIT, ITERATION, ANCHORS = range(4)


@dataclass(frozen=True)
class Fitted:
    """A trained network, and the codes of the items it was trained on."""

    network: ExchNetNetwork
    backbone: Backbone
    frozen_trunk: bool
    context: Context
    database_codes: Codes

    def encode(self, items: Items) -> Codes:
        """Codes of the items."""
        return Codes.pack(np.concatenate([outputs.codes.float().cpu().numpy() for outputs in self._outputs(items)]))

    def attention(self, items: Items) -> Float:
        """Attention maps, float32 [n, parts, h, w]."""
        return np.concatenate([outputs.attention.float().cpu().numpy() for outputs in self._outputs(items)])

    def _outputs(self, items: Items) -> Iterator[Outputs]:
        inputs = open_inputs(items, self.backbone, self.frozen_trunk, self.context)
        plan = in_order(len(items), EVALUATION_BATCH)
        batches = self.context.track(inputs.batches(plan), "encode", len(plan))
        return evaluate(self.network, make_fabric(self.context.device), batches)


def fit(settings: ExchNet, train: Items, context: Context) -> Fitted:
    """Train ExchNet. ValueError: fewer than two items to learn from, or one class only."""
    learning = len(train) - settings.validation
    if learning < 2:
        raise ValueError(
            f"validation={settings.validation}: leaves {learning} of {len(train)} train items to learn from"
        )
    backbone = prepare_backbone(settings.choice, train, context)
    inputs = open_inputs(train, backbone, settings.frozen_trunk, context)
    alternation = Alternation(settings, backbone, inputs, train, context)
    alternation.training.run(settings.iterations, alternation.iteration, f"exchnet, {settings.bits} bits: iterations")
    codes = alternation.learned_codes()
    return Fitted(alternation.network, backbone, settings.frozen_trunk, context, codes)


class Alternation:
    """The state of the alternating optimisation, and its steps.

    V is ``training.state["codes"]``, int8 [n, q], for all train items: it depends on their labels alone. ``rows``: the
    items whose images the network learns from; ``held_out``: the others.
    """

    def __init__(self, settings: ExchNet, backbone: Backbone, inputs: Inputs, train: Items, context: Context) -> None:
        self.settings = settings
        self.inputs = inputs
        self.seed = context.seed
        self.labels = train.labels
        names, classes = np.unique(train.labels, return_inverse=True)
        self.classes: Int = classes.astype(np.int64)
        self.class_count = len(names)
        order = np.random.default_rng((self.seed, SPLIT)).permutation(len(train))
        self.held_out, self.rows = np.sort(order[: settings.validation]), np.sort(order[settings.validation :])
        with seeded(self.seed):
            self.network = ExchNetNetwork(backbone, settings.parts, settings.bits, settings.frozen_trunk)
        optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        values = {f.name: getattr(settings, f.name) for f in fields(settings) if f.init}
        identity = {**values, "seed": self.seed, "train": train.fingerprint, "trunk": backbone.identity()}
        self.training = Training(self.network, optimizer, context, identity)
        # Not zero, as in ADSH: with V = 0 the hash loss has no gradient (Eq. 12 has no other term with u).
        start = np.random.default_rng((self.seed, CODES)).integers(0, 2, (len(train), settings.bits)) * 2 - 1
        self.training.state["codes"] = torch.from_numpy(start.astype(np.int8))

    def iteration(self, step: int) -> dict[str, Any]:
        """One outer iteration: anchors (Eq. 18), then the network, then V (Eq. 17). Returns figures for the log.

        The paper computes anchors at the end of an iteration. Nothing that they depend on changes between there and
        here, so that they need computing only where they are used, and keeping nowhere.
        """
        settings = self.settings
        self.training.set_learning_rate(settings.learning_rate * self._decay(step))
        anchors = self.anchors(step) if step >= settings.exchange_from * settings.iterations else None
        rng = np.random.default_rng((self.seed, ITERATION, step))
        rows = rng.choice(self.rows, min(settings.samples, len(self.rows)), replace=False)
        sampled = self.classes[rows]
        counts = [np.bincount(classes, minlength=self.class_count) for classes in (sampled, self.classes)]
        dissimilar = dissimilar_target(counts[0], counts[1], settings.class_weighting)
        codes = self._codes()
        outputs, terms = self._train_network(step, rows, self._hash_loss(codes, dissimilar), anchors, rng)
        codes = update_codes(outputs, sampled, codes, self.classes, dissimilar)
        self.training.state["codes"] = torch.from_numpy(codes.astype(np.int8))
        left = objective(outputs, sampled, codes, self.classes, dissimilar) / (outputs.size * len(codes))
        figures: dict[str, Any] = {
            "learning_rate": settings.learning_rate * self._decay(step),
            **terms,
            "code_loss": left,
        }
        if settings.validation:
            due = (step + 1) % settings.validate_every == 0 or step + 1 == settings.iterations
            figures["held_out_map"] = self._held_out_map() if due else ""
        return figures

    def learned_codes(self) -> Codes:
        """V, of all train items in order."""
        return Codes.pack(self._codes())

    def _train_network(
        self, step: int, rows: Int, hash_loss: HashLoss, anchors: Tensor | None, rng: np.random.Generator
    ) -> tuple[Float, dict[str, float]]:
        """Epochs over the sampled rows. Returns U, the outputs in the last epoch, [m, q], and the mean loss terms."""
        settings, device = self.settings, self.training.fabric.device
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        outputs = np.empty((len(rows), settings.bits), np.float32)
        totals: dict[str, Tensor] = {}
        self.network.train()
        for epoch in range(settings.epochs):
            plan = shuffled(np.arange(len(rows)), settings.batch_size, rng)
            batches = self.inputs.batches([rows[places] for places in plan], (self.seed, step, epoch))
            totals = {}
            for number, batch in zip(count(), batches, strict=False):
                classes = torch.from_numpy(self.classes[rows[plan[number]]]).to(device)
                swapped = None if anchors is None else anchors[classes]
                made: Outputs = self.training.forward(batch, swapped, generator)
                terms = self._loss_terms(made, classes, hash_loss)
                self.training.update(sum(terms.values(), torch.zeros((), device=device)))
                if epoch + 1 == settings.epochs:
                    outputs[plan[number]] = made.codes.detach().float().cpu().numpy()
                for name, value in terms.items():
                    totals[name] = totals.get(name, 0) + value.detach() * len(batch)
        return outputs, {name: value.item() / len(rows) for name, value in totals.items()}

    def _loss_terms(self, made: Outputs, classes: Tensor, hash_loss: HashLoss) -> dict[str, Tensor]:
        """The weighted terms of Eq. (13), means over the batch."""
        settings = self.settings
        ordered = settings.diversity_pairs == "ordered"
        scale = 12 / (settings.bits * len(self.classes))
        spatial = spatial_loss(made.maps, settings.aggregation, ordered).mean()
        channel = channel_loss(made.local, settings.channel_margin, ordered).mean()
        return {
            "hash_loss": scale * hash_loss(made.codes, classes).mean(),
            "spatial_loss": settings.spatial_weight * spatial,
            "channel_loss": settings.channel_weight * channel,
        }

    def _hash_loss(self, codes: Float, dissimilar: float) -> HashLoss:
        device = self.training.fabric.device
        counts = np.bincount(self.classes, minlength=self.class_count)
        similar = similarity_sums(codes, self.classes, self.class_count, dissimilar)
        squares = (counts + dissimilar**2 * (len(codes) - counts)).astype(np.float32)
        parts = (codes.T @ codes, similar, squares)
        return HashLoss(*(torch.from_numpy(part).to(device) for part in parts))

    def anchors(self, step: int) -> Tensor:
        """Eq. (18): mean part features of each class, [classes, M, C'], of un-augmented images in evaluation mode."""
        rows = self.rows
        if self.settings.anchor_samples is not None:
            rows = some_of_each(rows, self.classes, self.settings.anchor_samples, (self.seed, ANCHORS, step))
        plan = [rows[batch] for batch in in_order(len(rows), EVALUATION_BATCH)]
        features = (outputs.local.float() for outputs in self._evaluate(plan))
        return class_means(zip(features, (self.classes[batch] for batch in plan), strict=True), self.class_count)

    def _evaluate(self, plan: list[Int]) -> Iterator[Outputs]:
        return evaluate(self.network, self.training.fabric, self.inputs.batches(plan))

    def _held_out_map(self) -> float:
        """mAP of the held-out items' encoded codes against the learned codes of the others."""
        plan = [self.held_out[batch] for batch in in_order(len(self.held_out), EVALUATION_BATCH)]
        encoded = np.concatenate([outputs.codes.float().cpu().numpy() for outputs in self._evaluate(plan)])
        queries, database = Codes.pack(encoded), Codes.pack(self._codes()[self.rows])
        return mean_average_precision(queries, database, self.labels[self.held_out], self.labels[self.rows])

    def _codes(self) -> Float:
        return self.training.state["codes"].cpu().numpy().astype(np.float32)

    def _decay(self, step: int) -> float:
        done = step / self.settings.iterations
        return 0.01 if done >= 0.8 else 0.1 if done >= 0.6 else 1.0


def class_means(batches: Iterable[tuple[Tensor, Int]], class_count: int) -> Tensor:
    """Means per class of (features [b, M, C'], classes int64 [b]) batches: [classes, M, C'], 0 for an empty class."""
    sums: Tensor | None = None
    counts = np.zeros(class_count, np.int64)
    for features, classes in batches:
        if sums is None:
            sums = torch.zeros(class_count, *features.shape[1:], dtype=torch.float64, device=features.device)
        members = torch.from_numpy(classes).to(features.device)
        sums.index_add_(0, members, features.double())
        counts += np.bincount(classes, minlength=class_count)
    if sums is None:
        raise ValueError("there are no items to take anchors from")
    return (sums / torch.from_numpy(counts).clamp_min(1).to(sums.device)[:, None, None]).float()


def some_of_each(rows: Int, classes: Int, per_class: int, key: tuple[int, ...]) -> Int:
    """At most ``per_class`` rows of each class (classes by row), drawn by the key."""
    mixed = np.random.default_rng(key).permutation(rows)
    order = mixed[np.argsort(classes[mixed], kind="stable")]
    sizes = np.bincount(classes[order])
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[rank < per_class])
