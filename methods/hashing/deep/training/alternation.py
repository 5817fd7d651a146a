"""Training in turns, after ADSH (Jiang & Li, AAAI 2018): the network on a sample, then the codes of all items."""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.interfaces import Context, Float, Int, Items
from methods.batches import shuffled
from methods.hashing.deep.training.alternating_hasher import AlternatingHasher
from methods.hashing.deep.training.code_update import dissimilar_target, objective, similarity_sums, update_codes
from methods.hashing.deep.training.learning import CODES, STEP, Learning, MeanTerms


class HashLoss(NamedTuple):
    """sum_j (u . v_j - q S_j)^2 against all n codes V in O(q^2) per image, from sums over V.

    It is u^T (V^T V) u - 2 q u . (sum_j S_j v_j) + q^2 sum_j S_j^2: Eq. (5) of ADSH, Eq. (11) of ExchNet.
    """

    gram: Tensor  # V^T V, [q, q]
    similar: Tensor  # sum_j S_cj v_j, [classes, q]
    squares: Tensor  # sum_j S_cj^2, [classes]

    def __call__(self, outputs: Tensor, classes: Tensor) -> Tensor:
        """The sum over all codes, [b], for outputs [b, q] of images of ``classes`` [b]."""
        outputs = outputs.float()
        bits = outputs.shape[1]
        squared = ((outputs @ self.gram) * outputs).sum(dim=1)
        product = (outputs * self.similar[classes]).sum(dim=1)
        return squared - 2 * bits * product + bits**2 * self.squares[classes]


class Alternation(Learning):
    """A training in turns; a step is an outer iteration.

    V is ``training.state["codes"]``, int8 [n, q], for all train items, with q the method's ``code_width``. The codes of
    held-out items depend on their labels alone. V starts at random and not at zero, as ADSH's does: with V = 0 the
    hash loss has no gradient.
    """

    method: AlternatingHasher

    def __init__(self, method: AlternatingHasher, train: Items, context: Context) -> None:
        super().__init__(method, train, context)
        self.steps = method.iterations
        self.fits("samples", len(self.rows), f"an iteration takes all {len(self.rows)} items that are learned from")
        start = np.random.default_rng((self.seed, CODES)).integers(0, 2, (len(train), method.code_width)) * 2 - 1
        self.training.state["codes"] = torch.from_numpy(start.astype(np.int8))

    def database_codes(self) -> Float:
        return np.ascontiguousarray(self._codes()[:, : self.method.bits])

    def _codes(self) -> Float:
        """V with all bits that are trained, ±1 float32 [n, q]."""
        return self.training.state["codes"].cpu().numpy().astype(np.float32)

    def step(self, step: int) -> dict[str, Any]:
        method = self.method
        given = method.prepare(self, step)
        rng = np.random.default_rng((self.seed, STEP, step))
        rows = rng.choice(self.rows, min(method.samples, len(self.rows)), replace=False)
        sampled = self.classes[rows]
        counts = [np.bincount(classes, minlength=self.class_count) for classes in (sampled, self.classes)]
        dissimilar = dissimilar_target(counts[0], counts[1], method.class_weighting)
        codes = self._codes()
        outputs, terms = self._train_network(step, rows, self._hash_loss(codes, dissimilar), given, rng)
        pull = np.zeros_like(codes)
        pull[rows] = method.quantisation * outputs
        codes = update_codes(outputs, sampled, codes, self.classes, dissimilar, pull)
        self.training.state["codes"] = self.training.agreed(torch.from_numpy(codes.astype(np.int8)))
        left = objective(outputs, sampled, codes, self.classes, dissimilar) / (outputs.size * len(codes))
        return {**terms, "code_loss": left}

    def _train_network(
        self, step: int, rows: Int, hash_loss: HashLoss, given: Tensor | None, rng: np.random.Generator
    ) -> tuple[Float, dict[str, float]]:
        """Train on the sampled rows. Returns the outputs U of the last epoch, [m, q], and the mean loss terms."""
        method, device, share = self.method, self.training.device, self.training.share
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        outputs = np.empty((len(rows), method.code_width), np.float32)
        means = MeanTerms()
        self.network.train()
        for epoch in range(method.epochs):
            plan = shuffled(np.arange(len(rows)), method.batch_size, rng)
            batches = self.inputs.batches([rows[places] for places in plan], (self.seed, step, epoch), share)
            means = MeanTerms()
            for number, images in zip(count(), batches, strict=False):
                chosen = rows[plan[number]]
                classes = torch.from_numpy(self.classes[chosen]).to(device)
                mine = share.places(len(chosen))
                chances = () if given is None else torch.rand(len(chosen), given.shape[1], generator=generator)[mine]
                extra = () if given is None else (given[classes[mine]], chances)
                made = self.training.whole(self.training.forward(images, *extra), len(chosen))
                terms = self._terms(made, classes, chosen, hash_loss, step / self.steps)
                self.training.update(torch.stack(list(terms.values())).sum())
                outputs[plan[number]] = made.codes.detach().float().cpu().numpy()
                means.add(terms, len(chosen))
        return outputs, means.means()

    def _terms(self, made: Any, classes: Tensor, rows: Int, hash_loss: HashLoss, progress: float) -> dict[str, Tensor]:
        """The weighted terms, means over the batch. The hash loss and gamma's are over the number of codes."""
        method = self.method
        scale = (12 / method.code_width if method.scaled_by_bits else 1) / len(self.classes)
        terms = {"hash_loss": scale * hash_loss(made.codes, classes).mean()}
        if method.quantisation:
            codes = self.training.state["codes"][torch.from_numpy(rows)].to(made.codes.device)
            distances = (made.codes.float() - codes).square().sum(dim=1)
            terms["quantisation_loss"] = scale * method.quantisation * distances.mean()
        return {**terms, **method.terms(made, classes, progress)}

    def _hash_loss(self, codes: Float, dissimilar: float) -> HashLoss:
        device = self.training.device
        counts = np.bincount(self.classes, minlength=self.class_count)
        similar = similarity_sums(codes, self.classes, self.class_count, dissimilar)
        squares = (counts + dissimilar**2 * (len(codes) - counts)).astype(np.float32)
        parts = (codes.T @ codes, similar, squares)
        return HashLoss(*(torch.from_numpy(part).to(device) for part in parts))
