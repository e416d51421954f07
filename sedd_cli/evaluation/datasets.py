"""The data sets of the papers' tables: by name from the hub, or from a file in its original format.

A document is a row, after which the papers' code puts one end-of-text token (`get_dataset` in data.py of
louaaron/Score-Entropy-Discrete-Diffusion, arXiv 2310.16834; the same in ML-GSAI/RADD, 2406.03736). Rows are what the
scripts of huggingface/datasets made of the original files, where `\\n`, `\\r\\n` and `\\r` end a line:

- WikiText, raw (datasets/wikitext): each line with its newline and its spaces. A line without text is an empty row, a
  third of all: not left out, it is an end-of-text token with nothing before it.
- PTB (datasets/ptb_text_only), LM1B (datasets/lm1b; its test split is all of the held-out files): each line, stripped.
- LAMBADA: OpenAI's lambada_test.jsonl (`get_lambada_test_dataset`), the "text" of each line, blank lines left out.

The split is `test` by default. The papers' code differs: SEDD's has no evaluation script, and reads
`validation` while it trains; RADD's (`get_valid_dataloaders`) takes `test`, but `train` for WikiText-2; MDLM's
(kuleshov-group/mdlm, dataloader.py) takes `validation`, but `test` for LM1B.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from sedd_cli.errors import NotLoadableError, SeddError, UsageError
from sedd_cli.evaluation.detokenisers import DETOKENISERS
from sedd_cli.evaluation.names import Format, Split
from sedd_cli.models.hub_datasets import TransferProgress, dataset_file, no_progress
from sedd_cli.models.names import expand_path
from sedd_cli.text.corpus import Corpus
from sedd_cli.text.encodings import read_lines
from sedd_cli.text.json_documents import read_jsonl

FORMATS: tuple[Format, ...] = ("text", "wikitext", "ptb", "lambada", "lm1b")


@dataclass(frozen=True)
class DataSet:
    """Documents in order, empty ones too where the original has them.

    `source`: their origin in one line; `split`: None for a file; `detokeniser`: name of the rules that were applied, or
    "none"; `notes`: remarks for a report.
    """

    name: str
    documents: tuple[str, ...]
    source: str
    split: Split | None
    format: Format
    detokeniser: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Place:
    """The location of a data set on the hub: the file of each split, and the column of its text (Parquet)."""

    format: Format
    repository: str
    file: str
    splits: tuple[Split, ...] = ("test", "validation")
    revision: str = "main"
    column: str = "text"


# The hub converts repositories of Python scripts to Parquet, on a branch of its own.
_CONVERTED = "refs/convert/parquet"
_ON_HUB = {
    "wikitext2": _Place(
        "wikitext",
        "Salesforce/wikitext",
        "wikitext-2-raw-v1/{split}-00000-of-00001.parquet",
        ("test", "validation", "train"),
    ),
    "wikitext103": _Place("wikitext", "Salesforce/wikitext", "wikitext-103-raw-v1/{split}-00000-of-00001.parquet"),
    "ptb": _Place(
        "ptb",
        "ptb-text-only/ptb_text_only",
        "penn_treebank/{split}/0000.parquet",
        revision=_CONVERTED,
        column="sentence",
    ),
    "lambada": _Place("lambada", "EleutherAI/lambada_openai", "data/lambada_{split}.jsonl", ("test",)),
    "lm1b": _Place(
        "lm1b", "billion-word-benchmark/lm1b", "plain_text/{split}/0000.parquet", ("test",), revision=_CONVERTED
    ),
}
NAMES = tuple(_ON_HUB)


def read_dataset(
    what: str,
    *,
    format: Format | None = None,
    split: Split | None = None,
    detokenise: bool = True,
    text_key: str | None = None,
    progress: TransferProgress = no_progress,
) -> DataSet:
    """Read a data set by its name (`NAMES`), or the file at a path; a name wins over a file (`./ptb` is one).

    `format`: of a file (default: text, read as a `Corpus`, with its `text_key`). `split`: of a named data set
    (default: test). Files that the hub's cache lacks are downloaded, with `progress`.

    Raises `UsageError` for an unknown choice, an empty file or one in another format, `NotLoadableError` for a data set
    that is missing or unreadable, `SeddError` if the hub cannot be reached or pyarrow is missing.
    """
    place = _ON_HUB.get(what)
    if text_key is not None and (place is not None or format not in (None, "text")):
        raise UsageError(f"the key of the text in {what} is fixed by its format", "--text-key is for format text.")
    if place is None:
        if split is not None:
            raise UsageError(f"{what!r} has no splits: it is no data set by name", f"Those are {', '.join(NAMES)}.")
        name, format = Path(what).name, format or "text"
        rows, source, notes = _rows_of_file(expand_path(what), what, format, text_key)
    else:
        if format not in (None, place.format):
            raise UsageError(
                f"{what} is of format {place.format}, not {format}", f"A format is for files; a file is ./{what}."
            )
        name, format, split = what, place.format, split or "test"
        (rows, source), notes = _rows_of_hub(what, place, split, progress), ()
    if not any(row.strip() for row in rows):
        raise UsageError(f"{what} holds no text", "Give a data set with at least one row.")
    apply = DETOKENISERS.get(format) if detokenise else None
    documents = tuple(rows) if apply is None else tuple(map(apply, rows))
    return DataSet(name, documents, source, split, format, format if apply else "none", notes + _notes(format, rows))


def _notes(format: Format, rows: Sequence[str]) -> tuple[str, ...]:
    """The differences of a WikiText from that of the papers."""
    notes = []
    if format == "wikitext" and "" not in rows:
        notes.append("no empty rows: WikiText has them, a third of all, each an end-of-text token of its own")
    if format == "wikitext" and any("<unk>" in row for row in rows):
        notes.append("rows hold <unk>: this is not the raw WikiText, which the papers take")
    return tuple(notes)


def _rows_of_hub(name: str, place: _Place, split: Split, progress: TransferProgress) -> tuple[list[str], str]:
    if split not in place.splits:
        raise UsageError(f"{name} has no split {split!r}", f"It has: {', '.join(place.splits)}.")
    file = place.file.format(split=split)
    if file.endswith(".parquet"):
        _require_pyarrow()
    path, commit = dataset_file(place.repository, file, place.revision, progress)
    source = f"hub {place.repository}, commit {commit}, {file}"
    if file.endswith(".parquet"):
        return _parquet(path, place.column, f"{file} of {place.repository}"), source
    return list(read_jsonl(path)), source


def _require_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise SeddError("this data set is a Parquet file, which needs pyarrow", "Install sedd-cli[eval].") from error


def _parquet(path: Path, column: str, title: str) -> list[str]:
    """The rows of a column of text."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if column not in names:
                raise NotLoadableError(
                    f"{title} has no column {column!r}, but {', '.join(names)}", "Give a local file instead."
                )
            rows: list[str] = file.read(columns=[column]).column(column).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise NotLoadableError(f"{title} is not a Parquet file: {error}", "Give a local file instead.") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, str):
            raise NotLoadableError(f"row {number} of {title} is not text: {row!r}", "Give a local file instead.")
    return rows


