"""The base of all deep trainings: held-out items, the network and its optimiser, encoding, and the kept models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.interfaces import Codes, Context, Float, Int, Items, Labels, Model, Unsuitable
from bench.quality.ranking import mean_average_precision
from methods.backbones.backbone import Backbone, seeded
from methods.batches import in_order
from methods.hashing.deep.training.settings import DeepHasher
from methods.inference import evaluate
from methods.training import Training
from methods.trunk import EVALUATION_BATCH, Inputs, open_inputs, outputs, prepare_backbone

# The first part of a random stream's key names the draws.
CODES, SPLIT, STEP, ANCHORS, CODEBOOK = range(5)
COLUMNS: dict[str, Model] = {"held_out_map": "best_on_validation", "oracle_map": "oracle"}


class Learning:
    """One training. It learns from the images of ``rows``; ``held_out`` are the other train items.

    ``classes``: class numbers from 0, int64 [n], or for a method with ``label_sets`` also sets, bool [n, classes].

    Raises ValueError: the items are of one class only, or have no images.

    Raises Unsuitable: `set_aside` can hold no item out, or the method takes no sets of classes.
    """

    steps: int

    def __init__(self, method: DeepHasher, train: Items, context: Context) -> None:
        self.method, self.context, self.seed = method, context, context.seed
        self.labels = train.labels
        self.classes, self.class_count = self._numbered()
        self.held_out, self.rows = self._set_aside()
        self.fits("batch_size", len(self.rows), f"all {len(self.rows)} items that are learned from are one batch")
        self.backbone, self.inputs = self._open(train)
        with seeded(self.seed):
            self.network = method.network(self.backbone, self.class_count, self.seed)
        # The trunk's identity holds the weights, wherever their file is.
        values = {f.name: getattr(method, f.name) for f in fields(method) if f.init and f.name != "weights"}
        identity = {**values, "seed": self.seed, "train": train.fingerprint, "trunk": self.backbone.identity()}
        optimizer = _optimizer(method, self.network)
        world = method.devices * method.nodes
        self.training = Training(self.network, optimizer, context, identity, precision=method.precision, world=world)

    def _open(self, train: Items) -> tuple[Backbone, Inputs]:
        """What the network is cut from, and the train items as it takes them."""
        backbone = prepare_backbone(self.method.choice, train, self.context)
        return backbone, open_inputs(train, backbone, self.method.cached_trunk, self.context)

    def _numbered(self) -> tuple[Labels, int]:
        """The classes of the train items, and the number of classes."""
        if self.labels.ndim == 1:
            names, classes = np.unique(self.labels, return_inverse=True)
            if len(names) < 2:
                told = f"all {len(self.labels)} train items are of class {names[0]}"
                raise ValueError(f"labels: {told}; 2 classes are needed")
            return classes.astype(np.int64), len(names)
        if not self.method.label_sets:
            told = "learns from one class an item, and the train items have sets of classes"
            raise Unsuitable(f"{type(self.method).__name__} {told}")
        if (self.labels == self.labels[0]).all():
            raise ValueError(f"labels: all {len(self.labels)} train items have the same classes; 2 sets are needed")
        return self.labels, self.labels.shape[1]

    def _set_aside(self) -> tuple[Int, Int]:
        wanted = self.method.validation
        held_out, rows = set_aside(self.classes, wanted, np.random.default_rng((self.seed, SPLIT)))
        if wanted and len(held_out) == 0:
            raise Unsuitable(f"validation={wanted}: each of {len(rows)} train items is the only one of its class")
        self.fits("validation", len(held_out), f"{len(held_out)} of {len(self.classes)} train items are held out")
        return held_out, rows

    def fits(self, name: str, there: int, what: str) -> None:
        """Say ``what`` follows if a parameter is above the number that is there."""
        if getattr(self.method, name) > there:
            self.context.say(f"{name}={getattr(self.method, name)}: {what}")

    def run(self) -> None:
        """Do the steps that are left, and keep the last network as a model."""
        name = f"{type(self.method).__name__.lower()}, {self.method.bits} bits: steps"
        self.training.run(self.steps, self._one_step, name)
        self.training.keep("last")

    def step(self, step: int) -> dict[str, Any]:
        """Do one step. Returns its figures for the log."""
        raise NotImplementedError

    def database_codes(self) -> Float | None:
        """The free codes of all train items, ±1 float32 [n, bits]; None if the method has none."""
        return None

    def use(self, model: Model) -> None:
        """Go on with this model, which must have been kept."""
        self.training.restore(model)

    def encode(self, items: Items) -> Codes:
        return Codes.pack(self.encode_real(items))

    def encode_real(self, items: Items) -> Float:
        return self._values(self.outputs(items))

    def outputs(self, items: Items) -> Iterator[Any]:
        """The network's outputs for the items, batch by batch."""
        return outputs(self.network, items, self.backbone, self.method.cached_trunk, self.context, "encode")

    def evaluate(self, rows: Int) -> Iterator[tuple[Int, Any]]:
        """Rows of the train items and the network's outputs for their un-augmented images, batch by batch."""
        plan = [rows[batch] for batch in in_order(len(rows), EVALUATION_BATCH)]
        batches, precision = self.inputs.batches(plan), self.method.inference_precision
        return zip(plan, evaluate(self.network, self.training.device, batches, precision), strict=True)

    def _one_step(self, step: int) -> dict[str, Any]:
        rate = self.method.learning_rate * self.method.rate(step / self.steps)
        self.training.set_learning_rate(rate)
        figures = {"learning_rate": rate, **self.step(step)}
        return {**figures, **self._judge(step)}

    def _judge(self, step: int) -> dict[str, Any]:
        """The mAP that decides which network is kept, if it is due; the best network so far is kept.

        Rank 0 alone judges, and the others wait for it in the next step.
        """
        scores: dict[str, Any] = {}
        if self.training.share.rank:
            return scores
        due = (step + 1) % self.method.validate_every == 0 or step + 1 == self.steps
        if self.method.validation:
            scores["held_out_map"] = self._held_out_map() if due else ""
        if self.context.oracle is not None:
            codes = self.database_codes()
            database = None if codes is None else Codes.pack(codes)
            scores["oracle_map"] = self.context.oracle(self.encode, database, step + 1) if due else ""
        for column, score in scores.items():
            before = [row[column] for row in self.training.history if row[column] != ""]
            if due and score > max(before, default=-1.0):
                self.training.keep(COLUMNS[column])
        return scores

    def _held_out_map(self) -> float:
        """mAP of the held-out items' codes against the others' free codes, or encoded codes if the method has no free
        ones.
        """
        free = self.database_codes()
        database = Codes.pack(free[self.rows]) if free is not None else self._encoded(self.rows)
        queries = self._encoded(self.held_out)
        return mean_average_precision(queries, database, self.labels[self.held_out], self.labels[self.rows])

    def _encoded(self, rows: Int) -> Codes:
        return Codes.pack(self._values(made for _, made in self.evaluate(rows)))

    def _values(self, batches: Iterable[Any]) -> Float:
        """The real values of the code's bits, which are the first if a method trains more."""
        return np.concatenate([made.codes[:, : self.method.bits].float().cpu().numpy() for made in batches])


