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
    """An objective's losses as a module's forward, which is where both engines take hold."""

    def __init__(self, network: ScoreNetwork, noise: Schedule) -> None:
        super().__init__()
        self.network, self.noise = network, noise

    def forward(self, objective: Objective, x0: Tensor, draws: NoiseDraws) -> Tensor:
        """(B, L) -> the loss of each canvas, (B,), in nats a token."""
        return objective(self.network, self.noise, x0, draws)


def parallelize(loss_module: LossModule, how: Parallel, world: World) -> nn.Module:
    """The loss module over all processes: gradients are then the mean over them. Alone it stays as it is."""
    if world.size == 1:
        return loss_module
    device = loss_module.network.device
    if how == "ddp":
        on = [device] if device.type == "cuda" else None
        with warnings.catch_warnings():
            # Older versions of torch that we take do not know its new name.
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated", category=FutureWarning)
            return DistributedDataParallel(loss_module, on, broadcast_buffers=False, gradient_as_bucket_view=True)
    mesh = init_device_mesh(device.type, (world.size,))
    for block in loss_module.network.backbone.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(loss_module, mesh=mesh)
    return loss_module


def accumulating(loss_module: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Around forward and backward of a micro-batch: gradients travel after the `last` alone."""
    if isinstance(loss_module, DistributedDataParallel) and not last:
        return loss_module.no_sync()
    if isinstance(loss_module, FSDPModule):
        loss_module.set_requires_gradient_sync(last)
    return nullcontext()


def full_tensor(tensor: Tensor) -> Tensor:
    """All of a tensor of which each process holds a share. Of a shared one every process must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def shard_like(tensor: Tensor, like: Tensor) -> Tensor:
    """This process's share of a tensor that all of them have, in the way `like` is shared."""
    if not isinstance(like, DTensor):
        return tensor
    # Everyone has it already: nothing need be sent.
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)


@torch.no_grad()
def copy_into(to: Tensor, tensor: Tensor) -> None:
    """Copy a whole tensor into one that may be shared."""
    to.copy_(shard_like(tensor, to))
