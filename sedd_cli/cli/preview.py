"""The first frame of the live view: a canvas of MASK, shown while torch is imported and the network loads."""

import json
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import SeddError
from sedd_cli.generation.options import SamplingOptions

if TYPE_CHECKING:
    from sedd_cli.render.live import Frame, LiveView

LONGEST = 10_000
"""Tokens beyond which a canvas is not built for a preview."""


def preview(
    model: str | None, sampling: SamplingOptions | None, terminal: Terminal
) -> "AbstractContextManager[LiveView | None]":
    """Open the live view with the first frame of a run, if it is known. Yields None if it would not be visible."""
    from sedd_cli.render.live import LiveView

    view = LiveView()
    frame = first_frame(model, sampling) if terminal.live and sampling else None
    if frame is not None:
        view.show(frame)
    return terminal.live_view(view)


def first_frame(model: str | None, sampling: SamplingOptions) -> "Frame | None":
    """Return the canvas before its first step, from the files of a checkpoint on this machine.

    Returns None where these do not suffice; what is wrong with them is reported when the checkpoint is loaded.
    """
    from sedd_cli.models.layout import CONFIG
    from sedd_cli.models.names import find_checkpoint
    from sedd_cli.render.live import Frame
    from sedd_cli.text.tokenizer import Tokenizer
    from sedd_cli.text.words import encode_ends

    try:
        folder = find_checkpoint(model)
        config = json.loads((folder / CONFIG).read_bytes())
        if config.get("graph", {}).get("type", "absorb") != "absorb":
            return None
        length = sampling.length or int(config["model"]["length"])
        tokenizer = Tokenizer.from_file(folder / "tokenizer.json")
        head, tail, _ = encode_ends(tokenizer, sampling.prompt or "", sampling.suffix or "")
        masks = length - len(head) - len(tail)
    except (SeddError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not 0 < masks < LONGEST:
        return None
    return Frame(
        pieces=[*tokenizer.decode_each(head), *[None] * masks, *tokenizer.decode_each(tail)],
        kept=frozenset([*range(len(head)), *range(length - len(tail), length)]),
        changed=frozenset(),
        end=length,
        row="",
        step="loading",
        t=None,
        calls=0,
    )
