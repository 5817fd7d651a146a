"""A training goes on from its checkpoint although the file of its weights was moved, and not with other weights."""

import pytest
from safetensors.torch import save_file
from torch import nn

from bench.interfaces import Context
from methods.backbones import BackboneChoice, load
from methods.embedding.triplet import Triplet
from methods.hashing.deep.dpsh import DPSH
from tests.methods.deep.conftest import Interrupted, InterruptingTrack

SMALL = {"backbone": "small", "image_size": 16, "frozen_trunk": True, "epochs": 3}


def weights(path, seed):
    """A file of the small network's weights, drawn by seed."""
    backbone = load(BackboneChoice("small", "none", 16, False, 0), seed)
    stages = nn.ModuleDict({"first_stages": backbone.first_stages, "last_stage": backbone.last_stage})
    save_file(stages.state_dict(), path)
    return path


@pytest.mark.parametrize(("plugin", "own"), [(DPSH, {"bits": 8}), (Triplet, {"dim": 8})])
def test_weights_may_be_moved_and_not_replaced_while_a_training_is_interrupted(train, tmp_path, plugin, own):
    path = weights(tmp_path / "first.safetensors", 0)
    with pytest.raises(Interrupted):
        context = Context(folder=tmp_path, track=InterruptingTrack(", 8 ", 1))
        plugin(weights=str(path), **own, **SMALL).fit(train, context)
    moved = path.rename(tmp_path / "moved.safetensors")
    left = InterruptingTrack(", 8 ", None)
    plugin(weights=moved, **own, **SMALL).fit(train, Context(folder=tmp_path, track=left))
    assert left.passed == 2
    other = weights(tmp_path / "other.safetensors", 1)
    with pytest.raises(ValueError, match="checkpoint of another training"):
        plugin(weights=other, **own, **SMALL).fit(train, Context(folder=tmp_path))
