"""What is shown before and beside a run: the first frame, and lines of progress where nothing is drawn in place."""

import io

import pytest

from sedd_cli.cli import preview, terminal
from sedd_cli.cli.gaps import AskedGaps
from sedd_cli.cli.preview import canvas_frame, document_frame
from sedd_cli.cli.watch import make_frame
from sedd_cli.generation.engine import Step
from sedd_cli.generation.infill import Infilling
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.render.live import Frame
from sedd_cli.text.canvas import make_canvas
from sedd_cli.text.document import Document
from tests.conftest import PARITY, Sedd


@pytest.mark.parametrize(("prompt", "suffix"), [("Once upon a time", " The end."), ("Once ", "the end")])
def test_the_first_frame_is_the_canvas_of_the_run(built_in: Checkpoint, prompt: str, suffix: str) -> None:
    assert built_in.tokenizer is not None
    options = SamplingOptions(length=40, prompt=prompt, suffix=suffix)
    frame = canvas_frame(None, options)
    canvas = make_canvas(built_in.tokenizer, 40, prompt, suffix)
    assert frame is not None
    assert [piece is None for piece in frame.pieces] == canvas.free.tolist()
    assert frame.kept == set((~canvas.free).nonzero().squeeze(-1).tolist())
    assert canvas_frame(None, SamplingOptions()).masks == built_in.length  # type: ignore[union-attr]


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
    assert canvas_frame(model, options) is None


STORY = "Once upon a time there was a dog. He liked to play. " * 3


def asked(mask: str = "", tokens: str | None = None) -> AskedGaps:
    return AskedGaps(
        spans=[mask] * bool(mask),
        unit="chars",
        pattern=None,
        brackets=("[[", "]]"),
        tokens=tokens,
        whole_words=False,
        one_line=None,
    )


def shown_by_the_run(checkpoint: Checkpoint, text: str, gaps: AskedGaps, length: int | None = None) -> Frame:
    """The live view's frame of the first window of a document, before its first step."""
    named = gaps.of(Document(None, text.encode(), text), checkpoint.tokenizer, terminal.Terminal(quiet=True))
    job = Infilling(checkpoint, Request(length=length), text, named)
    state = job.start(0)
    nothing = state.ids[:0]
    return make_frame(job, Step(0, 0, 1.0, 1.0, nothing, nothing, nothing, 0, state), 0)


@pytest.mark.parametrize(
    ("text", "gaps", "length"),
    [
        (STORY, asked("5:9"), None),
        (STORY, asked("60:80", "4"), 24),
        (STORY.replace(" ", "\r\n", 4), asked("10:40"), None),
        ("One [[3]] two [[2]] \N{EARTH GLOBE EUROPE-AFRICA}.", asked(), None),
    ],
    ids=["a span", "a window", "CRLF", "markers"],
)
def test_the_first_frame_of_a_document_is_that_of_the_run(
    built_in: Checkpoint, text: str, gaps: AskedGaps, length: int | None
) -> None:
    frame = document_frame(None, SamplingOptions(length=length), Document(None, text.encode(), text), gaps)
    run = shown_by_the_run(built_in, text, gaps, length)
    assert frame is not None and frame.masks
    assert (frame.pieces, frame.kept, frame.infills) == (run.pieces, run.kept, run.infills)


@pytest.mark.parametrize(
    "text", ["One [[3]] two [[5-20]] three.", pytest.param("One day [[...]] the end.", marks=pytest.mark.slow)]
)
def test_what_stands_behind_a_gap_of_unknown_length_is_not_shown_yet(built_in: Checkpoint, text: str) -> None:
    frame = document_frame(None, SamplingOptions(), Document(None, text.encode(), text), asked())
    run = shown_by_the_run(built_in, text, asked())
    assert frame is not None and len(frame.pieces) < len(run.pieces) and frame.pieces[-1] is None
    assert frame.pieces == run.pieces[: len(frame.pieces)]


def test_no_frame_of_a_document_whose_window_is_not_known_before() -> None:
    document = Document(None, STORY.encode(), STORY)
    assert document_frame(None, SamplingOptions(length=24), document, asked("60:80", "auto")) is None
    assert document_frame(None, SamplingOptions(), document, asked("0:99999")) is None
    assert document_frame(None, SamplingOptions(), document, asked("5:5")) is None
    assert document_frame(str(PARITY / "uniform"), SamplingOptions(), document, asked("5:9")) is None


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
    with preview.preview(lambda: canvas_frame(None, SamplingOptions()), shown):
        shown.warn("too long")
        assert "too long" not in screen.getvalue()
    assert screen.getvalue().rindex("\x1b[?1049l") < screen.getvalue().index("too long")
