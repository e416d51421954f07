"""`sedd infill` of one document: its gaps are filled, the candidates ranked, and what is worth knowing is reported."""

import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sedd_cli.cli.checkpoints import load, resolve_sampling
from sedd_cli.cli.gaps import AskedGaps
from sedd_cli.cli.terminal import Color, Terminal
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.ranges import counted
from sedd_cli.text.document import Document

if TYPE_CHECKING:
    from sedd_cli.generation.filling import Filling
    from sedd_cli.generation.infill import Infilling
    from sedd_cli.generation.lengths import ChosenLength
    from sedd_cli.generation.padding import DrawnLength
    from sedd_cli.models.checkpoint import Checkpoint

LIKELY = 0.8
"""The share of the probability that is between the least and the most tokens reported for a gap."""
NAMED_ROWS = 4
"""The most candidates of one text whose rows are named."""
MIN_WIDTH = 40
"""Minimum characters in which a candidate is shown."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a command asks for of each document. `given`: see `resolve_sampling`."""

    asked: AskedGaps
    sampling: SamplingOptions
    given: Collection[str] | None
    model: str | None
    device: str
    dtype: str
    in_place: bool
    json: bool
    diff: bool
    color: Color

    @property
    def prints(self) -> bool:
        """Whether something goes to stdout or the file of -o."""
        return not self.in_place or self.json or self.diff

    def prepare(self, terminal: Terminal) -> "Prepared":
        """Load the checkpoint, and resolve the settings of sampling for it. Raises what `load` does."""
        checkpoint = load(self.model, self.device, self.dtype, terminal, identified=self.json)
        sampling, taken = resolve_sampling(checkpoint, self.sampling, self.given, terminal, filling=True)
        return Prepared(checkpoint, sampling, taken, differs=self.given is not None)


@dataclass(frozen=True)
class Prepared:
    """A checkpoint, and the settings of sampling with it; those named in `taken` are its own.

    `differs`: see `Infilling`.
    """

    checkpoint: "Checkpoint"
    sampling: SamplingOptions
    taken: tuple[str, ...]
    differs: bool


@dataclass(frozen=True)
class Filled:
    """A document after its run. `fillings`: best first, if `finished`; `nats` of each row, where these are wanted."""

    infilling: "Infilling"
    fillings: "list[Filling]"
    nats: dict[int, float]
    finished: bool
    seconds: float


def begin(
    prepared: Prepared, document: Document, asked: AskedGaps, terminal: Terminal, *, again: bool = False
) -> "Infilling":
    """The gaps that are asked for, with their lengths, ready to be filled. Reports them.

    `again`: what is the same of every document was reported before. Raises `NoGapError` for a document without gaps.
    """
    from sedd_cli.cli.watch import report_steps

    infilling = _infilling(prepared, document, asked, terminal)
    if not again:
        report_steps(infilling, prepared.sampling.steps, terminal)
    _report(infilling, prepared.taken, terminal, again)
    return infilling


def _wrote_again(filling: "Filling", infilling: "Infilling") -> bool:
    """Whether a candidate wrote something, and it is what stood there."""
    return filling.nfe > 0 and filling.text == infilling.document


def finish(infilling: "Infilling", finished: bool, started: float, *, with_nats: bool) -> Filled:
    """What a run that `started` then has written, ranked unless it was stopped, or that is."""
    from sedd_cli.generation.filling import ranked

    fillings, nats = infilling.fillings(), dict[int, float]()
    try:
        fillings = ranked(fillings, infilling.document) if finished else fillings
        # They are computed when asked for: here, where that may be interrupted.
        nats = {filling.row: filling.nats for filling in fillings} if with_nats and finished else {}
    except KeyboardInterrupt:
        finished = False
    return Filled(infilling, fillings, nats, finished, time.monotonic() - started)


def _infilling(prepared: Prepared, document: Document, asked: AskedGaps, terminal: Terminal) -> "Infilling":
    """The gaps that are asked for, with their lengths. Warns of those that nothing is written in."""
    from sedd_cli.generation.infill import Infilling
    from sedd_cli.generation.request import Request
    from sedd_cli.text.gaps import check_gaps

    checkpoint = prepared.checkpoint
    gaps = asked.of(document, checkpoint.tokenizer, terminal)
    for gap in check_gaps(gaps, len(document.text)):
        if gap.start == gap.end and gap.tokens is None:
            terminal.warn(f"nothing stands in the gap {gap.start}:{gap.end}: --tokens N would write there")
    if checkpoint.config.pad_id is None and any(not isinstance(gap.tokens, int | None) for gap in gaps):
        terminal.info("comparing how many tokens fit")
    request = Request(**asdict(prepared.sampling))
    return Infilling(checkpoint, request, document.text, gaps, differs=prepared.differs)


