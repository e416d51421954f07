"""What the data looks like in a terminal, and that it is bytes elsewhere."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sedd_cli.cli.output import Output
from sedd_cli.cli.terminal import Color

PARTS = [("one \x1b[31m two\r\n", ""), ("three", "underline green"), (" four five six\n", "")]
PLAIN = "".join(part for part, _ in PARTS)
Screen = Callable[[Callable[[Output], None]], str]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Shows what is written on a terminal of 16 columns."""
    pty = pytest.importorskip("pty")
    for name in ("NO_COLOR", "COLORTERM", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "16")

    def shown(write: Callable[[Output], None]) -> str:
        ours, theirs = pty.openpty()
        with os.fdopen(theirs, "w") as stdout, os.fdopen(ours, "rb", buffering=0) as terminal:
            with monkeypatch.context() as patch:
                patch.setattr(sys, "stdout", stdout)
                write(Output(None))
            data: bytes = terminal.read(4096)
        return data.decode().replace("\r\n", "\n")

    return shown


def test_what_is_new_is_coloured_in_a_terminal(screen: Screen) -> None:
    assert screen(lambda out: out.show(PARTS)) == "one ␛[31m two\n\x1b[4;32mthree\x1b[0m four five six\n"


@pytest.mark.parametrize("color", ["auto", "never"])
def test_without_colours_it_is_underlined(screen: Screen, monkeypatch: pytest.MonkeyPatch, color: Color) -> None:
    if color == "auto":
        monkeypatch.setenv("NO_COLOR", "1")
    assert screen(lambda out: out.show(PARTS, color)) == "one ␛[31m two\n\x1b[4mthree\x1b[0m four five six\n"


def test_a_terminal_that_knows_no_styles_gets_none(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert screen(lambda out: out.show(PARTS)) == "one ␛[31m two\nthree four five six\n"


def test_long_lines_are_wrapped_in_a_terminal_only(screen: Screen, tmp_path: Path) -> None:
    wrapped = screen(lambda out: out.show(PARTS, wrap=True))
    assert wrapped == "one ␛[31m two\n\x1b[4;32mthree\x1b[0m four \n  five six\n"
    with Output(tmp_path / "file") as out:
        out.show(PARTS, "always", wrap=True)
    assert (tmp_path / "file").read_bytes() == PLAIN.encode()


def test_plain_data_is_inert_in_a_terminal(screen: Screen) -> None:
    assert screen(lambda out: out.write(PLAIN)) == "one ␛[31m two\nthree four five six\n"


@pytest.mark.parametrize("color", ["auto", "never"])
def test_in_a_pipe_it_is_the_bytes(capfdbinary: pytest.CaptureFixture[bytes], color: Color) -> None:
    Output(None).show(PARTS, color, wrap=True)
    assert capfdbinary.readouterr().out == PLAIN.encode()
