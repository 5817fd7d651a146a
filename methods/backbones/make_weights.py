"""The synthetic weights of the small network: ``python -m methods.backbones.make_weights``.

They stand for ImageNet weights when nothing can be downloaded and minutes count. The network learns to classify
procedural images (the data set ``synthetic_food101`` with another seed). None of their classes shows the same four part
types as a class of the default data. The training takes about a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
from hashlib import sha256
from pathlib import Path

from rich.progress import track
from safetensors.torch import save_file
from torch import nn

from bench.interfaces import Context
from bench.plugins import registry
from bench.system.files import replace_file
from methods.backbones import BackboneChoice
from methods.backbones.small import SYNTHETIC
from methods.trunk import prepare_backbone

CLASSES = {"seed": 7, "class_count": 400, "train_per_class": 200, "query_per_class": 1}
EPOCHS = 4


def main() -> None:
    """Train, write the file, and print the digest that ``small.SYNTHETIC_SHA256`` must hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=SYNTHETIC)
    out = parser.parse_args().out
    choice = BackboneChoice("small", "none", 32, frozen_trunk=True, pretrain_epochs=EPOCHS)
    with tempfile.TemporaryDirectory() as folder:
        context = Context(device="cpu", cache=Path(folder), track=track)
        data = registry.build("dataset", "synthetic_food101", CLASSES).load(context)
        backbone = prepare_backbone(choice, data.split("train"), context)
    stages = nn.ModuleDict({"first_stages": backbone.first_stages, "last_stage": backbone.last_stage})
    tensors = {name: value.contiguous() for name, value in stages.state_dict().items()}
    replace_file(out, lambda path: save_file(tensors, path))
    print(f"{out}: SHA-256 {sha256(out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
