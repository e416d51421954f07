"""Diffs that `patch` takes."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sedd_cli.render.diff import diff_parts

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
