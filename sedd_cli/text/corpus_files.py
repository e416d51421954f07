"""Which files of a folder are a corpus, and why the others are not."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from sedd_cli.errors import NotLoadableError, UsageError

TEXT_SUFFIXES = (".txt", ".text", ".md", ".markdown", ".rst", ".tex", ".org", ".adoc")
"""Prose; a file named by itself may have any."""
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")

HIDDEN = "hidden"
TRAINING_RUN = "a training run"
READ_ALREADY = "a link to a folder that is read already"
BROKEN = "no file: a link that leads nowhere, a pipe or a device"
NO_SUFFIX_OF_TEXT = "no suffix of a text"
TABLE = "a table"
JSON_WITHOUT_TEXTS = "JSON without texts"
EXPECTED = frozenset({HIDDEN, TRAINING_RUN, READ_ALREADY})
"""Reasons by which nobody misses a text."""

_RUN_PARTS = ("metrics.jsonl", "state", "model.safetensors")


@dataclass(frozen=True)
class Skipped:
    """A file or folder that is not read, why, and what to do where it may hold text.

    `name`: its path within the corpus; a folder's ends in a slash.
    """

    name: str
    reason: str
    hint: str = ""


@dataclass
class Listing:
    """The files of a corpus in order, and what stands beside them."""

    files: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def suffix_of(file: Path) -> str:
    """The suffix in lower case, that within `.gz` for a packed file; "" for none."""
    suffix = file.suffix.lower()
    return Path(file.stem).suffix.lower() if suffix == ".gz" else suffix


def list_files(path: Path) -> Listing:
    """The file itself, or the texts of a folder; links are followed, and each real folder is read once.

    Hidden ones (`.git`) and training runs are left out. Raises `NotLoadableError` if there are none, `UsageError` for
    a table.
    """
    if path.is_file():
        if table := _table_kind(path):
            raise UsageError(f"{path} is a table, not a text", _conversion(path, table))
        return Listing([path])
    if not path.is_dir():
        raise NotLoadableError(f"there is no corpus at {path}", "Give a text file, a .jsonl file or a folder of them.")
    listing = _walk(path)
    listing.files.sort()
    if not listing.files:
        suffixes = ", ".join(TEXT_SUFFIXES + JSON_SUFFIXES)
        raise NotLoadableError(
            f"{path} holds no text{summary_of(listing.skipped)}",
            f"From a folder {suffixes} files are read; a file named by itself may have any other suffix.",
        )
    return listing


def summary_of(skipped: Sequence[Skipped]) -> str:
    """The first of what was skipped, as the end of an error's message; "" if nothing was."""
    first = ", ".join(f"{item.name} ({item.reason})" for item in skipped[:3])
    return f"; left out: {first}" + (", ..." if len(skipped) > 3 else "") if skipped else ""


def _walk(root: Path) -> Listing:
    """List each real folder once, those behind links last, so that a folder keeps its own name."""
    listing, seen = Listing(), set[tuple[int, int]]()
    pending, linked = deque([root]), deque[Path]()
    while pending or linked:
        folder = (pending or linked).popleft()
        try:
            stat, entries = folder.stat(), sorted(folder.iterdir())
        except OSError as error:
            raise NotLoadableError(
                f"cannot read {folder}: {error.strerror}", "Check its permissions, or take it out of the corpus."
            ) from error
        repeated = (stat.st_dev, stat.st_ino) in seen
        if repeated or (folder != root and _is_run(folder)):
            reason = READ_ALREADY if repeated else TRAINING_RUN
            listing.skipped.append(Skipped(f"{folder.relative_to(root)}/", reason))
            continue
        seen.add((stat.st_dev, stat.st_ino))
        for entry in entries:
            if entry.is_dir() and not entry.name.startswith("."):
                (linked if entry.is_symlink() else pending).append(entry)
            elif reason := _reason_to_skip(entry):
                hint = _conversion(entry, suffix_of(entry)) if reason == TABLE else ""
                listing.skipped.append(Skipped(str(entry.relative_to(root)), reason, hint))
            else:
                listing.files.append(entry)
    return listing


def _reason_to_skip(entry: Path) -> str:
    """Why a file is not read; "" if it is."""
    if entry.name.startswith("."):
        return HIDDEN
    if not entry.is_file():
        return BROKEN
    suffix = suffix_of(entry)
    if suffix in TABLE_SUFFIXES:
        return TABLE
    return "" if suffix in TEXT_SUFFIXES + JSON_SUFFIXES else NO_SUFFIX_OF_TEXT


def _is_run(folder: Path) -> bool:
    """Whether training wrote a folder: a recipe alone may be anyone's."""
    return (folder / "recipe.json").is_file() and any((folder / part).exists() for part in _RUN_PARTS)


def _table_kind(file: Path) -> str | None:
    if suffix_of(file) in TABLE_SUFFIXES:
        return suffix_of(file)
    try:
        with file.open("rb") as stream:
            return ".parquet" if stream.read(4) == b"PAR1" else None
    except OSError:
        return None  # whoever reads it reports that


def _conversion(file: Path, kind: str) -> str:
    """A command that makes JSON lines of a table."""
    if file.suffix.lower() == ".gz":
        return f"Unpack it first: gunzip -k {quote(str(file))}"
    source, target = quote(str(file)), quote(str(file.with_suffix(".jsonl")))
    if kind == ".parquet":
        code = (
            "import json, sys; from pyarrow import parquet; "
            'sys.stdout.writelines(json.dumps(row, default=str) + "\\n" '
            "for batch in parquet.ParquetFile(sys.argv[1]).iter_batches() for row in batch.to_pylist())"
        )
        return f"Convert it (by pyarrow, of sedd-cli[eval]): python -c '{code}' {source} > {target}"
    dialect = "excel-tab" if kind == ".tsv" else "excel"
    code = (
        "import csv, json, sys; csv.field_size_limit(10**9); "
        'sys.stdout.writelines(json.dumps(row) + "\\n" for row in '
        f'csv.DictReader(open(sys.argv[1], encoding="utf-8-sig", newline=""), dialect="{dialect}"))'
    )
    return f"Convert it: python -c '{code}' {source} > {target}"
