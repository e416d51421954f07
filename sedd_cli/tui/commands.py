"""The commands of the main screen: the one table from which bindings, help and palette are made."""

from typing import NamedTuple

from textual.binding import Binding, BindingType


class Command(NamedTuple):
    """`keys` as Textual names them; `label` for the line at the foot, `description` for help and palette.

    `target`: the method of the main screen, or of one of its parts, that it calls, such as "runs.step(-1)".
    """

    id: str
    keys: str
    target: str
    label: str
    description: str


TIME, TOKENS, DOCUMENT, SESSION = "Time", "Tokens", "Document", "Session"

COMMANDS: dict[str, tuple[Command, ...]] = {
    TIME: (
        Command("run.go", "g", "runs.go()", "go", "Write what is masked, or go on from here"),
        Command("run.pause", "space", "runs.pause()", "pause", "Pause, or resume"),
        Command("run.back", "comma", "runs.step(-1)", "back", "Back one step"),
        Command("run.forth", "full_stop", "runs.step(1)", "step", "Forward one step; at the end, one network call"),
        Command("run.first", "less_than_sign", "runs.seek(0)", "", "To the first moment"),
        Command("run.last", "greater_than_sign", "runs.seek(-1)", "", "To the last moment"),
        Command("run.slower", "left_square_bracket", "runs.change_speed(-1)", "slower", "Play slower"),
        Command("run.faster", "right_square_bracket", "runs.change_speed(1)", "faster", "Play faster"),
        Command("run.ending", "ctrl+e", "document.ask_ending()", "ending", "Write a text towards an ending"),
        Command("run.again", "G", "runs.again()", "another", "Write another text, or one more candidate"),
        Command("run.watch", "w", "runs.watch()", "watch again", "Watch it again from the first moment"),
        Command("branch.next", "n", "runs.switch_branch(1)", "next", "Next candidate or branch"),
        Command("branch.previous", "N", "runs.switch_branch(-1)", "", "Previous candidate or branch"),
        Command("branch.list", "b", "list_branches()", "branches", "The branches and candidates: arrows show one"),
        Command(
            "view.figures", "equals_sign", "toggle_figures()", "figures", "Show or hide step, time, calls and bound"
        ),
    ),
    TOKENS: (
        Command("token.alternatives", "enter", "tokens.choose()", "choose", "Choose another token, and lock it"),
        Command("token.remask", "r", "tokens.remask()", "remask", "Remask the token or the selection"),
        Command("token.remask-word", "W", "tokens.remask_word()", "", "Remask the word"),
        Command(
            "token.remask-doubtful",
            "c",
            "proof.mask_unsure()",
            "unsure",
            "Mask the unsure words of the selection or of all",
        ),
        Command("token.remask-all", "R", "tokens.remask_all()", "", "Remask all that is not locked"),
        Command("token.lock", "l", "tokens.lock()", "lock", "Lock or unlock the token or the selection"),
        Command("token.shading", "h", "next_shading()", "", "Colour by certainty, by order of writing, or not"),
    ),
    DOCUMENT: (
        Command("text.mask", "m", "document.mask()", "mask", "Mask the selection or the word"),
        Command(
            "text.tokens",
            "t",
            "document.set_length()",
            "tokens",
            "How many tokens a gap gets, and write it anew if it is full; elsewhere, insert a gap",
        ),
        Command(
            "text.markers",
            "M",
            "document.use_markers()",
            "",
            "Make gaps of the markers in the text: [[12]], [[5-20]], [[...]]",
        ),
        Command(
            "text.proof",
            "p",
            "proof.proofread()",
            "proofread",
            "Proofread the selection or the text: unlikely words, one after another",
        ),
        Command("text.accept", "a", "document.accept()", "accept", "Accept what was written in this gap"),
        Command("text.reject", "x", "document.reject()", "reject", "Reject it: restore the original text"),
        Command("text.accept-all", "A", "document.accept_all()", "accept all", "Accept all"),
        Command("text.reject-all", "X", "document.reject_all()", "", "Reject all"),
        Command("text.next-gap", "tab", "document.next_gap(1)", "next gap", "To the next gap"),
        Command("text.previous-gap", "shift+tab", "document.next_gap(-1)", "", "To the gap before"),
        Command("text.edit", "i", "document.edit()", "edit", "Edit the text; Esc returns"),
        Command("text.undo", "u", "document.undo()", "undo", "Undo an edit or a run"),
        Command("text.redo", "ctrl+r", "document.redo()", "", "Redo"),
        Command("text.diff", "d", "files.show_changes()", "diff", "Show what has changed since the file was read"),
        Command("text.copy", "y", "files.copy()", "copy", "Copy the selection or the text"),
    ),
    SESSION: (
        Command("session.open", "ctrl+o", "files.open()", "open", "Open a document"),
        Command("session.save", "s,ctrl+s", "files.save()", "save", "Save"),
        Command("session.save-as", "S", "files.save_as()", "", "Save as"),
        Command("session.export", "e", "files.export()", "export", "Export the run or a picture"),
        Command("session.checkpoint", "k", "checkpoints.choose()", "checkpoint", "Switch or download a checkpoint"),
        Command("session.settings", "o,f2", "show_settings()", "settings", "Settings"),
        Command("session.help", "question_mark,f1", "show_help()", "help", "Help"),
        Command("session.palette", "ctrl+p", "app.action_command_palette()", "palette", "All commands by name"),
        Command("session.quit", "ctrl+q", "files.leave()", "quit", "Quit"),
    ),
}
EDIT_MODE = {"run.ending", "session.open", "session.save", "session.help", "session.palette", "session.quit"}
"""Commands that are available in edit mode too: their keys type no text."""


