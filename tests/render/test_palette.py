"""The colours of tokens: contrast, distance to eyes of all kinds, no red."""

import math
from itertools import pairwise

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from sedd_cli.render import palette
from sedd_cli.render.palette import (
    GLOW,
    MASK_CONTRAST,
    SCALES,
    STEPS,
    STRONGEST,
    TEXT_CONTRAST,
    Rgb,
    certainty_step,
    contrast,
    distance,
    glowing,
    is_red,
    muted,
    oklab,
    order_step,
    readable,
    scale,
    srgb,
)

BACKGROUNDS = {
    name: Color.parse(theme.to_color_system().generate()["background"]).rgb
    for name, theme in BUILTIN_THEMES.items()
    if not theme.ansi
} | {"black": (0, 0, 0), "white": (255, 255, 255)}
EYES = {
    "trichromacy": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""What eyes make of linear RGB (Machado, Oliveira and Fernandes, 2009; severity 1)."""
SEEN = 3.0
"""Distance at which neighbouring colours are told apart without effort; 2 is just seen."""

on_all_backgrounds = pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=BACKGROUNDS)


def as_seen(color: Rgb, eyes: str) -> Rgb:
    linear = [palette._linear(value / 255) for value in color]
    sums = (sum(m * v for m, v in zip(row, linear, strict=True)) for row in EYES[eyes])
    r, g, b = (round(255 * palette._gamma(min(1.0, max(0.0, value)))) for value in sums)
    return r, g, b


def hue_and_chroma(color: Rgb) -> tuple[float, float]:
    _, a, b = oklab(color)
    return math.degrees(math.atan2(b, a)) % 360, math.hypot(a, b)


def test_it_measures_as_the_standards_do() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)
    # Oklab of red, as Ottosson gives it.
    assert oklab((255, 0, 0)) == pytest.approx((0.628, 0.225, 0.126), abs=1e-3)
    assert all(srgb(oklab(color)) == color for color in [(0, 0, 0), (255, 255, 255), (12, 200, 99)])


@on_all_backgrounds
def test_every_step_can_be_read_and_masks_be_seen(background: Rgb) -> None:
    steps = scale("sure", background) + scale("order", background)
    assert min(contrast(color, background) for color in steps) >= TEXT_CONTRAST
    assert MASK_CONTRAST <= contrast(muted(background, MASK_CONTRAST), background) < 3.3
    assert contrast(muted(background, TEXT_CONTRAST), background) >= TEXT_CONTRAST


@on_all_backgrounds
@pytest.mark.parametrize("eyes", EYES)
def test_steps_stay_apart_to_all_eyes(background: Rgb, eyes: str) -> None:
    for name in SCALES:
        seen = [as_seen(color, eyes) for color in scale(name, background)]
        assert min(distance(a, b) for a, b in pairwise(seen)) >= SEEN
        lightness = [oklab(color)[0] for color in seen]
        assert lightness in (sorted(lightness), sorted(lightness, reverse=True))


@on_all_backgrounds
def test_certainty_goes_from_cool_to_warm_past_no_red(background: Rgb) -> None:
    first, *_, last = steps = scale("sure", background)
    assert 220 < hue_and_chroma(first)[0] < 270 and 60 < hue_and_chroma(last)[0] < 100
    assert not any(map(is_red, steps))


@on_all_backgrounds
def test_the_order_of_writing_is_not_taken_for_certainty(background: Rgb) -> None:
    sure, order = scale("sure", background), scale("order", background)
    assert min(distance(a, b) for a in sure for b in order) >= 2 * SEEN
    for eyes in EYES:
        # Whoever takes violet for blue sees no second colour in it.
        ends = [oklab(as_seen(steps[k], eyes))[1:] for steps in (sure, order) for k in (0, -1)]
        assert math.dist(*ends[:2]) > 2 * math.dist(*ends[2:])


@on_all_backgrounds
def test_a_word_glows_and_cools_and_can_always_be_read(background: Rgb) -> None:
    for color in (*scale("sure", background), *scale("order", background)):
        shades = [glowing(color, background, age) for age in range(len(GLOW) + 2)]
        assert min(contrast(*shade) for shade in shades) >= TEXT_CONTRAST
        lit = [distance(shade.ground, background) for shade in shades]
        assert lit == sorted(lit, reverse=True)
        assert 1.4 < contrast(shades[0].ground, background) <= STRONGEST
        assert lit[0] > 12 and lit[len(GLOW) - 3] > 1 > lit[len(GLOW)] == 0
        assert shades[-1] == (color, background)
        # It does not jump: no call takes a third of the glow.
        assert max(a - b for a, b in pairwise(lit)) < lit[0] / 3
    assert 8 <= len(GLOW) <= 10


@pytest.mark.parametrize("background", [(90, 90, 90), (128, 128, 128), (150, 60, 60), (118, 118, 118)])
def test_a_background_in_the_middle_still_lets_words_be_read(background: Rgb) -> None:
    for color in scale("sure", background):
        assert contrast(color, background) >= 4.4
        assert min(contrast(*glowing(color, background, age)) for age in range(10)) >= 4.4


def test_a_colour_that_can_be_read_stays() -> None:
    assert readable((200, 200, 200), (0, 0, 0)) == (200, 200, 200)
    assert contrast(readable((60, 60, 200), (0, 0, 0)), (0, 0, 0)) == pytest.approx(4.6, abs=0.1)


def test_red_is_known() -> None:
    assert all(map(is_red, [(255, 0, 0), (128, 0, 0), (176, 48, 96), (255, 182, 193)]))
    assert not any(map(is_red, [(255, 165, 0), (139, 90, 0), (128, 128, 128), (200, 0, 200), (0, 0, 255)]))


def test_steps_of_certainty_and_order() -> None:
    assert [certainty_step(p) for p in (1, 0.9, 0.89, 0.5, 0.3, 0.1, 0.04, 1e-9)] == [0, 0, 1, 1, 2, 3, 4, 4]
    assert [order_step(moment, 100) for moment in (1, 20, 21, 100, 101)] == [0, 0, 1, 4, 4]
    assert order_step(0, 0) == 0 and order_step(1, 1) == 0
    assert {order_step(moment, STEPS) for moment in range(1, STEPS + 1)} == set(range(STEPS))
