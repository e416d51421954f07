"""What the user can do next, as the foot line and the empty token pane say it."""

from collections.abc import Callable

from sedd_cli.tui import commands
from sedd_cli.tui.commands import BY_ID
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.settings import Settings
from sedd_cli.tui.widgets.hints import Hint
from sedd_cli.tui.widgets.start_card import CardRow

KeyOf = Callable[[str], str]
"""The key that a command is bound to."""


def hints(
    scene: Scene,
    editing: bool,
    paused: bool,
    key_of: KeyOf,
    *,
    unsaved: bool = False,
    new: bool = False,
    sign: str = "",
    length: str = "",
) -> list[Hint]:
    """The commands of the foot line, with the keys as they are bound.

    `unsaved`: whether there is something to save; `new`: whether the text has no file yet; `sign`: the number of the
    gap that a verdict would be on; `length`: the number of tokens that is asked for in the gap at the cursor.
    """
    labels = {"run.pause": "play"} if paused else {}
    if scene.run is not None:
        labels["branch.next"] = "next branch"
    labels |= {id: f"{BY_ID[id].label} {sign}" for id in ("text.accept", "text.reject") if sign}
    if length:
        labels["text.tokens"] = f"{BY_ID['text.tokens'].label} {length}"
    if scene.branch is None and all(mark.masked for mark in scene.draft.marks):
        labels["text.reject"] = f"unmask {sign}".rstrip()

    def hints_of(*ids: str) -> list[Hint]:
        return [(key_of(id), labels.get(id, BY_ID[id].label), f"command('{id}')") for id in ids]

    if editing:
        save, quit_ = hints_of("session.save", "session.quit")
        (help_,) = hints_of("session.help")
        # Letters are text here.
        leaves = f"then {key_of('run.go')} writes on" if new and scene.draft.text else "ends editing"
        return [("esc", leaves, "leave_edit_mode"), ("^s", *save[1:]), ("F1", *help_[1:]), quit_]
    ids = _ids(scene, paused, unsaved, new)
    if scene.run is not None and len(scene.branches) == 1:
        ids = tuple(id for id in ids if id != "branch.next")
    return hints_of(*ids, *commands.ALWAYS_HINTED)


def _ids(scene: Scene, paused: bool, unsaved: bool, new: bool) -> tuple[str, ...]:
    """The commands that come next, most likely first."""
    if scene.branch is not None:
        # Verdicts need not wait until the candidates are compared.
        if scene.branch.finished and scene.at == scene.branch.last:
            if scene.run is None:
                return commands.FILLED_HINTS
            return commands.BRANCHED_HINTS if len(scene.branches) > 1 else commands.DONE_HINTS
        return commands.STOPPED_HINTS if paused else commands.RUNNING_HINTS
    if any(not mark.masked for mark in scene.draft.marks):
        return commands.FILLED_HINTS
    if scene.draft.marks:
        return commands.MASKED_HINTS
    if not scene.draft.text and not scene.ending:
        return commands.EMPTY_HINTS
    if new:
        return commands.NEW_TEXT_HINTS
    return commands.CHANGED_HINTS if unsaved else commands.TEXT_HINTS


def card_rows(writes: str, key_of: KeyOf) -> tuple[CardRow, ...]:
    """The rows of the start card; `writes`: "story" or "text"."""
    return (
        CardRow("↵", f"write a {writes}", "run.go"),
        CardRow("abc", "type a beginning", "text.edit"),
        CardRow(key_of("session.open"), "open a document", "session.open"),
        CardRow(key_of("run.ending"), "write towards an ending", "run.ending"),
        CardRow(key_of("session.help"), "all keys", "session.help"),
    )


def inspector_hint(scene: Scene, key_of: KeyOf, settings: Settings, *, unsaved: bool = False, new: bool = False) -> str:
    """What the token pane says where there is no token."""
    if scene.infilling is not None and scene.branch is not None and scene.branch.finished:
        verdict = f"{key_of('text.accept')} accepts what is new, {key_of('text.reject')} rejects it."
        return f"{verdict}\n{key_of('branch.next')} shows another candidate."
    if scene.branch is not None:
        return "Move to a token to see\nits alternatives."
    if scene.draft.masked and (share := settings.strength) < 1:
        which = "tokens at random" if settings.by == "random" else "the least likely tokens"
        return (
            f"{key_of('run.go')} writes {100 * share:g}% of it anew, {which}.\nThe rest stays: strength is {share:g}."
        )
    if scene.draft.masked:
        return f"{key_of('run.go')} writes what is masked.\n{key_of('text.tokens')}: how many tokens."
    if scene.draft.marks:
        return f"{key_of('text.accept')} accepts, {key_of('text.reject')} rejects\nwhat was written."
    if new:
        return f"{key_of('run.go')} writes on.\n{key_of('run.ending')} sets how it ends."
    if unsaved:
        return f"{key_of('session.save')} saves the text as it is now.\n{key_of('text.diff')} shows what has changed."
    return f"{key_of('text.mask')} masks the word here, or what is selected\n(Shift+→; whole words: Ctrl+Shift+→)."


def branches_hint(scene: Scene, key_of: KeyOf) -> str:
    """What the column of branches says below them."""
    if not scene.branches:
        return "What is written stands here too: candidates, and branches after a change of yours."
    if len(scene.branches) == 1:
        return f"{key_of('run.again')} writes another."
    return f"{key_of('branch.list')}, then ↑ ↓ show one."
