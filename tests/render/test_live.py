"""The live view: how long a new word is lit."""

import io

from rich.console import Console

from sedd_cli.render.live import Frame, LiveView
from sedd_cli.render.palette import GLOW, STRONG

WORDS = ["zero", *(f" w{n}" for n in range(1, len(GLOW) + 3))]


def frame(calls: int, row: str = "") -> Frame:
    """Each call writes the next word."""
    pieces = [word if n <= calls else None for n, word in enumerate(WORDS)]
    return Frame(pieces, frozenset({0}), frozenset({calls}), len(WORDS), row, f"step {calls}", None, calls)


def styles(view: LiveView) -> dict[str, str]:
    console = Console(file=io.StringIO(), width=200, height=10, force_terminal=True, color_system="truecolor")
    return {text.strip(): str(style or "") for text, style, _ in console.render(view) if text.strip()}


def test_a_new_word_glows_and_cools_and_a_finished_text_is_at_rest() -> None:
    last = len(WORDS) - 1
    view = LiveView("sedd", last, clock=None)
    for calls in range(1, last):
        view.show(frame(calls))
    shown = styles(view)
    words = [shown.get(f"w{n}", "") for n in range(last - 1, 0, -1)]
    assert words[:STRONG] == ["reverse"] * STRONG and words[STRONG : len(GLOW)] == ["bold"] * (len(GLOW) - STRONG)
    assert shown["w1"] == "" and shown["zero"] == "bold" and "···" in shown
    view.show(frame(last))
    assert not {"reverse"} & set(styles(view).values())


def test_another_text_begins_without_the_glow_of_the_one_before() -> None:
    view = LiveView("sedd", 100, clock=None)
    view.show(frame(1, "text 1/2"))
    view.show(frame(3, "text 2/2"))
    assert [word for word, style in styles(view).items() if style == "reverse"] == ["w3"]
