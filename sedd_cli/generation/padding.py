"""Lengths of gaps drawn by a network that was trained with PAD, each candidate's own (docs/infilling.md)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from sedd_cli.diffusion.names import SLOTS
from sedd_cli.diffusion.padding import length_law
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.randomness import LENGTH, uniforms
from sedd_cli.diffusion.schedules import sigma_of_masked
from sedd_cli.generation.lengths import quantile
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.gaps import Gap, length_range
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.windows import SizedGap, Window, make_windows, size_gaps

BESIDE = 8
"""Tokens that a canvas has at least beside the slots of a gap; where it has not, lengths are compared."""


@dataclass(frozen=True)
class DrawnLength:
    """The length of a gap in one candidate, and the `probability` of each length that was asked for.

    `error`: by how much the network's probability of fewer than i tokens failed to grow with i (`length_law`).
    """

    gap: Gap
    tokens: int
    probability: dict[int, float]
    error: float

    @property
    def nats(self) -> float:
        """`-log p` of the length."""
        return -math.log(self.probability[self.tokens])


def elastic_gaps(
    checkpoint: Checkpoint, tokenizer: Tokenizer, document: str, gaps: Sequence[Gap], length: int
) -> dict[Gap, range]:
    """The gaps whose length the network can draw, and the lengths asked for; none without PAD.

    Its slots have to hold them, and the canvas the slots.
    """
    if checkpoint.config.pad_id is None:
        return {}
    found = {}
    for gap, size in size_gaps(tokenizer, document, gaps):
        low, high = length_range(gap.tokens, size.tokens, size.within_sentence)
        if low < high <= SLOTS[-1] and _slots(high) + 1 + BESIDE <= length:
            found[gap] = range(low, high + 1)
    return found


def _slots(high: int) -> int:
    """The least number of slots that holds so many tokens."""
    return next(slots for slots in SLOTS if high <= slots)


def make_padding(
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    document: str,
    sized_gaps: Sequence[SizedGap],
    elastic: Mapping[Gap, range],
    length: int,
    seed: int,
) -> "Padding":
    """The windows of a document on which the `elastic` gaps, some of `sized_gaps`, have all their slots."""
    by_span = {(gap.start, gap.end): gap for gap in elastic}
    found = {i: by_span.get((size.start, size.end)) for i, size in enumerate(sized_gaps)}
    numbered = {i: gap for i, gap in found.items() if gap is not None}
    widened = [
        replace(size, tokens=_slots(elastic[numbered[i]][-1]) + 1) if i in numbered else size
        for i, size in enumerate(sized_gaps)
    ]
    windows = make_windows(tokenizer, document, widened, length)
    return Padding(checkpoint, windows, numbered, {i: elastic[gap] for i, gap in numbered.items()}, seed)


@dataclass(frozen=True)
class Padding:
    """The lengths of the gaps of every candidate, and its windows, which hold no PAD.

    `windows`: those on which each gap of `gaps` (by its number in the document) has n slots and a position for PAD.
    `asked`: their lengths. Window w of candidate r is canvas `r W + w`, as in `Infilling`.

    The first gap's law is that of the length given the text beside it, any next one's given the lengths before it too:
    a network call for each. Of candidate 0 each length is the median, of the others it is drawn. Then a gap of l tokens
    is like any other: what l words are, given that there are so many, does not depend on the PADs behind them.
    """

    checkpoint: Checkpoint
    windows: list[Window]
    gaps: Mapping[int, Gap]
    asked: Mapping[int, range]
    seed: int
    _laws: dict[tuple[int, tuple[int, ...]], tuple[Tensor, float]] = field(default_factory=dict, repr=False)
    """By the gap's number, and the lengths of the elastic gaps before it on its window."""
    _canvases: dict[int, tuple[Window, list[DrawnLength]]] = field(default_factory=dict, repr=False)

    def window(self, canvas_index: int) -> Window:
        """The window of a canvas, its gaps at the lengths drawn."""
        return self._canvas(canvas_index)[0]

    def drawn(self, canvas_index: int) -> list[DrawnLength]:
        """The lengths of the elastic gaps of a canvas, one network call each."""
        return self._canvas(canvas_index)[1]

    def _canvas(self, canvas_index: int) -> tuple[Window, list[DrawnLength]]:
        if canvas_index not in self._canvases:
            window, known, drawn = self.windows[canvas_index % len(self.windows)], dict[int, int](), []
            for place in range(len(window.gap_positions)):
                if window.first + place in self.gaps:
                    drawn.append(self._draw(canvas_index, place, known))
                    known[place] = drawn[-1].tokens
            self._canvases[canvas_index] = window.shortened(known), drawn
        return self._canvases[canvas_index]

    def _draw(self, canvas_index: int, place: int, known: Mapping[int, int]) -> DrawnLength:
        candidate, w = divmod(canvas_index, len(self.windows))
        window = self.windows[w]
        number = window.first + place
        key = number, tuple(known.values())
        if key not in self._laws:
            self._laws[key] = self._law(window, place, known)
        law, error = self._laws[key]
        lengths = self.asked[number]
        weights = law[lengths.start : lengths.stop]
        if not float(weights.sum()):
            # The network rules them all out: none is likelier than another.
            weights = torch.ones_like(weights)
        probability = dict(zip(lengths, (weights / weights.sum()).tolist(), strict=True))
        u = float(uniforms(self.seed, candidate, LENGTH, number, size=1)) if candidate else 0.5
        return DrawnLength(self.gaps[number], quantile(probability, u), probability, error)

    def _law(self, window: Window, place: int, known: Mapping[int, int]) -> tuple[Tensor, float]:
        """The law of the length of a gap, those of the elastic ones before it being known."""
        checkpoint, process = self.checkpoint, self.checkpoint.process
        assert isinstance(process, Absorbing) and checkpoint.config.pad_id is not None
        pad = torch.tensor([checkpoint.config.pad_id], device="cpu")
        window = window.shortened(known)
        ids, free = window.canvas.ids.clone(), window.canvas.free.clone()
        for i, positions in enumerate(window.gap_positions):
            if window.first + i in self.gaps and i not in known:
                ids[positions.stop - 1], free[positions.stop - 1] = pad, False
        x = torch.where(free, process.mask_id, ids)[None]
        where = torch.zeros_like(x, dtype=torch.bool)
        slots = window.gap_positions[place]
        where[0, slots.start : slots.stop - 1] = True
        sigma = sigma_of_masked(checkpoint.noise, (x == process.mask_id).double().mean(1))
        column = int(process.column_of(pad))
        chunks = checkpoint.model.log_scores(x, sigma, where)
        return length_law(torch.cat([scored.log_score.cpu().double().softmax(-1)[:, column] for scored in chunks]))
