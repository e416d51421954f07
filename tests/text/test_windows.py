"""Canvases around the gaps of a document."""

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from sedd_cli import UsageError, load_checkpoint
from sedd_cli.text.byte_level import bytes_to_token
from sedd_cli.text.gaps import Gap
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.windows import SizedGap, Window, absorbs_space, adds_space, make_windows

WORDS = st.lists(st.sampled_from(["Once", " upon", " a", " time", "\r\n", "é", "🌍", "\ufeff", " dog."]), max_size=120)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    built_in = load_checkpoint().tokenizer
    assert built_in is not None
    return built_in


@settings(max_examples=60)
@given(words=WORDS, data=st.data(), length=st.integers(24, 80))
def test_what_is_kept_on_a_canvas_is_what_stands_beside_its_gaps(
    words: list[str], data: st.DataObject, length: int, tokenizer: Tokenizer
) -> None:
    document = "".join(words)
    edges = sorted(data.draw(st.lists(st.integers(0, len(document)), max_size=6, unique=True)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    sized_gaps = [SizedGap(start, end, data.draw(st.integers(1, length))) for start, end in pairs]
    windows = make_windows(tokenizer, document, sized_gaps, length)
    assert [w.first + i for w in windows for i in range(len(w.gap_positions))] == list(range(len(sized_gaps)))
    for window in windows:
        ids, free = window.canvas.ids.tolist(), window.canvas.free
        assert len(ids) <= length
        assert free.nonzero().squeeze(-1).tolist() == [i for place in window.gap_positions for i in place]
        inside = sized_gaps[window.first : window.first + len(window.gap_positions)]
        assert [len(place) for place in window.gap_positions] == [gap.tokens for gap in inside]
        at = 0
        for n, (gap, place) in enumerate(zip(inside, window.gap_positions, strict=True)):
            kept = b"".join(tokenizer.bytes_of(i) for i in ids[at : place.start])
            before = document[inside[n - 1].end if n else 0 : gap.start].encode()
            if gap.start == 0:
                # A document begins as a line does, if there is room.
                assert kept in (b"", b"\n")
            else:
                assert before.endswith(kept) if n == 0 else before == kept
            at = place.stop
        rest = [i for i in ids[at:] if i != tokenizer.end_of_text_id]
        assert document[inside[-1].end :].encode().startswith(b"".join(map(tokenizer.bytes_of, rest)))


def test_near_gaps_share_a_window_and_far_ones_do_not(tokenizer: Tokenizer) -> None:
    document = "The dog ran. " * 400
    near = make_windows(
        tokenizer, document, [SizedGap(100, 110, 4), SizedGap(150, 160, 4), SizedGap(4000, 4010, 4)], 64
    )
    assert [(w.first, len(w.gap_positions)) for w in near] == [(0, 2), (2, 1)]
    assert [len(w.canvas.ids) for w in near] == [64, 64]


def test_a_canvas_at_the_end_says_that_the_document_ends(tokenizer: Tokenizer) -> None:
    (window,) = make_windows(tokenizer, "One dog ran.", [SizedGap(4, 7, 1)], 64)
    assert window.canvas.ids[-1] == tokenizer.end_of_text_id
    (window,) = make_windows(tokenizer, "One dog ran. " * 100, [SizedGap(4, 7, 1)], 64)
    assert tokenizer.end_of_text_id not in window.canvas.ids[~window.canvas.free]
    document = "One dog ran. " * 8
    first, _ = make_windows(tokenizer, document, [SizedGap(10, 40, 45), SizedGap(len(document), len(document), 30)], 64)
    assert tokenizer.end_of_text_id not in first.canvas.ids[~first.canvas.free]


def test_a_gap_longer_than_the_canvas(tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match="65 tokens does not fit on a canvas of 64") as caught:
        make_windows(tokenizer, "a b", [SizedGap(0, 1, 65)], 64)
    assert "largest possible is 64" in caught.value.hint


@pytest.mark.parametrize(
    ("gap", "after", "expected"),
    [
        (Gap(4, 7), 0, True),
        (Gap(4, 4, 2), 0, True),
        (Gap(3, 7), 0, False),  # it holds the blank itself
        (Gap(4, 7), 4, False),  # the blank is another gap's
        (Gap(0, 3), 0, False),
    ],
)
def test_a_gap_behind_a_blank_begins_with_it(gap: Gap, after: int, expected: bool, tokenizer: Tokenizer) -> None:
    assert absorbs_space(tokenizer, "One dog  ran.", gap, after) == expected


def test_a_blank_before_another_is_kept(tokenizer: Tokenizer) -> None:
    assert not absorbs_space(tokenizer, "One  dog", Gap(4, 8), 0)  # as the text is cut into tokens, " dog" follows " "


def test_the_space_before_a_gap_is_not_on_its_canvas(tokenizer: Tokenizer) -> None:
    document = "One dog ran. One cat ran."
    sites = [SizedGap(4, 7, 1, absorbs_space=True), SizedGap(17, 20, 2, absorbs_space=True)]
    (window,) = make_windows(tokenizer, document, sites, 64)
    first, second = window.gap_positions
    ids = window.canvas.ids.tolist()
    kept = [tokenizer.decode(part) for part in (ids[: first.start], ids[first.stop : second.start])]
    assert kept == ["One", " ran. One"]
    assert window.canvas.space_positions == tuple(place.start for place in window.gap_positions)


def test_a_document_is_read_as_a_line_that_begins(tokenizer: Tokenizer) -> None:
    (window,) = make_windows(tokenizer, "Tom ran.", [SizedGap(0, 3, 1)], 64)
    assert tokenizer.decode(window.canvas.ids[: window.gap_positions[0].start].tolist()) == "\n"
    # Where there is no room for it, the text is there.
    fits = 1 + len(tokenizer.encode(" ran.")) + 1
    (window,) = make_windows(tokenizer, "Tom ran.", [SizedGap(0, 3, 1)], fits)
    assert window.gap_positions[0].start == 0 and window.canvas.ids[-1] == tokenizer.end_of_text_id
    (window,) = make_windows(tokenizer, "Tom ran.", [SizedGap(4, 7, 1)], 64)
    assert window.canvas.ids[0] == tokenizer.encode("Tom")[0]


@pytest.mark.parametrize(
    ("document", "at", "adds", "behind"),
    [
        ("Tom ran.", 0, True, "Tom ran."),
        ("Tom ran.", 4, True, " ran."),
        ('a "b" c', 2, True, ' "b" c'),
        ("Tom ran.", 3, False, " ran."),
        ("Tom ran.", 5, False, "an."),
    ],
)
def test_what_is_inserted_before_a_word_has_a_blank_behind_it(
    document: str, at: int, adds: bool, behind: str, tokenizer: Tokenizer
) -> None:
    """The network reads it, but at a line's beginning, where a line end fits too."""
    assert adds_space(tokenizer, document, Gap(at, at, 2)) == adds
    assert not adds_space(tokenizer, document, Gap(at, at + 1))
    (window,) = make_windows(tokenizer, document, [SizedGap(at, at, 2, adds_space=adds)], 64)
    assert tokenizer.decode(window.canvas.ids[window.gap_positions[0].stop : -1].tolist()) == behind


def test_each_gap_has_its_own_limits(tokenizer: Tokenizer) -> None:
    gaps = [SizedGap(0, 3, 2, one_line=True), SizedGap(4, 7, 1), SizedGap(8, 11, 1, one_line=True, without=',"')]
    (window,) = make_windows(tokenizer, "Tom ran off.", gaps, 64)
    (line_end,), (comma,) = tokenizer.encode("\n"), tokenizer.encode(",")
    barred = [[t in window.canvas.excluded_at(p.stop - 1) for t in (line_end, comma)] for p in window.gap_positions]
    assert barred == [[True, False], [False, False], [True, True]]


def test_the_end_of_a_gap_that_is_shortened_still_ends_a_sentence(tokenizer: Tokenizer) -> None:
    gaps = [SizedGap(4, 9, 4, True, ends_sentence=True), SizedGap(14, 19, 4, True, one_line=True, ends_sentence=True)]
    (window,) = make_windows(tokenizer, "Tom. A b. Sam. C d. End.", gaps, 64)
    (stop,), (word,) = tokenizer.encode("."), tokenizer.encode(" a")

    def excluded(window: Window) -> list[list[tuple[bool, bool]]]:
        at = window.canvas.excluded_at
        return [[(stop in at(i), word in at(i)) for i in place] for place in window.gap_positions]

    behind_blank, within, end = (True, False), (False, False), (False, True)
    assert excluded(window) == [[behind_blank, within, within, end]] * 2
    assert excluded(window.shortened({0: 2, 1: 3})) == [[behind_blank, end], [behind_blank, within, end]]
    assert excluded(window.shortened({0: 1})) == [[behind_blank], [behind_blank, within, within, end]]
    (single,) = make_windows(tokenizer, "Tom. A b. End.", [SizedGap(4, 9, 1, True, ends_sentence=True)], 64)
    assert excluded(single) == [[behind_blank]]


def test_a_vocabulary_of_single_bytes_joins_no_blank() -> None:
    inner = tokenizers.Tokenizer(tokenizers.models.BPE({bytes_to_token(bytes([b])): b for b in range(256)}, []))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    of_bytes = Tokenizer(inner)
    assert not of_bytes.has_space_tokens and not absorbs_space(of_bytes, "One dog", Gap(4, 7), 0)
