"""One training loop for all deep methods, on Lightning Fabric: device, precision, checkpoint, exact resume, log.

A training is a number of steps (epochs, or outer iterations). A step must draw its randomness from the seed and its own
number alone. Then the checkpoint after each step (weights, optimiser, the method's own tensors, history) is the whole
state. A training that was killed at any moment ends as an uninterrupted one, on a processor bit for bit with the same
number of threads.

A training may be shared by several ranks (`methods.ranks`). Each passes its share of a batch through the network, and
their outputs are gathered, so that every rank has the loss of the whole batch, whatever its form. Gradients are those
of this loss: a step is that of one device, up to rounding. Rank 0 alone reads and writes files.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, distributed, nn

from bench.interfaces import Context
from bench.system.files import replace_file
from methods.batches import ALONE, Share
from methods.ranks import PATIENCE, Joined
from methods.reading import Precision
from methods.shared_norm import share_statistics

FORMAT = 1


def device_of(name: str) -> torch.device:
    """The device of a name: "cpu", "cuda", one of several as in "cuda:1", or "auto".

    Raises ValueError: there is no such name, or torch finds no CUDA device.
    """
    kind, _, number = name.partition(":")
    if name not in ("cpu", "cuda", "auto") and not (kind == "cuda" and number.isdecimal()):
        raise ValueError(f"device={name!r}: must be cpu, cuda, one of several as in cuda:1, or auto")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={name!r}: torch finds no CUDA device, use 'cpu' or 'auto'")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(number or 0))


def make_fabric(device: torch.device, precision: Precision = "32-true", world: int = 1) -> Fabric:
    """Fabric on one device. It knows no TF32, which `exactly` rules.

    With a ``world`` of more than one rank, this process must have joined them, and each has such a device.

    Raises ValueError: the device has no bfloat16.
    """
    if device.type == "cuda" and precision == "bf16-mixed" and not torch.cuda.is_bf16_supported():
        raise ValueError("precision='bf16-mixed': the CUDA device has no bfloat16, use '32-true'")
    ranks = DDPStrategy(cluster_environment=Joined(), timeout=PATIENCE, forward_sync_buffers=False)
    return Fabric(
        accelerator=device.type,
        devices=1 if device.index is None else [device.index],
        num_nodes=world,
        strategy=ranks if world > 1 else "auto",
        precision="bf16-mixed" if precision == "bf16-mixed" else "32-true",
    )


@contextmanager
def exactly(precision: Precision) -> Iterator[None]:
    """Inside, CUDA rounds the factors of float32 products if the precision is "tf32", and never otherwise.

    By itself torch rounds those of convolutions. The settings are torch's, for the process, and are put back.
    """
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


class Training:
    """A network and its optimiser on a device, with the whole state of a resume.

    ``identity`` (JSON values) decides the training: a checkpoint of another identity is refused. ``state`` holds the
    method's own tensors, ``history`` one row of figures per finished step. ``prefix`` starts the file names in
    ``context.folder``: PREFIXcheckpoint.safetensors, PREFIXlog.csv, and PREFIXNAME.safetensors for each kept model.
    ``precision`` is that of the steps. ``world`` is the number of ranks that share the steps; when ``run`` is called,
    this process has joined them.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        context: Context,
        identity: dict[str, Any],
        prefix: str = "",
        precision: Precision = "32-true",
        world: int = 1,
    ) -> None:
        self.context = context
        self.device = device_of(context.device)
        self._precision = precision
        self._world, self.share = world, ALONE
        self.network = network
        self.optimizer = optimizer
        if world == 1:
            self._set_up()
        self.state: dict[str, Tensor] = {}
        self.history: list[dict[str, Any]] = []
        self._losses: list[Tensor] = []
        self._identity = json.dumps({"format": FORMAT, **identity}, sort_keys=True)
        self._folder, self._prefix = context.folder, prefix
        self._kept: dict[str, dict[str, Tensor]] = {}
        self._checkpoint = context.folder and context.folder / f"{prefix}checkpoint.safetensors"
        self._log = context.folder and context.folder / f"{prefix}log.csv"

    def run(self, steps: int, one_step: Callable[[int], dict[str, Any]], description: str) -> None:
        """Do the steps that are left; ``one_step(step)`` returns the step's figures for the log.

        Raises ValueError: the checkpoint in ``context.folder`` is of another training, or a loss is no finite number.
        """
        if self._world > 1:
            self._join()
        self._resume()
        done = len(self.history)
        for step in self.context.track(range(done, steps), description, steps - done):
            with exactly(self._precision):
                figures = one_step(step)
            self._check_losses(step, steps)
            self.history.append({"step": step, **figures})
            self._save()
        if self._world > 1:
            self.fabric.barrier()

    def _join(self) -> None:
        """Share the steps with the other ranks, all of which have come here."""
        self.share = Share(distributed.get_rank(), self._world)
        if self.share.rank:
            self._folder = self._checkpoint = self._log = None
        share_statistics(self.network, self.device)
        for module in self.network.modules():
            if isinstance(getattr(module, "share", None), Share):  # it draws for each item of a batch
                module.share = self.share  # type: ignore[assignment]
        self._set_up()

    def _set_up(self) -> None:
        self.fabric = make_fabric(self.device, self._precision, self._world)
        if self._world > 1:
            self.fabric.launch()
        self.forward, self._optimizer = self.fabric.setup(self.network, self.optimizer)

    def whole(self, made: Any, count: int) -> Any:
        """The outputs for all ``count`` items of a batch, by those for this rank's share.

        A loss of them is the same on every rank, so each takes the gradient by its own rows, and no gradient is sent.
        It is multiplied by the number of ranks, since Fabric takes the mean of those of the weights, not the sum.
        Outputs are a tensor or a named tuple of tensors, each with a row for each item, except those that the network
        names in ``constants``.
        """
        if self._world == 1:
            return made
        if isinstance(made, Tensor):
            return self._rows(made, count)
        constants: tuple[str, ...] = getattr(self.network, "constants", ())
        ours = {name: value for name, value in made._asdict().items() if value is not None and name not in constants}
        return made._replace(**{name: self._rows(value, count) for name, value in ours.items()})

    def _rows(self, values: Tensor, count: int) -> Tensor:
        world = self._world
        gathered = values.new_empty((world, *values.shape))
        distributed.all_gather([*gathered.unbind(0)], values.detach().contiguous())
        if values.requires_grad:
            ours = values.view_as(values)  # the network may use the values themselves in other outputs
            ours.register_hook(lambda gradient: gradient * world)  # type: ignore[no-untyped-call]
            gathered[self.share.rank] = ours
        return gathered.transpose(0, 1).flatten(0, 1)[:count]

    def total(self, values: Tensor) -> Tensor:
        """The sum of the values that the ranks give."""
        if self._world == 1:
            return values
        summed = self.fabric.all_reduce(values, reduce_op="sum")
        assert isinstance(summed, Tensor)
        return summed

    def agreed(self, values: Tensor) -> Tensor:
        """The values that rank 0 gives: those of others may differ in rounding."""
        return values if self._world == 1 else self.fabric.broadcast(values)

    def set_learning_rate(self, rate: float) -> None:
        """Set the rate of the next updates; a group of parameters with a ``scale`` gets that share of it."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)

    def update(self, loss: Tensor) -> None:
        """One step of the optimiser down the gradient of ``loss``."""
        self._losses.append(loss.detach())  # read at the end of the step, since each reading would wait for the device
        self._optimizer.zero_grad()
        self.fabric.backward(loss)
        self._optimizer.step()

    def _check_losses(self, step: int, steps: int) -> None:
        """Raises ValueError: a loss of the step was no finite number, and since then the weights are none either."""
        losses = torch.stack(self._losses or [torch.zeros(())]).float().cpu()
        self._losses = []
        wrong = torch.nonzero(~torch.isfinite(losses))
        if len(wrong):
            first, rate = int(wrong[0]), self.optimizer.param_groups[0]["lr"]
            raise ValueError(
                f"the loss is {losses[first]:g} in step {step + 1} of {steps}, batch {first + 1} of {len(losses)}, "
                f"at a learning rate of {rate:g}: set a lower learning_rate"
            )

    def keep(self, name: str) -> None:
        """Keep the network and the state under a name, in ``context.folder`` if there is one."""
        kept = _copied(self._tensors())
        if self._folder is None:
            self._kept[name] = kept
        else:
            metadata = {"identity": self._identity}
            replace_file(self._kept_file(self._folder, name), lambda path: save_file(kept, path, metadata))

    def restore(self, name: str) -> None:
        """Go on with the network and the state that were kept under a name."""
        if self._folder is not None and (path := self._kept_file(self._folder, name)).exists():
            tensors, _ = self._read(path)
        elif name in self._kept:
            tensors = self._kept[name]
        else:
            raise ValueError(f"model {name!r} was not kept in this training")
        self._load(tensors)

    def _tensors(self) -> dict[str, Tensor]:
        """The tensors of a model: the network's weights and the method's own tensors."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        return tensors | {f"state.{name}": value for name, value in self.state.items()}

    def _kept_file(self, folder: Path, name: str) -> Path:
        return folder / f"{self._prefix}{name}.safetensors"

    def _load(self, tensors: dict[str, Tensor]) -> None:
        self.network.load_state_dict(_part(tensors, "network."))
        self.state = {name: value.to(self.device) for name, value in _part(tensors, "state.").items()}

    def _read(self, path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
        """A file's tensors and metadata; a file of another training is refused."""
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["identity"] != self._identity:
            raise ValueError(f"{path}: the checkpoint of another training; remove it, or use another folder")
        return tensors, metadata

    def _save(self) -> None:
        if self._checkpoint is None or self._log is None:
            return
        tensors = self._tensors()
        for number, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{key}": value for key, value in values.items() if value is not None}
        stored = _copied(tensors)
        metadata = {"identity": self._identity, "history": json.dumps(self.history)}
        replace_file(self._checkpoint, lambda path: save_file(stored, path, metadata))
        table = _table(self.history)
        replace_file(self._log, lambda path: path.write_text(table, encoding="utf-8"))

    def _resume(self) -> None:
        there = self._checkpoint is not None and self._checkpoint.exists()
        found = self._read(self._checkpoint) if self._checkpoint is not None and there else None
        if self._world > 1:
            found = self.fabric.broadcast(found)
        if found is None:
            return
        tensors, metadata = found
        self.history = json.loads(metadata["history"])
        self._load(tensors)
        values: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(tensors, "optimizer.").items():
            number, key = name.split(".")
            values.setdefault(int(number), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": values})


def _copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _table(history: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in history for name in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
