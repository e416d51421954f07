"""The any-order bound of a few tokens, exact: every set of them that can be masked, in place of some drawn."""

from math import comb

import torch
from torch import Tensor

from sedd_cli.diffusion.likelihood import cross_entropy
from sedd_cli.diffusion.network import Network
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.schedules import Schedule, sigma_of_masked


def calls_of_sets(tokens: int) -> int:
    """Canvases that `any_order_nats` reads."""
    return (1 << tokens) - 1


def any_order_nats(
    network: Network, process: Absorbing, noise: Schedule, x0: Tensor, where: Tensor, *, batch_size: int = 8
) -> float:
    """What `estimate` with the estimator `ao` tends to (RADD, 2406.03736, equation 2.16): (L,), (L,) bool -> nats.

    The mean over all orders of the K tokens at `where`, the others given; a MASK among these is marginalised over. A
    token is written while a set of k, itself among them, is masked in a share `1 / (k comb(K, k))` of the K! orders. So
    each set is read once: 2^K - 1 canvases.
    """
    positions = where.nonzero().squeeze(1)
    K, L = len(positions), len(x0)
    sets = torch.arange(1, 2**K, device="cpu")
    members = (sets[:, None] >> torch.arange(K, device="cpu")) & 1
    weight = torch.tensor([1 / (k * comb(K, k)) for k in range(1, K + 1)], dtype=torch.float64, device="cpu")
    nats = torch.zeros(len(sets), dtype=torch.float64, device="cpu")
    for rows in torch.arange(len(sets), device="cpu").split(batch_size):
        masked = torch.zeros(len(rows), L, dtype=torch.bool, device="cpu")
        masked[:, positions] = members[rows].bool()
        x = torch.where(masked, process.mask_id, x0)
        sigma = sigma_of_masked(noise, torch.eq(x, process.mask_id).sum(1).double() / L)
        for scored in network.log_scores(x, sigma, masked):
            value = cross_entropy(process, scored, x0[scored.position])
            nats.index_put_((rows[scored.row],), value, accumulate=True)
    return float((weight[members.sum(1) - 1] * nats).sum())
