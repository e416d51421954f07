"""Diffs that `patch` takes."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sedd_cli.render.diff import changes_between, diff_parts
from sedd_cli.render.wrapped import wrapped

# No \r: `patch` takes it for the end of its own lines.
PIECE = st.text(alphabet="ab \n", max_size=12)


def rebuilt(kept: list[str], old: list[str], new: list[str]) -> tuple[str, str, list[tuple[tuple[int, int], ...]]]:
    """Two texts that share `kept`, and the spans in which they differ."""
    before, after, changes = kept[0], kept[0], []
    for was, now, rest in zip(old, new, kept[1:], strict=True):
        changes.append(((len(before), len(before) + len(was)), (len(after), len(after) + len(now))))
        before, after = before + was + rest, after + now + rest
    return before, after, changes


def joined(before: str, after: str, changes: list[tuple[tuple[int, int], ...]], name: str) -> str:
    return "".join(part for part, _ in diff_parts(before, after, changes, name))  # type: ignore[arg-type]


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs patch")
@given(data=st.data(), count=st.integers(1, 4))
def test_patch_makes_the_new_text_of_the_old(
    data: st.DataObject, count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = [data.draw(PIECE) for _ in range(count + 1)]
    # Gaps that touch are one.
    kept[1:-1] = [f"k{piece}" for piece in kept[1:-1]]
    old, new = ([data.draw(PIECE) for _ in range(count)] for _ in range(2))
    before, after, changes = rebuilt(kept, old, new)
    assume(before and after)  # of an empty text `patch` makes no file
    folder: Path = tmp_path_factory.mktemp("patch")
    (folder / "text").write_bytes(before.encode())
    difference = joined(before, after, changes, "text")
    done = subprocess.run(["patch", "--binary", "-s", "text"], cwd=folder, input=difference.encode())
    assert done.returncode == 0 and (folder / "text").read_bytes() == after.encode()


def test_far_changes_have_hunks_of_their_own_with_context() -> None:
    before = "".join(f"line {i}\n" for i in range(40))
    at = before.index("line 5\n"), before.index("line 30\n")
    after = before.replace("line 5\n", "LINE 5\n").replace("line 30\n", "LINE 30\n")
    text = joined(before, after, [((i, i + 4), (i, i + 4)) for i in at], "story.txt")
    assert text.splitlines()[:3] == ["--- story.txt", "+++ story.txt", "@@ -3,7 +3,7 @@"]
    assert text.count("@@ -") == 2 and "-line 30\n+LINE 30\n line 31\n" in text


def test_that_no_newline_ends_a_text_is_no_changed_line() -> None:
    parts = diff_parts("one\ntwo", "one\nTWO", [((4, 7), (4, 7))], "story.txt")
    remark = "\\ No newline at end of file\n"
    assert parts[2:] == [(" one\n", ""), ("-two\n", "red"), (remark, ""), ("+TWO\n", "green"), (remark, "")]


def marked(before: str, after: str, changes: list[tuple[tuple[int, int], tuple[int, int]]]) -> list[str]:
    """The changed words of a diff, removed and added."""
    parts = diff_parts(before, after, changes, "story.txt")
    return [text for text, style in parts if style.startswith("bold underline ")]


def test_changed_words_are_marked_within_their_lines() -> None:
    before = "She ran to the park, and swam home.\nThe end.\n"
    after = "She ran to a big lake, and swam home.\nThe end.\n"
    assert marked(before, after, [((8, 19), (8, 21))]) == ["the park", "a big lake"]
    assert marked(before, after, changes_between(before, after)) == ["the park", "a big lake"]
    parts = diff_parts(before, after, [((8, 19), (8, 21))], "story.txt")
    assert parts[2:5] == [("-She ran to ", "red"), ("the park", "bold underline red"), (", and swam home.\n", "red")]


def test_a_word_that_a_change_cuts_is_marked_whole() -> None:
    before, after = "One sunny day in the village.\n", "One funny day in the billage.\n"
    assert marked(before, after, [((4, 5), (4, 5)), ((21, 22), (21, 22))]) == ["sunny", "village", "funny", "billage"]
    # Both changes are in one word.
    assert marked("a sunny day", "a funno day", [((2, 3), (2, 3)), ((6, 7), (6, 7))]) == ["sunny", "funno"]


def test_of_lines_that_are_new_no_words_are_marked() -> None:
    assert marked("a\nb\n", "a\nc d\nb\n", [((2, 2), (2, 6))]) == []
    assert marked("a\nb c\nd e\n", "a\nb x\ny\nd e\n", [((4, 5), (4, 7))]) == ["c", "x"]


def test_many_changed_words_take_no_time() -> None:
    before = "".join(f"w{i} " for i in range(20_000))
    after = before.replace("w", "x")
    assert marked(before, after, [((0, len(before)), (0, len(after)))]) == []


def test_long_lines_are_wrapped_between_words_for_a_terminal() -> None:
    before = "word " * 40 + "\tdog.\nshort\n"
    after = before.replace("dog", "cat")
    at = before.index("dog")
    parts = diff_parts(before, after, [((at, at + 3), (at, at + 3))], "story.txt")
    rows = "".join(text for text, _ in wrapped(parts, 40)).split("\n")
    assert all(len(row) <= 40 for row in rows) and rows[-2:] == [" short", ""]
    removed = rows[3 : next(i for i, row in enumerate(rows) if row.startswith("+word"))]
    assert len(removed) == 6 and removed[0].startswith("-word word ")
    assert all(row.startswith("  word") for row in removed[1:]) and removed[-1].endswith(" dog.")
    assert [text for text, style in wrapped(parts, 40) if getattr(style, "underline", False)] == ["dog", "cat"]
    assert "".join(text for text, _ in wrapped(parts, 400)) == "".join(text for text, _ in parts)
