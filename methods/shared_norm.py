"""Batch normalisation by the statistics of all ranks of a training, which torch has for CUDA alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn


class SharedBatchNorm(nn.BatchNorm2d):
    """What torch's SyncBatchNorm is on CUDA, on the processor. All ranks must have equally many rows."""

    def forward(self, inputs: Tensor) -> Tensor:
        """[b, channels, ...] of any number of dimensions."""
        if not self.training:
            return super().forward(inputs)
        axes, shape = [0, *range(2, inputs.ndim)], [1, -1] + [1] * (inputs.ndim - 2)
        values = inputs.float()  # bfloat16 has too few digits for statistics
        mean = _Mean.apply(values.mean(axes))
        centred = values - mean.view(shape)
        variance = _Mean.apply(centred.square().mean(axes))
        self._follow(mean.detach(), variance.detach(), inputs.numel() // inputs.shape[1])
        normal = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(inputs.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        """It stands for BatchNorm1d and BatchNorm2d."""

    def _follow(self, mean: Tensor, variance: Tensor, rows: int) -> None:
        """Move the running statistics, of which the variance is the unbiased one, as torch's does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        rows *= distributed.get_world_size()
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * rows / max(1, rows - 1), share)


def share_statistics(network: nn.Module, device: torch.device) -> None:
    """Replace the batch normalisations inside a network on a device. Parameters and buffers stay the same tensors."""
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return
    for name, module in network.named_children():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(network, name, _shared(module))
        else:
            share_statistics(module, device)


def _shared(module: nn.BatchNorm1d | nn.BatchNorm2d) -> SharedBatchNorm:
    keeps = module.track_running_stats
    made = SharedBatchNorm(module.num_features, module.eps, module.momentum, module.affine, keeps)
    made.weight, made.bias = module.weight, module.bias
    made.running_mean, made.running_var = module.running_mean, module.running_var
    made.num_batches_tracked = module.num_batches_tracked
    made.train(module.training)
    return made


class _Mean(torch.autograd.Function):
    """The mean over the ranks of values that each has. So is its gradient, which reaches the values of all."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total / distributed.get_world_size()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return _Mean.forward(_, gradient)
