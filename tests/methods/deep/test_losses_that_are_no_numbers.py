"""A loss that is no finite number ends a training with words, and leaves the checkpoint of the step before."""

import pytest
import torch
from torch import nn

from bench.interfaces import Context
from methods.hashing.deep.dpsh import DPSH
from methods.training import Training
from tests.methods.deep.conftest import QUICK


def training(folder, losses):
    """A weight that is pulled down, in steps of two batches, the losses of which are given."""
    network = nn.Linear(1, 1)
    made = Training(network, torch.optim.SGD(network.parameters(), lr=0.5), Context(folder=folder), {"toy": 1})

    def step(number):
        for loss in losses[2 * number : 2 * number + 2]:
            made.update(network.weight.sum() * 0 + loss)
        return {}

    return made, step


@pytest.mark.parametrize(("loss", "word"), [(float("nan"), "nan"), (float("inf"), "inf")])
def test_the_step_the_batch_and_the_rate_are_named(tmp_path, loss, word):
    made, step = training(tmp_path, [1.0, 1.0, 1.0, loss, 1.0, 1.0])
    said = rf"the loss is {word} in step 2 of 3, batch 2 of 2, at a learning rate of 0.5: set a lower learning_rate"
    with pytest.raises(ValueError, match=said):
        made.run(3, step, "toy")
    again, harmless = training(tmp_path, [1.0] * 6)
    again.run(3, harmless, "toy")
    assert [row["step"] for row in again.history] == [0, 1, 2]


def test_a_hasher_that_diverges_fails_with_the_words(train):
    hasher = DPSH(bits=8, epochs=3, learning_rate=1e9, **QUICK)
    with pytest.raises(ValueError, match=r"the loss is \S+ in step \d of 3"):
        hasher.fit(train, Context())
