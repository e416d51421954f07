"""AdamW, Muon, the learning rate over a phase, and the moving average of the weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sedd_cli.models.network import ScoreNetwork
from sedd_cli.training.parallel import full_tensor, shard_like
from sedd_cli.training.recipe import Optimiser, Phase

SYMMETRIC_BLOCK = 128
"""Rows of a symmetric product that are computed at a time."""


def symmetric_product(a: Tensor, b: Tensor) -> Tensor:
    """`a @ b`, (n, k) and (k, n), where it is known to be symmetric: what is below the diagonal is copied."""
    n, step = len(a), SYMMETRIC_BLOCK
    if n <= step:
        return a @ b
    out = a.new_empty(n, n)
    for i in range(0, n, step):
        torch.mm(a[i : i + step], b[:, i:], out=out[i : i + step, i:])
        out[i + step :, i : i + step] = out[i : i + step, i + step :].t()
    return out


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest (semi-)orthogonal matrix, roughly: five quintic Newton-Schulz steps (Muon, K. Jordan, 2024).

    The steps `x <- p(x x^T) x` are computed on the Gram matrix of the shorter side alone, about half the work for
    a wide matrix, and applied once at the end; polynomials of one symmetric matrix, and their products, are symmetric.
    In float32 on every device: in bfloat16 the Gram matrix's smallest eigenvalues turn negative, and grow.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).float()
    x = x / (x.norm() + 1e-7)
    gram = symmetric_product(x, x.T)
    product: Tensor | None = None
    for step in range(steps):
        p = symmetric_product(gram, gram).mul_(c).add_(gram, alpha=b)
        p.diagonal().add_(a)
        product = p if product is None else symmetric_product(p, product)
        if step < steps - 1:
            gram = symmetric_product(symmetric_product(p, gram), p)
    assert product is not None
    x = product @ x
    out: Tensor = (x if wide else x.T).to(matrix.dtype)
    return out


class Muon(torch.optim.Optimizer):
    """Momentum (Nesterov) whose update is orthogonalised, scaled by 0.2 sqrt(max dim) to AdamW's size
    (arXiv 2502.16982), with decoupled weight decay. For matrices."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                buffer = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = shard_like(orthogonalise(full_tensor(p.grad.lerp(buffer, group["momentum"]))), p)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * 0.2 * max(p.shape) ** 0.5)


def make_optimisers(network: ScoreNetwork, settings: Optimiser) -> list[torch.optim.Optimizer]:
    """One or two optimisers over the parameters; each group keeps its full rate as `base_lr`."""
    muon, backbone = settings.name == "muon", network.backbone
    matrices: list[Tensor] = [p for p in backbone.matrix_parameters() if p.requires_grad] if muon else []
    embedding: list[Tensor] = [backbone.embedding] if muon and backbone.embedding.requires_grad else []
    taken = {id(p) for p in (*matrices, *embedding)}
    rest: list[Tensor] = [p for p in network.parameters() if p.requires_grad and id(p) not in taken]
    groups = [{"params": rest, "lr": settings.learning_rate}]
    if embedding:
        groups.append({"params": embedding, "lr": settings.embedding_rate})
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, betas=settings.betas, eps=settings.eps, weight_decay=settings.weight_decay)
    ]
    if matrices:
        optimisers.append(Muon(matrices, settings.matrix_rate, weight_decay=settings.matrix_decay))
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["base_lr"] = group["lr"]
    return optimisers


def rate_factor(phase: Phase, step: int, progress: float) -> float:
    """The share of the full rate: a linear warm-up by steps, then stable, then linear to 0 over the last part."""
    warm = min(1.0, (step + 1) / phase.warmup) if phase.warmup else 1.0
    return warm * (min(1.0, (1 - progress) / phase.decay) if phase.decay else 1.0)


class ExponentialMovingAverage:
    """An exponential moving average of the weights; its decay is lower at first, so that it is useful at once."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.weights = {name: p.detach().clone() for name, p in network.named_parameters()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, self.updates / (10 + self.updates))
        torch._foreach_lerp_(list(self.weights.values()), [p.detach() for p in network.parameters()], 1 - decay)
