"""What the help of the main screen shows: signs, the cursor, commands by section, and terms."""

from collections.abc import Callable, Iterable

from rich.text import Text

from sedd_cli.tui.commands import COMMANDS, Command
from sedd_cli.tui.screens.help import Row, Section

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


def sections(keys_of: Callable[[Command], str], signs: Section) -> list[Section]:
    """All that is explained. `keys_of`: the keys of a command as they are bound; `signs`: those of the canvas."""
    return [
        signs,
        Section("Cursor", _rows(CURSOR)),
        *(
            Section(title, _rows((keys_of(command), command.description) for command in commands))
            for title, commands in COMMANDS.items()
        ),
        Section("Terms", _rows(TERMS)),
    ]


def _rows(rows: Iterable[tuple[str, str]]) -> list[Row]:
    return [Row(Text(sign, "bold"), meaning) for sign, meaning in rows]
