"""Spans, patterns and markers: which characters are asked for."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedd_cli import Gap, UsageError, load_checkpoint
from sedd_cli.text.gaps import (
    DEFAULT_RANGE,
    WITHIN_SENTENCE,
    Length,
    Unit,
    check_gaps,
    parse_length,
    parse_span,
    regex_gaps,
    unit_spans,
)
from sedd_cli.text.markers import marker_gaps
from sedd_cli.text.tokenizer import Tokenizer

UNITS: list[Unit] = ["chars", "words", "lines", "tokens"]
DOCUMENT = st.text(alphabet="aé🌍\u0301 \t\r\n\ufeff.b", max_size=30) | st.text(max_size=30)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    built_in = load_checkpoint().tokenizer
    assert built_in is not None
    return built_in


@pytest.mark.parametrize("unit", UNITS)
@given(document=DOCUMENT, data=st.data())
def test_a_span_takes_what_a_slice_of_the_units_would(
    document: str, unit: Unit, data: st.DataObject, tokenizer: Tokenizer
) -> None:
    units = unit_spans(document, unit, tokenizer)
    n = len(units)
    if unit == "lines":
        assert [document[slice(*span)] for span in units] == [
            line.rstrip("\r\n") for line in re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", document)
        ]
    elif unit != "words":
        assert sum(end - start for start, end in units) >= len(document)
    i = data.draw(st.integers(0, n))
    j = data.draw(st.integers(i, n))
    gap = parse_span(f"{i}:{j}", units, len(document), None, unit)
    if i < n and j < n:
        assert gap == parse_span(f"{i - n}:{j - n}", units, len(document), None, unit)
    if i < j:
        assert (gap.start, gap.end) == (units[i][0], units[j - 1][1])
    else:
        assert gap.start == gap.end


def test_units() -> None:
    text = "\ufeffOne two\r\n\n  three\rend"
    tokenizer = load_checkpoint().tokenizer
    assert tokenizer is not None
    assert [text[slice(*s)] for s in unit_spans(text, "words", tokenizer)] == ["\ufeffOne", "two", "three", "end"]
    assert [text[slice(*s)] for s in unit_spans(text, "lines", tokenizer)] == [
        "\ufeffOne two",
        "",
        "  three",
        "end",
    ]
    # From one line to another: what is between them too, but not what ends the last.
    assert parse_span("0:3", unit_spans(text, "lines", tokenizer), len(text), None, "lines") == Gap(
        0, text.index("\rend")
    )
    # Tokens that share a character of four bytes all stand on it.
    assert set(unit_spans("🌍", "tokens", tokenizer)) == {(0, 1)}


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ("5", "is not a span"),
        ("1:2:3", "is not a span"),
        ("a:b", "is not a span"),
        ("3:1", "reversed"),
        ("0:6", "out of range: the document has 5 chars"),
        ("-6:", "out of range"),
    ],
)
def test_spans_that_are_none(span: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_span(span, [(i, i + 1) for i in range(5)], 5, None, "chars")


LENGTHS = st.integers(1, 99) | st.tuples(st.integers(1, 9), st.integers(10, 99)) | st.none()


def written(length: Length) -> str:
    if length is None:
        return "[[...]]"
    return f"[[{length}]]" if isinstance(length, int) else f"[[{length[0]}-{length[1]}]]"  # type: ignore[index]


@given(parts=st.lists(st.tuples(st.text(alphabet="ab \n[]1", max_size=8), LENGTHS), max_size=5))
def test_markers_are_found_where_they_were_written(parts: list[tuple[str, Length]]) -> None:
    # A bracket at either side of a marker would be read with it.
    parts = [(f"a{text}a".replace("[[", "").replace("]]", ""), length) for text, length in parts]
    document, expected = "", []
    for text, length in parts:
        marker = written(length)
        document += text
        expected.append(Gap(len(document), len(document) + len(marker), length or DEFAULT_RANGE))
        document += marker
    assert marker_gaps(f"{document}a") == expected


def test_what_is_no_marker_is_text() -> None:
    assert marker_gaps("See [[Home]], [[3 apples]], [[]], [[1, 2], [3, 4]], [ [5] ] and m[[1]") == []
    assert marker_gaps("a <5> b [[6]]", ("<", ">")) == [Gap(2, 5, 5)]
    assert marker_gaps("a [[...]] b") == [Gap(2, 9, DEFAULT_RANGE)]
    assert marker_gaps("a [[...]] b", tokens=(2, 3)) == [Gap(2, 9, (2, 3))]
    for brackets in (("[[", "]]"), ("<", ">")):
        text = "A [[...]] b and [[...]] c.".replace("[[", brackets[0]).replace("]]", brackets[1])
        assert [gap.tokens for gap in marker_gaps(text, brackets)] == [WITHIN_SENTENCE] * 2
    assert marker_gaps("A [[...]] b.") == marker_gaps("A [[...]] b.", tokens="auto") == [Gap(2, 9, WITHIN_SENTENCE)]
    for text in ("a\n b [[0]]", "a\n b [[5-2]]"):
        with pytest.raises(UsageError, match=r"at 2:4 asks for an impossible number of tokens"):
            marker_gaps(text)
    with pytest.raises(UsageError, match="cannot be empty"):
        marker_gaps("a 1", ("", ""))
    for text in ("one\ntwo [[12\nthree", "[[...", "two [[3-4\r\n"):
        with pytest.raises(UsageError, match=r"the marker at \d:\d is never closed"):
            marker_gaps(text)


def test_matches() -> None:
    assert regex_gaps("a1b22", r"\d+", None) == [Gap(1, 2), Gap(3, 5)]
    assert regex_gaps("ab", r"(?=b)", 3) == [Gap(1, 1, 3)]
    with pytest.raises(UsageError, match="matches nothing"):
        regex_gaps("ab", r"(?=b)", None)
    with pytest.raises(UsageError, match="not a regular expression"):
        regex_gaps("ab", "(", None)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"dog.*$", ["dog went home"]),
        (r"home$", ["home"]),
        (r"home\n", ["home\r\n"]),
        (r"home\r\n", ["home\r\n"]),
        ("home\r\n", ["home\r\n"]),
        (r"home[\r\n]+", ["home\r\n\r\n"]),
        (r"^\w+", ["The", "It", "bare", "end"]),
        (r"\\r\\n", ["\\r\\n"]),
    ],
)
def test_crlf_is_one_line_end_of_a_pattern(pattern: str, expected: list[str]) -> None:
    document = "The dog went home\r\n\r\nIt \\r\\n slept.\r\nbare\nend"
    assert [document[gap.start : gap.end] for gap in regex_gaps(document, pattern, None)] == expected


def test_a_merged_gap_is_one_line_if_both_were() -> None:
    def one_line(*values: bool) -> bool:
        (gap,) = check_gaps([Gap(i, i + 2, 3, value) for i, value in enumerate(values)], 9)
        return gap.one_line

    assert one_line(True, True) and not one_line(True, False) and not one_line(False, True)
    (gap,) = check_gaps([Gap(0, 2, 3, without=',"'), Gap(1, 3, 3, without="|,")], 9)
    assert gap.without == ","


def test_lengths() -> None:
    assert [parse_length(t) for t in ("12", "5-20", "auto")] == [12, (5, 20), "auto"]
    for text in ("", "-3", "5-", "many", "1.5"):
        with pytest.raises(UsageError, match="not a number of tokens"):
            parse_length(text)


def test_tokens_of_gaps_that_touch_are_added_up() -> None:
    def tokens(*gaps: Gap) -> Length:
        (gap,) = check_gaps(gaps, 99)
        return gap.tokens

    assert tokens(Gap(0, 3, 2), Gap(3, 6, 3)) == 5
    assert tokens(Gap(0, 3, (2, 4)), Gap(3, 6, 3)) == (5, 7)
    assert tokens(Gap(0, 4, 2), Gap(3, 6, 2)) == 2
    assert tokens(Gap(0, 4, 2), Gap(3, 6, 3)) == tokens(Gap(0, 3, "auto"), Gap(3, 6, 3)) == "auto"
    assert tokens(Gap(0, 3), Gap(3, 6)) is None


@given(spans=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=6))
def test_overlapping_gaps_become_one(spans: list[tuple[int, int]]) -> None:
    gaps = check_gaps([Gap(start, start + size, 3) for start, size in spans], 25)
    assert all(a.end < b.start for a, b in pairwise(gaps))
    assert {i for start, size in spans for i in range(start, start + size)} == {
        i for gap in gaps for i in range(gap.start, gap.end)
    }
    assert all(isinstance(gap.tokens, int) and gap.tokens % 3 == 0 for gap in gaps if gap.tokens != "auto")


@pytest.mark.parametrize(
    ("gap", "message"),
    [
        (Gap(3, 2), "reversed"),
        (Gap(0, 9), "out of range"),
        (Gap(-1, 2), "out of range"),
        (Gap(0, 2, 0), "cannot have 0"),
        (Gap(0, 2, (5, 3)), "5 to 3 tokens"),
        (Gap(0, 2.5), "a gap's end must be a whole number, not 2.5"),  # type: ignore[arg-type]
        (Gap(0, 2, (1, "many")), "a gap's number of tokens must be a whole number, not 'many'"),  # type: ignore[arg-type]
    ],
)
def test_gaps_that_cannot_be(gap: Gap, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_gaps([gap], 5)


def test_integers_of_numpy_are_offsets() -> None:
    one, three = np.int64(1), np.uint8(3)
    gaps = check_gaps([Gap(one, three, (one, three)), Gap(np.int16(4), np.int16(5), three)], 5)  # type: ignore[arg-type]
    assert gaps == [Gap(1, 3, (1, 3)), Gap(4, 5, 3)]
    assert {type(n) for gap in gaps for n in (gap.start, gap.end)} == {int} and type(gaps[1].tokens) is int