def set_aside(classes: Labels, count: int, rng: np.random.Generator) -> tuple[Int, Int]:
    """Rows of the held-out items, ``count`` or a quarter of all at most, and of the others; both ascending.

    One item of each class is never held out, so that its looks are learned. ``classes`` are int64 [n] from
    0, or sets, bool [n, classes].
    """
    order = rng.permutation(len(classes))
    backwards = classes[order[::-1]]
    if classes.ndim == 1:
        first = np.unique(backwards, return_index=True)[1]
    else:
        first = np.unique(backwards[:, backwards.any(axis=0)].argmax(axis=0))
    last_of_class = len(order) - 1 - first
    free = np.delete(order, last_of_class)
    held_out = np.sort(free[: min(count, max(1, len(order) // 4))])
    return held_out, np.delete(np.arange(len(order)), held_out)


class MeanTerms:
    """The mean of each term of a loss over the items of many batches."""

    def __init__(self) -> None:
        self._totals: dict[str, Tensor] = {}
        self._items = 0

    def add(self, terms: dict[str, Tensor], items: int) -> None:
        for name, value in terms.items():
            self._totals[name] = self._totals.get(name, torch.zeros(())) + value.detach() * items
        self._items += items

    def means(self) -> dict[str, float]:
        return {name: value.item() / self._items for name, value in self._totals.items()}


def _optimizer(method: DeepHasher, network: nn.Module) -> torch.optim.Optimizer:
    """The method's optimiser. Parameters copied from the backbone are a group with their own rate."""
    new_layers: tuple[str, ...] = getattr(network, "new_layers", ())
    groups: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, parameter in network.named_parameters():
        scale = 1.0 if name.startswith(new_layers) else method.backbone_rate
        groups.setdefault(scale, []).append(parameter)
    parameters = [{"params": members, "scale": scale} for scale, members in groups.items()]
    rate, decay = method.learning_rate, method.weight_decay
    if method.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=decay)
    nesterov = method.optimizer == "nesterov"
    return torch.optim.SGD(parameters, lr=rate, momentum=method.momentum, weight_decay=decay, nesterov=nesterov)
