"""The length of a gap with which all of the text around it is likeliest, by trying every one: slow."""

from collections.abc import Mapping

import torch
from torch import Tensor

from sedd_cli.diffusion.network import Network
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.randomness import MONTE_CARLO, uniforms
from sedd_cli.diffusion.schedules import Schedule, sigma_of_masked
from sedd_cli.text.windows import Window

DRAWS, BATCH = 32, 8
"""Network calls for each length; canvases that run together."""


def likeliest_length(
    network: Network, process: Absorbing, noise: Schedule, windows: Mapping[int, Window], draws: int = DRAWS
) -> int:
    """The length with the lowest any-order bound on `-log p` of the kept tokens, the gap summed out.

    `windows`: of one gap, by its length. Every length is noised by the same random numbers, at the tokens that all of
    their canvases hold.
    """
    kept = {n: _kept(window) for n, window in windows.items()}
    left, right = (min(len(sides[i]) for sides in kept.values()) for i in (0, 1))
    # By nearness to the gap: longer canvases lose what is far from it.
    nats = {
        n: _bound(network, process, noise, windows[n], torch.cat([before[:left], after[:right]]), draws)
        for n, (before, after) in kept.items()
    }
    return min(nats, key=lambda n: nats[n])


def _kept(window: Window) -> tuple[Tensor, Tensor]:
    """The positions before and after the gap, the nearest first."""
    (place,) = window.gap_positions
    positions = torch.arange(len(window.canvas.ids), device="cpu")
    return positions[: place.start].flip(0), positions[place.stop :]


def _bound(network: Network, process: Absorbing, noise: Schedule, window: Window, counted: Tensor, draws: int) -> float:
    """The any-order bound (`diffusion.likelihood`) of the tokens at `counted` (K,), by numbers of their own."""
    K, x0, total = len(counted), torch.where(window.canvas.free, process.mask_id, window.canvas.ids), 0.0
    u = torch.stack([uniforms(0, draw, MONTE_CARLO, size=K + 1) for draw in range(draws)])
    k = ((torch.arange(draws, device="cpu") + u[:, -1]) / draws * K).ceil().clamp(1, K)
    masked = torch.zeros(draws, len(x0), dtype=torch.bool, device="cpu")
    masked[:, counted] = u[:, :-1].argsort(1).argsort(1) < k[:, None]
    for rows in torch.arange(draws, device="cpu").split(BATCH):
        x = torch.where(masked[rows], process.mask_id, x0)
        sigma = sigma_of_masked(noise, (x == process.mask_id).double().mean(1))
        for scored in network.log_scores(x, sigma, masked[rows]):
            log_c = scored.log_score.cpu().double().log_softmax(-1)
            columns = process.column_of(x0[scored.position])
            weight = K / k[rows[scored.row]] / draws
            total -= float((weight * log_c.gather(-1, columns[:, None]).squeeze(-1)).sum())
    return total
