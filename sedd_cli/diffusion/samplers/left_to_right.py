"""The autoregressive sampler: the first token that is missing, given those before it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sedd_cli.diffusion.processes import Causal
from sedd_cli.diffusion.samplers.reveal_first import TimedSampler, Visit
from sedd_cli.diffusion.samplers.setup import Setup
from sedd_cli.diffusion.samplers.state import State
from sedd_cli.errors import UsageError


@dataclass(frozen=True)
class LeftToRight(TimedSampler):
    """One call a token; positions not yet written hold MASK. There is no noise, and t is the share not written."""

    free_count: int

    @property
    def num_updates(self) -> int:
        return self.free_count

    @property
    def initial_mask(self) -> float:
        return 1.0

    def start(self, ids: Tensor, free: Tensor, seed: int, row: int) -> State:
        if bool((~free)[int(free.int().argmax()) :].any()):
            raise UsageError(
                "an autoregressive checkpoint writes from left to right: it cannot know what stands after a gap",
                "Leave out the suffix, or take a checkpoint of the absorbing process.",
            )
        return super().start(ids, free, seed, row)

    def next_visit(self, state: State) -> Visit:
        masked = self.masked(state)
        first = torch.zeros_like(masked).index_fill(0, masked.int().argmax(), True)
        left = int(masked.sum())
        return Visit(state.step, left / len(masked), 0.0, first, (left - 1) / len(masked))

    def calls_left(self, state: State) -> int:
        return int(self.masked(state).sum())

    def remask(self, state: State, positions: Tensor) -> State:
        raise UsageError(
            "an autoregressive checkpoint cannot write a token anew: those after it were written in its light",
            "Start again, with what is to stay as the prompt.",
        )


def make_left_to_right(setup: Setup) -> LeftToRight:
    assert isinstance(setup.process, Causal)
    return LeftToRight(setup.process, setup.logits_processor, setup.free_count)
