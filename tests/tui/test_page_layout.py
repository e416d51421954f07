"""Rows, columns and addresses: every character has a cell, and every cell its character."""

import random
import re
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from sedd_cli.tui.page_layout import Page, Replacement, Steady, Token
from sedd_cli.tui.wrapping import breaks, drawn, graphemes, width_of

TEXT = st.text(st.sampled_from("ab é\n\t日本🇩🇪ำﾞ🙂\u200d\ufe0f\u0301אב\x1b\r"), max_size=60) | st.text(max_size=40)
WIDTH = st.integers(4, 30)


CLUSTERS = st.lists(
    st.sampled_from(["a", "b", " ", "\n", "\t", "日", "e\u0301", "👩\u200d🚀", "🇩🇪", "א", "\x1b", "\r\n"]), max_size=20
)
PARTS = st.tuples(*[CLUSTERS.map("".join)] * 3)
TOKENS = st.lists(st.text("xy \n🙂", min_size=1, max_size=4), max_size=6)


def page_of(parts: tuple[str, str, str], tokens: list[str], width: int) -> Page:
    """A page of three parts of a text, of which tokens stand in the place of the second."""
    low, high = len(parts[0]), len(parts[0]) + len(parts[1])
    return Page("".join(parts), [Replacement(low, high, tuple(Token(t, "revealed") for t in tokens))], [], width)


@given(TEXT, WIDTH)
def test_rows_cover_the_text_and_fit(text: str, width: int) -> None:
    starts = breaks(text, width)
    assert starts[0] == 0 and starts == sorted(set(starts))
    rows = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    assert "".join(rows) == text
    for row in rows:
        assert "\n" not in row[:-1]
        assert width_of(row.removesuffix("\n").removesuffix("\r")) <= max(2, width)


@given(TEXT)
def test_drawn_is_as_wide_as_measured_and_inert(text: str) -> None:
    for row in text.split("\n"):
        assert cell_len(drawn(row)) == width_of(row)
        assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in drawn(row))


def test_words_stay_whole_where_they_fit() -> None:
    assert breaks("one two three", 8) == [0, 8]
    assert breaks("a" * 20, 8) == [0, 8, 16]
    assert breaks("日本語日本語", 5) == [0, 2, 4]


@given(PARTS, TOKENS, WIDTH)
def test_moving_on_visits_every_place_once_and_comes_back(
    parts: tuple[str, str, str], tokens: list[str], width: int
) -> None:
    page = page_of(parts, tokens, width)
    way, here = [], page.address(0, 0)
    while True:
        way.append(here)
        assert page.address(*page.locate(here)) == here or here == page.end
        after = page.move(here, 1)
        if after == here:
            break
        assert after > here
        here = after
    assert here == page.end
    for before, here in zip(reversed(way[:-1]), reversed(way[1:]), strict=True):
        assert page.move(here, -1) == before


@given(PARTS, TOKENS, WIDTH)
def test_rows_hold_what_is_shown(parts: tuple[str, str, str], tokens: list[str], width: int) -> None:
    page = page_of(parts, tokens, width)
    shown = "".join("".join(piece.text for piece in page.row(y)) for y in range(page.height))
    assert shown == parts[0] + "".join(tokens) + parts[2]


@given(PARTS, WIDTH)
def test_right_of_a_row_is_its_end(parts: tuple[str, str, str], width: int) -> None:
    page = Page("".join(parts), [], [(len(parts[0]), len(parts[0]) + len(parts[1]), "pending")], width)
    for y in range(page.height):
        assert page.locate(page.address(y, 10**6))[0] == y


def test_a_token_and_what_is_around_it() -> None:
    page = Page("One day a dog ran.", [Replacement(8, 13, (Token(" big", "mask"), Token(" cat", "revealed")))], [], 40)
    assert [(p.text, p.classes) for p in page.row(0)] == [
        ("One day ", "text"),
        (" big", "mask"),
        (" cat", "revealed"),
        (" ran.", "text"),
    ]
    assert page.locate((8, -1)) == (0, 12)
    assert page.address(0, 13) == (8, -1)
    assert page.move((8, -1), 1) == (13, 0)
    assert page.cells(0, page.extent((7, 0), (8, -1))) == (7, 16)
    assert page.word_at((1, 0)) == ((0, 0), (2, 0))