def _report(infilling: "Infilling", taken: Collection[str], terminal: Terminal, again: bool) -> None:
    from sedd_cli.generation.warnings import job_ood_warning, law_note, length_warning, sampling_warnings

    for chosen in infilling.chosen_lengths:
        tried = ", ".join(f"{n} ({nats:.1f})" for n, nats in chosen.nats.items())
        terminal.info(f"{_length_note(chosen)}); nats of the text beside it, ± {chosen.error:.1f}: {tried}")
    for drawn in infilling.drawn_lengths(infilling.rows.start):
        several = ", in the first candidate" if len(infilling.rows) > 1 else ""
        terminal.info(f"{_length_note(drawn)}, by a network that errs by {drawn.error:.1%}){several}")
    checkpoint = infilling.checkpoint
    longest = max((len(window.canvas.ids) for window in infilling.windows), default=0)
    if not again:
        terminal.info_each(law_note(infilling.request.asked, taken))
    terminal.warn_each(
        length_warning(checkpoint, "a canvas", longest),
        () if again else sampling_warnings(checkpoint, "the rest of the document"),
        job_ood_warning(infilling),
    )


def _length_note(length: "ChosenLength | DrawnLength") -> str:
    """The length of a gap, and how sure it is, in a bracket that is left open."""
    from sedd_cli.generation.lengths import quantile

    low, high = (quantile(length.probability, share) for share in ((1 - LIKELY) / 2, (1 + LIKELY) / 2))
    sure = f"{low}" if low == high else f"{low} to {high}"
    gap = length.gap
    return f"gap {gap.start}:{gap.end} gets {counted(length.tokens, 'token')} ({LIKELY:.0%} sure: {sure}"


def summarise(filled: Filled, terminal: Terminal) -> None:
    """Report the candidates, and what the run took."""
    infilling, fillings, finished = filled.infilling, filled.fillings, filled.finished
    if len(fillings) > 1 and finished:
        same: dict[str, list[Filling]] = defaultdict(list)
        for filling in fillings:
            same[filling.text].append(filling)
        for equal in same.values():
            terminal.info(candidate_line(equal, terminal.width))
    if finished and fillings and _wrote_again(fillings[0], infilling):
        terminal.info(f"what stood there was written again: {_advice(filled)}")
    calls, redrawn = sum(f.nfe for f in fillings), sum(f.redrawn for f in fillings)
    again = f" ({redrawn} of them to redraw what was no text, joined badly or was nothing new)" if redrawn else ""
    lengths = "the comparison of lengths, then " if infilling.chosen_lengths else ""
    ranking = ", then the ranking" if len(fillings) > 1 and finished else ""
    terminal.info(
        f"seed {infilling.request.seed}, {lengths}{counted(calls, 'network call')}{again}{ranking}, "
        f"{filled.seconds:.1f} s, {infilling.checkpoint.name}"
    )


def _advice(filled: Filled) -> str:
    """What may write something else than what stood there."""
    if filled.infilling.request.asked.temperature == 0:
        return "--tokens, or a --temperature above 0, may change it"
    return f"another --seed{'' if len(filled.fillings) > 1 else ', or the best of -n 5,'} may differ"


def candidate_line(equal: Sequence["Filling"], width: int) -> str:
    """What candidates of one text wrote, the bound of the first before it, in one line of the terminal."""
    from rich.text import Text

    from sedd_cli.render.inert import one_line

    filling, rows = equal[0], ", ".join(str(filling.row) for filling in equal[:NAMED_ROWS])
    if more := len(equal[NAMED_ROWS:]):
        rows += f" and {more} more"
    written = " · ".join(map(str.strip, filling.written))
    line = Text(one_line(f"row{'s' * (len(equal) > 1)} {rows}: {filling.nats:.1f} nats: {written}"))
    line.truncate(max(width, MIN_WIDTH), overflow="ellipsis")
    return line.plain
