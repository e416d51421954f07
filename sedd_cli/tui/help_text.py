"""What the help of the main screen shows: signs, the cursor, commands by section, and terms."""

from collections.abc import Callable, Iterable

from rich.text import Text

from sedd_cli.tui.commands import COMMANDS, Command
from sedd_cli.tui.screens.help import Row, Section
from sedd_cli.tui.style import END_OF_TEXT_SIGN, MASK, PARTIAL_CHARACTER_SIGN

CURSOR = (
    ("← → ↑ ↓", "Move; with ctrl by words, with shift select"),
    ("mouse", "Click, drag to select, double click a word; drag the timeline"),
    ("esc", "Leave edit mode; drop the selection"),
)
TERMS = (
    ("62%", "How far the run is: the network calls made, of those needed; ≥ and ≤ mark a bound"),
    ("masks", "MASKs left, moment by moment"),
    ("uncertainty", "How open the choice was of the words written at each moment: their mean entropy"),
    ("moment", "The text after a network call or a change of yours"),
    ("branch", "A list of moments; a change at an earlier moment begins another"),
    ("candidate", "A branch from the start; a document's are shown best first"),
    ("t", "Time: 1 is all MASK, 0 is text"),
    ("calls a/b", "Network calls made, and needed in all; steps that write nothing need none"),
    ("nats", "The bound on how unlikely a candidate is: fewer fit better"),
)


def sections(keys_of: Callable[[Command], str], heat: bool) -> list[Section]:
    """All that is explained. `keys_of`: the keys of a command as they are bound; `heat`: whether colours are shown."""
    return [
        legend(heat),
        Section("Cursor", _rows(CURSOR)),
        *(
            Section(title, _rows((keys_of(command), command.description) for command in commands))
            for title, commands in COMMANDS.items()
        ),
        Section("Terms", _rows(TERMS)),
    ]


def legend(heat: bool) -> Section:
    """What the styles of the canvas mean; `heat`: whether confidence is shown."""
    colours = "how sure the network was of a token: each of 8 steps half as sure as the one before"
    rows = [
        Row(Text(MASK.strip()), "MASK: not written yet"),
        Row(Text("reversed", "reverse"), "written in this step"),
        Row(Text("bold", "bold"), "yours: kept as it is"),
        Row(Text("underlined", "underline"), "new in a document, until you accept or reject it; on a canvas, locked"),
        Row(Text(END_OF_TEXT_SIGN), "the end of the text; what follows is another one"),
        Row(Text(PARTIAL_CHARACTER_SIGN), "part of a character of which the rest is missing"),
        Row(Text("colour"), colours if heat else "h shows how sure the network was of each token"),
    ]
    return Section("Signs", rows)


def _rows(rows: Iterable[tuple[str, str]]) -> list[Row]:
    return [Row(Text(sign, "bold"), meaning) for sign, meaning in rows]
