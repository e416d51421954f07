"""Data in and out: the same bytes to stdout or a file; prompts from arguments or stdin."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sedd_cli.atomic import AtomicFile
from sedd_cli.errors import SeddError, UsageError
from sedd_cli.text.byte_level import END_OF_TEXT

if TYPE_CHECKING:
    from sedd_cli.cli.terminal import Color, Terminal


class Output:
    """The destination of the data. A file is checked at once and replaced atomically by `write`.

    Raises `SeddError` if it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        if path is None:
            _check_stdout()
        self._file = None if path is None else AtomicFile(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.discard()

    def save_partial(self, terminal: "Terminal") -> bool:
        """Redirect partial data to stdout if it would replace an existing file. Returns whether it does."""
        if self._file is None or not self._file.path.is_file():
            return False
        _check_stdout()
        self._file.discard()
        terminal.info(f"stopped: {self._file.path} was left as it is")
        self._file = None
        return True

    def write(self, text: str) -> None:
        """Write all the data, as UTF-8."""
        if self._file is not None:
            self._file.write(_encode(text))
            self._file.commit()
            return
        self._to_stdout(_visible(text) if self.on_terminal else text)

    @property
    def on_terminal(self) -> bool:
        """Whether the data is shown in a terminal, not stored or piped."""
        return self._file is None and sys.stdout.isatty()

    def show(self, parts: Sequence[tuple[str, str]], color: "Color" = "auto", *, wrap: bool = False) -> None:
        """Write parts of text with their styles: on a terminal, or in a pipe if `color` is "always".

        Without colours (`NO_COLOR`, "never") underlines stay. `wrap`: on a terminal, break lines between words.
        """
        if self._file is not None or not (self.on_terminal or color == "always"):
            self.write("".join(part for part, _ in parts))
            return
        from rich.console import COLOR_SYSTEMS, Console

        from sedd_cli.render.wrapped import wrapped

        console = Console(
            file=sys.stdout,
            force_terminal=True if color == "always" else None,
            no_color=True if color == "never" else None,
        )
        system = COLOR_SYSTEMS.get(console.color_system or "")
        visible = [(_visible(part), style) for part, style in parts]
        rendered = []
        # Rendered part by part: Console.print would expand tabs.
        for part, name in wrapped(visible, console.width) if wrap and self.on_terminal else visible:
            style = console.get_style(name)
            rendered.append((style.without_color if console.no_color else style).render(part, color_system=system))
        self._to_stdout("".join(rendered))

    def _to_stdout(self, text: str) -> None:
        try:
            sys.stdout.buffer.write(_encode(text))
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # The reader closed the pipe. Without this, Python's flush at exit would raise again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            raise SeddError(f"cannot write to stdout: {error.strerror}", "Give a file with -o.") from error


def _visible(text: str) -> str:
    """A text as a terminal shows it: inert. The CR of a CRLF is no sign of its own."""
    from sedd_cli.render.inert import inert

    return inert(text.replace("\r\n", "\n"))


def _check_stdout() -> None:
    if sys.stdout is None:
        raise SeddError("stdout is closed", "Give a file with -o.")


def _encode(text: str) -> bytes:
    """UTF-8; file names that are not UTF-8 keep their bytes."""
    return text.encode(errors="surrogateescape")


def check_not_overwritten(inputs: Iterable[str | Path], *outputs: Path | None) -> None:
    """Raises `UsageError` if an output is one of the inputs."""
    read = {os.path.realpath(file) for file in inputs}
    for path in outputs:
        if path is not None and path.exists() and os.path.realpath(path) in read:
            raise UsageError(f"the output would write over {path}, which is an input", "Give another file.")


def join_texts(texts: list[str]) -> str:
    """Each text with a newline; several are separated by a line `<|endoftext|>`."""
    return f"{END_OF_TEXT}\n".join(f"{text}\n" for text in texts)


def as_json(record: dict[str, object]) -> str:
    return json.dumps({"schema_version": 1, **record}, ensure_ascii=False, indent=2) + "\n"


def read_prompt(prompt: str | None) -> str | None:
    """The prompt as given; `-` reads stdin, without a byte order mark and one final newline.

    Raises `UsageError` if stdin is closed or not UTF-8.
    """
    if prompt != "-":
        return prompt
    if sys.stdin is None:
        raise UsageError("the prompt is '-', but stdin is closed", "Pipe a text in, or give the prompt itself.")
    data = sys.stdin.buffer.read()
    try:
        text = data.decode().removeprefix("\ufeff")
        return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"stdin is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}",
            "Convert it first, for example with iconv -t UTF-8.",
        ) from None
