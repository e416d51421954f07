"""What the colours and signs of the canvas mean."""

from collections.abc import Callable, Iterable

from rich.style import Style
from rich.text import Text

from sedd_cli.render.palette import GLOW, SURE_FROM
from sedd_cli.tui.screens.help import Row, Section
from sedd_cli.tui.settings import Shading
from sedd_cli.tui.style import END_OF_TEXT_SIGN, MASK, PARTIAL_CHARACTER_SIGN

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


def legend(shading: Shading, style_of: StyleOf) -> Section:
    """A line for each meaning, as a section of the help."""
    rows = []
    if shading != "plain":
        about = "how sure the network was of a word" if shading == "certainty" else "when a word was written"
        rows.append(Row(_scale(shading, style_of), f"{about}; h shows another"))
    rows += [Row(Text(sign, style_of(classes)), meaning) for sign, classes, meaning in _SIGNS]
    if shading == "plain":
        rows.append(Row(Text("colour"), "h shows how sure the network was of a word, or when it wrote it"))
    return Section("Signs", rows)


def legend_line(shading: Shading, style_of: StyleOf) -> Text:
    """The same in one line, without what is rare."""
    parts = [] if shading == "plain" else [_scale(shading, style_of)]
    for sign, classes, meaning in _SIGNS:
        if sign not in _RARE:
            short = meaning.split(":")[0] if sign != MASK.strip() else "not written yet"
            parts.append(Text.assemble((sign, style_of(classes)), f" {short}"))
    return Text("   ", no_wrap=True, overflow="ellipsis", end="").join(parts)


def _scale(shading: Shading, style_of: StyleOf) -> Text:
    """The steps of a scale, each in its colour."""
    if shading == "certainty":
        return _colored("sure", [*(f"{share:.0%}" for share in SURE_FROM), "less"], style_of)
    return _colored("order", ["first", "•", "•", "•", "last"], style_of)


def _colored(scale: str, names: Iterable[str], style_of: StyleOf) -> Text:
    return Text(" ").join(Text(name, style_of(f"revealed {scale}{step}")) for step, name in enumerate(names))
