"""Offsets in the units of editors."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from sedd_cli import UsageError
from sedd_cli.text.offsets import OffsetUnit, from_units, in_utf8, in_utf16

TEXTS = st.text("aé€🐶\n", max_size=8)


@given(TEXTS, st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=3))
def test_spans_come_back_from_the_units_of_editors(text: str, spans: list[tuple[int, int]]) -> None:
    spans = [(min(start, len(text)), min(end, len(text))) for start, end in spans]
    assert from_units(text, in_utf8(text, spans), "utf8") == spans
    assert from_units(text, in_utf16(text, spans), "utf16") == spans


@given(TEXTS, st.sampled_from([("utf8", "utf-8", 1), ("utf16", "utf-16-le", 2)]), st.integers(-2, 40))
def test_an_offset_is_between_two_characters_or_refused(
    text: str, unit: tuple[OffsetUnit, str, int], offset: int
) -> None:
    name, encoding, size = unit
    between = [len(text[:i].encode(encoding)) // size for i in range(len(text) + 1)]
    with suppress(UsageError):
        ((start, end),) = from_units(text, [(0, offset)], name)
        assert start == 0 and between[end] == offset
        return
    assert offset not in between