@pytest.mark.parametrize(
    "clusters",
    [
        ["🇩🇪", "🇫🇷", "🇨", " ", "🇭🇺", "x"],
        ["👍🏽", "👩\u200d👩\u200d👧", "1\ufe0f\u20e3", "🏴\U000e0067\U000e0062\U000e007f"],
        ["e\u0301\u0323", "각", "한"],
        ["ก้ำ", "ນໍ້", "ຈຳ", "ｶﾞ", "ﾊﾟ", " ", "ำ"],
        ["à", "नि", "\r\n"],
    ],
    ids=["flags", "emoji", "marks", "letters", "others"],
)
def test_a_grapheme_is_one_stop_of_the_cursor(clusters: list[str]) -> None:
    text = "".join(clusters)
    page = Page(text, [], [], 60)
    stops, at = [], page.address(0, 0)
    while at != page.end:
        stops.append(at)
        at = page.move(at, 1)
    assert [text[a[0] : page.grapheme_end(a)] for a in stops] == clusters
    for stop in reversed(stops):
        at = page.move(at, -1)
        assert at == stop


def test_graphemes_of_more_than_one_character_are_one() -> None:
    assert graphemes("a👩\u200d🚀b") == ((0, 1, 1), (1, 4, 2), (4, 5, 1))
    assert graphemes("a🇩🇪b") == ((0, 1, 1), (1, 3, 2), (3, 4, 1))
    page = Page("a👩\u200d🚀b", [], [], 20)
    assert page.move((1, 0), 1) == (4, 0)
    assert page.grapheme_end((1, 0)) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"Hi," said Tim.', ['"', "Hi", ',"', "said", "Tim", "."]),
        ("don't well-known 3.50, 10:30", ["don't", "well-known", "3.50", ",", "10:30"]),
        ("a... b--c (d)", ["a", "...", "b", "--", "c", "(", "d", ")"]),
        ("cafe\u0301s, 日本。", ["cafe\u0301s", ",", "日本", "。"]),
        ("👩\u200d🚀! x", ["👩\u200d🚀!", "x"]),
    ],
)
def test_words_are_without_the_punctuation_beside_them(text: str, words: list[str]) -> None:
    page = Page(text, [], [], 40)
    at, ways = page.address(0, 0), []
    while at != page.end:
        first, last = page.word_at(at)
        assert first == at
        ways.append(at)
        words_here = text[first[0] : page.grapheme_end(last)]
        assert words_here == words[len(ways) - 1]
        at = page.next_word(at, 1)
    assert len(ways) == len(words)
    for before in reversed(ways):
        at = page.next_word(at, -1)
        assert at == before
    assert page.next_word(at, -1) == at


MASK = Token(" ···", "mask")
WRITTEN = st.sampled_from(
    [" the", " a", ".", ",", "ing", " peanuts", " wonderful", "\n", " incomprehensibilities", "日本", " é", "\n\n"]
)
PATHS = st.lists(st.lists(st.tuples(st.integers(0, 19), st.none() | WRITTEN), max_size=8), min_size=1, max_size=8)


def written(tokens: list[str | None], text: tuple[str, str] = ("", "")) -> tuple[str, list[Replacement]]:
    """A text and its replacement: tokens, None for MASK, between two texts."""
    shown = tuple(MASK if token is None else Token(token, "revealed") for token in tokens)
    return "".join(text), [Replacement(len(text[0]), len(text[0]), shown)]


def where(page: Page) -> list[tuple[int, int]]:
    """Row and column of each token."""
    return [page.locate_word(address) for address in page.blocks[0].addresses if address[1] < 0]


@given(PATHS, st.integers(8, 40), st.sampled_from([0, 0.15, 0.5]), st.sampled_from([("", ""), ("One day, ", " ran.")]))
def test_steady_rows_fit_and_hold_the_text(
    path: list[list[tuple[int, str | None]]], width: int, slack: float, around: tuple[str, str]
) -> None:
    tokens: list[str | None] = [None] * 20
    page: Page | None = None
    for writes in path:
        for i, token in writes:
            tokens[i] = token
        text, replacements = written(tokens, around)
        page = Page(text, replacements, [], width, Steady(page, slack))
        assert all(width_of(page.text_of(y).rstrip("\n")) <= width for y in range(page.height))
        plain = "".join(token or " ···" for token in tokens).join(around)
        assert page.text_between(page.address(0, 0), page.end) == plain
        shown = "".join(page.text_of(y) for y in range(page.height))
        assert re.sub("·+", "···", re.sub(" +", " ", shown)) == re.sub(" +", " ", plain)
        again = Page(text, replacements, [], width, Steady(page, slack))
        assert where(again) == where(page)


