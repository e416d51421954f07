"""Pictures of the terminal as SVG that fetches nothing."""

import io
import re

from rich.console import Console, RenderableType

from sedd_cli.render.inert import one_line

NO_XML = dict.fromkeys((0xFFFE, 0xFFFF), "\N{SYMBOL FOR SUBSTITUTE FORM TWO}")


def picture(content: RenderableType, title: str, width: int, height: int) -> str:
    """The content as it looks on a terminal of that size, as SVG."""
    console = Console(
        record=True,
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        no_color=False,
        legacy_windows=False,
    )
    console.print(content, end="", height=height)
    return without_fonts(console.export_svg(title=one_line(title))).translate(NO_XML)


def without_fonts(svg: str) -> str:
    """Rich's SVG without the fonts that it would fetch; a monospaced one takes their place."""
    # They stand in the first style; what follows may hold anybody's text.
    style, end, rest = svg.partition("</style>")
    return re.sub(r"@font-face\s*{.*?}\s*", "", style, flags=re.DOTALL) + end + rest
