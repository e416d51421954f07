"""Read corpora: files and folders to documents, one at a time, whatever the size."""

import json
from collections.abc import Iterator
from pathlib import Path

from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.text.byte_level import END_OF_TEXT

SUFFIXES = (".txt", ".text", ".md", ".jsonl")


def corpus_files(path: Path) -> list[Path]:
    """The file itself, or the text files of a folder in order, without hidden ones (`.git`) and training runs.

    Raises `NotLoadableError` if there are none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise NotLoadableError(f"there is no corpus at {path}", "Give a text file, a .jsonl file or a folder of them.")
    paths = list(path.rglob("*"))
    runs = {p.parent for p in paths if p.name == "recipe.json"} - {path}
    files = sorted(p for p in paths if p.suffix in SUFFIXES and p.is_file() and not _is_excluded(p, path, runs))
    if not files:
        raise NotLoadableError(f"{path} holds no text", f"A corpus folder holds {', '.join(SUFFIXES)} files.")
    return files


def _is_excluded(file: Path, corpus: Path, runs: set[Path]) -> bool:
    """Whether a file of the folder is hidden or belongs to a training run."""
    hidden = any(part.startswith(".") for part in file.relative_to(corpus).parts)
    return hidden or not runs.isdisjoint(file.parents)


def read_documents(path: Path, separator: str | None = None) -> Iterator[str]:
    """Yield the documents of a corpus in order, without separators; empty ones are skipped.

    Text is split at lines equal to `separator`; by default at `<|endoftext|>` lines if the file has one, else at blank
    lines. A .jsonl file has one document per line, in its "text". Raises `NotLoadableError` for a file that cannot be
    read or is not UTF-8.
    """
    for file in corpus_files(path):
        if file.suffix == ".jsonl":
            yield from (text for text in read_jsonl(file) if text.strip())
        else:
            yield from _split(file, _separator_of(file) if separator is None else separator)


def read_lines(file: Path) -> Iterator[str]:
    """Yield the lines of a file with their endings. Raises `NotLoadableError` if it cannot be read or is not UTF-8."""
    offset = 0
    try:
        with file.open("rb") as stream:
            for line in stream:
                yield line.decode()
                offset += len(line)
    except UnicodeDecodeError as error:
        raise NotLoadableError(
            f"{file} is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {offset + error.start}",
            "Convert it first, for example with iconv -t UTF-8.",
        ) from None
    except OSError as error:
        raise NotLoadableError(
            f"cannot read {file}: {error.strerror}", "Check the path and its permissions."
        ) from error


def _separator_of(file: Path) -> str:
    return END_OF_TEXT if any(line.rstrip("\r\n") == END_OF_TEXT for line in read_lines(file)) else ""


def _split(file: Path, separator: str) -> Iterator[str]:
    document: list[str] = []
    for line in read_lines(file):
        if line.strip("\r\n" if separator else None) == separator:
            yield from _nonempty(document)
            document = []
        else:
            document.append(line)
    yield from _nonempty(document)


def _nonempty(lines: list[str]) -> Iterator[str]:
    text = "".join(lines).strip("\r\n")
    if text.strip():
        yield text


def read_jsonl(file: Path) -> Iterator[str]:
    """Yield the "text" of each line, also if empty; skip blank lines. Raises `UsageError` for a line without one."""
    for number, line in enumerate(read_lines(file), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(
                f"{file}:{number} is not JSON: {error.msg}", "A .jsonl file has one object a line."
            ) from None
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise UsageError(f'{file}:{number} has no "text"', 'Each line reads like {"text": "..."}.')
        if not _is_unicode(record["text"]):
            raise UsageError(f"{file}:{number} holds half a surrogate pair", "Write the character whole.")
        yield record["text"]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
