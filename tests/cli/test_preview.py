"""What is shown before and beside a run: the first frame, and lines of progress where nothing is drawn in place."""

import io

import pytest

from sedd_cli.cli import preview, terminal
from sedd_cli.cli.preview import first_frame
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.canvas import make_canvas
from tests.conftest import PARITY, Sedd


@pytest.mark.parametrize(("prompt", "suffix"), [("Once upon a time", " The end."), ("Once ", "the end")])
def test_the_first_frame_is_the_canvas_of_the_run(built_in: Checkpoint, prompt: str, suffix: str) -> None:
    assert built_in.tokenizer is not None
    options = SamplingOptions(length=40, prompt=prompt, suffix=suffix)
    frame = first_frame(None, options)
    canvas = make_canvas(built_in.tokenizer, 40, prompt, suffix)
    assert frame is not None
    assert [piece is None for piece in frame.pieces] == canvas.free.tolist()
    assert frame.kept == set((~canvas.free).nonzero().squeeze(-1).tolist())
    assert first_frame(None, SamplingOptions()).masks == built_in.length  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (str(PARITY / "absorb"), SamplingOptions()),
        (str(PARITY / "uniform"), SamplingOptions()),
        ("no such checkpoint", SamplingOptions()),
        (None, SamplingOptions(length=preview.LONGEST + 1)),
        (None, SamplingOptions(length=2, prompt="Once upon a time")),
    ],
)
def test_no_frame_where_the_canvas_is_not_known_before(model: str | None, options: SamplingOptions) -> None:
    assert first_frame(model, options) is None


def test_a_pipe_gets_lines_of_progress(sedd: Sedd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "LINE_SECONDS", 0.001)
    command = ("generate", "--length", "48", "--steps", "48", "--seed", "1")
    assert "network calls: " in sedd(*command).stderr
    assert sedd(*command, "-q").stderr == ""


def test_messages_wait_until_the_view_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    shown = terminal.Terminal()
    with preview.preview(None, SamplingOptions(), shown):
        shown.warn("too long")
        assert "too long" not in screen.getvalue()
    assert screen.getvalue().rindex("\x1b[?1049l") < screen.getvalue().index("too long")
