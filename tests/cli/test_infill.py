"""`sedd infill`, run in this process: what goes where, files written back, and every way to ask wrongly."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file

from sedd_cli import Checkpoint, Gap, infill
from sedd_cli.cli.gaps import AskedGaps
from sedd_cli.cli.infill_run import candidate_line
from sedd_cli.cli.terminal import Terminal
from sedd_cli.generation.filling import Filling, ranked
from sedd_cli.models.pad_state import with_pad
from sedd_cli.text.document import Document
from tests.conftest import Result, Sedd

STORY = "\ufeffOnce upon a time, there was a little dog.\r\nHe ran to the park\tand saw a cat. \r\nThey were happy."
QUICK = ("--steps", "8", "--seed", "7")

pytestmark = pytest.mark.usefixtures("shallow_by_default")


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.txt"
    path.write_bytes(STORY.encode())
    return path


def test_stdout_is_the_document_and_nothing_else(
    sedd: Sedd, story: Path, built_in: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEDD_MODEL")
    (filling,) = infill(built_in, STORY, [(53, 66)], defaults="checkpoint", seed=7, steps=8)
    result = sedd("infill", str(story), "--mask", "53:66", *QUICK)
    assert (result.code, result.stdout) == (0, filling.text.encode())
    assert "seed 7" in result.stderr and story.read_bytes() == STORY.encode()
    piped = sedd("infill", "-", "--mask", "53:66", *QUICK, stdin=STORY.encode())
    assert piped.stdout == result.stdout
    assert sedd("infill", str(story), "--mask", "9:9", *QUICK).stdout == STORY.encode()


def test_spans_by_unit_and_patterns(sedd: Sedd, story: Path) -> None:
    lines = sedd("infill", str(story), "--unit", "lines", "--mask", "1:2", *QUICK).stdout.decode()
    assert lines.startswith(STORY.split("He")[0]) and lines.endswith("\r\nThey were happy.") and "a cat." not in lines
    empty = (b"One day.\r\n\r\nThe end.\r\n", "--unit", "lines", "--mask", "1:2", "--tokens", "3")
    filled = sedd("infill", "-", *empty[1:], *QUICK, stdin=empty[0]).stdout
    assert filled.startswith(b"One day.\r\n") and filled.endswith(b"\r\nThe end.\r\n") and len(filled) > len(empty[0])
    words = sedd("infill", str(story), "--unit", "words", "--mask=-1:", "--mask", "1:2", *QUICK).stdout.decode()
    assert words.startswith("\ufeffOnce ") and STORY[10:-6] in words
    found = sedd("infill", str(story), "--regex", r"\b(dog|cat)\b", "--tokens", "2", *QUICK).stdout.decode()
    assert "dog" not in STORY.replace("dog", "") and " a time, there was a little " in found


def test_markers_are_read_and_told(sedd: Sedd, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("See [[Home]].\nOnce upon [[3]] there was a dog. He [[2-4]] ran. [[...]] They were happy.\n")
    result = sedd("infill", str(path), *QUICK)
    assert result.code == 0 and result.stdout.startswith(b"See [[Home]].\nOnce upon ")
    assert b"[[3]]" not in result.stdout and result.stdout.endswith(b" They were happy.\n")
    assert "2:11: [[3]]" in result.stderr and "2:37: [[2-4]]" in result.stderr
    assert result.stderr.count("nats of the text beside it, ±") == 2
    other = sedd("infill", "-", "--marker", "<", ">", *QUICK, stdin=b"Once upon <2> there was a dog [[3]].")
    assert other.stdout.endswith(b" there was a dog [[3]].") and b"<2>" not in other.stdout


def test_json(sedd: Sedd, story: Path, shallow: Checkpoint) -> None:
    options = ("-n", "3", "--mask", "53:66", "--mask", "60:70", "--tokens", "3-6")
    record = json.loads(sedd("infill", str(story), "--json", *options, *QUICK).stdout)
    assert record["schema_version"] == 1 and record["model"]["sha256"] == shallow.hash
    (gap,) = record["gaps"]
    assert (gap["start"], gap["end"]) == (53, 70) and 3 <= gap["tokens"] <= 6
    assert sorted(map(int, record["lengths_compared"][0]["nats"])) == [3, 4, 5, 6]
    candidates = record["candidates"]
    assert sorted(c["row"] for c in candidates) == [0, 1, 2]
    assert [c["nats"] for c in candidates] == sorted(c["nats"] for c in candidates)
    for candidate in candidates:
        ((start, end),) = candidate["spans"]
        assert candidate["text"] == STORY[:53] + candidate["text"][start:end] + STORY[70:]
        assert candidate["written"] == [candidate["text"][start:end]]
        assert candidate["seed"] == 7 and 0 < candidate["nfe"] - candidate["redrawn"] <= min(gap["tokens"], 9)
    best = sedd("infill", str(story), *options, *QUICK)
    assert best.stdout.decode() == candidates[0]["text"] and best.stderr.count(" nats") >= 3


def test_a_checkpoint_with_pad_draws_lengths(sedd: Sedd, story: Path, shallow: Checkpoint, tmp_path: Path) -> None:
    padded, folder = with_pad(shallow), tmp_path / "padded"
    shutil.copytree(shallow.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"tokens": padded.config.tokens, "pad_id": padded.config.pad_id}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(padded.model.backbone.state_dict(), folder / "model.safetensors")
    trace = tmp_path / "trace.jsonl"
    options = ("--mask", "13:17", "--mask", "53:66", "--tokens", "2-6", "-n", "3", "-m", str(folder), *QUICK)
    result = sedd("infill", str(story), "--json", "--trace", str(trace), *options)
    record = json.loads(result.stdout)
    assert record["lengths_compared"] == [] and len(record["lengths_drawn"]) == 2
    assert [[*map(int, law["probability"])] for law in record["lengths_drawn"]] == [[2, 3, 4, 5, 6]] * 2
    first = next(c for c in record["candidates"] if c["row"] == 0)
    drawn = [law["tokens"] for law in record["lengths_drawn"]]
    assert first["tokens"] == drawn == [gap["tokens"] for gap in record["gaps"]]
    assert f"gap 53:66 gets {drawn[1]} tokens (80% sure: " in result.stderr
    for candidate in record["candidates"]:
        replayed = sedd("replay", str(trace), "--row", str(candidate["row"]))
        assert replayed.stdout == candidate["text"].encode()


def test_offsets_are_those_that_editors_count(sedd: Sedd) -> None:
    text = "\ufeff« Été » 🌍🐕: he ran to the park.\r\nThe end."
    result = sedd("infill", "-", "--regex", "ran|park", "--json", *QUICK, stdin=text.encode())
    record = json.loads(result.stdout)
    units = [("", lambda t: t), ("utf8", lambda t: t.encode()), ("utf16", lambda t: t.encode("utf-16-le"))]
    (best,) = record["candidates"]
    for name, encoded in units:
        size = 2 if name == "utf16" else 1
        for gap, word in zip(record["gaps"], ("ran", "park"), strict=True):
            start, end = gap[name] if name else (gap["start"], gap["end"])
            assert encoded(text)[size * start : size * end] == encoded(word)
        for (start, end), written in zip(best[f"spans_{name}" if name else "spans"], best["written"], strict=True):
            assert encoded(best["text"])[size * start : size * end] == encoded(written)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder of documents: two with a gap, one without, an empty one, and one that is no text."""
    (tmp_path / "a.md").write_text("The dog TODO home.\n")
    (tmp_path / "b.md").write_bytes(b"caf\xe9 TODO\n")
    (tmp_path / "c.md").write_text("Nothing here.\n")
    (tmp_path / "d.md").write_text("")
    (tmp_path / "e.md").write_text("She TODO a cat. TODO\n")
    return tmp_path


