"""Formats of files: what a gap within a line, a field or an item may hold."""

from pathlib import Path

import pytest

from sedd_cli import Gap
from sedd_cli.text.formats import keep_lines, split_gaps


def test_gaps_within_a_line_stay_on_it_where_the_format_is_made_of_lines() -> None:
    document = "a,dog,1\r\nb,cat,2\r\n"
    gaps = [Gap(2, 5, 3), Gap(6, 12), Gap(18, 18, 2)]
    expected = [Gap(2, 5, 3, one_line=True), Gap(6, 12), Gap(18, 18, 2, one_line=True)]
    for name in ("A.SRT", "n.ipynb"):
        assert keep_lines(gaps, document, Path(name)) == expected
    for path in (Path("a.txt"), Path("csv"), Path("tsv.md"), None):
        assert keep_lines(gaps, document, path) == gaps


@pytest.mark.parametrize(
    ("name", "text", "within", "across"),
    [
        ("a.csv", "id,dog\r\n1,cat\r\n", ',"', "id,dog"),
        ("a.csv", "id;dog;a, b\n1;cat;c\n", ';"', "id;dog"),
        ("x/b.tsv", "id\tdog\n1\tcat\n", '\t"', "id\tdog"),
    ],
)
def test_a_gap_within_a_field_holds_no_sign_that_ends_one(name: str, text: str, within: str, across: str) -> None:
    at = text.index("dog")
    gaps = [Gap(at, at + 3), Gap(0, len(across))]
    assert keep_lines(gaps, text, Path(name)) == [
        Gap(at, at + 3, None, one_line=True, without=within),
        Gap(0, len(across), None, one_line=True),
    ]


@pytest.mark.parametrize(
    "line", ["- a big dog", "  * a dog", "3. a dog", "12) a dog", "## A dog", "| a dog | b |", "> a dog"]
)
def test_gaps_within_an_item_stay_on_its_line(line: str) -> None:
    document = f"Things:\n\n{line}\n\nA dog - a cat.\n"
    at, prose = document.index("dog"), document.index("A dog -")
    gaps = [Gap(at, at + 3), Gap(at, at, 2), Gap(prose, prose + 5), Gap(at, prose + 5)]
    for path in (None, Path("a.txt"), Path("a.md")):
        kept = keep_lines(gaps, document, path)
        assert [gap.one_line for gap in kept] == [True, True, False, False]


def test_gaps_within_a_line_of_code_stay_on_it_and_those_of_lines_do_not() -> None:
    document = "def f(x):\n    return x + 1\n"
    line = document.index("return")
    within = [Gap(4, 5), Gap(6, 6, 2), Gap(line + 7, line + 12), Gap(line, line + 6)]
    whole = [Gap(0, 9), Gap(line, line + 12), Gap(9, 9, 4), Gap(line, line, 4), Gap(5, line)]
    for name in ("a.py", "B.YAML", "c.toml"):
        assert [gap.one_line for gap in keep_lines(within, document, Path(name))] == [True] * 4
        assert keep_lines(whole, document, Path(name)) == whole
    assert keep_lines(within, document, Path("a.txt")) == within


SUBTITLES = "1\n00:01 --> 00:02\nWhere is he?\n\n2\n00:03 --> 00:04\nI think he ran\nto the river.\n"


@pytest.mark.parametrize(
    ("name", "text", "masked", "parts"),
    [
        ("a.srt", SUBTITLES, SUBTITLES, ["Where is he?", "I think he ran", "to the river."]),
        ("a.srt", SUBTITLES, "1\n00:01 --> 00:02", ["1", "00:01 --> 00:02"]),
        ("a.srt", SUBTITLES, "\n\n", ["\n\n"]),
        ("a.srt", SUBTITLES, "he ran\nto", ["he ran", "to"]),
        ("a.txt", SUBTITLES, SUBTITLES, [SUBTITLES]),
        ("a.csv", '1,Tom,"red, blue"\r\n', '1,Tom,"red, blue"', ["1", "Tom", "red", "blue"]),
        ("a.csv", "1, Tom\n", " Tom", [" Tom"]),
        ("a.json", '{\n  "a": 1,\n  "b": 2\n}\n', '"a": 1,\n  "b": 2', ['"a": 1,', '"b": 2']),
    ],
)
def test_what_a_format_is_made_of_stays_where_a_gap_goes_across_it(
    name: str, text: str, masked: str, parts: list[str]
) -> None:
    start = text.index(masked)
    split = split_gaps([Gap(start, start + len(masked))], text, Path(name))
    assert [text[gap.start : gap.end] for gap in split] == parts


def test_the_parts_of_a_gap_share_its_tokens() -> None:
    text = "Where is he?\n\nNo.\n"
    for tokens, shares in ((10, [8, 2]), (1, [1, 1]), ((5, 20), [(4, 16), (1, 4)]), ("auto", ["auto"] * 2)):
        split = split_gaps([Gap(0, len(text), tokens)], text, Path("a.srt"))  # type: ignore[arg-type]
        assert [gap.tokens for gap in split] == shares
