"""Where a filled document goes: to stdout or a file, as a text, as a diff, or back to its own place."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sedd_cli.cli.infill_run import Filled
from sedd_cli.cli.output import Output
from sedd_cli.cli.terminal import Color, Terminal
from sedd_cli.errors import SeddError, UsageError
from sedd_cli.text.document import Document
from sedd_cli.text.in_place import save_with_backup

if TYPE_CHECKING:
    from sedd_cli.generation.filling import Filling


def check_in_place(source: str) -> None:
    """Raises `UsageError` for what has no place to go back to, before it is read: stdin, pipes, devices, folders."""
    if source == "-":
        raise UsageError("--in-place has no file to write to: the document is on stdin", "Leave it out.")
    if Path(source).exists() and not Path(source).is_file():
        raise UsageError(f"{source} is no file that could be written back", "Leave out --in-place.")


def show_text(filling: "Filling", out: Output, color: Color) -> None:
    """Write the document; on a terminal, what was filled is visibly new."""
    # What colour is asked for concerns stderr: a document in a pipe has none.
    out.show(_parts(filling), "never" if color == "never" else "auto")


def diff_of(filled: Filled, document: Document) -> list[tuple[str, str]]:
    """What the best candidate changes, as a unified diff: parts with their styles."""
    from sedd_cli.render.diff import diff_parts

    best = filled.fillings[0]
    changes = [((gap.start, gap.end), span) for gap, span in zip(filled.infilling.sized_gaps, best.spans, strict=True)]
    return diff_parts(document.text, best.text, changes, document.name)


def _parts(filling: "Filling") -> list[tuple[str, str]]:
    """The document as parts with their styles."""
    from sedd_cli.render.live import FILLED

    parts, at = [], 0
    for start, end in filling.spans:
        parts += [(filling.text[at:start], ""), (filling.text[start:end], FILLED)]
        at = end
    return [*parts, (filling.text[at:], "")]


def write_in_place(text: str, document: Document, *, printed: bool, terminal: Terminal) -> bool:
    """Write a text to its document's file. Returns whether that was changed. `printed`: stdout has its own data.

    Raises `SeddError` if it cannot be written.
    """
    if text == document.text:
        terminal.info(f"{document.name} was left as it is: nothing changed")
        return False
    try:
        _, backup = save_with_backup(document, text)
    except SeddError:
        # The finished text is not lost with its place. Where stdout fails too, the place's error is the one to be told.
        if not printed:
            with suppress(SeddError):
                Output(None).write(text)
                terminal.info("the finished document is on stdout instead")
        raise
    terminal.info(f"{document.name} written; what it was is in {backup}")
    return True
