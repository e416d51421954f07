"""The first frame of the live view: what the network is going to see, shown while torch is imported and it loads."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sedd_cli.cli.gaps import AskedGaps
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import SeddError
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.text.document import Document

if TYPE_CHECKING:
    from sedd_cli.render.live import Frame, LiveView
    from sedd_cli.text.tokenizer import Tokenizer

LONGEST = 10_000
"""Tokens, or gaps, beyond which a canvas is not built for a preview."""


def preview(first_frame: "Callable[[], Frame | None]", terminal: Terminal) -> "AbstractContextManager[LiveView | None]":
    """Open the live view with the first frame of a run, if it is known. Yields None if it would not be visible."""
    from sedd_cli.render.live import LiveView

    view = LiveView("sedd, loading")
    frame = first_frame() if terminal.live else None
    if frame is not None:
        view.show(frame)
    return terminal.live_view(view)


def canvas_frame(model: str | None, sampling: SamplingOptions) -> "Frame | None":
    """Return the canvas before its first step, from the files of a checkpoint on this machine.

    Returns None where these do not suffice; what is wrong with them is reported when the checkpoint is loaded.
    """
    from sedd_cli.text.words import encode_ends

    if (read := _read(model)) is None:
        return None
    tokenizer, length = read
    length = sampling.length or length
    head, tail, _ = encode_ends(tokenizer, sampling.prompt or "", sampling.suffix or "")
    masks = length - len(head) - len(tail)
    return _frame(tokenizer, [*head, *[None] * masks, *tail]) if 0 < masks < LONGEST else None


def document_frame(
    model: str | None, sampling: SamplingOptions, document: Document, asked: AskedGaps
) -> "Frame | None":
    """Return the first window of a document before its first step, or None, as `canvas_frame`.

    What stands behind a gap whose length the network is to choose is left out: it would move. At a strength
    below 1 there is no frame: what is kept is drawn, or is the network's choice.
    """
    from sedd_cli.text.gaps import check_gaps, length_range
    from sedd_cli.text.line_ends import newline_of
    from sedd_cli.text.windows import layouts, size_gaps

    if sampling.strength != 1 or (read := _read(model)) is None:
        return None
    tokenizer, length = read
    try:
        gaps = check_gaps(asked.of(document, tokenizer, Terminal(quiet=True)), len(document.text))
        if len(gaps) > LONGEST:
            return None
        tokenizer = tokenizer.reading(newline_of(document.text))
        sized = size_gaps(tokenizer, document.text, gaps)
        ranges = [length_range(gap.tokens, size.tokens, size.within_sentence) for gap, size in sized]
        longest = [replace(size, tokens=high) for (_, size), (_, high) in zip(sized, ranges, strict=True)]
        layout = next(layouts(tokenizer, document.text, longest, sampling.length or length), None)
    except SeddError:
        return None
    if layout is None or len(layout.ids) > LONGEST:
        return None
    unknown = next((number for number, (low, high) in enumerate(ranges) if low != high), None)
    if unknown is None:
        return replace(_frame(tokenizer, layout.ids), infills=True)
    if not layout.from_start or len(layout.gap_positions) < len(sized):
        return None
    return replace(_frame(tokenizer, layout.ids[: layout.gap_positions[unknown].start + 1]), infills=True)


def _read(model: str | None) -> "tuple[Tokenizer, int] | None":
    """The tokenizer of a checkpoint of the absorbing process that sees the whole canvas, and the length of that."""
    from sedd_cli.models.layout import CONFIG
    from sedd_cli.models.names import find_checkpoint
    from sedd_cli.text.tokenizer import Tokenizer

    try:
        folder = find_checkpoint(model)
        config: dict[str, Any] = json.loads((folder / CONFIG).read_bytes())
        if config.get("graph", {}).get("type", "absorb") != "absorb" or config["model"].get("block_size"):
            return None
        return Tokenizer.from_file(folder / "tokenizer.json"), int(config["model"]["length"])
    except (SeddError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _frame(tokenizer: "Tokenizer", ids: "Sequence[int | None]") -> "Frame":
    from sedd_cli.render.live import Frame, pieces_of

    return Frame(
        pieces=pieces_of(tokenizer, ids),
        kept=frozenset(position for position, i in enumerate(ids) if i is not None),
        changed=frozenset(),
        end=len(ids),
        row="",
        step="loading",
        t=None,
        calls=0,
    )
