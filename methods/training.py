"""One training loop for all deep methods, on Lightning Fabric: device, precision, checkpoint, exact resume, log.

A training is a number of steps (epochs, or outer iterations). A step must draw its randomness from the seed and its own
number alone. Then the checkpoint after each step (weights, optimiser, the method's own tensors, history) is the whole
state. A training that was killed at any moment ends as an uninterrupted one, on a processor bit for bit with the same
number of threads.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from bench.interfaces import Context
from bench.system.files import replace_file
from methods.reading import Precision

FORMAT = 1


def make_fabric(device: str, precision: Precision = "32-true") -> Fabric:
    """Fabric on one device ("cpu", "cuda", "auto"). It knows no TF32, which `exactly` rules.

    Raises ValueError: the device is of another name, torch finds no CUDA device, or it has no bfloat16.
    """
    if device not in ("cpu", "cuda", "auto"):
        raise ValueError(f"device={device!r}: must be cpu, cuda or auto")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device='cuda': torch finds no CUDA device, use 'cpu' or 'auto'")
    accelerator = "cpu" if device == "cpu" or not torch.cuda.is_available() else "cuda"
    if accelerator == "cuda" and precision == "bf16-mixed" and not torch.cuda.is_bf16_supported():
        raise ValueError("precision='bf16-mixed': the CUDA device has no bfloat16, use '32-true'")
    return Fabric(
        accelerator=accelerator, devices=1, precision="bf16-mixed" if precision == "bf16-mixed" else "32-true"
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


def evaluate(
    network: nn.Module, fabric: Fabric, batches: Iterable[Tensor], precision: Precision = "32-true"
) -> Iterator[Any]:
    """The network's outputs for each batch, in evaluation mode and without gradients.

    The precision is the given one, whatever that of the fabric.
    """
    network.to(fabric.device).eval()
    mixed = torch.autocast(fabric.device.type, torch.bfloat16, enabled=precision == "bf16-mixed")
    for batch in batches:
        with torch.inference_mode(), exactly(precision), mixed:
            made = network(batch)
        yield made


class Training:
    """A network and its optimiser on a device, with the whole state of a resume.

    ``identity`` (JSON values) decides the training: a checkpoint of another identity is refused. ``state`` holds the
    method's own tensors, ``history`` one row of figures per finished step. ``prefix`` starts the file names in
    ``context.folder``: PREFIXcheckpoint.safetensors, PREFIXlog.csv, and PREFIXNAME.safetensors for each kept model.
    ``precision`` is that of the steps.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        context: Context,
        identity: dict[str, Any],
        prefix: str = "",
        precision: Precision = "32-true",
    ) -> None:
        self.context = context
        self.fabric = make_fabric(context.device, precision)
        self._precision = precision
        self.network = network
        self.optimizer = optimizer
        self.forward, self._optimizer = self.fabric.setup(network, optimizer)
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
        self._resume()
        done = len(self.history)
        for step in self.context.track(range(done, steps), description, steps - done):
            with exactly(self._precision):
                figures = one_step(step)
            self._check_losses(step, steps)
            self.history.append({"step": step, **figures})
            self._save()

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
        self.state = {name: value.to(self.fabric.device) for name, value in _part(tensors, "state.").items()}

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
        if self._checkpoint is None or not self._checkpoint.exists():
            return
        tensors, metadata = self._read(self._checkpoint)
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
