"""What a network has to offer: all that scores, samplers, training, int8 and the TUI know of it.

Shapes: B canvases of L tokens, D features, V states of which `tokens` can be written (all but MASK).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sedd_cli.models.backbones.attention import Attention, LayerMemory, Memory, Reach, Seen


class Backbone(nn.Module, ABC):
    """Tokens and total noise to logits; `ScoreNetwork` defines what a logit means.

    Parameter names are those of the checkpoint's weights. Made with (config, states, mask_id).
    """

    blocks: nn.ModuleList
    """Called one after the other in each pass: compiled, sharded and watched by hooks one by one."""
    mask_id: int | None
    time_conditioned: bool
    """Whether `sigma` makes a difference."""
    reach: Reach | None = None
    """Of a network that reads by blocks."""

    @property
    @abstractmethod
    def embedding(self) -> nn.Parameter:
        """(V, D), a row for each state; in bfloat16 where that is the precision, but read as float32."""

    @abstractmethod
    def features(
        self,
        x: Tensor,
        sigma: Tensor,
        at: Tensor | None = None,
        where: Tensor | None = None,
        attention: Attention = "full",
        memory: Memory | None = None,
    ) -> Tensor:
        """The features that the head reads: (B, L), (B,) -> (B, L, D).

        (B, K, D) at positions `at` (B, K); (N, D), row by row, at positions `where` (B, L) bool. Canvases of a batch
        do not depend on each other. `memory`: x follows the positions that it holds, of a network by blocks.
        """

    @abstractmethod
    def head(self, features: Tensor, every_state: bool = False) -> Tensor:
        """Logits of the states that can be written, in their order: (..., D) -> (..., tokens).

        `every_state`: of MASK too, (..., V).
        """

    def reading(
        self, length: int, attention: Attention, memory: Memory | None
    ) -> tuple[int, Seen, Sequence[LayerMemory | None]]:
        """The first position of a pass over `length`, what its positions see, and the memory of each block."""
        if memory is not None:
            return memory.start, "full", memory.layers
        seen: Seen = attention
        if self.reach is not None and attention == "full":
            seen = self.reach.mask(length, self.embedding.device)
        return 0, seen, [None] * len(self.blocks)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """(B, L), (B,) -> (B, L, V)."""
        return self.head(self.features(x, sigma), every_state=True)

    @abstractmethod
    def block_output(self, hidden: Tensor, at: Tensor | None = None) -> Tensor:
        """Of hidden states (B, L, D), without time: the output of a block, (B, L, D).

        With `at` (B, K): the features that the last block leads to at those positions, (B, K, D).
        """

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Fill the parameters for training from scratch. Logits are 0 at first."""

    def derived_buffers(self) -> dict[str, Tensor]:
        """Buffers that follow from the config, by name: taken in place of those of a weights file."""
        return {}

    def written_spans(self) -> list[tuple[int, int]]:
        """The ranges of states that can be written: all but MASK."""
        states, mask_id = len(self.embedding), self.mask_id
        spans = [(0, states)] if mask_id is None else [(0, mask_id), (mask_id + 1, states)]
        return [span for span in spans if span[0] < span[1]]

    def prepare_pieces(self) -> None:
        """Change, on the meta device, what has to before layers are replaced (`piecewise`); nothing by default."""

    @abstractmethod
    def quantised_layers(self) -> dict[str, Sequence[int]]:
        """Names of the linear layers that a lower precision replaces, and the outputs at which each is cut.

        A layer of which `part` is used is cut where parts begin and end.
        """

    def matrix_parameters(self) -> list[nn.Parameter]:
        """The matrices of the blocks, which Muon trains."""
        return [p for p in self.blocks.parameters() if p.ndim == 2]

    def flops(self, length: int, scored: float = 1.0) -> float:
        """Multiplications and additions of a pass, a token: 2 a weight, attention, the head at the share `scored`."""
        states, width = self.embedding.shape
        weights = sum(p.numel() for p in self.matrix_parameters())
        return 2.0 * (weights + 2 * len(self.blocks) * length * width + scored * states * width)