def bindings() -> list[BindingType]:
    return [
        Binding("escape", "leave_edit_mode", "command", show=False, id="session.command"),
        *(
            Binding(
                command.keys,
                f"command('{command.id}')",
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


_GENERAL = ("session.settings", "session.checkpoint", "session.palette")
ALWAYS_HINTED = ("session.help", "session.quit")
EMPTY_HINTS = ("session.open", "run.ending", "session.palette")
TEXT_HINTS = (
    *("text.mask", "text.tokens", "run.go", "text.edit", "text.proof", "text.undo", "session.save", "text.diff"),
    *_GENERAL,
)
CHANGED_HINTS = (
    *("session.save", "text.diff", "text.undo", "text.proof", "text.mask", "text.tokens", "text.edit"),
    *_GENERAL,
)
NEW_TEXT_HINTS = (
    "run.go",
    "run.ending",
    "text.edit",
    "text.proof",
    "text.mask",
    "text.undo",
    "session.save",
    *_GENERAL,
)
RUNNING_HINTS = ("run.pause", "run.back", "run.slower", "run.faster", "view.figures", *_GENERAL)
STOPPED_HINTS = (
    *("run.pause", "run.back", "run.forth", "token.alternatives", "token.remask", "token.lock", "run.go"),
    *("text.undo", "branch.next", "session.export"),
    *_GENERAL,
)
DONE_HINTS = (
    *("run.again", "text.copy", "session.save", "session.export", "run.watch", "token.alternatives", "token.remask"),
    *("token.remask-doubtful", "text.proof", "text.undo", "run.back"),
    *_GENERAL,
)
BRANCHED_HINTS = (
    *("branch.next", "branch.list", "session.save", "session.export", "run.again", "text.copy", "run.watch"),
    *("token.alternatives", "token.remask", "text.undo", "run.back"),
    *_GENERAL,
)
MASKED_HINTS = (
    *("run.go", "text.tokens", "text.mask", "text.reject", "text.next-gap", "text.undo", "session.save"),
    *_GENERAL,
)
FILLED_HINTS = (
    *("text.accept", "text.reject", "branch.next", "text.next-gap", "text.accept-all", "session.save", "text.diff"),
    *("token.alternatives", "run.again", "run.watch", "text.tokens", "token.remask", "text.undo"),
    *_GENERAL,
)
"""Ids of the commands in the footer: those that are always there; then those of an empty canvas, of a document, of one
that was changed, of a new text, of a run that is written or played, that is stopped, that is done, that is done and has
branches to compare, of masked gaps, and of written ones."""
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
        "equals_sign": "=",
        "question_mark": "?",
        "enter": "↵",
    }
    return " ".join(signs.get(part.strip(), part.strip().replace("ctrl+", "^")) for part in key.split(","))
