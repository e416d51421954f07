"""The commands of the main screen: the one table from which bindings, help and palette are made."""

from typing import NamedTuple

from textual.binding import Binding, BindingType


class Command(NamedTuple):
    """`keys` as Textual names them; `label` for the line at the foot, `description` for help and palette."""

    id: str
    keys: str
    action: str
    label: str
    description: str


TIME, TOKENS, DOCUMENT, SESSION = "Time", "Tokens", "Document", "Session"

COMMANDS: dict[str, tuple[Command, ...]] = {
    TIME: (
        Command("run.go", "g", "go", "go", "Write what is masked, or continue from here"),
        Command("run.pause", "space", "pause", "pause", "Pause, or resume"),
        Command("run.back", "comma", "step(-1)", "back", "Back one step"),
        Command("run.forth", "full_stop", "step(1)", "step", "Forward one step; at the end, one network call"),
        Command("run.first", "less_than_sign", "seek('first')", "", "To the first moment"),
        Command("run.last", "greater_than_sign", "seek('last')", "", "To the last moment"),
        Command("run.slower", "left_square_bracket", "speed(-1)", "", "Play slower"),
        Command("run.faster", "right_square_bracket", "speed(1)", "", "Play faster"),
        Command("run.again", "G", "again", "", "Write one more candidate"),
        Command("branch.next", "n", "branch(1)", "next", "Next candidate or branch"),
        Command("branch.previous", "p", "branch(-1)", "", "Previous candidate or branch"),
        Command("branch.list", "b", "branches", "", "List the branches"),
    ),
    TOKENS: (
        Command("token.alternatives", "enter", "alternatives", "alternatives", "Choose another token, and lock it"),
        Command("token.remask", "r", "remask", "remask", "Remask the token or the selection"),
        Command("token.remask-word", "w", "remask_word", "", "Remask the word"),
        Command("token.remask-doubtful", "c", "remask_doubtful", "", "Remask all below a confidence"),
        Command("token.remask-all", "R", "remask_all", "", "Remask all that is not locked"),
        Command("token.lock", "l", "lock", "lock", "Lock or unlock the token or the selection"),
        Command("token.heat", "h", "heat", "", "Show or hide confidence as colour"),
    ),
    DOCUMENT: (
        Command("text.mask", "m", "mask", "mask", "Mask the selection or the word"),
        Command(
            "text.tokens",
            "t",
            "tokens",
            "tokens",
            "How many tokens a gap gets, and write it anew if it is full; elsewhere, insert a gap",
        ),
        Command("text.markers", "M", "markers", "", "Make gaps of the markers in the text: [[12]], [[5-20]], [[...]]"),
        Command("text.accept", "a", "accept", "accept", "Accept what was written in this gap"),
        Command("text.reject", "x", "reject", "reject", "Reject it: restore the original text"),
        Command("text.accept-all", "A", "accept_all", "", "Accept all"),
        Command("text.reject-all", "X", "reject_all", "", "Reject all"),
        Command("text.next-gap", "tab", "next_gap(1)", "next gap", "To the next gap"),
        Command("text.previous-gap", "shift+tab", "next_gap(-1)", "", "To the gap before"),
        Command("text.edit", "i", "edit", "edit", "Edit the text; Esc returns"),
        Command("text.undo", "u", "undo", "undo", "Undo an edit or a run"),
        Command("text.redo", "ctrl+r", "redo", "", "Redo"),
        Command("text.diff", "d", "diff", "diff", "Compare with the file"),
        Command("text.copy", "y", "copy", "", "Copy the selection or the text"),
    ),
    SESSION: (
        Command("session.save", "ctrl+s", "save", "save", "Save"),
        Command("session.save-as", "S", "save_as", "", "Save as"),
        Command("session.export", "e", "export", "export", "Export the run or a picture"),
        Command("session.settings", "s", "settings", "settings", "Settings"),
        Command("session.help", "question_mark,f1", "help", "help", "Help"),
        Command("session.palette", "ctrl+p", "app.command_palette", "palette", "All commands by name"),
        Command("session.quit", "ctrl+q", "leave", "quit", "Quit"),
    ),
}
EDIT_MODE_ACTIONS = {"save", "help", "app.command_palette", "leave"}
"""Actions that are available in edit mode too: their keys type no text."""


def bindings() -> list[BindingType]:
    return [
        Binding("escape", "command", "command", show=False, id="session.command"),
        *(
            Binding(
                command.keys,
                command.action,
                command.description,
                show=False,
                id=command.id,
                # Overrides Textual's own bindings of these keys.
                priority=command.id in ("session.quit", "text.next-gap", "text.previous-gap"),
            )
            for commands in COMMANDS.values()
            for command in commands
        ),
    ]


_GENERAL = ("session.settings", "session.palette")
ALWAYS_HINTED = ("session.help", "session.quit")
EMPTY_HINTS = ("run.go", "text.edit", *_GENERAL)
TEXT_HINTS = (
    *("text.mask", "text.tokens", "run.go", "text.edit", "text.undo", "session.save", "text.diff"),
    *_GENERAL,
)
RUN_HINTS = (
    *("run.pause", "run.back", "run.forth", "token.remask", "token.lock", "token.alternatives", "run.go"),
    *("text.undo", "branch.next", "session.export"),
    *_GENERAL,
)
MASKED_HINTS = (
    *("run.go", "text.tokens", "text.mask", "text.reject", "text.next-gap", "text.undo", "session.save"),
    *_GENERAL,
)
GAP_HINTS = (
    *("text.accept", "text.reject", "branch.next", "text.next-gap", "text.tokens", "token.remask", "run.go"),
    *("text.undo", "session.save", "token.alternatives"),
    *_GENERAL,
)
"""Ids of the commands in the footer: those that are always there; then those of an empty canvas, of a document, of a
run, of masked gaps, and of written ones."""
BY_ID = {command.id: command for commands in COMMANDS.values() for command in commands}


def key_name(key: str) -> str:
    """Keys as they are written on a keyboard."""
    signs = {
        "comma": ",",
        "full_stop": ".",
        "less_than_sign": "<",
        "greater_than_sign": ">",
        "left_square_bracket": "[",
        "right_square_bracket": "]",
        "question_mark": "?",
        "enter": "↵",
    }
    return " ".join(signs.get(part.strip(), part.strip().replace("ctrl+", "^")) for part in key.split(","))
