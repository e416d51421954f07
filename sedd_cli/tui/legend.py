"""What the colours and signs of the canvas mean."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text

from sedd_cli.render.palette import GLOW, STEPS, SURE_FROM
from sedd_cli.tui.settings import Shading
from sedd_cli.tui.style import END_OF_TEXT_SIGN, MASK, PARTIAL_CHARACTER_SIGN

if TYPE_CHECKING:
    from sedd_cli.tui.screens.help import Section

StyleOf = Callable[[str], Style]
"""The style of a token's classes on the canvas."""
_SIGNS = (
    ("new", "revealed glow0", f"just written: it glows, and cools over {len(GLOW)} calls"),
    (MASK.strip(), "mask", "MASK: not written yet"),
    ("bold", "kept", "yours: kept as it is"),
    ("underlined", "pending", "new in a document, until you accept or reject it"),
    ("underlined", "locked", "on a canvas: locked, kept as it is from now on"),
    (END_OF_TEXT_SIGN, "past", "the end of the text; what follows is another one"),
    (PARTIAL_CHARACTER_SIGN, "text", "part of a character of which the rest is missing"),
)
_RARE = {END_OF_TEXT_SIGN, PARTIAL_CHARACTER_SIGN, "underlined"}


def legend(shading: Shading, style_of: StyleOf, key: str) -> "Section":
    """A line for each meaning, as a section of the help; `key`: lets the colours show something else."""
    # Imported late: the line is shown without the help.
    from sedd_cli.tui.screens.help import Row, Section

    rows = [Row(Text("colour"), f"{key} shows how sure the network was of a word, or when it wrote it")]
    if shading != "plain":
        percents = [f"{share:.0%}" for share in SURE_FROM]
        sure = f"how sure the network was of a word: {percents[0]} or more, {', '.join(percents[1:])}, less"
        about = sure if shading == "certainty" else "when a word was written, from first to last"
        rows = [Row(_scale(shading, "●" * STEPS, style_of), f"{about}; {key} shows another")]
    # The sign alone is in its style: the column is wider.
    rows += [Row(Text.assemble((sign, style_of(classes))), meaning) for sign, classes, meaning in _SIGNS]
    return Section("Signs", rows)


def legend_line(shading: Shading, style_of: StyleOf) -> Text:
    """The same in one line, without what is rare."""
    percents = [*(f"{share:.0%}" for share in SURE_FROM), "less"]
    parts = []
    if shading == "certainty":
        parts.append(Text("sure ").append_text(_scale(shading, percents, style_of)))
    elif shading == "order":
        parts.append(_scale(shading, ["first", *"•••", "last"], style_of))
    for sign, classes, meaning in _SIGNS:
        if sign not in _RARE:
            short = meaning.split(":")[0] if sign != MASK.strip() else "not written yet"
            parts.append(Text.assemble((sign, style_of(classes)), f" {short}"))
    return Text("   ", no_wrap=True, overflow="ellipsis", end="").join(parts)


def _scale(shading: Shading, signs: Iterable[str], style_of: StyleOf) -> Text:
    """A sign for each step of a scale, in its colour."""
    scale = "sure" if shading == "certainty" else "order"
    colored = (Text.assemble((sign, style_of(f"revealed {scale}{step}"))) for step, sign in enumerate(signs))
    return Text(" ").join(colored)
