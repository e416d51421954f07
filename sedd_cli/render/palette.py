"""The colours of tokens: how sure the network was, when it wrote them, and the glow of the latest.

All are made from the background that they stand on, in Oklab (Björn Ottosson, 2020), where equal distances look equal.
Colours are sRGB, 0 to 255.
"""

import math
from bisect import bisect_right
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

Rgb = tuple[int, int, int]
Lab = tuple[float, float, float]
Scale = Literal["sure", "order"]
"""How sure the network was of a token, and when it wrote it."""
SCALES: tuple[Scale, ...] = get_args(Scale)

TEXT_CONTRAST = 4.5
"""Lowest contrast of text that is to be read (WCAG 2.2, AA)."""
MASK_CONTRAST = 3.0
"""That of signs that are only to be seen."""
_MARGIN = 1.03
"""Colours are rounded to whole numbers; no contrast falls below its limit by that."""

SURE_FROM = (0.9, 0.5, 0.2, 0.05)
"""The lowest probability of each step of certainty but the last."""
_ASCENDING = SURE_FROM[::-1]
STEPS = len(SURE_FROM) + 1
"""Number of steps of certainty, 0 the surest, and of the order of writing, 0 the earliest."""
GLOW = (1.0, 0.82, 0.67, 0.54, 0.43, 0.33, 0.24, 0.17, 0.11)
"""How strongly a word glows, by the calls since it was written: 1 is as strong as lets it be read; beyond, not."""
STRONG = 3
"""Calls for which a new word is bold besides."""
STRONGEST = 2.0
"""The contrast of the strongest glow with the background, at most: it is to be calm."""


class _Ends(NamedTuple):
    """The ends of a scale: hue in degrees, chroma, and the power of the highest contrast there is that is theirs."""

    hues: tuple[float, float]
    chromas: tuple[float, float]
    on_dark: tuple[float, float]
    on_light: tuple[float, float]


_ENDS: dict[Scale, _Ends] = {
    "sure": _Ends((245, 75), (0.1, 0.16), (0.66, 0.86), (0.82, 0.56)),
    "order": _Ends((315, 315), (0.1, 0.19), (0.56, 0.88), (0.57, 0.84)),
}


class Shade(NamedTuple):
    """A word's colour and what is behind it."""

    ink: Rgb
    ground: Rgb


def certainty_step(probability: float) -> int:
    """The step of the probability that the network gave a token when it wrote it."""
    return STEPS - 1 - bisect_right(_ASCENDING, probability)


