"""Data in and out: the same bytes to stdout or a file; prompts from arguments or stdin."""

import json
import os
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sedd_cli.atomic import STDOUT, AtomicFile, descriptor_of
from sedd_cli.errors import SeddError, UsageError
from sedd_cli.text.byte_level import END_OF_TEXT
from sedd_cli.text.encodings import BOM, decode, fault_of

if TYPE_CHECKING:
    from sedd_cli.cli.terminal import Color, Terminal


class Output:
    """The destination of the data: stdout (None), or a file, checked at once and replaced atomically by `write`.

    Raises `SeddError` if it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.to_stdout = path is None or descriptor_of(path) == 1
        if self.to_stdout:
            _check_stdout()
        self._file = None if path is None or self.to_stdout else AtomicFile(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.discard()

    def save_partial(self, terminal: "Terminal") -> bool:
        """Redirect partial data to stdout if it would replace an existing file. Returns whether it does."""
        if self._file is None or not self._file.replaces:
            return False
        _check_stdout()
        self._file.discard()
        terminal.info(f"stopped: {self._file.path} was left as it is")
        self._file, self.to_stdout = None, True
        return True

    def write(self, text: str) -> None:
        """Write all the data, as UTF-8; shown inert on a terminal."""
        if sys.stdout.isatty() if self._file is None else self._file.is_terminal:
            text = _visible(text)
        if self._file is None:
            self._write_to_stdout(text)
        else:
            self._file.write(_encode(text))
            self._file.commit()

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
        self._write_to_stdout("".join(rendered))

    def _write_to_stdout(self, text: str) -> None:
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


def file_or_stdout(name: str) -> Path:
    """A file to write to by its name; `-` is stdout."""
    return STDOUT if name == "-" else Path(name)


def check_outputs(
    outputs: Mapping[str, Path | None], inputs: Iterable[str | Path] = (), hint: str = "Give another file."
) -> None:
    """Check where several options write: `outputs` maps each option to its file, None if it is not given.

    Raises `UsageError` if an output is one of the inputs (with `hint`), or two are the same file or stream.
    """
    read = {os.path.realpath(file) for file in inputs}
    taken: dict[object, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        place = descriptor_of(path) or os.path.realpath(path)
        if place in read and path.exists():
            raise UsageError(f"{option} would write over {path}, which is an input", hint)
        if place in taken:
            name = "stdout" if place == 1 else path
            raise UsageError(f"{taken[place]} and {option} both write to {name}", "Give each its own file.")
        if place != os.path.realpath(os.devnull):
            taken[place] = option


def join_texts(texts: list[str]) -> str:
    """Each text with a newline; several are separated by a line `<|endoftext|>`."""
    return f"{END_OF_TEXT}\n".join(f"{text}\n" for text in texts)


def as_json(record: dict[str, object]) -> str:
    return json.dumps({"schema_version": 1, **record}, ensure_ascii=False, indent=2) + "\n"


def stdin_waits() -> bool:
    """Whether stdin is a pipe or a file with data to read; reads nothing and never blocks.

    False on Windows, which cannot be asked.
    """
    if sys.platform == "win32" or sys.stdin is None or sys.stdin.isatty():
        return False
    import fcntl
    import termios

    waiting = array("i", [0])
    # A stdin without a descriptor, or that cannot be asked, as /dev/null.
    with suppress(OSError):
        fcntl.ioctl(sys.stdin.fileno(), termios.FIONREAD, waiting)
    return waiting[0] > 0


def read_prompt(prompt: str | None) -> str | None:
    """The prompt as given; `-` reads stdin, without a byte order mark and one final newline.

    Raises `UsageError` if stdin is closed or not UTF-8.
    """
    if prompt != "-":
        return prompt
    if sys.stdin is None:
        raise UsageError("the prompt is '-', but stdin is closed", "Pipe a text in, or give the prompt itself.")
    data = sys.stdin.buffer.read()
    if (text := decode(data)) is None:
        raise UsageError(*fault_of(data, None))
    text = text.removeprefix(BOM)
    return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")
