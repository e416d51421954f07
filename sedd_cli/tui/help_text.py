"""What the help of the main screen says beside the keys of the commands."""

from rich.text import Text

from sedd_cli.tui.style import END_OF_TEXT_SIGN, MASK, PARTIAL_CHARACTER_SIGN

CURSOR = (
    "Cursor",
    [
        ("← → ↑ ↓", "Move; with ctrl by words, with shift select"),
        ("mouse", "Click, drag to select, double click a word; drag the timeline"),
        ("esc", "Leave edit mode; drop the selection"),
    ],
)
TERMS = (
    "Terms",
    [
        ("t", "Time: 1 is all MASK, 0 is text"),
        ("calls a/b", "Network calls made, and needed in all; steps that reveal nothing need none"),
        ("curve", "MASKs left, moment by moment"),
        ("p", "The probability that the network gave a token when it wrote it"),
        ("now", "The same, if it were written again given the current text"),
        ("entropy", "How open the choice is, in nats: 0 is certain, 5 is wide open"),
        ("moment", "The text after a network call or a change of yours"),
        ("branch", "A list of moments; an edit at an earlier moment forks another"),
        ("candidate", "A branch from the start; a document's are shown best first: fewer nats fit better"),
    ],
)


def legend(heat: bool) -> Text:
    """What the styles of the canvas mean; `heat`: whether confidence is shown."""
    text = Text()
    for sign, style, meaning in (
        (MASK.strip(), "", "MASK: not written yet"),
        ("reversed", "reverse", "written in this step"),
        ("bold", "bold", "yours: kept as it is"),
        ("underlined", "underline", "new in a document, until you accept or reject it; on a canvas, locked"),
        (END_OF_TEXT_SIGN, "", "the end of the text; what follows is another one"),
        (PARTIAL_CHARACTER_SIGN, "", "part of a character of which the rest is missing"),
    ):
        text.append(f"{sign:<11}", style=style)
        text.append(f" {meaning}\n")
    colours = (
        "The colour behind a token: how sure the network was of it, each of 8 steps half as sure as the one before."
    )
    text.append(colours if heat else "h shows how sure the network was of each token.")
    return text