def _rows_of_file(
    file: Path, what: str, format: Format, text_key: str | None
) -> tuple[list[str], str, tuple[str, ...]]:
    """The rows of a file, where they are from, and what is to be noted of that."""
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}", f"One of {', '.join(FORMATS)}.")
    data = _bytes(file, what)
    source = f"file {file.name}, sha256 {hashlib.sha256(data).hexdigest()}"
    if format == "text":
        reading = next(Corpus(file, text_key=text_key).readings())
        note = () if reading.text_key is None else (f'documents are the "{reading.text_key}" of {reading.kind}',)
        return list(reading.documents), source, note
    if format == "lambada":
        return list(read_jsonl(file)), source, ()
    rows = list(io.StringIO("".join(read_lines(file)), newline=None))
    if rows and _is_object(rows[0]):
        raise UsageError(
            f"{file}:1 is a JSON object, not a row of {format}", 'Lines like {"text": "..."} are of format lambada.'
        )
    if format == "wikitext":
        return [row if row.strip() else "" for row in rows], source, ()
    return [row.strip() for row in rows], source, ()


def _bytes(file: Path, what: str) -> bytes:
    """The content of a file, which is not empty."""
    try:
        if file.exists() and not file.is_file():
            kind = "folder" if file.is_dir() else "pipe or device"
            raise UsageError(f"{what!r} is a {kind}, not a file", "Give a file, or a data set by name.")
        data = file.read_bytes()
    except FileNotFoundError:
        close = get_close_matches(what.lower().replace("-", "").replace("_", ""), NAMES, n=1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise NotLoadableError(
            f"there is no data set {what!r}, and no such file",
            f"{hint}By name there are {', '.join(NAMES)}; any other is a file's path.",
        ) from None
    except OSError as error:
        raise NotLoadableError(f"cannot read {file}: {error.strerror}", "Check its permissions.") from error
    if not data:
        raise UsageError(f"{file} is empty", "Give a data set with at least one row.")
    return data


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