@given(TOKENS, PARTS, WIDTH)
def test_the_cursor_visits_every_place_of_a_steady_page(
    tokens: list[str], parts: tuple[str, str, str], width: int
) -> None:
    text, replacements = written([None, *tokens, None], (parts[0], parts[2]))
    masked = Page(*written([None] * (len(tokens) + 2), (parts[0], parts[2])), [], width, Steady(None, 0.15))
    page = Page(text, replacements, [], width, Steady(masked, 0.15))
    here = page.address(0, 0)
    while (after := page.move(here, 1)) != here:
        assert here < after and page.address(*page.locate(here)) == here
        here = after
    assert here == page.end


def test_a_word_moves_no_other_if_there_is_room() -> None:
    tokens: list[str | None] = [None] * 40
    page = Page(*written(tokens), [], 60, Steady(None, 0.15))
    for i, token in [(3, " beautiful"), (12, "."), (30, " dog"), (6, ","), (20, " nice")]:
        tokens[i] = token
        before, page = page, Page(*written(tokens), [], 60, Steady(page, 0.15))
        moved = [
            k for k, places in enumerate(zip(where(before), where(page), strict=True)) if k != i and len({*places}) > 1
        ]
        # MASKs beside a long word give way.
        assert all(tokens[k] is None and abs(k - i) <= 3 for k in moved)


def test_a_row_that_overflows_moves_its_last_word_to_the_next() -> None:
    tokens: list[str | None] = ["one", " two", None, " four", " five", " six", None, None]
    before = Page(*written(tokens), [], 19, Steady(None, 0))
    assert [before.text_of(y) for y in range(before.height)] == ["one two ··· four ", "five six ··· ···"]
    assert before.locate((0, -4)) == (1, 0), "it begins the row, its blank is on the one before"
    tokens[2] = " thirty"
    page = Page(*written(tokens), [], 19, Steady(before, 0))
    assert [page.text_of(y) for y in range(page.height)] == ["one two thirty ", "four five six · ··"]
    tokens[2] = None
    back = Page(*written(tokens), [], 19, Steady(page, 0))
    assert [back.text_of(y) for y in range(back.height)] == ["one two ··· ", "four five six · ··"]


def test_far_from_the_page_before_rows_are_filled() -> None:
    tokens: list[str | None] = [None] * 40
    at_first = Page(*written(tokens), [], 60, Steady(None, 0.15))
    page = at_first
    for i in range(0, 40, 2):
        tokens[i] = " incomprehensible"[: 3 + i % 14]
        page = Page(*written(tokens), [], 60, Steady(page, 0.15))
    fresh = Page(*written(tokens), [], 60, Steady(None, 0.15))
    assert where(page) != where(fresh)
    assert where(Page(*written(tokens), [], 60, Steady(at_first, 0.15))) == where(fresh)
    assert where(Page(*written([None] * 40), [], 60, Steady(page, 0.15))) == where(at_first)


def test_a_settled_page_can_be_gone_back_from() -> None:
    tokens: list[str | None] = [(" wonderful", " a", " peanut", " of")[i % 4] for i in range(40)]
    settled = Page(*written(tokens), [], 60)
    tokens[20] = None
    page = Page(*written(tokens), [], 60, Steady(settled, 0.15))
    assert where(page) == where(settled)


STORY = (
    "Once upon a time there was a shy bird. The bird lived in a nest. One day, a little bird lived in the tree with its"
    " nest. The nest was pretty and made a lot of shapes. The bird wanted to be a part of the fun. But suddenly, the"
    " little bird was not scared of the bird. It forgot about trying to play and played with the other birds instead,"
    " until the evening came and everybody went home.\nThe bird wanted to play too, but the cat tried to scare it. It"
    " told them that it was sorry, and they flew away to find another tree. They were happy, and became best friends."
)


def test_under_two_percent_of_the_words_move_while_a_story_is_written() -> None:
    tokens = re.findall(r" ?[A-Za-z]+|[^A-Za-z ]", STORY)
    order = random.Random(0).sample(range(len(tokens)), len(tokens))
    moved: dict[bool, list[float]] = {False: [], True: []}
    for steady in moved:
        shown: list[str | None] = [None] * len(tokens)
        page: Page | None = None
        before: list[tuple[int, int]] = []
        for i in order[:-1]:
            words = [k for k, token in enumerate(shown) if token is not None]
            shown[i] = tokens[i]
            page = Page(*written(shown), [], 81, Steady(page, 0.15) if steady else None)
            now = where(page)
            moved[steady] += [mean(now[k] != before[k] for k in words)] if words else []
            before = now
    assert mean(moved[True]) < 0.02 and mean(moved[False]) > 0.1