def test_of_several_documents_one_that_fails_stops_no_other(sedd: Sedd, notes: Path) -> None:
    files, before = sorted(notes.iterdir()), {file.name: file.read_bytes() for file in notes.iterdir()}
    options = ("--regex", "TODO", "--tokens", "2", *QUICK)
    alone = {name: sedd("infill", str(notes / name), *options).stdout for name in ("a.md", "e.md")}
    named = [*map(str, files), str(notes / "a.md"), str(notes / "gone.md")]
    record = json.loads(sedd("infill", *named, *options, "--json").stdout)
    kinds = [(Path(each["file"]).name, each["error"] is None) for each in record["documents"]]
    assert record["complete"] and kinds == [
        (n, n in alone) for n in ("a.md", "b.md", "c.md", "d.md", "e.md", "gone.md")
    ]
    assert {f.name: f.read_bytes() for f in notes.iterdir()} == before
    result = sedd("infill", *named, *options, "--in-place", "--diff")
    assert result.code == 1 and result.stdout.decode().count("\n+++ ") == 2
    assert "6 files: 2 changed, 2 without a gap, 2 failed" in result.stderr
    assert f"{notes / 'b.md'} is not UTF-8" in result.stderr and f"cannot read {notes / 'gone.md'}" in result.stderr
    after = {f.name: f.read_bytes() for f in notes.iterdir() if not f.name.endswith("~")}
    assert after == {**before, **alone} and sorted(f.name for f in notes.glob("*~")) == ["a.md~", "e.md~"]
    done = sedd("infill", *map(str, files[2:4]), *options, "-i")
    assert done.code == 0 and "2 files: 2 without a gap" in done.stderr


