"""D3PM's own sampler: the chain's T steps back, by its reverse steps (2107.03006, section 2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sedd_cli.diffusion.d3pm import UniformChain, make_chain
from sedd_cli.diffusion.grid import Grid
from sedd_cli.diffusion.processes import Absorbing, Process
from sedd_cli.diffusion.samplers.reveal_first import RevealFirst
from sedd_cli.diffusion.samplers.setup import Setup
from sedd_cli.diffusion.samplers.state import Sampler
from sedd_cli.diffusion.samplers.uniform import UniformSteps
from sedd_cli.diffusion.schedules import Discrete, sigma_of_masked


def make_ancestral(setup: Setup) -> Sampler:
    """The T steps of the chain of a D3PM.

    Absorbing: a masked token survives step t with chance `1 - 1/t` whatever the network says, so its reveal step is
    drawn first. Uniform: step by step.
    """
    process, noise, masked_fraction = setup.process, setup.noise, setup.free_fraction
    logits_processor = setup.logits_processor
    assert isinstance(process, Process) and isinstance(noise, Discrete)
    t = torch.arange(noise.steps, 0, -1, dtype=torch.float64, device="cpu") / noise.steps
    if isinstance(process, Absorbing):
        sigma = sigma_of_masked(noise, t * masked_fraction)
        grid = Grid(t=t * masked_fraction, sigma=sigma, rate_dt=-sigma.diff())
        return RevealFirst(process, logits_processor, grid, "tweedie", survival=t)
    chain = make_chain(process, noise)
    assert isinstance(chain, UniformChain)
    sigma = noise.total(t)
    grid = Grid(t=t, sigma=sigma, rate_dt=-sigma.diff())
    return UniformAncestral(chain.process, grid, "tweedie", logits_processor, chain)


@dataclass(frozen=True)
class UniformAncestral(UniformSteps):
    """Step k goes back from `t = T - k`; clamped tokens are read as in `UniformSteps`."""

    chain: UniformChain

    def _weights(self, step: int, log_score: Tensor, x: Tensor) -> Tensor:
        t = torch.full((len(x),), self.num_updates - step, device=x.device)
        log_c = self.chain.conditional(log_score[:, 0], x[:, 0], t)
        return self.chain.log_reverse(log_c, x[:, 0], t).exp()[:, None]
