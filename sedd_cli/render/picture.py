"""Pictures of the terminal as self-contained SVG."""

import io
import re
from typing import Any

from rich.console import Console, RenderableType

from sedd_cli.render.inert import one_line

NO_XML = dict.fromkeys((0xFFFE, 0xFFFF), "\N{SYMBOL FOR SUBSTITUTE FORM TWO}")


def terminal_console(width: int, height: int, **options: Any) -> Console:
    """A console that renders for a colour terminal of this size, whatever the real one is."""
    real: dict[str, Any] = {"file": io.StringIO(), "force_terminal": True, "no_color": False, "legacy_windows": False}
    return Console(width=width, height=height, **real, **options)


def picture(content: RenderableType, title: str, width: int, height: int) -> str:
    """Render the content on a terminal of this size as SVG."""
    console = terminal_console(width, height, color_system="truecolor", record=True)
    console.print(content, end="", height=height)
    return without_fonts(console.export_svg(title=one_line(title))).translate(NO_XML)


def without_fonts(svg: str) -> str:
    """Remove the web fonts from Rich's SVG; a local monospaced font is used instead."""
    # The fonts are in the first style element; the rest can contain user text.
    style, end, rest = svg.partition("</style>")
    return re.sub(r"@font-face\s*{.*?}\s*", "", style, flags=re.DOTALL) + end + rest
