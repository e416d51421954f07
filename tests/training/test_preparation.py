"""What is read of a corpus before training, and the account of it."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from sedd_cli import SeddError, UsageError
from sedd_cli.render.corpus import skipped_lines
from sedd_cli.text.corpus_files import HIDDEN, NO_SUFFIX_OF_TEXT, TABLE, Skipped
from sedd_cli.training.packed import PackedCorpus
from sedd_cli.training.preparation import CorpusPart, prepare
from sedd_cli.training.recipe import make_recipe
from sedd_cli.training.run import RunFolder
from tests.conftest import Sedd

SMALL = ("model.length=8", "model.hidden_size=16", "model.n_blocks=1", "model.n_heads=2")
PHASE = '[{objective="simple", steps=1}]'


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.txt").write_text("one\n\ntwo")
    (folder / "B.TXT").write_text("three")
    (folder / "c.json").write_text(json.dumps([{"story": "four"}, {"story": "five"}]))
    (folder / "d.csv").write_text("text\nsix\n")
    (folder / "e.png").write_bytes(b"\x89PNG\0")
    (folder / ".f").write_text("seven")
    return folder


def packed(source: Path, folder: Path, *changes: str) -> tuple[list[list[CorpusPart]], int, int]:
    """The parts of each report, and the tokens packed for training and for validation."""
    table = {"tokenizer": "bytes", "data": {"train": str(source)}, "phases": [{"objective": "simple", "steps": 1}]}
    run = RunFolder(folder)
    with ExitStack() as held:
        run.create(held)
        reports = prepare(make_recipe(table, list(changes), "test"), run, None)
    tokens = [PackedCorpus(run.data / name, 2, wrap=True).tokens for name in ("train", "validation")]
    return [list(report.parts) for report in reports], tokens[0], tokens[1]


def test_tokens_are_counted_by_how_files_are_read(mixed: Path, tmp_path: Path) -> None:
    (parts,), train, validation = packed(mixed, tmp_path / "run")
    # Each word and the end-of-text token behind it.
    assert parts == [CorpusPart(".txt", 2, 3, 6 + 4 + 4), CorpusPart('.json (JSON array, "story")', 1, 2, 5 + 5)]
    assert (train, validation) == (4 + 6 + 5 + 5, 4)


@pytest.mark.parametrize(
    ("sizes", "held_out"),
    [((8, 3000), 8), ((3000, 8), 8), ((40, 3000, 8), 40), ((500, 400, 600), 400), ((9, 9), 9)],
    ids=str,
)
def test_of_few_documents_one_of_fair_size_is_held_out(tmp_path: Path, sizes: tuple[int, ...], held_out: int) -> None:
    (tmp_path / "book.txt").write_text("\n\n".join("x" * size for size in sizes))
    _, train, validation = packed(tmp_path / "book.txt", tmp_path / "run")
    assert validation == held_out + 1 and train == sum(sizes) - held_out + len(sizes) - 1


def test_line_ends_are_learnt_as_lf(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\nline\r\n\r\ntwo")
    (tmp_path / "b.json").write_text(json.dumps([{"text": "three\r\n"}]))
    _, train, validation = packed(tmp_path, tmp_path / "run")
    assert train + validation == len("one\nline") + len("two") + len("three\n") + 3


def test_a_validation_text_has_a_report_of_its_own(mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "v.md").write_text("eight")
    (parts, of_validation), train, validation = packed(mixed, tmp_path / "run", f"data.validation={tmp_path / 'v.md'}")
    assert sum(part.tokens for part in parts) == train == 24
    assert of_validation == [CorpusPart(".md", 1, 1, 6)] and validation == 6


def test_the_key_of_the_text_is_the_recipes(mixed: Path, tmp_path: Path) -> None:
    (mixed / "c.json").write_text(json.dumps([{"story": "no", "title": "four"}]))
    (parts,), _, _ = packed(mixed, tmp_path / "run", "data.text_key=title")
    assert parts[1] == CorpusPart('.json (JSON array, "title")', 1, 1, 5)


def test_the_command_says_what_it_reads_and_what_it_does_not(mixed: Path, tmp_path: Path, sedd: Sedd) -> None:
    changes = [part for change in (*SMALL, f"phases={PHASE}") for part in ("--set", change)]
    result = sedd("train", str(mixed), "-o", str(tmp_path / "run"), "--text-key", "story", *changes)
    assert result.code == 0
    rows = [line.split() for line in result.stderr.splitlines()]
    assert ["mixed", "files", "documents", "tokens"] in rows and [".txt", "2", "3", "14"] in rows
    assert [".json", "(JSON", "array,", '"story")', "1", "2", "10"] in rows and ["in", "all", "3", "5", "24"] in rows
    assert f"not read ({HIDDEN}): .f" in result.stderr
    assert f"warning: not read ({TABLE}): d.csv\nConvert it: python -c" in result.stderr
    assert f"warning: not read ({NO_SUFFIX_OF_TEXT}): e.png" in result.stderr


def test_skipped_files_are_named_by_reason_a_few_of_each() -> None:
    skipped = [*(Skipped(f"{i}.py", NO_SUFFIX_OF_TEXT) for i in range(1200)), Skipped(".git", HIDDEN)]
    assert list(skipped_lines(skipped)) == [
        (f"not read ({NO_SUFFIX_OF_TEXT}): 0.py, 1.py, 2.py and 1,197 more", True),
        (f"not read ({HIDDEN}): .git", False),
    ]


def test_a_folder_without_documents_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "settings.json").write_text('{"a": 1}')
    with pytest.raises(UsageError, match=r"texts holds no text; left out: settings.json \(JSON without texts\)"):
        packed(tmp_path / "texts", tmp_path / "run")


def test_a_corpus_that_grows_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sedd_cli.training import preparation, vocabulary

    text = tmp_path / "a.txt"
    text.write_text("one\n\ntwo")

    def grow(*args: object) -> object:
        text.write_text("one\n\ntwo\n\nthree")
        return vocabulary.make_tokenizer(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(preparation, "make_tokenizer", grow)
    with pytest.raises(SeddError, match="the corpus changed while it was read"):
        packed(text, tmp_path / "run")