def test_several_documents_do_not_run_into_each_other(sedd: Sedd, notes: Path) -> None:
    files = [str(notes / name) for name in ("a.md", "e.md")]
    wrong = {
        (): "2 documents would run into each other in stdout",
        ("-o", "x"): "would run into each other in x",
        ("-i", "--trace", "x"): "a trace records one document",
        ("-i", "--tokens", "none"): "not a number of tokens",
        ("-i", "-n", "0"): "must be at least 1",
    }
    for options, message in wrong.items():
        result = sedd("infill", *files, "--regex", "TODO", *options)
        assert (result.code, result.stdout) == (2, b"") and message in result.stderr
    assert sedd("infill", *files, "-i", "--regex", "(").stderr.count("not a regular expression") == 1
    assert "document is on stdin" in sedd("infill", *files, "-", "--regex", "TODO", "-i", stdin=b"a").stderr


def test_a_stop_leaves_the_documents_that_were_not_reached(
    sedd: Sedd, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sedd_cli.generation.infill import Infilling

    steps = Infilling.steps

    def stopped(self: Infilling):  # type: ignore[no-untyped-def]
        yield from steps(self)
        if self.document.startswith("She"):
            raise KeyboardInterrupt

    monkeypatch.setattr(Infilling, "steps", stopped)
    files = [str(notes / name) for name in ("a.md", "e.md", "c.md")]
    before = [Path(file).read_bytes() for file in files]
    result = sedd("infill", *files, "--regex", "TODO", "--tokens", "2", "-i", *QUICK)
    assert result.code == 130 and "3 files: 1 changed, 2 not reached" in result.stderr
    assert [Path(file).read_bytes() == text for file, text in zip(files, before, strict=True)] == [False, True, True]


def test_diff(sedd: Sedd, story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEDD_MODEL")
    lines = sedd("infill", str(story), "--mask", "53:66", "--diff", *QUICK).stdout.decode().split("\n")
    assert lines[:3] == [f"--- {story}", f"+++ {story}", "@@ -1,3 +1,3 @@"]
    assert "-He ran to the park\tand saw a cat. \r" in lines and " They were happy." in lines
    coloured = sedd("infill", str(story), "--mask", "53:66", "--diff", "--color", "always", *QUICK)
    changed = rb"\x1b\[31m-He ran to the [^\n]*\x1b\[1;4;31m\S[^\n]*\x1b\[0m\x1b\[31m saw a cat"
    assert re.search(changed, coloured.stdout)


def test_in_place_keeps_what_was(sedd: Sedd, story: Path) -> None:
    story.chmod(0o640)
    link = story.with_name("link.txt")
    link.symlink_to(story)
    expected = sedd("infill", str(story), "--mask", "53:66", *QUICK).stdout
    result = sedd("infill", str(link), "--mask", "53:66", "--in-place", *QUICK)
    assert (result.code, result.stdout) == (0, b"")
    assert story.read_bytes() == expected != STORY.encode() and link.is_symlink()
    backup = story.with_name("story.txt~")
    assert backup.read_bytes() == STORY.encode() and str(backup) in result.stderr
    assert (story.stat().st_mode & 0o777, backup.stat().st_mode & 0o777) == (0o640, 0o640)
    sedd("infill", str(story), "--mask", "3:9", "-i", "--diff", *QUICK)
    assert backup.read_bytes() == STORY.encode() and story.with_name("story.txt~2").read_bytes() == expected
    assert sorted(p.name for p in story.parent.iterdir()) == ["link.txt", "story.txt", "story.txt~", "story.txt~2"]


def test_a_file_that_changed_meanwhile_is_left_alone(sedd: Sedd, story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sedd_cli.generation.infill import Infilling

    steps = Infilling.steps

    def meddled(self: Infilling):  # type: ignore[no-untyped-def]
        yield from steps(self)
        story.write_text("someone else's")

    finished = sedd("infill", str(story), "--mask", "53:66", *QUICK).stdout
    monkeypatch.setattr(Infilling, "steps", meddled)
    trace = story.with_name("trace.jsonl")
    result = sedd("infill", str(story), "--mask", "53:66", "--in-place", "--trace", str(trace), *QUICK)
    assert result.code == 1 and result.stdout == finished
    said = "the finished document is on stdout", "seed 7", "error: ", "changed by another program"
    assert sorted(said, key=result.stderr.index) == list(said)
    assert story.read_text() == "someone else's"
    assert trace.is_file() and len(list(story.parent.iterdir())) == 2
    story.write_bytes(STORY.encode())
    result = sedd("infill", str(story), "--mask", "53:66", "--in-place", "--json", *QUICK)
    assert result.code == 1 and json.loads(result.stdout)["candidates"][0]["text"].encode() == finished
    assert "on stdout" not in result.stderr


def test_a_stopped_run_prints_markers_and_writes_nothing_in_place(
    sedd: Sedd, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sedd_cli.generation.infill import Infilling

    steps = Infilling.steps

    def stopped(self: Infilling):  # type: ignore[no-untyped-def]
        yield next(iter(steps(self)))
        raise KeyboardInterrupt

    monkeypatch.setattr(Infilling, "steps", stopped)
    result = sedd("infill", str(story), "--mask", "50:80", "--steps", "64", "--seed", "7")
    assert result.code == 130 and b"[[" in result.stdout and result.stdout.startswith(STORY[:50].encode())
    assert sedd("infill", str(story), "--mask", "50:80", "--steps", "64", "-i").code == 130
    assert story.read_bytes() == STORY.encode() and [p.name for p in story.parent.iterdir()] == ["story.txt"]
    other = story.with_name("other.txt")
    other.write_text("kept")
    result = sedd("infill", str(story), "--mask", "50:80", "--steps", "64", "-o", str(other))
    assert result.code == 130 and other.read_text() == "kept" and "other.txt was left as it is" in result.stderr
    assert b"[[" in result.stdout and len(list(story.parent.iterdir())) == 2


def test_a_ranking_that_is_stopped_spares_the_candidates(
    sedd: Sedd, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sedd_cli.generation import filling as module

    def stopped(fillings: list[module.Filling], document: str) -> list[module.Filling]:
        raise KeyboardInterrupt

    first = sedd("infill", str(story), "--mask", "53:66", *QUICK).stdout
    monkeypatch.setattr(module, "ranked", stopped)
    result = sedd("infill", str(story), "--mask", "53:66", "-n", "2", *QUICK)
    assert (result.code, result.stdout) == (130, first)


def test_a_figure_that_is_stopped_spares_the_text(sedd: Sedd, story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sedd_cli.generation import filling as module

    def stopped(*_: object) -> float:
        raise KeyboardInterrupt

    first = sedd("infill", str(story), "--mask", "53:66", *QUICK).stdout
    monkeypatch.setattr(module, "nats_of", stopped)
    result = sedd("infill", str(story), "--mask", "53:66", "--json", *QUICK)
    (candidate,) = json.loads(result.stdout)["candidates"]
    assert result.code == 130 and candidate["text"].encode() == first and candidate["nats"] is None


def test_a_marker_is_no_text_that_stood_there(sedd: Sedd) -> None:
    """How long it is says nothing of how long its gap is to be."""
    document = b"The dog [[...]] home."
    given, auto = (sedd("infill", "-", *QUICK, *more, stdin=document) for more in ((), ("--tokens", "auto")))
    assert given.code == auto.code == 0 and given.stdout == auto.stdout
    assert "comparing how many tokens fit" in auto.stderr
    assert re.search(r"beside it, ± \d+\.\d: 1 \(", auto.stderr)
    none = sedd("infill", "-", *QUICK, "--tokens", "0", stdin=document)
    assert none.code == 2 and "impossible number of tokens" in none.stderr


def test_a_name_that_is_no_unicode_comes_out_as_it_is(sedd: Sedd, story: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    story.rename(story.with_name(name))
    result = sedd("infill", str(story.with_name(name)), "--mask", "53:66", "--diff", "-i", *QUICK)
    assert result.code == 0 and b"/caf\xe9.txt\n" in result.stdout
    assert story.with_name(f"{name}~").is_file()


def test_nothing_changed_is_not_written(sedd: Sedd, story: Path) -> None:
    assert "nothing changed" in sedd("infill", str(story), "--mask", "3:3", "-i", *QUICK).stderr
    assert [p.name for p in story.parent.iterdir()] == ["story.txt"]


def test_what_stood_there_is_written_again_by_the_exact_law_alone_and_said(sedd: Sedd) -> None:
    note = "what stood there was written again"
    command = ("infill", "-", "--temperature", "0", "--json", *QUICK)
    first = sedd(*command, "--mask", "7:10", stdin=b"He ran to the park.")
    (best,) = json.loads(first.stdout)["candidates"]
    ((start, end),) = best["spans"]
    mask, text = ("--mask", f"{start}:{end}"), best["text"].encode()
    other = sedd(*command, *mask, stdin=text)
    (new,) = json.loads(other.stdout)["candidates"]
    assert new["text"] != best["text"] and new["redrawn"] and "nothing new" in other.stderr
    exact = sedd(*command, *mask, "--exact", "--top-p", "0.82", "--order", "confidence", stdin=text)
    assert f"{note}: --tokens, or a --temperature above 0, may change it" in exact.stderr
    assert all(note not in told.stderr for told in (first, other))
    assert note not in sedd(*command, *mask, "--strength", "0", stdin=text).stderr


def test_a_gap_in_which_nothing_stands_is_told(sedd: Sedd, story: Path) -> None:
    result = sedd("infill", str(story), "--mask", "3:3", "--mask", "9:12", "--mask", "9:9", *QUICK)
    assert result.code == 0 and result.stdout != STORY.encode()
    assert result.stderr.count("nothing stands in the gap") == 1, "9:9 is part of 9:12"
    assert "nothing stands in the gap 3:3: --tokens N would write there" in result.stderr
    assert "in the gap" not in sedd("infill", str(story), "--mask", "3:3", "--tokens", "2", *QUICK).stderr


def test_trace(sedd: Sedd, story: Path, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    sedd("infill", str(story), "--mask", "53:66", "-n", "2", "--trace", str(path), *QUICK)
    header, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert header["gaps"] == [{"start": 53, "end": 66, "tokens": len(header["windows"][0]["free"])}]
    assert header["rows"] == [0, 1]
    for row in (0, 1):
        written = [i for line in lines if line["row"] == row and "step" in line for i in line["positions"]]
        # A token that does not fit its place is drawn again.
        assert sorted(set(written)) == header["windows"][0]["free"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "has no gap"),
        (["--mask", "5"], 2, "'5' is not a span"),
        (["--mask", "9:5"], 2, "reversed"),
        (["--mask", "5:9000"], 2, "out of range: the document has"),
        (["--mask", "5:9", "--unit", "pages"], 2, "unknown unit 'pages'"),
        (["--mask", "5:9", "--tokens", "none"], 2, "not a number of tokens"),
        (["--mask", "5:9", "--tokens", "0"], 2, "cannot have 0"),
        (["--mask", "5:9", "--tokens", "300"], 2, "largest possible is 256"),
        (["--mask", "5:9", "--json", "--diff"], 2, "both go to stdout"),
        (["--mask", "5:9", "-i", "-o", "x"], 2, "two places"),
        (["--regex", "("], 2, "not a regular expression"),
        (["--mask", "5:9", "--regex", "dog"], 2, "--mask and --regex both name the gaps"),
        (["--regex", "zebra"], 2, "matches nothing"),
        (["--mask", "5:9", "-n", "0"], 2, "must be at least 1"),
        (["--mask", "5:9", "--steps", "0"], 2, "steps must be at least 1"),
        (["--mask", "5:9", "-o", "/no/such/folder/x"], 1, "cannot write"),
    ],
)
def test_what_cannot_be_done_is_told(sedd: Sedd, story: Path, options: list[str], code: int, message: str) -> None:
    result = sedd("infill", str(story), *options)
    assert (result.code, result.stdout) == (code, b"") and message in result.stderr
    assert story.read_bytes() == STORY.encode()


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", 2, "is empty"),
        (b"a\0b", 2, "binary file: byte 0x00 at offset 1"),
        (b"caf\xe9", 2, "is not UTF-8: byte 0xe9 at offset 3"),
        (b"one [[12\ntwo", 2, "the marker at 1:5 is never closed"),
        (None, 3, "cannot read"),
    ],
)
def test_documents_that_are_none(sedd: Sedd, tmp_path: Path, content: bytes | None, code: int, message: str) -> None:
    path = tmp_path / "document"
    if content is not None:
        path.write_bytes(content)
    result: Result = sedd("infill", str(path))
    assert (result.code, result.stdout) == (code, b"") and message in result.stderr


def test_a_target_that_cannot_be_written_is_refused_before_any_work(sedd: Sedd, story: Path) -> None:
    assert "document is on stdin" in sedd("infill", "-", "--mask", "0:1", "-i", stdin=b"a dog").stderr
    result = sedd("infill", "/proc/version", "--mask", "0:4", "-i")
    assert result.code == 1 and "cannot write /proc/version" in result.stderr
    assert "would write over" in sedd("infill", str(story), "--mask", "0:1", "-o", str(story)).stderr
    pipe = story.with_name("pipe")
    os.mkfifo(pipe)
    assert "is no file that could be written back" in sedd("infill", str(pipe), "--mask", "0:1", "-i").stderr


def test_gap_is_importable() -> None:
    assert Gap(1, 2).tokens is None


def test_a_mask_that_cuts_words_is_told_with_the_words(sedd: Sedd, tmp_path: Path) -> None:
    path = tmp_path / "a story.txt"
    text = "She ran to the park. Don't stop."
    path.write_text(text)
    result = sedd("infill", str(path), "--mask", "5:9", "--mask", "24:26", *QUICK)
    assert result.code == 0 and result.stdout.startswith(b"She r") and result.stdout.endswith(b" stop.")
    assert result.stderr.count("--whole-words") == 1 and 'cuts "r|an" and "t|o" and "Don|\'t"' in result.stderr
    command = f"sedd infill '{path}' --unit words --mask 1:3 --mask 5:6"
    assert command in result.stderr
    whole = sedd("infill", str(path), "--mask", "5:9", "--mask", "24:26", "--whole-words", *QUICK)
    words = sedd("infill", str(path), "--unit", "words", "--mask", "1:3", "--mask", "5:6", *QUICK)
    assert whole.stdout == words.stdout != result.stdout and "--whole-words" not in whole.stderr + words.stderr
    for mask in ("4:7", "4:10", "15:19", "0:20", "6:6", ":"):
        assert "cuts" not in sedd("infill", str(path), "--mask", mask, *QUICK).stderr
    by_pattern = json.loads(sedd("infill", str(path), "--regex", "a", "--whole-words", "--json", *QUICK).stdout)
    assert [text[gap["start"] : gap["end"]] for gap in by_pattern["gaps"]] == ["ran", "park"]


@pytest.mark.parametrize(("text", "mask"), [("He ate **our bread** then.", "10:14"), ('1,"She ran",2\n', "4:8")])
def test_unit_words_is_not_offered_where_it_takes_punctuation_too(sedd: Sedd, text: str, mask: str) -> None:
    result = sedd("infill", "-", "--mask", mask, *QUICK, stdin=text.encode())
    assert "--whole-words takes whole words\n" in result.stderr and "--unit words" not in result.stderr


def test_one_of_a_thing_is_counted_in_the_singular(sedd: Sedd) -> None:
    result = sedd("infill", "-", *QUICK, stdin=b"Once upon a time there was a little [[1-2]]. He was happy.")
    one = sedd("infill", "-", "--mask", "5:9", "--tokens", "1", *QUICK, stdin=b"Once upon a time.")
    assert re.search(r"gets (1 token|2 tokens) \(", result.stderr) and " 1 network call," in one.stderr
    assert " 1 network call," in sedd("generate", "--length", "1", "--revise", "0", "--no-live").stderr
    scored = sedd("score", "-", "--order", "left-to-right", stdin=b"a")
    assert "1 token, 1 network call\n" in scored.stderr


def test_overlapping_masks_are_one_gap_and_told(sedd: Sedd, story: Path) -> None:
    masks = ("--mask", "60:70", "--mask", "53:66", "--mask", "71:75", "--mask", "75:80")
    result = sedd("infill", str(story), *masks, *QUICK)
    assert "cuts" not in result.stderr, "an edge within a word that is masked whole"
    assert "the gaps 53:66 and 60:70 overlap: they are one, 53:70" in result.stderr
    assert result.stderr.count(" overlap: ") == 1, "those that touch do not"


def test_a_line_is_filled_with_one_line(built_in: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    def one_line(name: str, *spans: str, text: str = "a,b\nSam,sat\n\nc,d\n", **options: object) -> list[bool]:
        defaults = {"unit": "chars", "pattern": None, "brackets": ("[[", "]]"), "tokens": None, "whole_words": False}
        asked = AskedGaps(**{"spans": list(spans), "one_line": None, **defaults, **options})  # type: ignore[arg-type]
        gaps = asked.of(Document(Path(name), text.encode(), text), built_in.tokenizer, Terminal(color="never"))
        asked_for_none = options.get("one_line") is None
        assert ("--no-one-line" in capsys.readouterr().err) == (asked_for_none and any(gap.one_line for gap in gaps))
        return [gap.one_line for gap in gaps]

    assert one_line("a.txt", "1:2", "3:4", unit="lines") == [True, True]
    assert one_line("a.txt", "2:3", unit="lines", tokens="2") == [True]
    assert one_line("a.txt", "1:3", unit="lines") == one_line("a.txt", "4:7") == [False]
    assert one_line("a.txt", "1:2", unit="lines", one_line=False) == [False]
    assert one_line("a.csv", "4:7", "10:14") == [True, True, True], "the second goes across lines"
    assert one_line("a.csv", "4:7", one_line=False) == one_line("a.csv", "10:14", one_line=False) == [False]
    assert one_line("a.py", "0:2") == one_line("a.txt", "2:3", text="- a b\n") == [True]
    assert one_line("a.srt", pattern="Sam") == one_line("a.tsv", text="x [[2]] y\n") == [True]
    assert one_line("a.txt", "4:7", one_line=True) == [True]


def test_a_document_of_crlf_stays_one(sedd: Sedd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEDD_MODEL")
    document = "Tom ran.\r\n\r\nSam sat.\r\n\r\nThe end.\r\n"
    at = document.index("The end")
    options = ("--mask", f"{at}:{at}", "--tokens", "16", "--steps", "8", "--seed", "1")
    filled = sedd("infill", "-", *options, stdin=document.encode()).stdout
    written = filled.removeprefix(document[:at].encode()).removesuffix(document[at:].encode())
    assert b"\r\n" in written and written.count(b"\n") == written.count(b"\r\n")
    line = sedd("infill", "-", *options, "--one-line", stdin=document.encode()).stdout
    assert line.count(b"\n") == document.count("\n") and len(line) > len(document)
    matched = sedd("infill", "-", "--regex", "sat.*$", *QUICK, stdin=document.encode()).stdout
    assert matched.startswith(b"Tom ran.\r\n\r\nSam ") and matched.endswith(b"\r\n\r\nThe end.\r\n")


def test_candidates_are_listed_with_what_they_wrote(sedd: Sedd, shallow: Checkpoint) -> None:
    text = "She ran to the park and swam.\n" * 2
    options = ("--mask", "4:19", "--mask", "34:36", "-n", "2", "--tokens", "20", *QUICK)
    result = sedd("infill", "-", *options, stdin=text.encode())
    gaps = [Gap(4, 19, 20), Gap(34, 36, 20)]
    best = infill(shallow, text, gaps, defaults="checkpoint", num_samples=2, steps=8, seed=7)
    lines = [line for line in result.stderr.splitlines() if " nats: " in line]
    assert len(lines) == 2 and all(40 < len(line) <= 80 for line in lines)
    for line, filling in zip(lines, best, strict=True):
        start, end = filling.spans[0]
        assert line.startswith(f"row {filling.row}: {filling.nats:.1f} nats: ") and line.endswith("…")
        shown = line.partition(" nats: ")[2].removesuffix("…")
        assert filling.text[start:end].strip().replace("\n", "␊").startswith(shown[:30])


def test_candidates_that_change_nothing_or_repeat_themselves_come_last(built_in: Checkpoint) -> None:
    def wrote(text: str, nats: float) -> Filling:
        return Filling(text, [(0, len(text))], 0, 0, 7, 1, True, [], built_in, length_nats=nats)

    fillings = [wrote("a red", 0.1), wrote("a blue", 9.0), wrote("a green", 2.0)]
    assert [filling.text for filling in ranked(fillings, "a red")] == ["a green", "a blue", "a red"]
    assert [filling.text for filling in ranked(fillings, "a")] == ["a red", "a green", "a blue"]
    fillings.append(wrote("a cat and a cat and", 0.0))
    assert [filling.text for filling in ranked(fillings, "a red")][2:] == ["a cat and a cat and", "a red"]


def test_a_candidate_is_shown_inert_and_in_one_line(built_in: Checkpoint) -> None:
    filling = Filling("a\x1b[31mb\nc\td", [(0, 7), (7, 11)], 0, 0, 7, 1, True, [], built_in)
    assert candidate_line([filling], 80) == "row 1: 0.0 nats: a␛[31mb · c␉d"
    assert candidate_line([filling, replace(filling, row=4)], 80).startswith("rows 1, 4: 0.0 nats: a")
