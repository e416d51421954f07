"""One step of training over several processes: DDP, where each holds the whole network, or FSDP2, where each holds a
share of every tensor."""

import warnings
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from sedd_cli.diffusion.schedules import Schedule
from sedd_cli.distributed import World
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.training.objectives import NoiseDraws, Objective
from sedd_cli.training.recipe import Parallel


class LossModule(nn.Module):
    """An objective's losses as a module's forward, which DDP and FSDP wrap."""

    def __init__(self, network: ScoreNetwork, noise: Schedule) -> None:
        super().__init__()
        self.network, self.noise = network, noise

    def forward(self, objective: Objective, x0: Tensor, draws: NoiseDraws) -> Tensor:
        """(B, L) -> the loss of each canvas, (B,), in nats a token."""
        return objective(self.network, self.noise, x0, draws)


def parallelize(loss_module: LossModule, how: Parallel, world: World) -> nn.Module:
    """Wrap the loss module so that gradients are the mean over all processes. Returned as it is for one process."""
    if world.size == 1:
        return loss_module
    device = loss_module.network.device
    if how == "ddp":
        on = [device] if device.type == "cuda" else None
        with warnings.catch_warnings():
            # Its new name is unknown to older versions of torch that are supported.
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated", category=FutureWarning)
            return DistributedDataParallel(loss_module, on, broadcast_buffers=False, gradient_as_bucket_view=True)
    mesh = init_device_mesh(device.type, (world.size,))
    for block in loss_module.network.backbone.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(loss_module, mesh=mesh)
    return loss_module


def accumulating(loss_module: nn.Module, last: bool) -> AbstractContextManager[None]:
    """The context of a micro-batch's forward and backward: gradients are synchronised after the `last` one only."""
    if isinstance(loss_module, DistributedDataParallel) and not last:
        return loss_module.no_sync()
    if isinstance(loss_module, FSDPModule):
        loss_module.set_requires_gradient_sync(last)
    return nullcontext()


def full_tensor(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded; if it is, a collective operation."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def shard_like(tensor: Tensor, like: Tensor) -> Tensor:
    """This process's shard of a tensor that every process has, sharded as `like` is."""
    if not isinstance(like, DTensor):
        return tensor
    # Every process has it: nothing is sent.
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)


@torch.no_grad()
def copy_into(to: Tensor, tensor: Tensor) -> None:
    """Copy a whole tensor into one that may be sharded."""
    to.copy_(shard_like(tensor, to))
