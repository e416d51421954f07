"""Opens a session of `sedd tui`. Imports no Typer: the first paint would wait for it."""

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sedd_cli.errors import UsageError


def plain_session(arguments: Sequence[str]) -> dict[str, Any] | None:
    """What `sedd tui` and `sedd tui FILE` ask of `open_session`; None for other arguments."""
    if arguments[:1] != ["tui"] or len(arguments) > 2 or any(word.startswith("-") for word in arguments):
        return None
    # As the options of these names; an empty variable is none.
    overrides = {name: os.environ.get(f"SEDD_{name.upper()}") or None for name in ("model", "device")}
    return {"file": Path(arguments[1]) if len(arguments) > 1 else None, "overrides": overrides}


def open_session(
    file: Path | None = None, prompt: str | None = None, overrides: Mapping[str, Any] | None = None, debug: bool = False
) -> int:
    """Open a session, and return its exit code. `overrides`: settings for it alone, None for those of the file.

    Raises `UsageError` where there is no terminal that can show it, and what `sedd_cli.tui.app.run` raises.
    """
    overrides = overrides or {}
    if prompt is not None and file is not None:
        raise UsageError(
            "--prompt begins a new text, but FILE is there to be opened",
            "Leave out one of them; within a document, i edits and m masks.",
        )
    if prompt:
        from sedd_cli.text.encodings import check_text

        check_text("prompt", prompt)
    if os.environ.get("TERM", "").lower() == "dumb":
        raise UsageError(
            "sedd tui cannot be shown on a dumb terminal (TERM=dumb)",
            "Use sedd generate or sedd infill; or set TERM if the terminal can do more, for example to xterm-256color.",
        )
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()):
        raise UsageError("sedd tui needs a terminal", "In a pipe, use sedd generate or sedd infill.")
    from sedd_cli.cli.checkpoints import fetch_if_missing
    from sedd_cli.cli.terminal import Terminal

    terminal = Terminal()
    fetch_if_missing(overrides.get("model"), terminal)
    # Garbage collection takes a tenth of the time to the first paint. The engine enables it once a checkpoint is there.
    gc.disable()
    from sedd_cli.tui.app import run

    return run(file, prompt, overrides, terminal.warn, debug)
