"""The styles of tokens on one background, in as many colours as the terminal has."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

from rich.color import Color, ColorSystem
from rich.style import Style

from sedd_cli.render import palette
from sedd_cli.render.palette import GLOW, MASK_CONTRAST, STEPS, STRONG, TEXT_CONTRAST, Rgb, Scale

VGA: tuple[Rgb, ...] = (
    *((0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170)),
    *((85, 85, 85), (255, 85, 85), (85, 255, 85), (255, 255, 85), (85, 85, 255), (255, 85, 255), (85, 255, 255)),
    (255, 255, 255),
)
"""What Rich takes the 16 colours to be, in the order of their numbers."""
ENDS: tuple[Rgb, Rgb] = ((0, 0, 0), (255, 255, 255))
NUMBERED: dict[Scale, tuple[tuple[Rgb, ...], ...]] = {
    "sure": (
        ((95, 175, 215), (135, 215, 255), (0, 0, 135)),
        ((135, 175, 215), (175, 215, 255), (0, 95, 135)),
        ((188, 188, 188), (228, 228, 228), (78, 78, 78)),
        ((215, 175, 135), (255, 215, 175), (95, 95, 0)),
        ((255, 215, 135), (255, 255, 175), (135, 95, 0), (95, 95, 0)),
    ),
    "order": (
        ((175, 135, 175), (255, 175, 255), (135, 95, 135), (135, 0, 215)),
        ((175, 135, 215), (215, 175, 255), (135, 0, 175)),
        ((215, 175, 215), (255, 215, 255), (135, 0, 135)),
        ((215, 175, 255), (228, 228, 228), (95, 0, 135)),
        ((255, 215, 255), (255, 255, 255), (95, 0, 95)),
    ),
}
"""The steps of the scales in 256 colours, for dark backgrounds, lighter ones and light ones."""


class Tints(Protocol):
    """The styles of one background."""

    def mask(self) -> Style: ...

    def past(self) -> Style:
        """Of what stands behind the end of the text."""
        ...

    def word(self, scale: Scale | None, step: int, color: Rgb | None, age: int) -> Style:
        """Of a token in a step of a scale, or without one in its own `color` (None: the terminal's).

        `age`: calls since it was written; -1 if none did.
        """
        ...

    def on(self, ground: Rgb | None, style: Style) -> Style:
        """A style as it is to be read on another ground, such as that of the selection (None: a named colour)."""
        ...


class ManyColors:
    """Shades: of 16 million colours, or (`table`) of the 256 that a terminal numbers."""

    def __init__(self, background: Rgb, table: bool = False) -> None:
        self._background, self._table = _shown(background, ColorSystem.EIGHT_BIT) if table else background, table

    def mask(self) -> Style:
        return self._style(palette.muted(self._background, MASK_CONTRAST), self._background, MASK_CONTRAST)

    def past(self) -> Style:
        return self._style(palette.muted(self._background, TEXT_CONTRAST), self._background) + Style(italic=True)

    def word(self, scale: Scale | None, step: int, color: Rgb | None, age: int) -> Style:
        behind = self._background
        if scale is None:
            color = palette.muted(behind, 12) if color is None else palette.readable(color, behind)
        elif self._table:
            color = _readable(NUMBERED[scale][step], behind)
        else:
            color = palette.scale(scale, behind)[step]
        if not 0 <= age < len(GLOW):
            return self._style(color, behind)
        ink, ground = palette.glowing(color, behind, age)
        if self._table:
            ground = _nearest(ground)
            ink = _readable((color, *NUMBERED[scale][step], *ENDS) if scale else (color, *ENDS), ground)
        # What is new is also seen from the corner of the eye.
        return self._style(ink, ground) + Style(bold=age < STRONG or None)

    def on(self, ground: Rgb | None, style: Style) -> Style:
        if ground is None:
            return style
        if self._table:
            ground = _nearest(ground)
        ink = style.color.triplet if style.color else None
        return style + self._style(palette.readable(tuple(ink) if ink else palette.muted(ground, 12), ground), ground)

    def _style(self, ink: Rgb, ground: Rgb, wanted: float = TEXT_CONTRAST) -> Style:
        if self._table:
            ink, ground = (_numbered_colors().get(c, c) for c in (_nearest(ink, ground, wanted), ground))
        return Style(color=Color.from_rgb(*ink), bgcolor=Color.from_rgb(*ground))


class FewColors:
    """The 16 colours that a terminal names, without its reds.

    `native`: whether the terminal chooses what they are; `background` then says only whether it is dark.
    """

    def __init__(self, background: Rgb, native: bool) -> None:
        self._background = background if native else _shown(background, ColorSystem.STANDARD)
        self._native = native

    def mask(self) -> Style:
        return self._named((8, 7, 0), 2.5)

    def past(self) -> Style:
        return self._named((8, 7, 0), 2.5) + Style(italic=True)

    def word(self, scale: Scale | None, step: int, color: Rgb | None, age: int) -> Style:
        style = Style()
        if scale is not None and step != STEPS // 2:
            ends = {"sure": ((6, 14, 4), (11, 5)), "order": ((2, 10, 8), (10, 15, 0))}[scale]
            style = self._named(ends[step > STEPS // 2])
        return style + _attributes_of(age)

    def on(self, ground: Rgb | None, style: Style) -> Style:
        if ground is None or self._native:
            return style
        ground = _closest((color for color in VGA if not palette.is_red(color)), ground)
        own = style.color.triplet if style.color else None
        ink = _readable([(own.red, own.green, own.blue), *ENDS] if own else ENDS, ground)
        return style + Style(color=Color.from_rgb(*ink), bgcolor=Color.from_rgb(*ground))

    def _named(self, numbers: tuple[int, ...], wanted: float = TEXT_CONTRAST) -> Style:
        """The first of some colours that has enough contrast, or the one that has most."""
        color = _readable([VGA[number] for number in numbers], self._background, wanted)
        return Style(color=Color.from_ansi(VGA.index(color)) if self._native else Color.from_rgb(*color))


class NoColors:
    """Attributes alone."""

    def mask(self) -> Style:
        return Style(dim=True)

    def past(self) -> Style:
        return Style(dim=True, italic=True)

    def word(self, scale: Scale | None, step: int, color: Rgb | None, age: int) -> Style:
        plain, italic, dim = Style(), Style(italic=True), Style(dim=True)
        style = plain
        if scale == "sure":
            style = (plain, plain, plain, italic, italic)[step]
        elif scale == "order":
            style = (dim, dim, plain, italic, italic)[step]
        return style + _attributes_of(age)

    def on(self, ground: Rgb | None, style: Style) -> Style:
        return style


def _attributes_of(age: int) -> Style:
    """Without shades, a new word is reversed, and then bold."""
    if not 0 <= age < len(GLOW):
        return Style()
    return Style(reverse=True) if age < STRONG else Style(bold=True)


def _readable(colors: Sequence[Rgb], ground: Rgb, wanted: float = TEXT_CONTRAST) -> Rgb:
    """The first of some colours that has enough contrast, or the one that has most."""
    enough = (color for color in colors if palette.contrast(color, ground) >= wanted)
    return next(enough, max(colors, key=lambda color: palette.contrast(color, ground)))


def _shown(color: Rgb, system: ColorSystem) -> Rgb:
    """What Rich shows a colour as in a terminal of few."""
    number = Color.from_rgb(*color).downgrade(system).number
    assert number is not None
    return VGA[number] if number < len(VGA) else _rgb(number)


def _rgb(number: int) -> Rgb:
    red, green, blue = Color.from_ansi(number).get_truecolor()
    return red, green, blue


@lru_cache(maxsize=1)
def _numbered_colors() -> dict[Rgb, Rgb]:
    """Those of the 256 that have the same values in every terminal, without the reds: what Rich shows as each."""
    shown_as: dict[Rgb, Rgb] = {}
    for red, green, blue in map(_rgb, range(len(VGA), 256)):
        # Rich rounds greys down.
        for more in (0, 5, 10):
            color = (min(255, red + more), min(255, green + more), min(255, blue + more))
            if _shown(color, ColorSystem.EIGHT_BIT) == (red, green, blue) and not palette.is_red((red, green, blue)):
                shown_as.setdefault((red, green, blue), color)
    return shown_as


@lru_cache(maxsize=4096)
def _nearest(color: Rgb, ground: Rgb | None = None, wanted: float = 1) -> Rgb:
    """The nearest of the 256 colours; on a ground, of those that have the contrast `wanted` with it, if any has."""
    colors = [c for c in _numbered_colors() if ground is None or palette.contrast(c, ground) >= wanted]
    return _closest(colors or _numbered_colors(), color)


def _closest(colors: Iterable[Rgb], color: Rgb) -> Rgb:
    return min(colors, key=lambda other: palette.distance(other, color))