def order_step(moment: int, moments: int) -> int:
    """The step of a token written at `moment` of a run that has `moments` in all."""
    return min(STEPS - 1, max(0, moment - 1) * STEPS // max(1, moments))


@lru_cache(maxsize=128)
def scale(name: Scale, background: Rgb) -> tuple[Rgb, ...]:
    """The colour of each step.

    `sure`: cool where the network was sure of a token, warm where it was not. `order`: violet, the stronger the later
    it wrote it.
    """
    ends = _ENDS[name]
    pole = _pole(background)
    exponents = ends.on_dark if pole[0] else ends.on_light
    first, last = (
        oklab(_ink(background, hue, chroma, max(TEXT_CONTRAST * _MARGIN, contrast(pole, background) ** exponent)))
        for hue, chroma, exponent in zip(ends.hues, ends.chromas, exponents, strict=True)
    )
    return tuple(readable(srgb(_between(first, last, k / (STEPS - 1))), background) for k in range(STEPS))


@lru_cache(maxsize=256)
def muted(background: Rgb, wanted: float) -> Rgb:
    """The grey that has the contrast `wanted` with a background (or the highest that there is)."""
    return _ink(background, 0, 0, wanted)


@lru_cache(maxsize=4096)
def readable(color: Rgb, background: Rgb) -> Rgb:
    """The colour itself, or as little lighter or darker as it takes to read it on a background."""
    if contrast(color, background) >= TEXT_CONTRAST:
        return color
    lab = oklab(color)
    pole = oklab(_pole(background))
    low, high = 0.0, 1.0
    for _ in range(12):
        share = (low + high) / 2
        if contrast(srgb(_between(lab, pole, share)), background) >= TEXT_CONTRAST * _MARGIN:
            high = share
        else:
            low = share
    return srgb(_between(lab, pole, high))


@lru_cache(maxsize=4096)
def glowing(color: Rgb, background: Rgb, age: int) -> Shade:
    """The shade of a word that was written `age` calls ago."""
    if age >= len(GLOW):
        return Shade(color, background)
    share = GLOW[age] * brightest(color, background)
    ground = srgb(_between(oklab(background), oklab(color), share))
    return Shade(readable(color, ground), ground)


@lru_cache(maxsize=256)
def brightest(color: Rgb, background: Rgb) -> float:
    """The share of a colour in the background of its strongest glow.

    With it the colour itself, halfway to white (or black), can still be read.
    """
    behind, own = oklab(background), oklab(color)
    ink = srgb(_between(own, oklab(_pole(background)), 0.5))
    low, high = 0.0, 1.0
    for _ in range(10):
        share = (low + high) / 2
        ground = srgb(_between(behind, own, share))
        if contrast(ground, background) <= STRONGEST and contrast(ink, ground) >= TEXT_CONTRAST * _MARGIN:
            low = share
        else:
            high = share
    return low


def distance(a: Rgb, b: Rgb) -> float:
    """How different two colours look: a hundredth of the way from black to white is 1, and just seen is 2."""
    return 100 * math.dist(oklab(a), oklab(b))


def is_red(color: Rgb) -> bool:
    """Whether a colour reads as an error: red or, if it is dark, maroon."""
    _, a, b = oklab(color)
    return math.hypot(a, b) > 0.04 and not 55 <= math.degrees(math.atan2(b, a)) % 360 <= 340


def contrast(a: Rgb, b: Rgb) -> float:
    """The contrast of two colours (WCAG 2.2): 1 to 21."""
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def _ink(background: Rgb, hue: float, chroma: float, wanted: float) -> Rgb:
    """The colour of a hue that has the contrast `wanted` with a background, or the highest that there is."""
    light = bool(_pole(background)[0])
    low, high = 0.0, 1.0
    for _ in range(16):
        middle = (low + high) / 2
        color = _of_hue(middle, chroma, hue)
        enough = contrast(color, background) >= wanted * (_MARGIN if wanted < TEXT_CONTRAST else 1)
        enough = enough and (_luminance(color) > _luminance(background)) == light
        if enough == light:
            high = middle
        else:
            low = middle
    return _of_hue(high if light else low, chroma, hue)


def _of_hue(lightness: float, chroma: float, hue: float) -> Rgb:
    """The colour, with as much of the chroma as sRGB has."""
    a, b = math.cos(math.radians(hue)), math.sin(math.radians(hue))
    low, high = 0.0, chroma
    if _in_gamut((lightness, high * a, high * b)):
        low = high
    for _ in range(10 if low < high else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if _in_gamut((lightness, middle * a, middle * b)) else (low, middle)
    return srgb((lightness, low * a, low * b))


def _pole(background: Rgb) -> Rgb:
    """White or black, whichever is further from a background."""
    white, black = (255, 255, 255), (0, 0, 0)
    return white if contrast(white, background) >= contrast(black, background) else black


def _between(a: Lab, b: Lab, share: float) -> Lab:
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def oklab(color: Rgb) -> Lab:
    r, g, b = (_LINEAR[value] for value in color)
    long = math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    medium = math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    short = math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def srgb(lab: Lab) -> Rgb:
    """The nearest colour of sRGB, each channel cut off by itself."""
    r, g, b = (round(255 * _gamma(min(1.0, max(0.0, value)))) for value in _linear_of(lab))
    return r, g, b


def _in_gamut(lab: Lab) -> bool:
    return all(-1e-4 <= value <= 1 + 1e-4 for value in _linear_of(lab))


def _linear_of(lab: Lab) -> tuple[float, float, float]:
    lightness, a, b = lab
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _luminance(color: Rgb) -> float:
    red, green, blue = color
    return 0.2126 * _LINEAR[red] + 0.7152 * _LINEAR[green] + 0.0722 * _LINEAR[blue]


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _gamma(value: float) -> float:
    return value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


_LINEAR = tuple(_linear(value / 255) for value in range(256))
"""The linear light of each value of a channel."""
