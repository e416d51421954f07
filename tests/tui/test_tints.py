"""Tokens in terminals of few colours and of none."""

import pytest
from rich.color import Color, ColorSystem
from rich.style import Style

from sedd_cli.render.palette import (
    GLOW,
    MASK_CONTRAST,
    SCALES,
    STEPS,
    STRONG,
    TEXT_CONTRAST,
    Rgb,
    Scale,
    contrast,
    is_red,
)
from sedd_cli.tui.tints import VGA, FewColors, ManyColors, NoColors, Tints, _shown
from tests.render.test_palette import BACKGROUNDS, on_all_backgrounds

RED = {1, 9}
ALL_TINTS: list[Tints] = [
    ManyColors((18, 18, 18)),
    ManyColors((18, 18, 18), table=True),
    FewColors((0, 0, 0), native=True),
    FewColors((255, 255, 255), native=True),
    FewColors((46, 52, 64), native=False),
    NoColors(),
]


def steps(tints: Tints, scale: Scale) -> list[Style]:
    return [tints.word(scale, step, (200, 200, 200), -1) for step in range(STEPS)]


def triplet(color: Color | None) -> Rgb:
    assert color is not None and color.triplet is not None
    red, green, blue = color.triplet
    return red, green, blue


def seen(color: Color | None) -> Rgb:
    """What a terminal of 256 colours makes of it."""
    return _shown(triplet(color), ColorSystem.EIGHT_BIT)


@on_all_backgrounds
def test_256_colours_keep_contrast_and_steps(background: Rgb) -> None:
    tints = ManyColors(background, table=True)
    behind = _shown(background, ColorSystem.EIGHT_BIT)
    for scale in SCALES:
        inks = [seen(style.color) for style in steps(tints, scale)]
        assert len(set(inks)) >= (4 if scale == "sure" else 3)
        highest = max(contrast(behind, (0, 0, 0)), contrast(behind, (255, 255, 255)))
        assert min(contrast(ink, behind) for ink in inks) >= min(TEXT_CONTRAST, highest - 0.5)
        assert not any(is_red(ink) for ink in inks)
        for age in range(len(GLOW)):
            style = tints.word(scale, 0, None, age)
            assert contrast(seen(style.color), seen(style.bgcolor)) >= TEXT_CONTRAST
    assert contrast(seen(tints.mask().color), behind) >= MASK_CONTRAST


@on_all_backgrounds
def test_16_colours_are_chosen_for_the_background_and_are_never_red(background: Rgb) -> None:
    tints = FewColors(background, native=False)
    behind = _shown(background, ColorSystem.STANDARD)
    styles = [style for scale in SCALES for style in steps(tints, scale)]
    numbers = [VGA.index(triplet(style.color)) for style in styles if style.color]
    assert numbers and not RED & set(numbers)
    # Rich shows a colour of the table as itself.
    assert [Color.from_rgb(*VGA[n]).downgrade(ColorSystem.STANDARD).number for n in numbers] == numbers
    assert min(contrast(VGA[n], behind) for n in numbers) >= TEXT_CONTRAST
    assert len({str(style) for style in steps(tints, "sure")}) == 3


@pytest.mark.parametrize("dark", [True, False])
def test_the_terminals_own_colours_are_named(dark: bool) -> None:
    tints = FewColors((0, 0, 0) if dark else (255, 255, 255), native=True)
    colors = [style.color for style in steps(tints, "sure")]
    numbers = [color.number if color else None for color in colors]
    assert numbers == ([6, 6, None, 11, 11] if dark else [4, 4, None, 5, 5])
    assert not any(color.triplet for color in colors if color)
    assert tints.mask().color != tints.word("sure", 2, None, -1).color


def test_without_colours_attributes_tell() -> None:
    for scale in SCALES:
        styles = steps(NoColors(), scale)
        assert len(set(map(str, styles))) == (2 if scale == "sure" else 3)
        assert all(style.color is None and style.bgcolor is None for style in styles)


@pytest.mark.parametrize("tints", ALL_TINTS, ids=lambda tints: type(tints).__name__)
def test_what_is_new_stands_out_everywhere_and_cools(tints: Tints) -> None:
    for scale in (None, *SCALES):
        looks = [str(tints.word(scale, 0, (200, 200, 200), age)) for age in range(len(GLOW) + 1)]
        cold = str(tints.word(scale, 0, (200, 200, 200), -1))
        assert looks[-1] == cold and cold not in looks[: 2 * STRONG]
        assert looks[0] != looks[STRONG] != cold
    masked, past = str(tints.mask()), str(tints.past())
    assert len({masked, past, str(tints.word("sure", 0, (200, 200, 200), -1))}) == 3


def test_a_selection_keeps_words_readable() -> None:
    for name, background in BACKGROUNDS.items():
        for tints in (ManyColors(background), ManyColors(background, table=True)):
            for ground in ((1, 120, 212), (254, 166, 43), (128, 128, 128)):
                style = tints.on(ground, tints.word("sure", 4, None, -1))
                assert contrast(triplet(style.color), triplet(style.bgcolor)) >= 4.4, name
        # The cursor of the default themes would be a red one.
        style = FewColors(background, native=False).on((254, 166, 43), Style(color="#e0e0e0"))
        assert not is_red(triplet(style.bgcolor)) and contrast(triplet(style.color), triplet(style.bgcolor)) >= 4.4
